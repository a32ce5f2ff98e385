//! `status`: every project, as it is now.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::daemon::named::Named;
use crate::daemon::status::{Lease, Status};
use crate::daemon::times::{relative, span};
use crate::engine::standing::Standing;
use crate::engine::{Request, clock, event};

use super::exit::{Exit, Failure};
use super::survey::{self, survey};
use super::table::{print, print_json, table};
use super::{Output, keys, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Every key instead, whosever it is: who looks after it, how it stands, its age, end and scopes
    #[arg(long)]
    keys: bool,
    /// Only keys that nobody manages
    #[arg(long)]
    unmanaged: bool,
    /// Only keys that are older, such as 90d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let output = options.report.output;
    if options.keys || options.unmanaged || options.older_than.is_some() {
        let wanted = keys::Wanted { unmanaged: options.unmanaged, older_than: options.older_than };
        return keys::run(file, &wanted, output);
    }
    let (engine, _) = setup::command(file, true)?;
    let survey = survey(&engine, &Request::default())?;
    let lease = setup::block_on(engine.read_lease())?;
    let now = clock::now();
    let standings: Vec<Standing> = survey.plan.steps.iter().map(Standing::seen).collect();
    let held = survey.plan.vanished.held.as_ref().map(ToString::to_string);
    let (lease, unheld) = match lease {
        Ok(lease) => (lease.clone().map(Lease::from), lease.and_then(|lease| lease.conflict)),
        Err(error) => (None, Some(event::chain(&error))),
    };
    let exit = if unheld.is_some() { Exit::SomeFailed } else { survey::exit(&survey) };
    let unheld = unheld.map(|why| format!("no replica can hold the lease: {why}"));
    let problems = survey.blind.iter().cloned().chain(held).chain(unheld).collect();
    match output {
        Output::Table => print(&text(&standings, lease.as_ref(), problems, now))?,
        Output::Json => print_json(&Status::new(&standings, lease, problems, now))?,
    }
    Ok(exit)
}

fn text(standings: &[Standing], lease: Option<&Lease>, problems: Vec<String>, now: DateTime<Utc>) -> String {
    let dash = || "-".to_owned();
    let rows = standings.iter().map(|standing| {
        [
            standing.project.full_name(),
            standing.key.map_or_else(dash, |key| key.to_string()),
            standing.version.map_or_else(dash, |version| version.to_string()),
            standing.rotated_at.map_or_else(dash, |time| span(now - time)),
            match standing.wanting {
                // The next pass does not wait for the schedule.
                true => "now".to_owned(),
                false => standing.next_rotation_at.map_or_else(dash, |time| relative(time, now)),
            },
            standing.waiting.len().to_string(),
            standing.reason.to_owned(),
            Named::from(standing).shown_path(),
        ]
    });
    let header = ["PROJECT", "KEY", "VERSION", "AGE", "NEXT ROTATION", "RETIRING", "STATE", "PATH"];
    let mut text = table(header, rows);
    for standing in standings {
        if let Some(problem) = &standing.problem {
            text += &format!("\n{}: {}\n", standing.project.full_name(), problem.text);
        }
    }
    if let Some(Lease { holder, renewed_at, .. }) = lease {
        let renewed = renewed_at.as_ref().map_or_else(String::new, |time| format!(", written {time}"));
        text += &format!("\nlease: held by {}{renewed}\n", holder.as_deref().unwrap_or("nobody"));
    }
    for problem in problems {
        text += &format!("\nproblem: {problem}\n");
    }
    text
}
