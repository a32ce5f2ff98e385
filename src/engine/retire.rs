//! The one place where keys are revoked because their time is over.
//!
//! The plan only proposes. For each batch the secrets are read anew, directly before the request, and
//! [`retire::may_revoke`] must license each key by what is published *then*: not the published key, listed in
//! `retiring`, the overlap over by the earliest of three clocks, and the published key one that this pass has
//! itself seen alive. So whatever happened since the pass began (another rotator, a person
//! who rolled back) can only keep a key.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::domain::ids::ProjectId;
use crate::domain::key::ApiKey;
use crate::domain::path::SecretPath;
use crate::domain::secret::{Published, SecretState};
use crate::exceptionless::{Deleted, KeyCheck, MAX_DELETED_AT_ONCE};
use crate::plan::emergency::doomed;
use crate::plan::reason::Hold;
use crate::plan::world::{OwnKey, PublishedKey};
use crate::plan::{Decision, Step, retire};
use crate::vault::Secret;

use super::report::{Outcome, PassReport, ProjectReport};
use super::{Engine, Request, event};

/// How often a batch is tried before it is left to the next pass.
const ROUNDS: usize = 3;

/// How long an answer of Vault licenses. Of a batch that a slow server takes longer to answer for, the first keys are left to
/// the next pass: meanwhile somebody may have published one of them again.
const FRESH: Duration = Duration::from_secs(5);

/// A key that may be due, and the step that says so.
struct Candidate<'a> {
    step: &'a Step,
    path: &'a SecretPath,
    key: &'a OwnKey,
    published_now: Option<&'a ApiKey>,
    /// The command by which a person has waived the overlap.
    emergency: Option<&'static str>,
}

/// Revokes what the plan proposes and the secrets, read anew, license.
pub(super) async fn retire(engine: &Engine, request: &Request, steps: &[Step], report: &mut PassReport) {
    let outcomes: HashMap<ProjectId, Option<ApiKey>> = report
        .projects
        .iter()
        .filter_map(|project| Some((project.standing.project.id.clone(), certain(project)?)))
        .collect();
    let clocks = engine.clocks();
    let mut candidates = Vec::new();
    for step in steps {
        let target = &step.observed.target;
        let (Ok(path), Some(published)) = (&target.place, outcomes.get(&target.project.id)) else { continue };
        let published_now = published.as_ref();
        let stands = published_now.is_some() || step.decision == Decision::Hold(Hold::UpToDate);
        let cut = request.asked.cut().filter(|_| stands);
        let emergency = cut.is_some().then_some(request.command);
        let candidate = |key| Candidate { step, path, key, published_now, emergency };
        if let Some(cut) = cut {
            report.retire_failures.extend(published_now.and_then(|_| taken_over(step)));
            let keys = doomed(step, cut);
            candidates.extend(keys.filter(|own| Some(&own.key) != published_now).map(candidate));
        } else {
            candidates.extend(retire::ripe(step, &clocks).map(candidate));
        }
    }
    for batch in candidates.chunks(MAX_DELETED_AT_ONCE) {
        revoke_batch(engine, batch, report).await;
    }
    let gone = report.retired.iter().copied().collect();
    report.projects.iter_mut().for_each(|project| project.standing.forget(&gone));
}

/// Revokes what is licensed of a batch. A round that fails is repeated with a new licence, never on the old
/// one: between two rounds another window of the request budget may have to be waited for.
async fn revoke_batch(engine: &Engine, batch: &[Candidate<'_>], report: &mut PassReport) {
    let mut failure = None;
    for _ in 0..ROUNDS {
        let turn = engine.exceptionless.turn().await;
        let License { licensed, problems } = license(engine, batch).await;
        let keys: Vec<ApiKey> = licensed.iter().map(|candidate| candidate.key.key.clone()).collect();
        if keys.is_empty() || !engine.tenure.stands() {
            report.retire_failures.extend(problems);
            return;
        }
        match engine.exceptionless.delete_keys(turn, &keys).await {
            Ok(deleted) => {
                report.retire_failures.extend(problems);
                return confirm(engine, licensed, deleted, report).await;
            }
            Err(error) => failure = Some((keys.len(), error)),
        }
    }
    if let Some((keys, error)) = failure {
        event::retire_failed(keys, &error);
        report.retire_failures.push(event::chain(&error));
    }
}

/// Counts what is gone. A key that was not found may be one that this user no longer sees, and in an
/// emergency somebody waits to be told: such keys are asked themselves, which is free.
async fn confirm(engine: &Engine, keys: Vec<&Candidate<'_>>, deleted: Deleted, report: &mut PassReport) {
    for Candidate { step, key, emergency, .. } in keys {
        let target = &step.observed.target;
        let doubtful = emergency.is_some() || deleted == Deleted::Unfound;
        // A deletion that is not in doubt needs no asking.
        let asked =
            if doubtful { engine.exceptionless.key_works(&key.key).await } else { Ok(KeyCheck::Refused) };
        let name = || target.project.full_name();
        let fingerprint = key.fingerprint;
        match asked {
            Ok(KeyCheck::Refused | KeyCheck::ProjectGone) => {
                match emergency {
                    None => event::key_retired(target, key),
                    Some(command) => event::key_killed(&engine.policy.instance, target, key, command),
                }
                report.retired.push(fingerprint);
            }
            Ok(KeyCheck::Works) => report.retire_failures.push(format!(
                "{}: key {fingerprint} still works after it was deleted; Exceptionless may remember it for five \
                 minutes, or the user may no longer delete it: ask again then, and look at its membership",
                name()
            )),
            Err(error) => report.retire_failures.push(format!(
                "{}: whether key {fingerprint} still works after it was deleted could not be learned; ask again: {}",
                name(),
                event::chain(&error)
            )),
        }
    }
}

/// In an emergency: the replaced key, if a person has made it theirs by editing its notes.
fn taken_over(step: &Step) -> Option<String> {
    let sight = step.observed.sight()?;
    let replaced = sight.ours()?.api_key.as_ref()?;
    let is_ours = sight.keys.iter().any(|own| own.key == *replaced);
    let alive = matches!(sight.published, PublishedKey::Alive { .. });
    (alive && !is_ours).then(|| {
        let (name, key) = (step.observed.target.project.full_name(), replaced.fingerprint());
        format!("{name}: the replaced key {key} is not ours to revoke, since its notes were edited; revoke it by hand")
    })
}

/// The key that this pass has published, if it has; `None` where the outcome is uncertain, and what is
/// uncertain revokes nothing.
fn certain(project: &ProjectReport) -> Option<Option<ApiKey>> {
    match &project.outcome {
        Outcome::Published(publication, _) => Some(Some(publication.api_key.clone())),
        Outcome::Held | Outcome::Enrolled(..) => Some(None),
        Outcome::Failed(_) | Outcome::NotBegun | Outcome::Superseded => None,
    }
}

/// What the secrets, read anew, say to a batch.
struct License<'a, 'b> {
    licensed: Vec<&'b Candidate<'a>>,
    problems: Vec<String>,
}

/// Reads the secrets of a batch anew and keeps the keys that may be revoked by what they say now. What a
/// later pass will decide is no problem, except in an emergency, when a person waits for the end of a key.
async fn license<'a, 'b>(engine: &Engine, batch: &'b [Candidate<'a>]) -> License<'a, 'b> {
    let reads = futures_util::stream::iter(batch)
        .map(|candidate| async move { (candidate, engine.vault.read(candidate.path).await, Instant::now()) })
        .buffered(engine.concurrency)
        .collect::<Vec<_>>()
        .await;
    let clocks = engine.clocks();
    let mut license = License { licensed: Vec::with_capacity(batch.len()), problems: Vec::new() };
    for (candidate, read, answered) in reads {
        let target = &candidate.step.observed.target;
        let name = target.project.full_name();
        let published = match read {
            Ok(Secret { state: SecretState::Ours(published), .. }) => Some(published),
            Ok(_) => None,
            Err(error) => {
                license.problems.push(format!("{name}: {}", event::chain(&error)));
                continue;
            }
        };
        let may = published.filter(|_| answered.elapsed() <= FRESH).is_some_and(|published| {
            let alive = candidate.saw_alive(&published);
            retire::may_revoke(
                &target.rule,
                &published,
                candidate.key,
                &clocks,
                alive,
                candidate.emergency.is_some(),
            )
        });
        if may {
            license.licensed.push(candidate);
        } else if candidate.emergency.is_some() {
            let key = candidate.key.fingerprint;
            license.problems.push(format!(
                "{name}: key {key} still works, because the secret changed meanwhile, or Vault took too long to \
                 tell; repeat the emergency"
            ));
        }
    }
    license
}

impl Candidate<'_> {
    /// Whether the key that is published now is one that this pass has seen alive: the one that it
    /// verified and published itself, or the one that it found published and working.
    fn saw_alive(&self, now: &Published) -> bool {
        if self.published_now.is_some() {
            return now.api_key.as_ref() == self.published_now;
        }
        let sight = self.step.observed.sight();
        sight.is_some_and(|sight| {
            matches!(sight.published, PublishedKey::Alive { .. })
                && sight.ours().is_some_and(|seen| seen.api_key == now.api_key)
        })
    }
}
