//! Ends keys that nobody manages, because a person asks for it: for teams who move over from keys made by hand.
//!
//! This is the one place where a key is ended that the rotator did not create, and so it is narrow. (Only `undo` touches
//! such keys too: by its name it enables one again.) It ends only
//! keys that the rotator replaces: of a project whose published key is ours and works, with the scope `client` and no
//! other, made by a person, older than the person says, and held by no reader of the secret any more (`readers`).
//! Never a key of another instance, or one whose notes begin as those of a rotator; never a key of a whole
//! organization; never the published key, nor one that another secret publishes; never the rotator's own credential.
//! It disables them, which `undo --key` takes back. To delete them they must be disabled first.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::domain::clocks::time_text;
use crate::domain::ids::ProjectId;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::SecretPath;
use crate::domain::project::Project;
use crate::domain::secret::SecretState;
use crate::engine::deed::Deeds;
use crate::engine::inventory::{Entry, KeyOwner};
use crate::engine::observe::unmatched;
use crate::engine::{PassError, Survey};
use crate::exceptionless::{Deleted, ExceptionlessClient, KeyCheck, Updated};
use crate::plan::Step;
use crate::plan::reason::Conflict;
use crate::plan::selection::Only;
use crate::plan::world::PublishedKey;
use crate::vault::Secret;

use super::readers::{self, Held};
use super::{Engine, ROUNDS, Request, event};

/// The stable word for a key that Exceptionless did not find.
const GONE: &str = "gone";

/// Which of them.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Older than this.
    pub older_than: Duration,
    /// Only these, if any are named.
    pub keys: Vec<Fingerprint>,
    /// Delete those that are disabled, instead of disabling those that are not.
    pub delete: bool,
}

/// A key that the wish is about.
#[derive(Debug)]
pub struct Unmanaged {
    /// The key.
    pub key: ApiKey,
    /// Its project.
    pub project: Arc<Project>,
    /// When it was minted.
    pub created: DateTime<Utc>,
    home: Home,
}

/// The secret whose published key replaces it.
#[derive(Debug, Clone)]
struct Home {
    path: SecretPath,
    version: u64,
    /// The published key, which this pass has seen alive.
    published: ApiKey,
}

/// A key that is left alone.
#[derive(Debug)]
pub struct Refused {
    /// The key.
    pub key: Fingerprint,
    /// Its project, if it is known.
    pub project: Option<Arc<Project>>,
    /// Why.
    pub why: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What may be ended.
    pub keys: Vec<Unmanaged>,
    /// What was asked for by name and may not, with the reason; and what may only later.
    pub refused: Vec<Refused>,
    /// What could not be seen.
    pub blind: Vec<String>,
}

impl Found {
    /// Takes over what an earlier look could not see, and what it refused.
    pub fn inherit(&mut self, first: Self) {
        let unseen: Vec<_> =
            first.blind.into_iter().filter(|problem| !self.blind.contains(problem)).collect();
        self.blind.extend(unseen);
        self.refused.extend(first.refused);
    }
}

/// Looks for them; changes nothing.
pub(in crate::engine) async fn find(
    engine: &Engine,
    request: &Request,
    wish: &Wish,
) -> Result<Found, PassError> {
    // Any secret may publish any key, and so all are looked at, whichever projects the request names.
    let fleet = Request { only: Only::default(), ..request.clone() };
    let survey = engine.survey(&fleet).await?;
    let wanted = |project: &Arc<Project>| request.only.wants(project);
    if survey.blind.is_empty() && !survey.plan.steps.iter().any(|step| wanted(&step.observed.target.project))
    {
        return Err(unmatched(engine, request, &survey.existing));
    }
    let now = engine.clocks().earliest();
    let published = published_anywhere(engine, &survey).await;
    let steps = survey.plan.steps.iter().map(|step| (&step.observed.target.project.id, step));
    let steps: HashMap<&ProjectId, &Step> = steps.collect();
    let mut found = Found { blind: survey.blind, ..Found::default() };
    if published.is_none() {
        let why =
            "no key is ended, because a secret that may publish it could not be read; `plan` says which";
        found.blind.push(why.to_owned());
    }
    let mut held: HashMap<ProjectId, Held> = HashMap::new();
    for entry in survey.inventory {
        let key = entry.key.fingerprint();
        let named = wish.keys.contains(&key);
        if !(named || wish.keys.is_empty()) || entry.project.as_ref().is_some_and(|project| !wanted(project))
        {
            continue;
        }
        let step = entry.project.as_ref().and_then(|project| steps.get(&project.id).copied());
        let judged = match &published {
            Some(published) => judge(engine, &entry, step, published, wish, now),
            None => Err("whether another secret publishes it could not be learned"),
        };
        match judged {
            Ok(home) => {
                let (Some(project), Some(step)) = (entry.project, step) else { continue };
                let refused = |why: String| Refused { key, project: Some(Arc::clone(&project)), why };
                let held = match held.entry(project.id.clone()) {
                    MapEntry::Occupied(known) => known.into_mut(),
                    MapEntry::Vacant(place) => place.insert(held_by_readers(engine, step, &home).await),
                };
                match held.as_ref().map(|held| held.get(&key)) {
                    Ok(None) => {
                        found.keys.push(Unmanaged { key: entry.key, project, created: entry.created, home });
                    }
                    Ok(Some(until)) => {
                        let until = time_text(*until);
                        let why = format!(
                            "a secret published it, and readers may hold it; repeat the command after {until}"
                        );
                        found.refused.push(refused(why));
                    }
                    Err(why) => found.refused.push(refused(why.clone())),
                }
            }
            Err(why) if named => {
                found.refused.push(Refused { key, project: entry.project, why: why.to_owned() });
            }
            Err(_) => {}
        }
    }
    let known: HashSet<Fingerprint> = found
        .keys
        .iter()
        .map(|one| one.key.fingerprint())
        .chain(found.refused.iter().map(|refused| refused.key))
        .collect();
    let missing = wish.keys.iter().filter(|key| !known.contains(key));
    let why = "no such key is in the projects that were looked at";
    let unknown = missing.map(|key| Refused { key: *key, project: None, why: why.to_owned() });
    found.refused.extend(unknown);
    Ok(found)
}

async fn held_by_readers(engine: &Engine, step: &Step, home: &Home) -> Held {
    match step.observed.ours() {
        Some(published) => readers::held(engine, &home.path, &step.observed.target.rule, published).await,
        None => Ok(HashMap::new()),
    }
}

/// The keys that any secret of ours publishes, if they are all known: also at paths that the survey passes over, because
/// nothing can be done about their projects.
async fn published_anywhere(engine: &Engine, survey: &Survey) -> Option<HashSet<Fingerprint>> {
    let mut published = survey.plan.elsewhere.as_ref()?.keys.clone();
    for Step { observed, .. } in survey.plan.steps.iter().filter(|step| step.observed.sight().is_none()) {
        let (Ok(path) | Err(Conflict::SharedPath { path, .. })) = &observed.target.place else { continue };
        if let SecretState::Ours(ours) = engine.vault.read(path).await.ok()?.state {
            published.extend(ours.api_key.as_ref().map(ApiKey::fingerprint));
        }
    }
    Some(published)
}

/// Whether a key is one of them, but for what readers hold; and what replaces it.
fn judge(
    engine: &Engine,
    entry: &Entry,
    step: Option<&Step>,
    published: &HashSet<Fingerprint>,
    wish: &Wish,
    now: DateTime<Utc>,
) -> Result<Home, &'static str> {
    let step = step.ok_or("it belongs to a whole organization, not to a project")?;
    match entry.owner {
        KeyOwner::Person if !entry.marked => {}
        KeyOwner::Person => return Err("its notes begin as those of a rotator"),
        KeyOwner::Ours => return Err("it is the rotator's own: its time comes by itself"),
        KeyOwner::OtherInstance(_) => return Err("it belongs to another instance of a rotator"),
    }
    if !entry.is_unmanaged() || published.contains(&entry.key.fingerprint()) {
        return Err("a secret publishes it");
    }
    if !(entry.scopes.is_empty() || entry.scopes == ["client"]) {
        return Err("it has another scope than client, so that the published key does not replace it");
    }
    if engine.exceptionless.is_own_credential(&entry.key) {
        return Err("it is the rotator's own credential");
    }
    if !ExceptionlessClient::is_deletable(&entry.key) {
        return Err("Exceptionless takes no requests about keys of this form");
    }
    if !entry.is_older_than(wish.older_than, now) {
        return Err("it is not older than --older-than says");
    }
    match (wish.delete, entry.disabled) {
        (true, false) => return Err("it is not disabled: --delete only takes keys that are"),
        (false, true) => return Err("it is disabled already"),
        _ => {}
    }
    let place = step.observed.target.place.as_ref().ok().filter(|_| !step.is_blocked());
    let alive = step.observed.sight().filter(|sight| matches!(sight.published, PublishedKey::Alive { .. }));
    let key = alive.and_then(|sight| {
        let ours = sight.ours()?;
        let key = ours.api_key.clone()?;
        sight.keys.iter().any(|own| own.key == key).then_some((ours.version, key))
    });
    let (Some(path), Some((version, published))) = (place, key) else {
        return Err("its project has no published key of the rotator's that works");
    };
    Ok(Home { path: path.clone(), version, published })
}

/// Ends what was found.
pub(in crate::engine) async fn end(
    engine: &Engine,
    request: &Request,
    found: Found,
    wish: &Wish,
    stop: &CancellationToken,
) -> Deeds {
    let mut deeds = Deeds { blind: found.blind, ..Deeds::default() };
    for one in &found.keys {
        let outcome = if stop.is_cancelled() {
            Err("told to stop before; repeat the command".to_owned())
        } else {
            end_one(engine, one, wish.delete).await
        };
        let key = one.key.fingerprint();
        if let Ok(done) = outcome {
            event::unmanaged_ended(
                &engine.policy.instance,
                &one.project,
                key,
                one.created,
                request.command,
                done,
            );
        }
        deeds.add(&one.project, key, outcome);
    }
    for Refused { key, project, why } in found.refused {
        deeds.refuse(project, key, why);
    }
    deeds.requests = engine.exceptionless.throttled_requests();
    deeds
}

/// A round that fails is repeated with a new licence.
async fn end_one(engine: &Engine, one: &Unmanaged, delete: bool) -> Result<&'static str, String> {
    let exceptionless = &engine.exceptionless;
    let mut failure = String::new();
    for _ in 0..ROUNDS {
        let turn = exceptionless.turn().await;
        // Disabled when it was listed; who has enabled it since needs it.
        if delete
            && exceptionless.key_works(&one.key).await.map_err(|error| event::chain(&error))?
                == KeyCheck::Works
        {
            return Err("somebody has enabled it meanwhile; it was left alone".to_owned());
        }
        // What readers may hold is known of this version and those before.
        match engine.vault.read(&one.home.path).await {
            Ok(Secret { state: SecretState::Ours(now), .. })
                if now.version == one.home.version
                    && now.publishes(&one.home.published)
                    && !now.publishes(&one.key) => {}
            Ok(_) => {
                return Err(
                    "somebody else wrote the secret of its project meanwhile; repeat the command".to_owned()
                );
            }
            Err(error) => return Err(event::chain(&error)),
        }
        let done = if delete {
            let deleted = exceptionless.delete_keys(turn, std::slice::from_ref(&one.key)).await;
            deleted.map(|deleted| match deleted {
                Deleted::All => "deleted",
                Deleted::Unfound => GONE,
            })
        } else {
            exceptionless.set_disabled(turn, &one.key, true).await.map(|updated| match updated {
                Updated::Done => "disabled",
                Updated::Unfound => GONE,
            })
        };
        match done {
            Ok(done) => return has_ended(engine, one, done == GONE).await.map(|()| done),
            Err(error) => failure = event::chain(&error),
        }
    }
    Err(failure)
}

/// A key that Exceptionless did not find may be one that this user may see, and not change.
async fn has_ended(engine: &Engine, one: &Unmanaged, unfound: bool) -> Result<(), String> {
    match engine.exceptionless.key_works(&one.key).await {
        Ok(KeyCheck::Refused | KeyCheck::ProjectGone) => Ok(()),
        Ok(KeyCheck::Works) if unfound => Err(
            "Exceptionless does not find it for this user, and it works: it may be a colleague's own, or the user has left the \
             organization; whoever made it must end it"
                .to_owned(),
        ),
        Ok(KeyCheck::Works) => {
            Err("it still works: a cache remembers it for up to five minutes; repeat the command then".to_owned())
        }
        Err(error) => Err(format!("whether it still works could not be learned: {}", event::chain(&error))),
    }
}
