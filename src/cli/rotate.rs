//! `rotate`: one pass, and exit.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::daemon::named::Named;
use crate::engine::Request;
use crate::engine::event::chain;
use crate::engine::report::{Outcome, PassReport, ProjectReport};
use crate::plan::Decision;

use super::emergency::{self, Emergency};
use super::exit::{Exit, Failure};
use super::plan::with_out_of_reach;
use super::projects::Projects;
use super::table::{print, print_json, table};
use super::{Output, pass, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    projects: Projects,
    #[command(flatten)]
    emergency: Emergency,
    /// Do not ask before an emergency
    #[arg(long, requires = "revoke_previous_now")]
    yes: bool,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let request = request(options)?;
    // On a terminal the progress line and the table say what the log would.
    let (engine, _) = setup::command(file, std::io::stderr().is_terminal())?;
    let cut = request.asked.cut();
    let report = match cut {
        None => pass::run(&engine, &request)?,
        Some(cut) => emergency::run(&engine, &request, cut, options.yes)?,
    };
    match options.report.output {
        Output::Table => print(&text(&report))?,
        Output::Json => print_json(&Document::from(&report))?,
    }
    Ok(exit(&report, cut.is_some()))
}

fn request(options: &Options) -> Result<Request, Failure> {
    let asked = options.emergency.asked(options.projects.are_named())?;
    let command = if asked.cut().is_some() { "rotate --revoke-previous-now" } else { "rotate" };
    Ok(Request { only: options.projects.only()?, asked, command, ..Request::default() })
}

/// When nothing at all could be done for one and the same reason, that reason is the exit code.
fn exit(report: &PassReport, emergency: bool) -> Exit {
    let done = report.is_clean() && !(emergency && report.not_published() > 0);
    match (done, report.is_refused()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::NotPermitted,
        (false, false) => Exit::SomeFailed,
    }
}

/// The document that `rotate --output json` prints.
#[derive(Serialize)]
struct Document {
    projects: Vec<Row>,
    published: usize,
    retired: usize,
    disabled: usize,
    reshaped: usize,
    failed: usize,
    vanished: Vec<String>,
    problems: Vec<String>,
    requests: u64,
    duration_ms: u64,
    interrupted: bool,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    named: Named,
    decision: &'static str,
    reason: &'static str,
    outcome: &'static str,
    key: Option<String>,
    version: Option<u64>,
    problem: Option<String>,
}

impl From<&PassReport> for Document {
    fn from(report: &PassReport) -> Self {
        Self {
            projects: report.projects.iter().map(Row::from).collect(),
            published: report.published(),
            retired: report.retired.len(),
            disabled: report.disabled.len(),
            reshaped: report.reshaped(),
            failed: report.failed(),
            vanished: report.vanished.iter().map(ToString::to_string).collect(),
            problems: report.fleet_problems(),
            requests: report.requests,
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            interrupted: report.interrupted,
        }
    }
}

impl From<&ProjectReport> for Row {
    fn from(report: &ProjectReport) -> Self {
        let ProjectReport { standing, decision, outcome, unstamped, out_of_reach } = report;
        let written = match outcome {
            Outcome::Published(publication, version)
            | Outcome::Enrolled(publication, version)
            | Outcome::Reshaped(publication, version) => {
                Some((publication.api_key.fingerprint().to_string(), *version))
            }
            _ => None,
        };
        let (key, version) = written.unzip();
        Self {
            named: Named::from(standing),
            decision: decision.label(),
            reason: decision.reason(),
            outcome: outcome.label(),
            key,
            version,
            problem: problem(decision, outcome)
                .map(|why| with_out_of_reach(&why, out_of_reach))
                .or_else(|| unstamped.as_ref().map(|error| chain(error))),
        }
    }
}

fn problem(decision: &Decision, outcome: &Outcome) -> Option<String> {
    match (decision, outcome) {
        (_, Outcome::Failed(failure)) => Some(chain(failure)),
        (Decision::Hold(hold), _) if hold.is_problem() => Some(hold.to_string()),
        _ => None,
    }
}

fn text(report: &PassReport) -> String {
    let document = Document::from(report);
    let shown = |row: &&Row| row.outcome != "held" || row.reason != "up_to_date";
    let dash = || "-".to_owned();
    let rows: Vec<_> = document
        .projects
        .iter()
        .filter(shown)
        .map(|row| {
            [
                row.named.full_name().to_owned(),
                row.outcome.to_owned(),
                row.reason.to_owned(),
                row.key.clone().unwrap_or_else(dash),
                row.version.map_or_else(dash, |version| version.to_string()),
                row.named.shown_path(),
            ]
        })
        .collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &table(["PROJECT", "OUTCOME", "REASON", "KEY", "VERSION", "PATH"], rows);
        text.push('\n');
    }
    for row in document.projects.iter().filter(|row| row.problem.is_some()) {
        let problem = row.problem.as_deref().unwrap_or_default();
        text += &format!("{}: {problem}\n", row.named.full_name());
    }
    for problem in &document.problems {
        text += &format!("problem: {problem}\n");
    }
    let Document { published, retired, disabled, reshaped, failed, requests, .. } = document;
    let some =
        |count: usize, what: &str| if count == 0 { String::new() } else { format!("{count} {what}, ") };
    let (reshaped, disabled) = (some(reshaped, "reshaped"), some(disabled, "disabled"));
    let total = document.projects.len();
    text += &format!(
        "{total} projects: {published} published, {reshaped}{retired} keys retired, {disabled}{failed} with problems; \
         {requests} requests against the budget\n"
    );
    if document.interrupted {
        text += "interrupted: what was not begun is left to the next pass\n";
    }
    text
}
