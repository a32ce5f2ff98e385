//! The first of two stages, where the operator wants two: a key whose time is over stops working, and can be brought
//! back until the second stage deletes it.
//!
//! Exceptionless disables one key with each request. It does so by reading the key and writing it back whole, and asks
//! not whether it still exists: a key that somebody deletes at the same moment can come back, disabled. That harms
//! nobody, because it does not work, it is listed, and a later pass deletes it.

use futures_util::StreamExt;

use crate::exceptionless::{KeyCheck, Updated};
use crate::plan::retire::wake_after_disabling;

use super::licence::{Candidate, Licence, license};
use super::{Engine, PassReport, ROUNDS, event};

/// What came of one key.
enum Fate {
    Disabled,
    /// Not licensed any more, or gone.
    Left,
}

/// Disables what the plan proposes and the secrets, read anew, license.
pub(super) async fn disable(engine: &Engine, candidates: &[Candidate<'_>], report: &mut PassReport) {
    let mut fates = futures_util::stream::iter(candidates)
        .map(|candidate| async move { (candidate, disable_one(engine, candidate).await) })
        .buffer_unordered(engine.concurrency);
    while let Some((candidate, fate)) = fates.next().await {
        let target = &candidate.step.observed.target;
        match fate {
            Ok(Fate::Disabled) => {
                event::key_disabled(target, candidate.key);
                report.disabled.push(candidate.key.fingerprint);
                report.wake_no_later_than(Some(wake_after_disabling(&target.rule, &engine.clocks())));
            }
            Ok(Fate::Left) => {}
            Err(problem) => report.retire_failures.push(format!("{}: {problem}", target.project.full_name())),
        }
    }
}

/// A round that fails is repeated with a new licence, never on the old one.
async fn disable_one(engine: &Engine, candidate: &Candidate<'_>) -> Result<Fate, String> {
    let key = &candidate.key.key;
    let mut failure = None;
    for _ in 0..ROUNDS {
        let turn = engine.exceptionless.turn().await;
        let Licence { licensed, problems } = license(engine, std::slice::from_ref(candidate)).await;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        if licensed.is_empty() || !engine.tenure.stands() {
            return Ok(Fate::Left);
        }
        match engine.exceptionless.set_disabled(turn, key, true).await {
            Ok(Updated::Done) => return Ok(Fate::Disabled),
            // Gone, or a key that this user no longer sees, which may still work.
            Ok(Updated::Unfound) => {
                return match engine.exceptionless.key_works(key).await {
                    Ok(KeyCheck::Refused | KeyCheck::ProjectGone) => Ok(Fate::Left),
                    Ok(KeyCheck::Works) => Err(format!(
                        "key {} works, and Exceptionless does not find it to disable it; is the user still a member of \
                         the organization?",
                        candidate.key.fingerprint
                    )),
                    Err(error) => Err(event::chain(&error)),
                };
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => {
            event::retire_failed(1, &error);
            Err(event::chain(&error))
        }
        None => Ok(Fate::Left),
    }
}
