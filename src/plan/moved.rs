//! The secrets at paths where a project no longer lives, because a name in its path or the configuration changed.
//!
//! Applications may read the old path for as long as nobody has told them. So its secret stays, and the key in it with it,
//! until that key has served its overlap by what is published at the new path. Then it is marked, and withdrawn if the
//! operator wants that. Whoever read it directly before is promised the overlap from then on, so the key is kept for
//! so long again, and only then may it be revoked like any other.
//!
//! A person may delete it at any time, and then its metadata alone can tell which key its last readers hold. So that is
//! noted there as soon as it is found, without a time: the time is what marks it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::path::SecretPath;
use crate::domain::policy::{OnVanished, Policy, Rule};
use crate::domain::secret::LONGEST_PROMISE;

use super::retire::Waiting;
use super::span;
use super::world::{PublishedKey, Sight, Stray};

/// A secret of a project at a path where it no longer lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The secret.
    pub stray: Stray,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of such a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays for now, and its metadata says of which key.
    Waits,
    /// It gets the mark that says where the project lives.
    Marked,
    /// It has that mark, and stays until a person deletes it.
    Kept,
    /// It is marked and withdrawn.
    Withdrawn,
}

impl Fate {
    /// The stable word for the log.
    pub fn label(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Marked => "marked",
            Self::Kept => "kept",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Until when the key of a secret that is withdrawn now is kept for who read it last. The promise that is noted there is
/// text that a person may have damaged: no rule makes it shorter, and where it cannot be read, it may have been any.
pub fn kept_until(noted: Option<Duration>, rule: Option<Duration>, latest: DateTime<Utc>) -> DateTime<Utc> {
    let promise = noted.unwrap_or(LONGEST_PROMISE).max(rule.unwrap_or_default());
    // The second that is lost in writing is given back.
    latest + span(promise) + TimeDelta::seconds(1)
}

/// Judges the secrets that a project has elsewhere, by what was seen of the one at its path.
pub(super) fn judge(
    policy: &Policy,
    rule: &Rule,
    place: Option<&SecretPath>,
    sight: Option<&Sight>,
    waiting: &[Waiting],
    strays: Vec<Stray>,
    earliest: DateTime<Utc>,
) -> Vec<Former> {
    let fate = |stray: &Stray| match (place, sight) {
        (Some(place), Some(sight)) if has_served(rule, stray, sight, waiting, earliest) => {
            match policy.on_vanished {
                OnVanished::Delete => Fate::Withdrawn,
                OnVanished::Keep if stray.is_forwarded_to(place) && stray.is_marked_as_moved() => Fate::Kept,
                OnVanished::Keep => Fate::Marked,
            }
        }
        _ => Fate::Waits,
    };
    strays.into_iter().map(|stray| Former { fate: fate(&stray), stray }).collect()
}

/// Whether a key that works is published at the project's path, and the one in this secret is over there: replaced for
/// as long as the overlap, or dead.
///
/// A key that is not among ours may be dead, or work under notes that a person has edited. So it counts as one that the
/// secret at the new path has replaced.
fn has_served(
    rule: &Rule,
    stray: &Stray,
    sight: &Sight,
    waiting: &[Waiting],
    earliest: DateTime<Utc>,
) -> bool {
    let Some(home) = sight.ours().filter(|_| matches!(sight.published, PublishedKey::Alive { .. })) else {
        return false;
    };
    let Some(key) = stray.key else { return true };
    if home.api_key.as_ref().is_some_and(|published| published.fingerprint() == key) {
        return false;
    }
    if let Some(listed) = waiting.iter().find(|waiting| waiting.key == key) {
        return listed.disabled || listed.deadline <= earliest;
    }
    if let Some(own) = sight.keys.iter().find(|own| own.fingerprint == key) {
        return !own.enabled;
    }
    let overlap = stray.overlap.max(home.overlap).max(Some(rule.overlap)).unwrap_or_default();
    let replaced = home.old_since(key).or_else(|| home.rotated_at.max(home.written_at));
    replaced.is_some_and(|since| since + span(overlap) <= earliest)
}
