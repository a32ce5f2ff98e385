//! `config`: what the rotator understood, and where each value comes from.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::setup;
use super::table::print;

pub(super) fn run(file: Option<&Path>) -> Result<Exit, Failure> {
    let loaded = setup::load(file)?;
    print(&loaded.effective.to_string())?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Exit::Done)
}
