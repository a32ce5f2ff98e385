//! `plan`: the decisions of a pass, and what they would cost; nothing is written.

use std::fmt;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::daemon::named::Named;
use crate::domain::clocks::{Clocks, time_text};
use crate::engine::inventory::{Entry, out_of_reach};
use crate::engine::{Engine, Request, Survey};
use crate::exceptionless::MAX_DELETED_AT_ONCE;
use crate::plan::emergency::{Cut, bereft, doomed};
use crate::plan::moved::Fate;
use crate::plan::retire::Stage;
use crate::plan::world::Stray;
use crate::plan::{Decision, Step, retire};

use super::emergency::Emergency;
use super::exit::{Exit, Failure};
use super::projects::Projects;
use super::survey::{self, survey};
use super::table::{print, print_json, printable, table};
use super::{Output, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    projects: Projects,
    #[command(flatten)]
    emergency: Emergency,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let asked = options.emergency.asked(options.projects.are_named())?;
    let request = Request { only: options.projects.only()?, asked, command: "plan", ..Request::default() };
    let (engine, _) = setup::command(file, true)?;
    let survey = survey(&engine, &request)?;
    let document = Document::new(&engine, &request, &survey);
    match options.report.output {
        Output::Table if asked.cut().is_some() => print(&document.emergency())?,
        Output::Table => print(&text(&document))?,
        Output::Json => print_json(&document)?,
    }
    Ok(survey::exit(&survey))
}

/// The document that `plan --output json` prints.
#[derive(Serialize)]
pub(super) struct Document {
    projects: Vec<Row>,
    vanished: Vanishing,
    moved: Moving,
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
    key: Option<String>,
    retire: usize,
    revoke: Vec<String>,
    disable: Vec<String>,
    out_of_reach: Vec<String>,
    next_rotation_at: Option<String>,
}

impl Row {
    fn new(step: &Step, clocks: &Clocks, cut: Option<Cut>, inventory: &[Entry]) -> Self {
        let target = &step.observed.target;
        let published = step.observed.ours().and_then(|ours| ours.api_key.as_ref());
        let ripe = |wanted| retire::ripe(step, clocks).filter(move |(_, stage)| *stage == wanted);
        let ripe = |wanted| ripe(wanted).map(|(key, _)| key.fingerprint.to_string()).collect();
        let (revoke, disable): (Vec<_>, Vec<_>) = match cut {
            Some(cut) => (doomed(step, cut).map(|key| key.fingerprint.to_string()).collect(), Vec::new()),
            None => (ripe(Stage::Delete), ripe(Stage::Disable)),
        };
        let stays = cut.map(|cut| out_of_reach(step, cut, inventory)).unwrap_or_default();
        Self {
            named: Named::new(&target.project, target.place.as_ref().ok()),
            decision: step.decision.label(),
            reason: step.decision.reason(),
            explanation: step.decision.to_string(),
            key: published.map(|key| key.fingerprint().to_string()),
            retire: revoke.len() + disable.len(),
            revoke,
            disable,
            out_of_reach: stays.iter().map(ToString::to_string).collect(),
            next_rotation_at: step.next_rotation_at.map(time_text),
        }
    }
}

/// The secrets of deleted projects.
#[derive(Serialize)]
struct Vanishing {
    mark: Vec<String>,
    delete: Vec<String>,
    held: Vec<String>,
}

/// The secrets at paths where projects no longer live.
#[derive(Serialize)]
struct Moving {
    mark: Vec<String>,
    delete: Vec<String>,
    bereft: Vec<String>,
}

/// Requests that count against the Exceptionless budget.
#[derive(Serialize)]
struct Budget {
    listing: u64,
    mint: u64,
    retire: u64,
    disable: u64,
    total: u64,
    limit: Option<u64>,
    remaining: Option<u64>,
    reserve: Option<u64>,
}

impl Document {
    pub(super) fn new(engine: &Engine, request: &Request, survey: &Survey) -> Self {
        let cut = request.asked.cut();
        let clocks = engine.clocks();
        let steps = &survey.plan.steps;
        let row = |step| Row::new(step, &clocks, cut, &survey.inventory);
        let projects: Vec<Row> = steps.iter().map(row).collect();
        let revoked: usize = projects.iter().map(|row| row.revoke.len()).sum();
        let disable = projects.iter().map(|row| row.disable.len() as u64).sum();
        let mint = steps.iter().filter(|step| matches!(step.decision, Decision::Rotate(_))).count() as u64;
        let listing = engine.exceptionless.throttled_requests();
        let retire = revoked.div_ceil(MAX_DELETED_AT_ONCE) as u64;
        let window = engine.exceptionless.budget();
        let paths = |strays: &[Stray]| strays.iter().map(|stray| stray.path.to_string()).collect();
        let bereft = cut.into_iter().flat_map(|cut| steps.iter().flat_map(move |step| bereft(step, cut)));
        Self {
            projects,
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
            moved: Moving {
                mark: former(steps, Fate::Marked),
                delete: former(steps, Fate::Withdrawn),
                bereft: bereft.map(|(former, _)| former.stray.path.to_string()).collect(),
            },
            problems: survey.blind.clone(),
            budget: Budget {
                listing,
                mint,
                retire,
                disable,
                total: listing + mint + retire + disable,
                limit: window.map(|budget| budget.limit),
                remaining: window.map(|budget| budget.remaining),
                reserve: window.map(|budget| budget.reserve),
            },
            next_pass_at: survey.plan.wake_at.map(time_text),
        }
    }

    /// How many keys are minted, and how many revoked.
    pub(super) fn keys(&self) -> (u64, u64) {
        (self.budget.mint, self.projects.iter().map(|row| row.revoke.len() as u64).sum())
    }

    /// Whether anything is left to do.
    pub(super) fn does_something(&self) -> bool {
        self.keys() != (0, 0)
    }

    /// What an emergency does, for who must answer for it: each key by its fingerprint.
    pub(super) fn emergency(&self) -> String {
        let (minted, revoked) = self.keys();
        if self.projects.is_empty() {
            return "no project has a key that was minted before that time\n".to_owned();
        }
        let rows = self.projects.iter().map(|row| {
            [
                row.named.full_name().to_owned(),
                row.key.clone().unwrap_or_else(|| "-".to_owned()),
                row.decision.to_owned(),
                if row.revoke.is_empty() { "-".to_owned() } else { row.revoke.join(",") },
            ]
        });
        let mut text = table(["PROJECT", "KEY", "DECISION", "REVOKED AT ONCE"], rows);
        text.push('\n');
        text += &explanations(self);
        for path in &self.moved.bereft {
            text += &format!(
                "{path}: its project lives elsewhere now, and the key that it publishes is revoked\n"
            );
        }
        text += &format!(
            "{} projects: {minted} keys to mint, {revoked} to revoke at once\n",
            self.projects.len()
        );
        printable(&(text + &self.budget.to_string()))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listing, mint, retire, disable, total, limit, remaining, reserve } = self;
        let requests = |number: u64| format!("{number} request{}", if number == 1 { "" } else { "s" });
        let (look, publish, revoke) = (requests(*listing), requests(*mint), requests(*retire));
        write!(f, "budget: {look} to look, {publish} to mint, {revoke} to revoke")?;
        if *disable > 0 {
            write!(f, ", {} to disable", requests(*disable))?;
        }
        write!(f, ": {total}")?;
        match (limit, remaining, reserve) {
            (Some(limit), Some(remaining), Some(reserve)) => writeln!(
                f,
                "; {remaining} of {limit} are left in this window, {reserve} of them reserved for people"
            ),
            _ => f.write_str("; the server does not limit requests\n"),
        }
    }
}

/// Why nothing can be done about some projects.
fn explanations(document: &Document) -> String {
    let problem = |row: &&Row| row.decision == "hold" && row.reason != "up_to_date";
    let rows = document.projects.iter().filter(problem);
    let told = |row: &Row| with_out_of_reach(&row.explanation, &row.out_of_reach);
    rows.map(|row| format!("{}: {}\n", row.named.full_name(), told(row))).collect()
}

/// Why nothing can be done, and the keys that an emergency does not reach for that reason.
pub(super) fn with_out_of_reach<T: ToString>(why: &str, keys: &[T]) -> String {
    if keys.is_empty() {
        return why.to_owned();
    }
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    format!("{why}; not revoked until then: {}", keys.join(", "))
}

/// The paths of the secrets with this fate.
fn former(steps: &[Step], fate: Fate) -> Vec<String> {
    let moved = steps.iter().flat_map(|step| &step.moved).filter(|former| former.fate == fate);
    moved.map(|former| former.stray.path.to_string()).collect()
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
    text += &explanations(document);
    let Moving { mark, delete, .. } = &document.moved;
    for (paths, fate) in [(mark, "is marked and kept"), (delete, "is withdrawn")] {
        for path in paths {
            text += &format!("{path}: its project lives elsewhere now; the secret {fate}\n");
        }
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
    text + &document.budget.to_string()
}
