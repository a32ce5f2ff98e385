//! `status --keys`: every key of every project, whosever it is.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::daemon::times::{relative, span};
use crate::domain::clocks::time_text;
use crate::engine::Request;
use crate::engine::inventory::{Entry, KeyOwner};

use super::exit::{Exit, Failure};
use super::survey::{self, survey};
use super::table::{print, print_json, table};
use super::{Output, setup};

/// Which keys.
pub(super) struct Wanted {
    pub(super) unmanaged: bool,
    pub(super) older_than: Option<Duration>,
}

pub(super) fn run(file: Option<&Path>, wanted: &Wanted, output: Output) -> Result<Exit, Failure> {
    let (engine, _) = setup::command(file, true)?;
    let survey = survey(&engine, &Request { inventory: true, ..Request::default() })?;
    let now = engine.clocks().earliest();
    let chosen = survey.inventory.iter().filter(|entry| wanted.wants(entry, now));
    let document =
        Document { keys: chosen.map(|entry| Row::new(entry, now)).collect(), problems: survey.blind.clone() };
    match output {
        Output::Table => print(&document.text(now))?,
        Output::Json => print_json(&document)?,
    }
    Ok(survey::exit(&survey))
}

impl Wanted {
    fn wants(&self, entry: &Entry, now: DateTime<Utc>) -> bool {
        let wanted = !self.unmanaged || entry.is_unmanaged();
        wanted && self.older_than.is_none_or(|age| entry.is_older_than(age, now))
    }
}

/// The document that `status --keys --output json` prints.
#[derive(Serialize)]
struct Document {
    keys: Vec<Row>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    project_id: Option<String>,
    project: Option<String>,
    organization: String,
    key: String,
    owner: &'static str,
    instance: Option<String>,
    state: &'static str,
    disabled: bool,
    minted_at: String,
    age_seconds: i64,
    expires_at: Option<String>,
    scopes: Vec<String>,
    #[serde(skip)]
    full_name: String,
    #[serde(skip)]
    expires: Option<DateTime<Utc>>,
}

impl Row {
    fn new(entry: &Entry, now: DateTime<Utc>) -> Self {
        let project = entry.project.as_ref();
        let instance = match &entry.owner {
            KeyOwner::OtherInstance(instance) => instance.as_ref().map(ToString::to_string),
            KeyOwner::Ours | KeyOwner::Person => None,
        };
        Self {
            project_id: project.map(|project| project.id.to_string()),
            project: project.map(|project| project.name.clone()),
            organization: entry.organization_name.to_string(),
            key: entry.key.fingerprint().to_string(),
            owner: entry.owner.label(),
            instance,
            state: entry.condition.label(),
            disabled: entry.disabled,
            minted_at: time_text(entry.created),
            age_seconds: (now - entry.created).num_seconds(),
            expires_at: entry.expires.map(time_text),
            scopes: entry.scopes.clone(),
            full_name: project.map_or_else(
                || format!("{} (the whole organization)", entry.organization_name),
                |project| project.full_name(),
            ),
            expires: entry.expires,
        }
    }
}

impl Document {
    fn text(&self, now: DateTime<Utc>) -> String {
        let rows = self.keys.iter().map(|row| {
            [
                row.full_name.clone(),
                row.key.clone(),
                row.instance.clone().map_or_else(|| row.owner.to_owned(), |name| format!("instance {name}")),
                row.state.to_owned(),
                span(TimeDelta::seconds(row.age_seconds)),
                row.minted_at.clone(),
                row.expires.map_or_else(|| "never".to_owned(), |time| relative(time, now)),
                if row.scopes.is_empty() { "-".to_owned() } else { row.scopes.join(",") },
            ]
        });
        let header = ["PROJECT", "KEY", "OWNER", "STATE", "AGE", "MINTED", "EXPIRES", "SCOPES"];
        let mut text = table(header, rows);
        text += &format!("\n{} keys\n", self.keys.len());
        for problem in &self.problems {
            text += &format!("\nproblem: {problem}\n");
        }
        text
    }
}
