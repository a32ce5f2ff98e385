//! What a publication says.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::ids::RotationId;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::policy::Policy;
use crate::domain::retiring::Retiring;
use crate::domain::secret::{Publication, Published};

use super::span;
use super::target::Target;
use super::world::{Observed, OwnKey, Sight};

/// The key to publish.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// The key.
    pub key: &'a ApiKey,
    /// The attempt that minted it.
    pub rotation: RotationId,
    /// When it was decided.
    pub rotated_at: DateTime<Utc>,
    /// The forecast of the next rotation.
    pub next_rotation_at: Option<DateTime<Utc>>,
}

/// The secret with a fresh key. Every other key of ours that was seen is listed in `retiring`: those that
/// were listed keep their time, the others count as old from now on. `promised` is the longest overlap that readers of
/// those were promised, here or at a path where the project has lived.
pub fn rotated(
    policy: &Policy,
    observed: &Observed,
    promised: Duration,
    fresh: Fresh<'_>,
    clocks: &Clocks,
) -> Publication {
    let overlap = observed.target.rule.overlap;
    let sight = observed.sight();
    let before = sight.and_then(Sight::ours);
    // Readers of the replaced secret may have been promised a longer overlap than the new one gives.
    // Whoever judges adds the new overlap, so the difference goes into the time itself.
    let owed = span(promised.saturating_sub(overlap));
    let now = clocks.latest() + span(policy.publication_limit);
    let mut retiring = Retiring::default();
    // A key that a person put back without taking it off the list only becomes old now.
    let listed = |own: &OwnKey| {
        let published = before.filter(|published| !published.publishes(&own.key))?;
        published.old_since(own.fingerprint)
    };
    for own in sight.into_iter().flat_map(|sight| &sight.keys).filter(|own| own.key != *fresh.key) {
        let since = listed(own).unwrap_or(now);
        retiring.insert(own.fingerprint, since + owed);
    }
    let shaped_at = (!policy.shape.is_standard()).then_some(now);
    secret(policy, &observed.target, fresh, overlap, retiring, shaped_at)
}

/// The secret with the same key, in the shape that is wanted, and the unlisted keys added to `retiring`. The keys
/// `anew` count as old only from now on, although they were listed before: a person brings them back. `None` when the
/// secret lacks what a publication needs; such a secret is due anyway.
pub fn renewed(
    policy: &Policy,
    observed: &Observed,
    anew: &[Fingerprint],
    next_rotation_at: Option<DateTime<Utc>>,
    clocks: &Clocks,
) -> Option<Publication> {
    let sight = observed.sight()?;
    let before = sight.ours()?;
    let Published { api_key, rotation, rotated_at, overlap, .. } = before;
    let key = api_key.as_ref()?;
    let own_rotation = || sight.keys.iter().find(|own| own.key == *key).map(|own| own.rotation);
    let fresh = Fresh {
        key,
        rotation: rotation.or_else(own_rotation)?,
        rotated_at: (*rotated_at)?,
        next_rotation_at,
    };
    // The key stays, so what its readers were promised stays too.
    let overlap = overlap.unwrap_or_default().max(observed.target.rule.overlap);
    let now = clocks.latest() + span(policy.publication_limit);
    let mut retiring = Retiring::default();
    for own in sight.keys.iter().filter(|own| own.key != *key) {
        let listed = before.old_since(own.fingerprint).filter(|_| !anew.contains(&own.fingerprint));
        retiring.insert(own.fingerprint, listed.unwrap_or(now));
    }
    let shaped_at = (!policy.shape.is_standard() || before.shape.is_some()).then_some(now);
    Some(secret(policy, &observed.target, fresh, overlap, retiring, shaped_at))
}

/// The keys of ours that a publication lists for retirement and the secret before it did not.
pub fn newly_listed<'a>(
    observed: &'a Observed,
    publication: &'a Publication,
) -> impl Iterator<Item = &'a OwnKey> {
    let before = observed.ours();
    let known = move |key| before.is_some_and(|published| published.retiring.contains(key));
    let keys = observed.sight().into_iter().flat_map(|sight| &sight.keys);
    keys.filter(move |own| publication.retiring.contains(own.fingerprint) && !known(own.fingerprint))
}

fn secret(
    policy: &Policy,
    target: &Target,
    fresh: Fresh<'_>,
    overlap: Duration,
    retiring: Retiring,
    shaped_at: Option<DateTime<Utc>>,
) -> Publication {
    let Fresh { key, rotation, rotated_at, next_rotation_at } = fresh;
    Publication {
        instance: policy.instance.clone(),
        api_key: key.clone(),
        server_url: policy.server_url.clone(),
        project: Arc::clone(&target.project),
        rotation,
        rotated_at,
        next_rotation_at,
        overlap,
        retiring,
        shape: Arc::clone(&policy.shape),
        shaped_at,
    }
}
