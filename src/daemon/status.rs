//! The document of `status --output json`, which the daemon serves as well: one form, whoever asks.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::clocks::time_text;
use crate::engine::lease::LeaseView;
use crate::engine::standing::Standing;
use crate::plan::retire::{Stage, Waiting};

use super::named::Named;

/// Every project, as it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) projects: Vec<Row>,
    /// Where replicas share one.
    lease: Option<Lease>,
    pub(crate) problems: Vec<String>,
}

/// Which replica runs the passes.
#[derive(Debug, Serialize)]
pub(crate) struct Lease {
    pub(crate) holder: Option<String>,
    pub(crate) renewed_at: Option<String>,
    version: u64,
}

impl From<LeaseView> for Lease {
    fn from(view: LeaseView) -> Self {
        let LeaseView { holder, renewed_at, version, .. } = view;
        Self { holder, renewed_at: renewed_at.map(time_text), version }
    }
}

/// One project.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) named: Named,
    /// The fingerprint of the published key.
    pub(crate) key: Option<String>,
    pub(crate) version: Option<u64>,
    rotated_at: Option<String>,
    age_seconds: Option<i64>,
    next_rotation_at: Option<String>,
    overlap_seconds: u64,
    pub(crate) retiring: Vec<Retiring>,
    pub(crate) decision: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) problem: Option<String>,
}

/// A key that waits for the end of its overlap.
#[derive(Debug, Serialize)]
pub(crate) struct Retiring {
    key: String,
    since: String,
    revoked_after: String,
    disabled: bool,
    deleted_after: Option<String>,
}

impl Status {
    pub(crate) fn new<'a>(
        standings: impl IntoIterator<Item = &'a Standing>,
        lease: Option<Lease>,
        problems: Vec<String>,
        now: DateTime<Utc>,
    ) -> Self {
        let projects = standings.into_iter().map(|standing| Row::new(standing, now)).collect();
        Self { projects, lease, problems }
    }
}

impl Row {
    pub(crate) fn new(standing: &Standing, now: DateTime<Utc>) -> Self {
        Self {
            named: Named::from(standing),
            key: standing.key.map(|key| key.to_string()),
            version: standing.version,
            rotated_at: standing.rotated_at.map(time_text),
            age_seconds: standing.rotated_at.map(|time| (now - time).num_seconds()),
            next_rotation_at: standing.next_rotation_at.map(time_text),
            overlap_seconds: standing.overlap.as_secs(),
            retiring: standing.waiting.iter().map(Retiring::from).collect(),
            decision: standing.decision,
            reason: standing.reason,
            problem: standing.problem.as_ref().map(|problem| problem.text.clone()),
        }
    }
}

impl From<&Waiting> for Retiring {
    fn from(waiting: &Waiting) -> Self {
        Self {
            key: waiting.key.to_string(),
            since: time_text(waiting.since),
            revoked_after: time_text(waiting.deadline),
            disabled: waiting.disabled,
            deleted_after: (waiting.stage == Stage::Delete).then(|| time_text(waiting.due)),
        }
    }
}
