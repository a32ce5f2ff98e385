//! Looks at both servers, in the order that keeps keys safe.
//!
//! Secrets are read first and keys are listed after them. In this order another rotator's fresh key can
//! look unpublished, which costs nothing; in the other order a key that was published in between could
//! look as if it did not exist. For the same reason a published key that looks dead is asked once more,
//! with the key itself, before anything is decided from it.

mod listings;
mod secrets;
#[cfg(test)]
mod tests;
mod unreadable;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;

use crate::domain::ids::{Instance, ProjectId};
use crate::domain::key::ApiKey;
use crate::domain::marker::Marker;
use crate::domain::project::Project;
use crate::domain::secret::SecretState;
use crate::exceptionless::{ExceptionlessClient, KeyCheck, ListedKey};
use crate::plan::reason::Due;
use crate::plan::selection::left_out;
use crate::plan::target::{Target, targets};
use crate::plan::world::{Observed, OwnKey, PublishedKey, Sight, State, Strays, World};
use crate::plan::{self, Plan};

use super::inventory::Entry;
use super::report::Progress;
use super::{Engine, PassError, Request, event, inventory};
use listings::{list_keys, list_projects};
use secrets::{Read, find_strays, read_secrets};

pub use unreadable::Unreadable;

/// What was seen and decided, before anything is done.
#[derive(Debug)]
pub struct Survey {
    /// The decisions.
    pub plan: Plan,
    /// What could not be seen.
    pub blind: Vec<String>,
    /// Every project that was listed, selected or not.
    pub existing: Vec<Arc<Project>>,
    /// How many keys were listed.
    pub keys: u64,
    /// All of them, if that was asked for, or in an emergency.
    pub inventory: Vec<Entry>,
}

/// Observes and plans.
pub(super) async fn survey(engine: &Engine, request: &Request) -> Result<Survey, PassError> {
    engine.progress.send_replace(Progress::listing());
    engine.vault.preflight().await?;
    let user = engine.exceptionless.who_am_i().await?;
    let organizations = engine.exceptionless.organizations().await?;
    let seen = organizations.iter().map(|organization| organization.id.clone()).collect();
    let mut blind = Blind::default();

    let (existing, suspended) = list_projects(engine, organizations, &mut blind).await?;
    let existing_ids: HashSet<ProjectId> = existing.iter().map(|project| project.id.clone()).collect();
    let all = targets(&engine.policy, existing.iter().cloned());
    let selected = !all.is_empty();
    let wanted = |target: &Target| request.only.wants(&target.project);
    let (targets, others): (Vec<_>, Vec<_>) = all.into_iter().partition(wanted);
    if targets.is_empty() && blind.is_empty() {
        return Err(nothing(engine, request, user.email, &existing, selected));
    }

    engine.progress.send_replace(Progress::reading(targets.len()));
    let mut reads = read_secrets(engine, &targets, &suspended, request.lenient).await?;
    // A part of the fleet cannot tell whether a tenth of it has vanished.
    let whole = request.only.is_all() && blind.is_empty();
    let strays = find_strays(engine, &targets, &others, &reads, &mut blind).await;
    // Who must end what has leaked wants to know of each key that goes on working.
    let everyone = request.inventory || request.asked.cut().is_some();
    let mut listed = list_keys(engine, &targets, &reads, everyone).await?;
    let keys = listed.count;
    if request.inventory {
        blind.extend(std::mem::take(&mut listed.unlisted));
    }
    let everyone = std::mem::take(&mut listed.everyone);

    let projects = futures_util::stream::iter(targets)
        .map(|target| {
            let read = reads.remove(&target.project.id);
            let listing = listed.take(&target.project);
            async move { observe(engine, target, read, listing).await }
        })
        .buffered(engine.concurrency)
        .collect::<Vec<_>>()
        .await;
    let inventory = inventory::take(&engine.policy.instance, &projects, everyone, engine.clocks().earliest());

    let existing_ids = whole.then_some(existing_ids);
    let strays = strays.map(|strays| Strays { existing: existing_ids, organizations: seen, ..strays });
    let clocks = engine.clocks();
    let world = World { clocks, projects, strays };
    let plan = plan::plan(&engine.policy, world, request.asked);
    Ok(Survey { plan, blind: blind.0, existing, keys, inventory })
}

/// Why there is no project to look at.
fn nothing(
    engine: &Engine,
    request: &Request,
    user: String,
    existing: &[Arc<Project>],
    selected: bool,
) -> PassError {
    match unmatched(engine, request, existing) {
        _ if existing.is_empty() => PassError::NoProject { user },
        PassError::NoneMatches { .. } if !selected => PassError::NoneSelected { existing: existing.len() },
        unmatched => unmatched,
    }
}

/// Why no selected project is one that was asked for.
pub(super) fn unmatched(engine: &Engine, request: &Request, existing: &[Arc<Project>]) -> PassError {
    let projects = left_out(&engine.policy, existing, &request.only);
    if projects.is_empty() {
        let of_organizations = !request.only.organizations.is_empty();
        PassError::NoneMatches { patterns: request.only.named(), of_organizations }
    } else {
        PassError::LeftOut { projects }
    }
}

/// What could not be seen, each logged as it is found.
#[derive(Default)]
struct Blind(Vec<String>);

impl Blind {
    fn report(&mut self, what: String) {
        event::pass_blind(&what);
        self.0.push(what);
    }

    fn extend(&mut self, more: Vec<String>) {
        more.into_iter().for_each(|what| self.report(what));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

async fn observe(
    engine: &Engine,
    target: Target,
    read: Option<Read>,
    listing: Result<Vec<ListedKey>, String>,
) -> Observed {
    let state = match (read, listing) {
        (Some(Read::Suspended), _) => State::Suspended,
        (Some(Read::Failed(problem)), _) | (Some(Read::Secret(_)), Err(problem)) => State::Unseen(problem),
        (Some(Read::NoPath) | None, _) => State::Unseen("it has no path of its own".to_owned()),
        (Some(Read::Secret(secret)), Ok(listed)) => {
            let latest = engine.clocks().latest();
            match published_key(engine, &target, &secret.state, &listed, latest).await {
                Err(problem) => State::Unseen(problem),
                Ok(published) => {
                    let own = |key| own_key(&engine.policy.instance, key, latest);
                    let mut keys: Vec<_> = listed.into_iter().filter_map(own).collect();
                    // Mostly two keys, in room for more, and one such list for each project.
                    keys.shrink_to_fit();
                    State::Seen(Sight { secret: secret.state, published, keys })
                }
            }
        }
    };
    Observed { target, state }
}

/// What became of the published key: by the listing, and where that calls it dead, by the key itself.
async fn published_key(
    engine: &Engine,
    target: &Target,
    secret: &SecretState,
    listed: &[ListedKey],
    latest: DateTime<Utc>,
) -> Result<PublishedKey, String> {
    let SecretState::Ours(published) = secret else { return Ok(PublishedKey::Missing) };
    let Some(key) = &published.api_key else { return Ok(PublishedKey::Missing) };
    let found = listed.iter().find(|listed| listed.key == *key);
    let seen = as_listed(found, target.rule.overlap, latest);
    Ok(match seen {
        // It still works, and that is the trouble.
        PublishedKey::Dead(Due::KeyExpiring) => seen,
        PublishedKey::Dead(_) if ask(engine, key).await? => PublishedKey::Misplaced,
        PublishedKey::Dead(_)
        | PublishedKey::Alive { .. }
        | PublishedKey::Missing
        | PublishedKey::Misplaced => seen,
    })
}

/// What the listing says about the published key.
fn as_listed(found: Option<&ListedKey>, overlap: Duration, latest: DateTime<Utc>) -> PublishedKey {
    let Some(found) = found else { return PublishedKey::Dead(Due::KeyGone) };
    if !is_enabled(found, latest) {
        return PublishedKey::Dead(Due::KeyDisabled);
    }
    let left = found.expires.and_then(|expires| (expires - latest).to_std().ok());
    if left.is_some_and(|left| left <= overlap) {
        return PublishedKey::Dead(Due::KeyExpiring);
    }
    PublishedKey::Alive { created: found.created }
}

async fn ask(engine: &Engine, key: &ApiKey) -> Result<bool, String> {
    match engine.exceptionless.key_works(key).await {
        Ok(KeyCheck::Works) => Ok(true),
        Ok(KeyCheck::Refused) => Ok(false),
        Ok(KeyCheck::ProjectGone) => Err("Exceptionless is deleting the project".to_owned()),
        Err(error) => Err(format!(
            "its published key looks dead in the listing, and could not be asked itself: {}",
            event::chain(&error)
        )),
    }
}

fn is_enabled(key: &ListedKey, latest: DateTime<Utc>) -> bool {
    !key.is_disabled && !key.is_suspended && key.expires.is_none_or(|expires| expires > latest)
}

/// A key that our marker and our instance make ours.
fn own_key(instance: &Instance, listed: ListedKey, latest: DateTime<Utc>) -> Option<OwnKey> {
    let marker = Marker::of(instance, listed.notes.as_deref())?;
    // A key that Exceptionless cannot have made, with notes that somebody copied, is not ours either.
    if !ExceptionlessClient::is_deletable(&listed.key) {
        return None;
    }
    let enabled = is_enabled(&listed, latest);
    Some(OwnKey {
        fingerprint: listed.key.fingerprint(),
        rotation: marker.rotation,
        created: listed.created,
        updated: listed.updated,
        disabled: listed.is_disabled,
        enabled,
        publishable: enabled && listed.expires.is_none() && listed.scopes == ["client"],
        key: listed.key,
    })
}
