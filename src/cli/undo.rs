//! `undo`: disabled keys come back.

use std::path::Path;

use clap::Args;

use crate::engine::Request;

use super::deeds::{Document, fingerprints};
use super::exit::{Exit, Failure};
use super::projects::Projects;
use super::{pass, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    projects: Projects,
    /// This key, by its fingerprint; may be repeated
    #[arg(long = "key", value_name = "FINGERPRINT")]
    keys: Vec<String>,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    if !options.projects.are_named() && options.keys.is_empty() {
        let which = "undo needs to know which keys: add --key FINGERPRINT, --project PROJECT, --organization ORGANIZATION, \
                     or --all for every project";
        return Err(Failure::new(Exit::Usage, which));
    }
    let keys = fingerprints(&options.keys)?;
    let request = Request {
        only: options.projects.only()?,
        // A key that a person made is brought back only by its name.
        inventory: !keys.is_empty(),
        command: "undo",
        ..Request::default()
    };
    let (engine, _) = setup::command(file, true)?;
    let deeds = pass::stoppable(&engine, async |stop| engine.undo(&request, &keys, stop).await)??;
    Document::new(&deeds).print(options.report.output)
}
