//! The one place where keys are revoked because their time is over.
//!
//! The plan only proposes. For each request the secrets are read anew, directly before it (`licence`), and
//! [`may_revoke`](retire::may_revoke) must license each key by what is published *then*: not the published key, listed in
//! `retiring`, the overlap over by the earliest of three clocks, and the published key one that this pass has
//! itself seen alive. So whatever happened since the pass began (another rotator, a person
//! who rolled back) can only keep a key. That holds for both stages where there are two: `disable` is the first.

mod disable;
mod lately;
mod licence;
mod readers;
mod taken_over;
pub(super) mod unmanaged;

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::ids::ProjectId;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::project::Project;
use crate::exceptionless::{Deleted, KeyCheck, MAX_DELETED_AT_ONCE};
use crate::plan::emergency::{Cut, bereft, doomed};
use crate::plan::reason::Hold;
use crate::plan::retire::Stage;
use crate::plan::target::Target;
use crate::plan::{Decision, Step, retire};

use super::inventory::Entry;
use super::report::{Outcome, PassReport, ProjectReport};
use super::{Engine, Request, event};
use disable::disable;
use licence::{Candidate, Licence, license};
use taken_over::taken_over;

/// How often a request is tried before it is left to the next pass, or to a repetition of the command.
pub(super) const ROUNDS: usize = 3;

/// Revokes what the plan proposes and the secrets, read anew, license.
pub(super) async fn retire(
    engine: &Engine,
    request: &Request,
    steps: &[Step],
    (existing, inventory): (&[Arc<Project>], &[Entry]),
    report: &mut PassReport,
) {
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
        let candidate = |(key, stage)| Candidate { step, path, key, stage, published_now, emergency };
        if let Some(cut) = cut {
            let keys = doomed(step, cut);
            let keys = keys.filter(|own| Some(&own.key) != published_now);
            candidates.extend(keys.map(|own| candidate((own, Stage::Delete))));
        } else {
            candidates.extend(retire::ripe(step, &clocks).map(candidate));
        }
    }
    let (first, last): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| candidate.stage == Stage::Disable);
    // What has leaked, or has waited longest, goes first.
    for batch in last.chunks(MAX_DELETED_AT_ONCE) {
        revoke_batch(engine, batch, report).await;
    }
    disable(engine, &first, report).await;
    if let Some(cut) = request.asked.cut() {
        let bereaved = bereaved(steps, cut, &report.retired);
        report.retire_failures.extend(bereaved);
        report.retire_failures.extend(taken_over(engine, existing, inventory, cut).await);
    }
    let (gone, disabled) =
        (report.retired.iter().copied().collect(), report.disabled.iter().copied().collect());
    let clocks = engine.clocks();
    for project in &mut report.projects {
        project.standing.forget(&gone);
        project.standing.note(&disabled, &engine.policy, &clocks);
    }
}

/// Revokes what is licensed of a batch. A round that fails is repeated with a new licence, never on the old
/// one: between two rounds another window of the request budget may have to be waited for.
async fn revoke_batch(engine: &Engine, batch: &[Candidate<'_>], report: &mut PassReport) {
    let mut failure = None;
    for _ in 0..ROUNDS {
        let turn = engine.exceptionless.turn().await;
        let Licence { licensed, problems } = license(engine, batch).await;
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
            Err(error) => failure = Some((keys.len(), error, problems)),
        }
    }
    if let Some((keys, error, problems)) = failure {
        event::retire_failed(keys, &error);
        report.retire_failures.extend(problems);
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
                    Some(command) => event::key_retired_at_once(&engine.policy.instance, target, key, command),
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

/// In an emergency: the secrets at old paths whose key has ended, and whose readers nobody has told where to look now.
fn bereaved(steps: &[Step], cut: Cut, retired: &[Fingerprint]) -> Vec<String> {
    let bereft =
        steps.iter().flat_map(|step| bereft(step, cut).map(move |(former, own)| (step, former, own)));
    let ended = bereft.filter(|(_, _, own)| retired.contains(&own.fingerprint));
    let told = ended.filter_map(|(step, former, own)| {
        let Target { project, place, .. } = &step.observed.target;
        Some(format!(
            "{}: {} publishes key {}, which has ended, and gets no other: let its readers read {}, and delete it",
            project.full_name(),
            former.stray.path,
            own.fingerprint,
            place.as_ref().ok()?
        ))
    });
    told.collect()
}

/// The key that this pass has published, if it has; `None` where the outcome is uncertain, and what is
/// uncertain revokes nothing.
fn certain(project: &ProjectReport) -> Option<Option<ApiKey>> {
    match &project.outcome {
        Outcome::Published(publication, _) => Some(Some(publication.api_key.clone())),
        Outcome::Held | Outcome::Enrolled(..) | Outcome::Reshaped(..) => Some(None),
        Outcome::Failed(_) | Outcome::NotBegun | Outcome::Superseded => None,
    }
}
