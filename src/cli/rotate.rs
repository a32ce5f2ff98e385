//! `rotate`: one pass, and exit.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::daemon::named::Named;
use crate::daemon::signals::Signals;
use crate::engine::Request;
use crate::engine::event::chain;
use crate::engine::report::{Outcome, PassReport, ProjectReport};
use crate::plan::{Asked, Decision};

use super::exit::{Exit, Failure};
use super::projects::Projects;
use super::table::{print, print_json, table};
use super::{Output, progress, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    projects: Projects,
    /// Emergency: revoke the replaced keys at once, without the overlap. Applications that still hold
    /// one fail until they read the secret again
    #[arg(long)]
    revoke_previous_now: bool,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let request = request(options)?;
    // On a terminal the progress line and the table say what the log would.
    let (engine, _) = setup::command(file, std::io::stderr().is_terminal())?;
    let report = setup::block_on(async {
        let signals = Signals::catch()?;
        let pass = engine.pass(&request, &signals.stop);
        let report = progress::shown(engine.progress.subscribe(), pass).await?;
        Ok::<_, Failure>(report)
    })??;
    match options.report.output {
        Output::Table => print(&text(&report))?,
        Output::Json => print_json(&Document::from(&report))?,
    }
    Ok(exit(&report, options.revoke_previous_now))
}

fn request(options: &Options) -> Result<Request, Failure> {
    let request = options.projects.request()?;
    match (options.revoke_previous_now, request.asked) {
        (false, _) => Ok(request),
        (true, Asked::Rotation | Asked::Emergency) => Ok(Request { asked: Asked::Emergency, ..request }),
        (true, Asked::Due) => Err(Failure::new(
            Exit::Usage,
            "--revoke-previous-now needs to know whose keys: add --project PROJECT, or --all for every project",
        )),
    }
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
        let ProjectReport { standing, decision, outcome, unstamped } = report;
        let written = match outcome {
            Outcome::Published(publication, version) | Outcome::Enrolled(publication, version) => {
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
            problem: problem(decision, outcome).or_else(|| unstamped.as_ref().map(|error| chain(error))),
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
    let Document { published, retired, failed, requests, .. } = document;
    let total = document.projects.len();
    text += &format!(
        "{total} projects: {published} published, {retired} keys retired, {failed} with problems; \
         {requests} requests against the budget\n"
    );
    if document.interrupted {
        text += "interrupted: what was not begun is left to the next pass\n";
    }
    text
}
