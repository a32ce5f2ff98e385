//! When a key may die. Besides a key that the server bound to the wrong project, which nobody may use, none
//! is ever revoked without the licence that [`may_revoke`] gives.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::key::Fingerprint;
use crate::domain::policy::Rule;
use crate::domain::secret::{Publication, Published};

use super::reason::Hold;
use super::world::{OwnKey, PublishedKey, Sight};
use super::{Decision, Step, span};

/// A key of ours that is listed for retirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The key.
    pub key: Fingerprint,
    /// Since when it counts as old.
    pub since: DateTime<Utc>,
    /// When it may be revoked, judged by the earliest clock.
    pub deadline: DateTime<Utc>,
    /// It is kept all the same: another secret of ours publishes it, as after a change of path, or nobody
    /// could look whether one does.
    pub pinned: bool,
}

/// The keys of ours that the published secret lists. `elsewhere` are the keys that other secrets of ours
/// publish, if that is known.
pub fn waiting(rule: &Rule, sight: &Sight, elsewhere: Option<&HashSet<Fingerprint>>) -> Vec<Waiting> {
    let Some(published) = sight.ours() else { return Vec::new() };
    let listed = |key: &OwnKey| {
        let since = published.old_since(key.fingerprint)?;
        let deadline = deadline(rule, published, since);
        let pinned = elsewhere.is_none_or(|keys| keys.contains(&key.fingerprint));
        (!published.publishes(&key.key)).then_some(Waiting { key: key.fingerprint, since, deadline, pinned })
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
pub fn listed(rule: &Rule, publication: &Publication) -> Vec<Waiting> {
    let overlap = span(publication.overlap.max(rule.overlap));
    let waiting = |(key, since)| Waiting { key, since, deadline: since + overlap, pinned: false };
    publication.retiring.iter().map(waiting).collect()
}

/// The keys whose time has come, as far as the pass has seen: what to ask the licence for.
pub fn ripe<'a>(step: &'a Step, clocks: &Clocks) -> impl Iterator<Item = &'a OwnKey> {
    let held = matches!(step.decision, Decision::Hold(Hold::Conflict(_) | Hold::Unseen(_) | Hold::Suspended));
    let alive = |sight: &&Sight| matches!(sight.published, PublishedKey::Alive { .. });
    let earliest = clocks.earliest();
    let over = move |waiting: &Waiting| !waiting.pinned && waiting.deadline <= earliest;
    let ripe = move |key: &&OwnKey| {
        step.waiting.iter().any(|waiting| waiting.key == key.fingerprint && over(waiting))
    };
    let seen = step.observed.sight().filter(alive).filter(|_| !held);
    seen.into_iter().flat_map(|sight| &sight.keys).filter(ripe)
}

/// The licence to revoke, by the secret as it was read directly before the request.
///
/// The key is not the published one; the published one was seen alive by this pass; and the key is listed,
/// and its overlap has passed by the earliest clock. In an emergency a person has waived the overlap, and
/// with it the list: the other two stand.
pub fn may_revoke(
    rule: &Rule,
    published: &Published,
    key: &OwnKey,
    clocks: &Clocks,
    seen_alive: bool,
    emergency: bool,
) -> bool {
    let since = published.old_since(key.fingerprint);
    let over = since.is_some_and(|since| deadline(rule, published, since) <= clocks.earliest());
    seen_alive && published.api_key.is_some() && !published.publishes(&key.key) && (over || emergency)
}

/// The overlap that readers of this secret were promised counts, even if the configured one has become
/// shorter since.
fn deadline(rule: &Rule, published: &Published, since: DateTime<Utc>) -> DateTime<Utc> {
    since + span(published.overlap.unwrap_or_default().max(rule.overlap))
}
