//! What a pass did.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::key::Fingerprint;
use crate::domain::path::SecretPath;
use crate::domain::secret::Publication;
use crate::plan::reason::Hold;
use crate::plan::vanished::Brake;
use crate::plan::{Decision, Step};

use crate::vault::VaultError;

pub use super::attempt::Failure;
use super::standing::Standing;

#[cfg(test)]
mod tests;

/// The end of a pass.
#[derive(Debug, Default)]
pub struct PassReport {
    /// Every selected project, in the order of the plan.
    pub projects: Vec<ProjectReport>,
    /// What could not be seen: organizations, or the folder of the secrets.
    pub blind: Vec<String>,
    /// The keys that were revoked.
    pub retired: Vec<Fingerprint>,
    /// The keys that were disabled, as the first of two stages.
    pub disabled: Vec<Fingerprint>,
    /// Revocations that failed. The next pass repeats them, but for those of an emergency.
    pub retire_failures: Vec<String>,
    /// Secrets of deleted projects that were marked or deleted.
    pub vanished: Vec<SecretPath>,
    /// Secrets of deleted or moved projects that could not be.
    pub tidy_failures: Vec<String>,
    /// What is wrong with our own password, as the daemon has found that.
    pub password_failure: Option<String>,
    /// Too many projects vanished at once.
    pub vanished_held: Option<Brake>,
    /// Requests that counted against the Exceptionless budget.
    pub requests: u64,
    /// How many of them Exceptionless refused because the budget was spent.
    pub refused: u64,
    /// How long it took.
    pub duration: Duration,
    /// The pass was asked to stop before its end.
    pub interrupted: bool,
    /// When, by our clock, the next pass has something to do that is known now.
    pub wake_at: Option<DateTime<Utc>>,
}

/// What became of one project.
#[derive(Debug)]
pub struct ProjectReport {
    /// How it stands at the end of the pass.
    pub standing: Standing,
    /// What was decided.
    pub decision: Decision,
    /// What came of it.
    pub outcome: Outcome,
    /// The mark in the secret's `custom_metadata` is missing, and could not be written. The next pass repairs it.
    pub unstamped: Option<VaultError>,
    /// In an emergency, the keys that it should end and does not reach.
    pub out_of_reach: Vec<Fingerprint>,
}

/// What came of a decision.
#[derive(Debug)]
pub enum Outcome {
    /// A fresh key stands in this version of the secret.
    Published(Box<Publication>, u64),
    /// The same key, with more keys listed for retirement.
    Enrolled(Box<Publication>, u64),
    /// The same key, in the shape that is wanted.
    Reshaped(Box<Publication>, u64),
    /// Nothing was to be published.
    Held,
    /// Another rotator, or a person, wrote first; the next pass looks at what they wrote.
    Superseded,
    /// The pass was asked to stop first.
    NotBegun,
    /// Nothing was published that we know of.
    Failed(Failure),
}

impl PassReport {
    /// How many fresh keys were published.
    pub fn published(&self) -> usize {
        self.projects.iter().filter(|project| matches!(project.outcome, Outcome::Published(..))).count()
    }

    /// How many secrets were written again in another shape.
    pub fn reshaped(&self) -> usize {
        self.projects.iter().filter(|project| matches!(project.outcome, Outcome::Reshaped(..))).count()
    }

    /// How many projects somebody must look at, or the next pass must repeat.
    pub fn failed(&self) -> usize {
        self.projects.iter().filter(|project| project.is_problem()).count()
    }

    /// Whether the next pass should come early, because what did not work this time may work then.
    /// Conflicts are not of that kind: they wait for a person.
    pub fn wants_retry(&self) -> bool {
        let unseen = |decision: &Decision| matches!(decision, Decision::Hold(Hold::Unseen(_)));
        let failed = |project: &ProjectReport| project.outcome.is_failure() || project.unstamped.is_some();
        self.projects.iter().any(|project| failed(project) || unseen(&project.decision))
            || self.beside_the_projects().next().is_some()
    }

    /// What is wrong beside the projects themselves.
    pub fn fleet_problems(&self) -> Vec<String> {
        let held = self.vanished_held.as_ref().map(ToString::to_string);
        self.beside_the_projects().cloned().chain(held).collect()
    }

    /// What failed beside the projects themselves.
    fn beside_the_projects(&self) -> impl Iterator<Item = &String> {
        let lists = [&self.blind, &self.retire_failures, &self.tidy_failures];
        lists.into_iter().flatten().chain(&self.password_failure)
    }

    /// Whether everything is as it should be.
    pub fn is_clean(&self) -> bool {
        self.failed() == 0 && !self.wants_retry() && self.vanished_held.is_none() && !self.interrupted
    }

    /// How many projects got no fresh key that should have. In an emergency that is a failure whatever the reason: the
    /// keys that somebody wants dead still work.
    pub fn not_published(&self) -> usize {
        let held = |project: &ProjectReport| project.decision == Decision::Hold(Hold::UpToDate);
        let published = |project: &ProjectReport| matches!(project.outcome, Outcome::Published(..));
        self.projects.iter().filter(|project| !published(project) && !held(project)).count()
    }

    /// Whether every attempt failed for want of a right: then the credential is the trouble.
    pub fn is_refused(&self) -> bool {
        let mut attempts = self
            .projects
            .iter()
            .map(|project| &project.outcome)
            .filter(|outcome| !matches!(outcome, Outcome::Held))
            .peekable();
        attempts.peek().is_some()
            && attempts.all(|outcome| matches!(outcome, Outcome::Failed(failure) if failure.is_refusal()))
    }

    /// Brings the next pass forward.
    pub fn wake_no_later_than(&mut self, time: Option<DateTime<Utc>>) {
        self.wake_at = [self.wake_at, time].into_iter().flatten().min();
    }
}

impl ProjectReport {
    pub(super) fn new(step: &Step, outcome: Outcome, unstamped: Option<VaultError>) -> Self {
        Self {
            standing: Standing::after(step, &outcome, unstamped.as_ref()),
            decision: step.decision.clone(),
            outcome,
            unstamped,
            out_of_reach: Vec::new(),
        }
    }

    /// Whether this project is not as it should be.
    pub fn is_problem(&self) -> bool {
        let held = matches!(&self.decision, Decision::Hold(hold) if hold.is_problem());
        held || self.outcome.is_failure() || self.unstamped.is_some()
    }
}

impl Outcome {
    /// The stable word for logs and tables.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Published(..) => "published",
            Self::Enrolled(..) => "enrolled",
            Self::Reshaped(..) => "reshaped",
            Self::Held => "held",
            Self::Superseded => "superseded",
            Self::NotBegun => "not_begun",
            Self::Failed(_) => "failed",
        }
    }

    /// What was written, if anything was.
    pub fn written(&self) -> Option<&Publication> {
        match self {
            Self::Published(publication, _)
            | Self::Enrolled(publication, _)
            | Self::Reshaped(publication, _) => Some(publication),
            Self::Held | Self::Superseded | Self::NotBegun | Self::Failed(_) => None,
        }
    }

    /// Whether it did not work.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// How far a pass has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// How many projects are to be done in this phase; 0 when that is not known.
    pub total: usize,
    /// How many are done.
    pub done: usize,
    /// How many of these failed.
    pub failed: usize,
}

/// What a pass is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet.
    #[default]
    Idle,
    /// Listing projects and keys.
    Listing,
    /// Reading secrets.
    Reading,
    /// Minting, verifying, publishing.
    Executing,
}

impl Progress {
    pub(super) fn listing() -> Self {
        Self { phase: Phase::Listing, ..Self::default() }
    }

    pub(super) fn reading(total: usize) -> Self {
        Self { phase: Phase::Reading, total, ..Self::default() }
    }

    pub(super) fn executing(total: usize) -> Self {
        Self { phase: Phase::Executing, total, ..Self::default() }
    }

    pub(super) fn one_done(&mut self, failed: bool) {
        self.done += 1;
        self.failed += usize::from(failed);
    }
}
