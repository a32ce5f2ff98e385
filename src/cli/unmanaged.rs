//! `retire-unmanaged`: for teams who move over from keys made by hand.
//!
//! First the plan, then, on a terminal, the question. These are other people's keys: where nobody can be asked, the
//! command line must say yes.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use crate::daemon::times::span;
use crate::domain::clocks::time_text;
use crate::engine::{Engine, Found, Refused, Request, Wish};

use super::deeds::{Document, fingerprints};
use super::exit::{Exit, Failure};
use super::projects::Choice;
use super::table::{printable, table};
use super::{confirm, pass, progress, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only keys that are older, such as 90d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Duration,
    #[command(flatten)]
    projects: Choice,
    /// This key, by its fingerprint; may be repeated
    #[arg(long = "key", value_name = "FINGERPRINT")]
    keys: Vec<String>,
    /// Delete those that are disabled already, instead of disabling those that are not
    #[arg(long)]
    delete: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let asks = !options.yes;
    if asks && !confirm::somebody_is_there() {
        let why = "retire-unmanaged ends keys that people made, and nobody is here to be asked: add --yes, after a look at \
                   `status --unmanaged --older-than AGE`";
        return Err(Failure::new(Exit::Usage, why));
    }
    let command = if options.delete { "retire-unmanaged --delete" } else { "retire-unmanaged" };
    let request = Request { only: options.projects.only()?, inventory: true, command, ..Request::default() };
    let wish =
        Wish { older_than: options.older_than, keys: fingerprints(&options.keys)?, delete: options.delete };
    let (engine, _) = setup::command(file, confirm::somebody_is_there())?;
    let mut found = find(&engine, &request, &wish)?;
    if confirm::somebody_is_there() {
        eprint!("{}", plan(&engine, &found, &wish));
    }
    if asks && !found.keys.is_empty() {
        let word = if wish.delete { "delete" } else { "disable" };
        let question = match wish.delete {
            true => "They go for ever.",
            false => "Applications that hold one of these keys fail; `undo --key` brings a key back.",
        };
        confirm::ask(question, word)?;
        // The answer may have taken its time. Nothing is ended that was not shown.
        let shown = found.keys.iter().map(|one| one.key.fingerprint()).collect();
        let first = std::mem::take(&mut found);
        found = find(&engine, &request, &Wish { keys: shown, ..wish.clone() })?;
        found.inherit(first);
    }
    let deeds =
        pass::stoppable(&engine, async |stop| engine.end_unmanaged(&request, found, &wish, stop).await)?;
    Document::new(&deeds).print(options.report.output)
}

fn find(engine: &Engine, request: &Request, wish: &Wish) -> Result<Found, Failure> {
    let work = engine.find_unmanaged(request, wish);
    Ok(setup::block_on(progress::shown(engine.progress.subscribe(), work))??)
}

/// What is about to happen, for who must answer for it.
fn plan(engine: &Engine, found: &Found, wish: &Wish) -> String {
    let now = engine.clocks().earliest();
    let age = |created| span(TimeDelta::max(now - created, TimeDelta::zero()));
    let rows = found.keys.iter().map(|one| {
        [one.project.full_name(), one.key.fingerprint().to_string(), age(one.created), time_text(one.created)]
    });
    let mut text = table(["PROJECT", "KEY", "AGE", "MINTED"], rows);
    let (number, done) = (found.keys.len(), if wish.delete { "delete" } else { "disable" });
    text += &format!("\n{number} keys that nobody manages to {done}: {number} requests against the budget\n");
    for Refused { key, why, .. } in &found.refused {
        text += &format!("key {key} stays: {why}\n");
    }
    printable(&text)
}
