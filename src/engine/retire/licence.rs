//! The last questions before a request that ends a key, asked of both servers directly before it.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::domain::key::ApiKey;
use crate::domain::path::SecretPath;
use crate::domain::policy::Revocation;
use crate::domain::secret::{Published, SecretState};
use crate::exceptionless::KeyCheck;
use crate::plan::Step;
use crate::plan::retire::{self, Stage};
use crate::plan::world::{OwnKey, PublishedKey};
use crate::vault::Secret;

use super::lately::replaced_for_long;
use super::{Engine, event};

/// How long an answer of Vault licenses. Of a batch that a slow server takes longer to answer for, the first keys are
/// left to the next pass: meanwhile somebody may have published one of them again.
const FRESH: Duration = Duration::from_secs(5);

/// A key that may be due, and the step that says so.
pub(super) struct Candidate<'a> {
    pub(super) step: &'a Step,
    pub(super) path: &'a SecretPath,
    pub(super) key: &'a OwnKey,
    /// What shall be done to it.
    pub(super) stage: Stage,
    /// The key that this pass has published, if it has.
    pub(super) published_now: Option<&'a ApiKey>,
    /// The command by which a person has waived the overlap.
    pub(super) emergency: Option<&'static str>,
}

/// What the servers, asked anew, say to a batch.
pub(super) struct Licence<'a, 'b> {
    pub(super) licensed: Vec<&'b Candidate<'a>>,
    pub(super) problems: Vec<String>,
}

/// Reads the secrets of a batch anew and keeps the keys that may be revoked by what they say now. What a
/// later pass will decide is no problem, except in an emergency, when a person waits for the end of a key.
pub(super) async fn license<'a, 'b>(engine: &Engine, batch: &'b [Candidate<'a>]) -> Licence<'a, 'b> {
    let reads = futures_util::stream::iter(batch)
        .map(|candidate| async move {
            let returned = candidate.has_returned(engine).await;
            let version = candidate.served_version(engine).await;
            (candidate, returned, version, engine.vault.read(candidate.path).await, Instant::now())
        })
        .buffered(engine.concurrency)
        .collect::<Vec<_>>()
        .await;
    let clocks = engine.clocks();
    let mut licence = Licence { licensed: Vec::with_capacity(batch.len()), problems: Vec::new() };
    for (candidate, returned, version, read, answered) in reads {
        let target = &candidate.step.observed.target;
        let name = target.project.full_name();
        let published = match read {
            Ok(Secret { state: SecretState::Ours(published), .. }) => Some(published),
            Ok(_) => None,
            Err(error) => {
                licence.problems.push(format!("{name}: {}", event::chain(&error)));
                continue;
            }
        };
        let served = |published: &Published| version.is_none_or(|version| version == Some(published.version));
        let fresh = |published: &Published| !returned && served(published) && answered.elapsed() <= FRESH;
        let may = published.filter(|published| fresh(published)).is_some_and(|published| {
            let alive = candidate.saw_alive(&published);
            let emergency = candidate.emergency.is_some();
            retire::may_revoke(&target.rule, &published, candidate.key, &clocks, alive, emergency)
        });
        if may {
            licence.licensed.push(candidate);
        } else if candidate.emergency.is_some() {
            let key = candidate.key.fingerprint;
            licence.problems.push(format!(
                "{name}: key {key} still works, because the secret changed meanwhile, or Vault took too long to \
                 tell; repeat the emergency"
            ));
        }
    }
    licence
}

impl Candidate<'_> {
    /// Whether the key is one that was disabled when it was listed and works again: then somebody has brought it back
    /// since, and the next pass sees when. Asking it costs nothing; where it cannot be asked, it stays.
    async fn has_returned(&self, engine: &Engine) -> bool {
        let staged = self.step.observed.target.rule.revocation != Revocation::Delete;
        let disabled = staged && self.key.disabled && self.emergency.is_none();
        let refused = Ok::<_, ()>(KeyCheck::Refused);
        disabled && engine.exceptionless.key_works(&self.key.key).await.map_err(drop) != refused
    }

    /// In a shared secret, the latest version, if by those that Vault keeps the key has served; `None` where that need not be
    /// asked.
    async fn served_version(&self, engine: &Engine) -> Option<Option<u64>> {
        if !engine.vault.is_shared() || self.emergency.is_some() {
            return None;
        }
        let (rule, earliest) = (&self.step.observed.target.rule, engine.clocks().earliest());
        // Where it cannot be asked, the key stays; that the secret cannot be read, its reading tells.
        Some(replaced_for_long(engine, self.path, rule, &self.key.key, earliest).await.unwrap_or(None))
    }

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
