//! `explain`: why one project is as it is, what comes next and when, and what blocks it.

use std::path::Path;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::daemon::named::Named;
use crate::daemon::status::Row;
use crate::daemon::times::relative;
use crate::domain::clocks::time_text;
use crate::domain::policy::{Policy, Revocation};
use crate::domain::project::Project;
use crate::domain::secret::Published;
use crate::domain::shape::Shape;
use crate::engine::standing::Standing;
use crate::engine::{PassError, Request, clock};
use crate::plan::moved::{Fate, Former};
use crate::plan::reason::Hold;
use crate::plan::retire::{Stage, Waiting};
use crate::plan::selection::{LeftOut, Only, left_out};
use crate::plan::world::State;
use crate::plan::{Decision, Step};

use super::exit::{Exit, Failure};
use super::projects::patterns;
use super::survey;
use super::table::{print, print_json};
use super::{Output, progress, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The project: an id, a name, or a glob such as "Acme/*"
    project: String,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let projects = patterns("project", std::slice::from_ref(&options.project))?;
    let only = Only { projects, ..Only::default() };
    let request = Request { only, lenient: true, ..Request::default() };
    let (engine, _) = setup::command(file, true)?;
    let (steps, left_out, exit) =
        match setup::block_on(progress::shown(engine.progress.subscribe(), engine.survey(&request)))? {
            Ok(survey) => {
                let left_out = left_out(&engine.policy, &survey.existing, &request.only);
                let exit = survey::exit(&survey);
                (survey.plan.steps, left_out, exit)
            }
            // Whoever asks why a project is left out has not made a mistake.
            Err(PassError::LeftOut { projects }) => (Vec::new(), projects, Exit::Done),
            Err(error) => return Err(error.into()),
        };
    let now = clock::now();
    match options.report.output {
        Output::Table => {
            let explained = steps.iter().map(|step| story(&engine.policy, step, now));
            let texts: Vec<String> = explained.chain(left_out.iter().map(absence)).collect();
            print(&texts.join("\n"))?;
        }
        Output::Json => {
            let explained = |step| Explained::new(&engine.policy, step, now);
            let projects = steps.iter().map(explained).collect();
            print_json(&Document {
                projects,
                not_selected: left_out.iter().map(NotSelected::from).collect(),
            })?;
        }
    }
    Ok(exit)
}

/// The document that `explain --output json` prints.
#[derive(Serialize)]
struct Document {
    projects: Vec<Explained>,
    not_selected: Vec<NotSelected>,
}

/// A project that the configuration leaves out.
#[derive(Serialize)]
struct NotSelected {
    #[serde(flatten)]
    named: Named,
    explanation: String,
}

impl From<&LeftOut> for NotSelected {
    fn from(LeftOut { project, why }: &LeftOut) -> Self {
        Self { named: Named::new(project, None), explanation: why.clone() }
    }
}

#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    status: Row,
    explanation: String,
    schedule: String,
    rule: String,
    revocation: &'static str,
    disabled_for_seconds: Option<u64>,
}

impl Explained {
    fn new(policy: &Policy, step: &Step, now: DateTime<Utc>) -> Self {
        Self {
            status: Row::new(&Standing::seen(step), now),
            explanation: step.decision.to_string(),
            schedule: step.observed.target.rule.schedule.to_string(),
            rule: rule(policy, step, ""),
            revocation: match step.observed.target.rule.revocation {
                Revocation::Delete => "delete",
                Revocation::DisableThenDelete { .. } => "disable_then_delete",
            },
            disabled_for_seconds: match step.observed.target.rule.revocation {
                Revocation::Delete => None,
                Revocation::DisableThenDelete { disabled_for } => Some(disabled_for.as_secs()),
            },
        }
    }
}

/// Which rule applies, and why. `count` says to people how the overrides are counted.
fn rule(policy: &Policy, step: &Step, count: &str) -> String {
    match policy.override_for(&step.observed.target.project) {
        Some((index, pattern)) => {
            format!("override[{index}]{count}, the first that matches, by {:?}", pattern.as_str())
        }
        None => "[rotation]; no [[override]] matches".to_owned(),
    }
}

/// What becomes of a key whose overlap is over.
fn end(revocation: Revocation) -> String {
    match revocation {
        Revocation::Delete => "deleted".to_owned(),
        Revocation::DisableThenDelete { disabled_for } => {
            format!("disabled for {} and deleted", humantime::format_duration(disabled_for))
        }
    }
}

fn title(project: &Project) -> String {
    format!("{} ({})\n", project.full_name(), project.id)
}

fn lines<'a>(lines: impl IntoIterator<Item = (&'a str, String)>) -> String {
    lines.into_iter().map(|(word, text)| format!("  {word:<10} {text}\n")).collect()
}

/// What is said of a project that the configuration leaves out.
fn absence(LeftOut { project, why }: &LeftOut) -> String {
    title(project) + &lines([("selected", format!("no: {why}"))])
}

fn story(policy: &Policy, step: &Step, now: DateTime<Utc>) -> String {
    let target = &step.observed.target;
    let mut story = vec![
        ("selected", format!("yes: {}", policy.selection.judge(&target.project))),
        (
            "rule",
            format!(
                "{}: {}, spread over {}, overlap {}, then {}",
                rule(policy, step, " (counted from 0)"),
                target.rule.schedule,
                humantime::format_duration(target.rule.splay),
                humantime::format_duration(target.rule.overlap),
                end(target.rule.revocation)
            ),
        ),
        ("path", target.place.as_ref().map_or_else(|_| "none".to_owned(), ToString::to_string)),
        (
            "published",
            match (&step.observed.state, step.observed.ours()) {
                (State::Suspended | State::Unseen(_), _) => "not looked at".to_owned(),
                (State::Seen(_), None) => "nothing of ours".to_owned(),
                (State::Seen(_), Some(ours)) => published(ours, now),
            },
        ),
    ];
    if !policy.shape.is_standard() {
        let yet = if step.reshape_at.is_some() { "; the secret has others yet" } else { "" };
        story.push(("fields", fields(&policy.shape) + yet));
    }
    for Former { stray, fate } in &step.moved {
        let fate = match fate {
            Fate::Waits => "which stays until the key in it has served its overlap",
            Fate::Marked | Fate::Kept => "whose key is kept until that secret is deleted",
            Fate::Withdrawn => "which is to be withdrawn; its key is kept for one more overlap",
        };
        story.push(("formerly", format!("{}, {fate}", stray.path)));
    }
    story.extend(step.waiting.iter().map(|waiting| ("retiring", fate(waiting, now))));
    let blocked = matches!(&step.decision, Decision::Hold(hold) if hold.is_problem());
    let now_text = match (&step.decision, step.reshape_at) {
        // It was written a moment ago, and perhaps by a rotator that is configured otherwise.
        (Decision::Hold(Hold::UpToDate), Some(rest)) => format!(
            "the key is up to date; the fields are not, and are written again after {}, {}",
            time_text(rest),
            relative(rest, now)
        ),
        (decision, _) => decision.to_string(),
    };
    story.push((if blocked { "blocked" } else { "now" }, now_text));
    if let Some(next) = step.next_rotation_at {
        let by_schedule = format!("due by the schedule at {}, {}", time_text(next), relative(next, now));
        story.push(match step.decision {
            Decision::Rotate(_) | Decision::Adopt(..) => {
                ("next", format!("now, by the next pass; then {by_schedule}"))
            }
            Decision::Enrol | Decision::Reshape | Decision::Hold(_) => ("next", by_schedule),
        });
    }
    title(&target.project) + &lines(story)
}

/// What becomes of a key that was replaced.
fn fate(waiting: &Waiting, now: DateTime<Utc>) -> String {
    let Waiting { key, since, due, stage, disabled, pinned, .. } = waiting;
    let when = format!("after {}, {}", time_text(*due), relative(*due, now));
    let next = match (pinned, stage, disabled) {
        (true, ..) => "kept, since another secret may publish it".to_owned(),
        (false, Stage::Disable, _) => format!("disabled {when}, and deleted later"),
        (false, Stage::Delete, true) => {
            format!("it is disabled, and deleted {when}; until then `undo` brings it back")
        }
        (false, Stage::Delete, false) => format!("revoked {when}"),
    };
    format!("key {key} counts as old since {}; {next}", time_text(*since))
}

/// What `[secret.fields]` says, without its templates.
fn fields(shape: &Shape) -> String {
    let list =
        |names: Vec<&str>, fate: &str| (!names.is_empty()).then(|| format!("{} {fate}", names.join(", ")));
    let added = list(shape.added().map(|(name, _)| name).collect(), "added");
    let left_out = list(shape.left_out().collect(), "left out");
    added.into_iter().chain(left_out).collect::<Vec<_>>().join("; ")
}

fn published(ours: &Published, now: DateTime<Utc>) -> String {
    let key =
        ours.api_key.as_ref().map_or_else(|| "no key".to_owned(), |key| format!("key {}", key.fingerprint()));
    let rotated = ours.rotated_at.map_or_else(
        || "at an unknown time".to_owned(),
        |time| format!("{}, {}", time_text(time), relative(time, now)),
    );
    format!("{key}, version {}, rotated {rotated}", ours.version)
}
