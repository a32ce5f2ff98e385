//! What `undo` and `retire-unmanaged` print: each key, and what became of it.

use serde::Serialize;

use crate::domain::key::Fingerprint;
use crate::engine::deed::{Deed, Deeds};

use super::Output;
use super::exit::{Exit, Failure};
use super::table::{print, print_json, table};

/// Reads the fingerprints of the command line. It is not the command line's parser that does it: that one repeats what
/// it cannot read, which may be a key.
pub(super) fn fingerprints(texts: &[String]) -> Result<Vec<Fingerprint>, Failure> {
    let problem = "--key needs the 12 hex digits by which `status --keys` names a key, never the key itself";
    let read = |text: &String| Fingerprint::parse(text).ok_or_else(|| Failure::new(Exit::Usage, problem));
    texts.iter().map(read).collect()
}

/// The document of both commands.
#[derive(Serialize)]
pub(super) struct Document {
    keys: Vec<Row>,
    done: usize,
    failed: usize,
    problems: Vec<String>,
    requests: u64,
    #[serde(skip)]
    clean: bool,
}

#[derive(Serialize)]
struct Row {
    project_id: Option<String>,
    project: Option<String>,
    organization: Option<String>,
    key: String,
    outcome: &'static str,
    problem: Option<String>,
    #[serde(skip)]
    full_name: String,
}

impl From<&Deed> for Row {
    fn from(deed: &Deed) -> Self {
        let Deed { project, key, outcome } = deed;
        let project = project.as_ref();
        Self {
            project_id: project.map(|project| project.id.to_string()),
            project: project.map(|project| project.name.clone()),
            organization: project.map(|project| project.organization_name.to_string()),
            key: key.to_string(),
            outcome: outcome.as_ref().copied().unwrap_or("failed"),
            problem: outcome.as_ref().err().cloned(),
            full_name: project.map_or_else(|| "-".to_owned(), |project| project.full_name()),
        }
    }
}

impl Document {
    pub(super) fn new(deeds: &Deeds) -> Self {
        Self {
            keys: deeds.deeds.iter().map(Row::from).collect(),
            done: deeds.done(),
            failed: deeds.deeds.len() - deeds.done(),
            problems: deeds.blind.clone(),
            requests: deeds.requests,
            clean: deeds.is_clean(),
        }
    }

    /// Prints it, and says how the command ends.
    pub(super) fn print(&self, output: Output) -> Result<Exit, Failure> {
        match output {
            Output::Table => print(&self.text())?,
            Output::Json => print_json(self)?,
        }
        Ok(if self.clean { Exit::Done } else { Exit::SomeFailed })
    }

    fn text(&self) -> String {
        let rows =
            self.keys.iter().map(|row| [row.full_name.clone(), row.key.clone(), row.outcome.to_owned()]);
        let mut text = table(["PROJECT", "KEY", "OUTCOME"], rows);
        text.push('\n');
        for row in &self.keys {
            if let Some(problem) = &row.problem {
                text += &format!("key {}: {problem}\n", row.key);
            }
        }
        for problem in &self.problems {
            text += &format!("problem: {problem}\n");
        }
        let Self { done, failed, requests, .. } = self;
        text + &format!("{done} keys done, {failed} with problems; {requests} requests against the budget\n")
    }
}
