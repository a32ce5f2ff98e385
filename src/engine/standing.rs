//! How a project stands: what `status` prints, what the status page and the metrics of a daemon show.
//!
//! It is made from what a pass saw and did, so that whoever watches a daemon costs neither server a request. It
//! holds no key, only fingerprints: a daemon keeps it between its passes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::key::Fingerprint;
use crate::domain::path::SecretPath;
use crate::domain::policy::Policy;
use crate::domain::project::Project;
use crate::domain::secret::Publication;
use crate::plan::reason::Hold;
use crate::plan::retire::{self, Waiting};
use crate::plan::{Decision, Step};
use crate::vault::VaultError;

use super::event::chain;
use super::report::Outcome;

/// One project, as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The project.
    pub project: Arc<Project>,
    /// Its path, if it has one.
    pub path: Option<SecretPath>,
    /// The published key.
    pub key: Option<Fingerprint>,
    /// The version of the secret.
    pub version: Option<u64>,
    /// When the published key was decided.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The next time that the schedule makes it due.
    pub next_rotation_at: Option<DateTime<Utc>>,
    /// When the key that it has should have been, or is to be, replaced by the schedule.
    pub due_at: Option<DateTime<Utc>>,
    /// How long a key keeps working after it was replaced.
    pub overlap: Duration,
    /// The keys that wait for their end.
    pub waiting: Vec<Waiting>,
    /// The decision, in its stable word.
    pub decision: &'static str,
    /// Its reason, in its stable word.
    pub reason: &'static str,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// It needs a key that it has not got.
    pub wanting: bool,
    /// Its secret or its keys could not be read.
    pub unseen: bool,
}

/// What is wrong with a project.
#[derive(Debug, Clone)]
pub struct Problem {
    /// In a stable word.
    pub label: &'static str,
    /// In a sentence that says what to do.
    pub text: String,
}

impl Standing {
    /// As it was seen.
    pub fn seen(step: &Step) -> Self {
        let target = &step.observed.target;
        let ours = step.observed.ours();
        let problem = match &step.decision {
            Decision::Hold(hold) if hold.is_problem() => {
                Some(Problem { label: hold.label(), text: hold.to_string() })
            }
            _ => None,
        };
        Self {
            project: Arc::clone(&target.project),
            path: target.place.as_ref().ok().cloned(),
            key: ours.and_then(|published| published.api_key.as_ref()).map(|key| key.fingerprint()),
            version: ours.map(|published| published.version),
            rotated_at: ours.and_then(|published| published.rotated_at),
            next_rotation_at: step.next_rotation_at,
            due_at: step.due_at.or(step.next_rotation_at),
            overlap: target.rule.overlap,
            waiting: step.waiting.clone(),
            decision: step.decision.label(),
            reason: step.decision.reason(),
            problem,
            wanting: matches!(step.decision, Decision::Rotate(_) | Decision::Adopt(..)),
            unseen: matches!(step.decision, Decision::Hold(Hold::Unseen(_))),
        }
    }

    /// As it is after this outcome.
    pub(super) fn after(step: &Step, outcome: &Outcome, unstamped: Option<&VaultError>) -> Self {
        let seen = Self::seen(step);
        let standing = match outcome {
            Outcome::Published(publication, version)
            | Outcome::Enrolled(publication, version)
            | Outcome::Reshaped(publication, version) => seen.with(step, publication, *version),
            Outcome::Failed(failure) => {
                Self { problem: Some(Problem { label: failure.label(), text: chain(failure) }), ..seen }
            }
            Outcome::Held | Outcome::Superseded | Outcome::NotBegun => seen,
        };
        let unstamped = unstamped.map(|error| Problem { label: "unstamped", text: chain(error) });
        Self { problem: standing.problem.or(unstamped), ..standing }
    }

    fn with(self, step: &Step, publication: &Publication, version: u64) -> Self {
        let hold = Decision::Hold(Hold::UpToDate);
        Self {
            key: Some(publication.api_key.fingerprint()),
            version: Some(version),
            rotated_at: Some(publication.rotated_at),
            next_rotation_at: publication.next_rotation_at,
            due_at: publication.next_rotation_at,
            waiting: retire::listed(&step.observed.target.rule, &step.observed, publication),
            decision: hold.label(),
            reason: hold.reason(),
            problem: None,
            wanting: false,
            ..self
        }
    }

    /// Takes the keys off that have met their end.
    pub(super) fn forget(&mut self, gone: &HashSet<Fingerprint>) {
        self.waiting.retain(|waiting| !gone.contains(&waiting.key));
    }

    /// Notes the keys that have been disabled at this moment.
    pub(super) fn note(&mut self, disabled: &HashSet<Fingerprint>, policy: &Policy, clocks: &Clocks) {
        let rule = policy.rule_for(&self.project);
        let waiting = self.waiting.iter_mut().filter(|waiting| disabled.contains(&waiting.key));
        waiting.for_each(|waiting| waiting.was_disabled(rule, clocks));
    }
}
