//! `status`: every project, as it is now.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::engine::{Request, clock};
use crate::plan::{Decision, Step};

use super::exit::{Exit, Failure};
use super::named::Named;
use super::survey::{self, survey};
use super::table::{print, print_json, relative, span, stamp, table};
use super::{Output, setup};

pub(super) fn run(file: Option<&Path>, output: Output) -> Result<Exit, Failure> {
    let (engine, _) = setup::command(file, true)?;
    let survey = survey(&engine, &Request::default())?;
    let now = clock::now();
    let projects: Vec<Row> = survey.plan.steps.iter().map(|step| Row::new(step, now)).collect();
    let held = survey.plan.vanished.held.as_ref().map(ToString::to_string);
    let document = Document { projects, problems: survey.blind.iter().cloned().chain(held).collect() };
    match output {
        Output::Table => print(&text(&document, now))?,
        Output::Json => print_json(&document)?,
    }
    Ok(survey::exit(&survey))
}

/// The document that `status --output json` prints.
#[derive(Serialize)]
struct Document {
    projects: Vec<Row>,
    problems: Vec<String>,
}

/// One project.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    named: Named,
    /// The fingerprint of the published key.
    key: Option<String>,
    version: Option<u64>,
    rotated_at: Option<String>,
    age_seconds: Option<i64>,
    next_rotation_at: Option<String>,
    overlap_seconds: u64,
    retiring: Vec<Retiring>,
    decision: &'static str,
    reason: &'static str,
    problem: Option<String>,
    #[serde(skip)]
    rotated: Option<DateTime<Utc>>,
    #[serde(skip)]
    next: Option<DateTime<Utc>>,
}

/// A key that waits for the end of its overlap.
#[derive(Serialize)]
struct Retiring {
    key: String,
    since: String,
    revoked_after: String,
}

impl Row {
    pub(super) fn new(step: &Step, now: DateTime<Utc>) -> Self {
        let target = &step.observed.target;
        let ours = step.observed.ours();
        let rotated = ours.and_then(|published| published.rotated_at);
        Self {
            named: Named::new(&target.project, target.place.as_ref().ok()),
            key: ours
                .and_then(|published| published.api_key.as_ref())
                .map(|key| key.fingerprint().to_string()),
            version: ours.map(|published| published.version),
            rotated_at: rotated.map(stamp),
            age_seconds: rotated.map(|time| (now - time).num_seconds()),
            next_rotation_at: step.next_rotation_at.map(stamp),
            overlap_seconds: target.rule.overlap.as_secs(),
            retiring: step
                .waiting
                .iter()
                .map(|waiting| Retiring {
                    key: waiting.key.to_string(),
                    since: stamp(waiting.since),
                    revoked_after: stamp(waiting.deadline),
                })
                .collect(),
            decision: step.decision.label(),
            reason: step.decision.reason(),
            problem: match &step.decision {
                Decision::Hold(hold) if hold.is_problem() => Some(hold.to_string()),
                _ => None,
            },
            rotated,
            next: step.next_rotation_at,
        }
    }
}

fn text(document: &Document, now: DateTime<Utc>) -> String {
    let dash = || "-".to_owned();
    let rows = document.projects.iter().map(|row| {
        [
            row.named.full_name().to_owned(),
            row.key.clone().unwrap_or_else(dash),
            row.version.map_or_else(dash, |version| version.to_string()),
            row.rotated.map_or_else(dash, |time| span(now - time)),
            row.next.map_or_else(dash, |time| relative(time, now)),
            row.retiring.len().to_string(),
            row.reason.to_owned(),
            row.named.shown_path(),
        ]
    });
    let header = ["PROJECT", "KEY", "VERSION", "AGE", "NEXT ROTATION", "RETIRING", "STATE", "PATH"];
    let mut text = table(header, rows);
    for row in &document.projects {
        if let Some(problem) = &row.problem {
            text += &format!("\n{}: {problem}\n", row.named.full_name());
        }
    }
    for problem in &document.problems {
        text += &format!("\nproblem: {problem}\n");
    }
    text
}
