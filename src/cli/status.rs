//! `status`: every project, as it is now.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::daemon::named::Named;
use crate::daemon::status::{Lease, Status};
use crate::daemon::times::{relative, span};
use crate::engine::standing::Standing;
use crate::engine::{Request, clock, event};

use super::exit::{Exit, Failure};
use super::survey::{self, survey};
use super::table::{print, print_json, table};
use super::{Output, setup};

pub(super) fn run(file: Option<&Path>, output: Output) -> Result<Exit, Failure> {
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
            standing.next_rotation_at.map_or_else(dash, |time| relative(time, now)),
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
