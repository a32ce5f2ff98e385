//! Which keys a person wants dead at once, and where that takes a fresh one.
//!
//! An emergency that names a time can be repeated: what it has replaced is younger than that time by then, so the
//! same command finds only what is left. Where the published key is that young, nothing is minted, and only the old
//! keys go. No attempt that is under way can publish one of them behind our back: it saw the secret before it minted
//! its key, which is older than the published one, so that the published one was written in between, and the attempt's
//! check-and-set fails.

use chrono::{DateTime, TimeDelta, Utc};

use super::moved::Former;
use super::reason::Due;
use super::world::{Observed, OwnKey, PublishedKey, Sight};
use super::{Plan, Step};

/// The keys that an emergency is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All but the one that it publishes.
    Everything,
    /// Those that were minted before this time, by the clock of Exceptionless, which dates them.
    MintedBefore(DateTime<Utc>),
}

impl Cut {
    /// Whether a key of this age is among them.
    pub fn covers(self, created: DateTime<Utc>) -> bool {
        match self {
            Self::Everything => true,
            Self::MintedBefore(time) => created < time,
        }
    }
}

/// Whether the project has such a key. One that could not be looked at may have; and a published key that works, though its
/// project's listing does not say since when, may be one.
pub(super) fn concerns(cut: Cut, observed: &Observed) -> bool {
    let Some(sight) = observed.sight() else { return true };
    let published = match sight.published {
        PublishedKey::Alive { created } => cut.covers(created),
        PublishedKey::Misplaced | PublishedKey::Dead(Due::KeyExpiring) => true,
        PublishedKey::Missing | PublishedKey::Dead(_) => false,
    };
    cut == Cut::Everything || published || sight.keys.iter().any(|key| cut.covers(key.created))
}

/// Whether the published key is one of them, or does not work, so that it cannot stand in for them.
pub(super) fn replaces(cut: Cut, sight: &Sight) -> bool {
    match sight.published {
        PublishedKey::Alive { created } => cut.covers(created),
        PublishedKey::Missing | PublishedKey::Dead(_) | PublishedKey::Misplaced => true,
    }
}

/// A time after the minting of every key that was seen, by the clock that dates them: whatever is minted from now on is
/// younger. `None` when there is no key at all.
pub fn after_all(plan: &Plan) -> Option<DateTime<Utc>> {
    let sights = plan.steps.iter().filter_map(|step| step.observed.sight());
    let times = sights.flat_map(|sight| {
        let published = match sight.published {
            PublishedKey::Alive { created } => Some(created),
            PublishedKey::Missing | PublishedKey::Dead(_) | PublishedKey::Misplaced => None,
        };
        sight.keys.iter().map(|key| key.created).chain(published)
    });
    times.max().map(|newest| newest + TimeDelta::microseconds(1))
}

/// The keys of ours that end once this step has published what it has to, if anything.
pub fn doomed(step: &Step, cut: Cut) -> impl Iterator<Item = &OwnKey> {
    let keys = step.observed.sight().into_iter().filter(|_| !step.is_blocked()).flat_map(|sight| &sight.keys);
    keys.filter(move |key| cut.covers(key.created))
}

/// The secrets at paths where the project no longer lives whose published key ends with them. Nobody writes another there.
pub fn bereft(step: &Step, cut: Cut) -> impl Iterator<Item = (&Former, &OwnKey)> {
    doomed(step, cut).flat_map(|own| {
        let formers = step.moved.iter();
        formers.filter(|former| former.stray.key == Some(own.fingerprint)).map(move |former| (former, own))
    })
}
