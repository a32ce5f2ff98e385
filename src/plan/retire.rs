//! When a key may die. Besides a key that the server bound to the wrong project, which nobody may use, none
//! is ever revoked without the licence that [`may_revoke`] gives.
//!
//! Where the operator wants two stages, a key whose time is over is first disabled, and deleted when it has been so for a
//! while. Which stage a key has reached is read from the key itself. One that works although its time was over has been
//! enabled again by somebody, who needs it: it gets another overlap from that moment on, because a rotator that disables
//! it again in the next pass would fight with a person.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::key::Fingerprint;
use crate::domain::policy::{Revocation, Rule};
use crate::domain::secret::{Publication, Published};

use super::reason::Hold;
use super::world::{Elsewhere, Observed, OwnKey, PublishedKey, Sight};
use super::{Decision, Step, lag, promise, span};

/// A key of ours that is listed for retirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The key.
    pub key: Fingerprint,
    /// Since when it counts as old.
    pub since: DateTime<Utc>,
    /// When its overlap ends, judged by the earliest clock.
    pub deadline: DateTime<Utc>,
    /// It does not work any more.
    pub disabled: bool,
    /// What is done to it next.
    pub stage: Stage,
    /// When, judged by the earliest clock.
    pub due: DateTime<Utc>,
    /// It is kept all the same: another secret of ours publishes it, as after a change of path, or nobody
    /// could look whether one does.
    pub pinned: bool,
}

/// What is done to a key whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It stops working, and can be brought back.
    Disable,
    /// It goes for ever.
    Delete,
}

impl Waiting {
    fn new(rule: &Rule, promised: Duration, key: &OwnKey, listed: DateTime<Utc>) -> Self {
        let overlap = promise(Some(promised), rule.overlap);
        let (stage, since, wait) = match rule.revocation {
            Revocation::Delete => (Stage::Delete, listed, None),
            Revocation::DisableThenDelete { .. } if !key.disabled => {
                (Stage::Disable, listed.max(key.updated), None)
            }
            Revocation::DisableThenDelete { disabled_for } => {
                (Stage::Delete, listed, Some(key.updated + span(disabled_for)))
            }
        };
        let deadline = since + overlap;
        let due = wait.map_or(deadline, |wait| deadline.max(wait));
        Self { key: key.fingerprint, since, deadline, disabled: key.disabled, stage, due, pinned: false }
    }

    /// It has been disabled at this moment.
    pub fn was_disabled(&mut self, rule: &Rule, clocks: &Clocks) {
        (self.stage, self.disabled) = (Stage::Delete, true);
        self.due = self.deadline.max(clocks.latest() + disabled_for(rule));
    }
}

fn disabled_for(rule: &Rule) -> TimeDelta {
    match rule.revocation {
        Revocation::Delete => TimeDelta::zero(),
        Revocation::DisableThenDelete { disabled_for } => span(disabled_for),
    }
}

/// Whether it may have been this rotator that disabled a key: it only does so as the first of two stages, when the overlap
/// is over, and when no other secret publishes it. A person who does it then cannot be told from it.
pub fn may_be_disabled_by_us(step: &Step, own: &OwnKey) -> bool {
    let staged = step.observed.target.rule.revocation != Revocation::Delete;
    let waiting = step.waiting.iter().find(|waiting| waiting.key == own.fingerprint);
    own.disabled
        && staged
        && waiting.is_some_and(|waiting| !waiting.pinned && own.updated >= waiting.deadline)
}

/// When, by our clock, a key that is disabled now may be deleted.
pub fn wake_after_disabling(rule: &Rule, clocks: &Clocks) -> DateTime<Utc> {
    clocks.latest() + disabled_for(rule) + lag(clocks)
}

/// The keys of ours that the published secret lists. `elsewhere` is what readers of other secrets of ours may hold, if
/// that is known.
pub fn waiting(rule: &Rule, sight: &Sight, elsewhere: Option<&Elsewhere>) -> Vec<Waiting> {
    let Some(published) = sight.ours() else { return Vec::new() };
    let listed = |key: &OwnKey| {
        let waiting = sentence(rule, published, key)?;
        let pinned = elsewhere.is_none_or(|elsewhere| elsewhere.keys.contains(&key.fingerprint));
        let there = elsewhere.and_then(|elsewhere| elsewhere.promised_until(key.fingerprint, rule.overlap));
        let deadline = there.map_or(waiting.deadline, |there| there.max(waiting.deadline));
        let due = waiting.due.max(deadline);
        (!published.publishes(&key.key)).then_some(Waiting { pinned, deadline, due, ..waiting })
    };
    let mut waiting = Vec::new();
    for key in sight.keys.iter().filter_map(listed) {
        // Mostly one key, and one such list for each project.
        waiting.reserve_exact(1);
        waiting.push(key);
    }
    waiting
}

/// The keys that a publication has listed. Whether another secret publishes one of them, the next pass finds out.
pub fn listed(rule: &Rule, observed: &Observed, publication: &Publication) -> Vec<Waiting> {
    let keys = observed.sight().into_iter().flat_map(|sight| &sight.keys);
    let waiting = |key: &OwnKey| {
        let since = publication.retiring.since(key.fingerprint)?;
        Some(Waiting::new(rule, publication.overlap, key, since))
    };
    keys.filter_map(waiting).collect()
}

/// The keys whose time has come, as far as the pass has seen: what to ask the licence for.
pub fn ripe<'a>(step: &'a Step, clocks: &Clocks) -> impl Iterator<Item = (&'a OwnKey, Stage)> {
    let held = matches!(step.decision, Decision::Hold(Hold::Conflict(_) | Hold::Unseen(_) | Hold::Suspended));
    let alive = |sight: &&Sight| matches!(sight.published, PublishedKey::Alive { .. });
    let earliest = clocks.earliest();
    let over = move |waiting: &&Waiting| !waiting.pinned && waiting.due <= earliest;
    let ripe = move |key: &'a OwnKey| {
        let waiting = step.waiting.iter().find(|waiting| waiting.key == key.fingerprint);
        waiting.filter(over).map(|waiting| (key, waiting.stage))
    };
    let seen = step.observed.sight().filter(alive).filter(|_| !held);
    seen.into_iter().flat_map(|sight| &sight.keys).filter_map(ripe)
}

/// The licence to revoke, by the secret as it was read directly before the request.
///
/// The key is not the published one; the published one was seen alive by this pass; and the key is listed, and its
/// overlap, and the time for which it shall be disabled, have passed by the earliest clock. In an emergency a person
/// has waived the overlap, and with it the list: the other two stand.
pub fn may_revoke(
    rule: &Rule,
    published: &Published,
    key: &OwnKey,
    clocks: &Clocks,
    seen_alive: bool,
    emergency: bool,
) -> bool {
    let over = sentence(rule, published, key).is_some_and(|waiting| waiting.due <= clocks.earliest());
    seen_alive && published.api_key.is_some() && !published.publishes(&key.key) && (over || emergency)
}

/// The overlap that readers of this secret were promised counts, even if the configured one has become
/// shorter since.
fn sentence(rule: &Rule, published: &Published, key: &OwnKey) -> Option<Waiting> {
    let since = published.old_since(key.fingerprint)?;
    Some(Waiting::new(rule, published.overlap.unwrap_or_default(), key, since))
}
