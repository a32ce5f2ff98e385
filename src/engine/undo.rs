//! Brings keys back that were disabled and not yet deleted.
//!
//! First a check-and-set publishes the same key again, with a fresh time in `retiring` for those that come back; then
//! they are enabled. In the other order another rotator could end one between the two, by the time that the secret still
//! has for it. Killed in between, a key stays disabled, and lives longer for its fresh time; named, it
//! comes back. It dies in the end as every replaced key does: when another overlap has passed.
//!
//! Whoever disables a key by hand has a reason, perhaps that it has leaked. So without names only those come back that the
//! rotator may have disabled itself: listed, where revocation has two stages, not before their overlap was over, and
//! published by no other secret. What a person disabled after that looks the same: the key tells when it was changed last,
//! and not by whom.
//!
//! A key that a person made, and that `retire-unmanaged` disabled, comes back too if it is named: it stands in no list, so
//! that it is only enabled.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::SecretPath;
use crate::domain::secret::SecretState;
use crate::exceptionless::{KeyCheck, Updated};
use crate::plan::world::OwnKey;
use crate::plan::{self, Decision, Step, retire};
use crate::vault::Secret;

use super::attempt::Attempt;
use super::deed::Deeds;
use super::inventory::KeyOwner;
use super::observe::Survey;
use super::report::Outcome;
use super::retire::ROUNDS;
use super::{Engine, PassError, Request, event};

const BY_SOMEBODY_ELSE: &str = "disabled by somebody else, perhaps because it has leaked; or left over from an undo that was \
                                interrupted, or another secret may publish it; name it with --key to bring it back";
const STOPPED: &str = "told to stop before; repeat the command";

/// Brings back the disabled keys of the projects that the request names; of these only `wanted`, if any are named.
pub(super) async fn undo(
    engine: &Engine,
    request: &Request,
    wanted: &[Fingerprint],
    stop: &CancellationToken,
) -> Result<Deeds, PassError> {
    let survey = engine.survey(request).await?;
    let Survey { plan, blind, inventory, .. } = survey;
    let mut deeds = Deeds { blind, ..Deeds::default() };
    for step in plan.steps {
        let keys = step.observed.sight().into_iter().flat_map(|sight| &sight.keys);
        let named = |own: &OwnKey| wanted.is_empty() || wanted.contains(&own.fingerprint);
        let disabled = keys.filter(|own| own.disabled && named(own)).cloned();
        let ours = |own: &OwnKey| !wanted.is_empty() || retire::may_be_disabled_by_us(&step, own);
        let (chosen, others): (Vec<OwnKey>, Vec<OwnKey>) = disabled.partition(ours);
        for own in others {
            deeds.add(&step.observed.target.project, own.fingerprint, Err(BY_SOMEBODY_ELSE.to_owned()));
        }
        if chosen.is_empty() {
            continue;
        }
        bring_back(engine, request, step, &chosen, stop, &mut deeds).await;
    }
    let mut projects = HashMap::new();
    for entry in inventory {
        let key = entry.key.fingerprint();
        let Some(project) = entry.project.as_ref().filter(|_| wanted.contains(&key)) else { continue };
        projects.insert(key, Arc::clone(project));
        if !(entry.disabled && entry.owner == KeyOwner::Person) {
            continue;
        }
        let outcome = if stop.is_cancelled() {
            Err(STOPPED.to_owned())
        } else {
            enable(engine, &entry.key, None).await
        };
        if outcome.is_ok() {
            event::key_enabled(&engine.policy.instance, project, key, entry.created, request.command);
        }
        deeds.add(project, key, outcome.map(|()| "enabled"));
    }
    deeds.miss(
        wanted,
        &projects,
        "no disabled key of this name is in the projects that were looked at; `status --keys` lists all",
    );
    deeds.requests = engine.exceptionless.throttled_requests();
    Ok(deeds)
}

async fn bring_back(
    engine: &Engine,
    request: &Request,
    step: Step,
    chosen: &[OwnKey],
    stop: &CancellationToken,
    deeds: &mut Deeds,
) {
    let project = Arc::clone(&step.observed.target.project);
    let span = event::rotation(&step.observed.target);
    let listing = if stop.is_cancelled() {
        Err(STOPPED.to_owned())
    } else {
        list(engine, step, chosen).instrument(span).await
    };
    let listed = match listing {
        Ok(listed) => listed,
        Err(problem) => {
            chosen.iter().for_each(|own| deeds.add(&project, own.fingerprint, Err(problem.clone())));
            return;
        }
    };
    for OwnKey { key, fingerprint, created, .. } in chosen {
        let outcome = enable(engine, key, Some(&listed)).await;
        if outcome.is_ok() {
            event::key_enabled(&engine.policy.instance, &project, *fingerprint, *created, request.command);
        }
        deeds.add(&project, *fingerprint, outcome.map(|()| "enabled"));
    }
}

/// What the secret must say of a key when that is enabled.
struct Listed {
    path: SecretPath,
    /// Since when it is listed for retirement, or later; `None` if it must be the published one.
    since: Option<DateTime<Utc>>,
    /// How long it may take from then on.
    limit: TimeDelta,
}

/// Publishes the same key again with a fresh time for those that come back.
async fn list(engine: &Engine, mut step: Step, chosen: &[OwnKey]) -> Result<Listed, String> {
    if step.is_blocked() {
        return Err(step.decision.to_string());
    }
    step.decision = Decision::Enrol;
    let limit = plan::span(step.observed.target.rule.latest_return());
    let (Ok(path), Some(sight)) = (&step.observed.target.place, step.observed.sight()) else {
        return Err("nothing could be seen of its project".to_owned());
    };
    let published = |own: &&OwnKey| sight.ours().is_some_and(|ours| ours.publishes(&own.key));
    let anew: Vec<Fingerprint> =
        chosen.iter().filter(|own| !published(own)).map(|own| own.fingerprint).collect();
    // The published key itself stands in no list.
    if anew.is_empty() {
        return Ok(Listed { path: path.clone(), since: None, limit });
    }
    let attempt = Attempt { engine, step: &step, path, secret: &sight.secret };
    match attempt.relist(&anew).await {
        Outcome::Enrolled(publication, _) => {
            let since = anew.iter().filter_map(|key| publication.retiring.since(*key)).min();
            Ok(Listed { path: path.clone(), since, limit })
        }
        Outcome::Failed(failure) => Err(event::chain(&failure)),
        Outcome::Superseded => Err("somebody else wrote the secret meanwhile; repeat the command".to_owned()),
        Outcome::Held | Outcome::NotBegun | Outcome::Published(..) | Outcome::Reshaped(..) => {
            Err("no key of ours is published in its secret, so that no list can have it; rotate the project first".to_owned())
        }
    }
}

/// Enables a key, as long as its secret has it as it was listed.
async fn enable(engine: &Engine, key: &ApiKey, listed: Option<&Listed>) -> Result<(), String> {
    let mut failure = String::new();
    for _ in 0..ROUNDS {
        let turn = engine.exceptionless.turn().await;
        if let Some(Listed { path, since, limit }) = listed {
            if since.is_some_and(|since| engine.clocks().latest() - since > *limit) {
                return Err("it took too long after it was listed, perhaps for the request budget; repeat the command".to_owned());
            }
            match engine.vault.read(path).await {
                Ok(Secret { state: SecretState::Ours(now), .. })
                    if now.publishes(key)
                        || since.is_some() && now.retiring.since(key.fingerprint()) >= *since => {}
                Ok(_) => {
                    return Err("somebody else wrote the secret meanwhile; repeat the command".to_owned());
                }
                Err(error) => return Err(event::chain(&error)),
            }
        }
        match engine.exceptionless.set_disabled(turn, key, false).await {
            Ok(Updated::Done) => return works(engine, key).await,
            Ok(Updated::Unfound) => {
                return Err(
                    "it is gone: it was deleted meanwhile, or the user left its organization".to_owned()
                );
            }
            Err(error) => failure = event::chain(&error),
        }
    }
    Err(failure)
}

async fn works(engine: &Engine, key: &ApiKey) -> Result<(), String> {
    match engine.exceptionless.key_works(key).await {
        Ok(KeyCheck::Works) => Ok(()),
        Ok(KeyCheck::Refused | KeyCheck::ProjectGone) => Err(
            "it is enabled, and Exceptionless still refuses it: it has expired, or its organization is suspended, or a cache \
             remembers it for up to five minutes"
                .to_owned(),
        ),
        Err(error) => Err(format!("it is enabled; whether it works could not be learned: {}", event::chain(&error))),
    }
}
