//! `plan`: the decisions of a pass, and what they would cost; nothing is written.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::daemon::named::Named;
use crate::daemon::times::stamp;
use crate::engine::{Engine, Survey};
use crate::exceptionless::MAX_DELETED_AT_ONCE;
use crate::plan::world::Stray;
use crate::plan::{Decision, Step, retire};

use super::exit::{Exit, Failure};
use super::projects::Projects;
use super::survey::{self, survey};
use super::table::{print, print_json, table};
use super::{Output, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    projects: Projects,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let request = options.projects.request()?;
    let (engine, _) = setup::command(file, true)?;
    let survey = survey(&engine, &request)?;
    let document = Document::new(&engine, &survey);
    match options.report.output {
        Output::Table => print(&text(&document))?,
        Output::Json => print_json(&document)?,
    }
    Ok(survey::exit(&survey))
}

/// The document that `plan --output json` prints.
#[derive(Serialize)]
struct Document {
    projects: Vec<Row>,
    vanished: Vanishing,
    problems: Vec<String>,
    budget: Budget,
    next_pass_at: Option<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    named: Named,
    decision: &'static str,
    reason: &'static str,
    explanation: String,
    retire: usize,
    next_rotation_at: Option<String>,
}

/// The secrets of deleted projects.
#[derive(Serialize)]
struct Vanishing {
    mark: Vec<String>,
    delete: Vec<String>,
    held: Vec<String>,
}

/// Requests that count against the Exceptionless budget.
#[derive(Serialize)]
struct Budget {
    listing: u64,
    mint: u64,
    retire: u64,
    total: u64,
    limit: Option<u64>,
    remaining: Option<u64>,
    reserve: Option<u64>,
}

impl Document {
    fn new(engine: &Engine, survey: &Survey) -> Self {
        let clocks = engine.clocks();
        let retire = |step: &Step| retire::ripe(step, &clocks).count();
        let steps = &survey.plan.steps;
        let retired = steps.iter().map(retire).sum::<usize>() as u64;
        let mint = steps.iter().filter(|step| matches!(step.decision, Decision::Rotate(_))).count() as u64;
        let listing = engine.exceptionless.throttled_requests();
        let retire_requests = retired.div_ceil(MAX_DELETED_AT_ONCE as u64);
        let window = engine.exceptionless.budget();
        let paths = |strays: &[Stray]| strays.iter().map(|stray| stray.path.to_string()).collect();
        Self {
            projects: steps
                .iter()
                .map(|step| {
                    let target = &step.observed.target;
                    Row {
                        named: Named::new(&target.project, target.place.as_ref().ok()),
                        decision: step.decision.label(),
                        reason: step.decision.reason(),
                        explanation: step.decision.to_string(),
                        retire: retire(step),
                        next_rotation_at: step.next_rotation_at.map(stamp),
                    }
                })
                .collect(),
            vanished: Vanishing {
                mark: paths(&survey.plan.vanished.mark),
                delete: paths(&survey.plan.vanished.delete),
                held: survey
                    .plan
                    .vanished
                    .held
                    .as_ref()
                    .map(|brake| paths(&brake.vanished))
                    .unwrap_or_default(),
            },
            problems: survey.blind.clone(),
            budget: Budget {
                listing,
                mint,
                retire: retire_requests,
                total: listing + mint + retire_requests,
                limit: window.map(|budget| budget.limit),
                remaining: window.map(|budget| budget.remaining),
                reserve: window.map(|budget| budget.reserve),
            },
            next_pass_at: survey.plan.wake_at.map(stamp),
        }
    }
}

fn text(document: &Document) -> String {
    let dash = || "-".to_owned();
    let rows = document.projects.iter().map(|row| {
        [
            row.named.full_name().to_owned(),
            row.decision.to_owned(),
            row.reason.to_owned(),
            row.retire.to_string(),
            row.next_rotation_at.clone().unwrap_or_else(dash),
            row.named.shown_path(),
        ]
    });
    let mut text = table(["PROJECT", "DECISION", "REASON", "RETIRE", "NEXT ROTATION", "PATH"], rows);
    text.push('\n');
    let problem = |row: &&Row| row.decision == "hold" && row.reason != "up_to_date";
    for row in document.projects.iter().filter(problem) {
        text += &format!("{}: {}\n", row.named.full_name(), row.explanation);
    }
    let Vanishing { mark, delete, held } = &document.vanished;
    for (paths, fate) in [
        (mark, "is marked and kept"),
        (delete, "is deleted"),
        (held, "stays, since too many vanished at once"),
    ] {
        for path in paths {
            text += &format!("{path}: its project no longer exists; the secret {fate}\n");
        }
    }
    for problem in &document.problems {
        text += &format!("problem: {problem}\n");
    }
    let Budget { listing, mint, retire, total, limit, remaining, reserve } = &document.budget;
    text += &format!("budget: {listing} requests to look, {mint} to mint, {retire} to revoke: {total}");
    text += &match (limit, remaining, reserve) {
        (Some(limit), Some(remaining), Some(reserve)) => {
            format!(
                "; {remaining} of {limit} are left in this window, {reserve} of them reserved for people\n"
            )
        }
        _ => "; the server does not limit requests\n".to_owned(),
    };
    text
}
