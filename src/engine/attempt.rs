//! One project's attempt: mint, verify, publish.
//!
//! Every way out of here leaves a state that a later pass understands. Nothing is cleaned up on failure:
//! a key that was minted and not published stays, with our marker in its notes, and is adopted or
//! enrolled by a later pass. Deleting it here would need the certainty that nobody has adopted it in the
//! meantime, which no answer of a server can give.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::domain::clocks::Clocks;
use crate::domain::ids::RotationId;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::Marker;
use crate::domain::path::SecretPath;
use crate::domain::secret::{Publication, Published, SecretState};
use crate::exceptionless::{
    CreateError, CreatedKey, ErrorKind as ExceptionlessKind, ExceptionlessError, KeyCheck, ListedKey,
};
use crate::plan::publication::{self, Fresh};
use crate::plan::reason::Due;
use crate::plan::target::Target;
use crate::plan::world::OwnKey;
use crate::plan::{Decision, Step};
use crate::vault::{Kind as VaultKind, Secret, VaultError};

use super::report::Outcome;
use super::{Engine, event};

/// How often a mint whose answer was lost, and whose key cannot be found, is begun anew.
const MINTS: usize = 2;
/// How often a fresh key is tried before it is called broken. Exceptionless answers for a new key at
/// once when its nodes share a cache; a few seconds of doubt cost nothing, because the check is free.
const CHECKS: u32 = 6;
/// How often a publication is sent into a secret in which other owners write meanwhile.
const MERGES: usize = 5;
/// Clocks that differ by more than this: the latest of them would date keys so that they never die.
pub const WIDEST_SPREAD: TimeDelta = TimeDelta::days(1);
/// The pause after the first check; it doubles each time, to about six seconds in all.
const CHECK_PAUSE: Duration = Duration::from_millis(200);

/// An attempt under way.
pub(super) struct Attempt<'a> {
    pub(super) engine: &'a Engine,
    pub(super) step: &'a Step,
    pub(super) path: &'a SecretPath,
    /// What stood there.
    pub(super) secret: &'a SecretState,
}

/// Why an attempt ended without a publication.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The key could not be minted.
    #[error("no key could be minted")]
    Mint(#[source] ExceptionlessError),
    /// The answer to the mint was lost, and so was that to the search for it.
    #[error(
        "the answer to the mint was lost, and the project's keys could not be listed to find the key; a later pass will"
    )]
    MintLost(#[source] ExceptionlessError),
    /// The answers of several mints were lost and none left a key behind.
    #[error("the answers to {MINTS} mints were lost and no key was found; the next pass tries again")]
    MintUnanswered(#[source] ExceptionlessError),
    /// The server bound the key to something else.
    #[error(
        "Exceptionless answered with a key for another project, organization or scope than asked for; it was revoked and nothing was published"
    )]
    WrongBinding,
    /// The same, and the key could not be revoked.
    #[error(
        "Exceptionless answered with a key for another project, organization or scope than asked for, and it could not be revoked; look for our marker in that project's keys"
    )]
    WrongBindingLeft(#[source] ExceptionlessError),
    /// The server answered with a key that does not carry our marker.
    #[error(
        "Exceptionless answered a mint with a key that does not carry our marker; it was left alone and nothing was \
         published; look what stands between the rotator and Exceptionless"
    )]
    NotOurs,
    /// The fresh key does not work.
    #[error(
        "the new key {0} is refused by Exceptionless; the old key stays published, and a later pass decides about the new one"
    )]
    Unverified(Fingerprint),
    /// Whether the fresh key works could not be learned.
    #[error(
        "whether the new key works could not be learned; the old key stays published, and a later pass goes on with the new one"
    )]
    VerifyLost(#[source] ExceptionlessError),
    /// The project was deleted meanwhile.
    #[error("the project is gone")]
    ProjectGone,
    /// Others may have decided about the key in the meantime.
    #[error("the attempt took longer than the {age} after which others may enrol its key, so it published nothing; the next pass goes on", age = humantime::format_duration(*.0))]
    TooSlow(Duration),
    /// Another replica may lead now.
    #[error(
        "the lease was lost before the key could be published; the key stays, and whoever holds the lease goes on with it"
    )]
    NotLeader,
    /// Vault refused.
    #[error("the secret could not be written; the old key stays published, and the next pass goes on")]
    Publish(#[source] VaultError),
    /// One of the clocks is badly wrong.
    #[error(
        "the clocks of this machine, Exceptionless and Vault differ by more than a day, so nothing was published; \
         `exceptionless-rotator check` tells which one is wrong"
    )]
    Clocks,
    /// The secret was changed meanwhile, but not its key.
    #[error(
        "the secret was changed meanwhile by somebody else, its key was not; the next pass goes on with the new key"
    )]
    Overtaken,
    /// The write may or may not have happened, and reading back did not tell.
    #[error("whether the secret was written could not be learned; the next pass finds out")]
    PublishLost(#[source] VaultError),
    /// A mistake in this program.
    #[error(
        "an error in the rotator itself ended the attempt; the log says where (process.panicked): please report it; \
         whether a new key is published is not known, the next pass goes on, and an emergency must be repeated"
    )]
    Panicked,
    /// The Vault policy does not let us write, which was asked before anything was minted.
    #[error(
        "the Vault policy does not allow {missing:?} on {path}; add it to the policy (see config/vault-policy.hcl); no key was minted"
    )]
    NotPermitted {
        /// The path as policies write it.
        path: String,
        /// The capability.
        missing: &'static str,
    },
}

impl Failure {
    /// The stable word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Mint(_) => "mint_failed",
            Self::MintLost(_) => "mint_lost",
            Self::MintUnanswered(_) => "mint_unanswered",
            Self::WrongBinding => "wrong_binding",
            Self::WrongBindingLeft(_) => "wrong_binding_left",
            Self::NotOurs => "not_ours",
            Self::Unverified(_) => "unverified",
            Self::VerifyLost(_) => "verify_lost",
            Self::ProjectGone => "project_gone",
            Self::TooSlow(_) => "too_slow",
            Self::NotLeader => "not_leader",
            Self::Publish(_) => "publish_failed",
            Self::Clocks => "clocks",
            Self::Overtaken => "overtaken",
            Self::PublishLost(_) => "publish_lost",
            Self::Panicked => "panicked",
            Self::NotPermitted { .. } => "not_permitted",
        }
    }

    /// Whether a right is missing at one of the servers.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Mint(error) => error.kind() == ExceptionlessKind::NotPermitted,
            Self::Publish(error) => error.kind() == VaultKind::NotPermitted,
            Self::NotPermitted { .. } => true,
            Self::MintLost(_)
            | Self::MintUnanswered(_)
            | Self::WrongBinding
            | Self::WrongBindingLeft(_)
            | Self::NotOurs
            | Self::Unverified(_)
            | Self::VerifyLost(_)
            | Self::ProjectGone
            | Self::TooSlow(_)
            | Self::NotLeader
            | Self::Clocks
            | Self::Overtaken
            | Self::PublishLost(_)
            | Self::Panicked => false,
        }
    }
}

impl Attempt<'_> {
    pub(super) async fn run(&self) -> Outcome {
        // Asked before anything is minted too: a key that a wrong clock has dated stays for ever.
        if self.step.publishes()
            && let Err(failure) = self.clocks()
        {
            return Outcome::Failed(failure);
        }
        match &self.step.decision {
            Decision::Rotate(due) => self.rotate(*due).await,
            Decision::Adopt(due, key) => self.adopt(*due, key).await,
            Decision::Enrol | Decision::Reshape => self.renew(&[]).await,
            Decision::Hold(_) => Ok(Outcome::Held),
        }
        .unwrap_or_else(Outcome::Failed)
    }

    /// Publishes the same key again, with a fresh time in `retiring` for these.
    pub(super) async fn relist(&self, anew: &[Fingerprint]) -> Outcome {
        let relisted = async {
            self.clocks()?;
            self.renew(anew).await
        };
        relisted.await.unwrap_or_else(Outcome::Failed)
    }

    /// Repeats the mark in `custom_metadata`, after the data and never before it: a secret that a person
    /// creates in between is never marked as ours.
    pub(super) async fn stamp(&self, outcome: &Outcome) -> Result<(), VaultError> {
        let needed = match outcome {
            Outcome::Published(..) | Outcome::Enrolled(..) | Outcome::Reshaped(..) => {
                !self.is_stamped() && !self.step.remembers
            }
            Outcome::Held => self.step.stamp,
            Outcome::Superseded | Outcome::NotBegun | Outcome::Failed(_) => false,
        };
        if needed { self.engine.vault.stamp(self.path).await } else { Ok(()) }
    }

    async fn rotate(&self, due: Due) -> Result<Outcome, Failure> {
        let fresh = self.mint().await?;
        if !self.verify(&fresh.key).await? {
            return Err(Failure::Unverified(fresh.key.fingerprint()));
        }
        event::key_verified(&fresh.key);
        self.publish(due, &fresh).await
    }

    /// Goes on where an interrupted attempt stopped; if its key turns out not to work, begins anew.
    async fn adopt(&self, due: Due, own: &OwnKey) -> Result<Outcome, Failure> {
        event::rotation_is(own.rotation);
        if !self.verify(&own.key).await? {
            return self.rotate(due).await;
        }
        event::key_adopted(&own.key);
        self.publish(due, &Minted { key: own.key.clone(), rotation: own.rotation, created: None }).await
    }

    /// Publishes the same key, in another shape or with a longer `retiring`, in which the keys `anew` count as old
    /// only from now on.
    async fn renew(&self, anew: &[Fingerprint]) -> Result<Outcome, Failure> {
        let (deadline, clocks) = self.date()?;
        let policy = &self.engine.policy;
        let publication =
            publication::renewed(policy, &self.step.observed, anew, self.step.next_rotation_at, &clocks);
        let Some(publication) = publication else { return Ok(Outcome::Held) };
        let outcome = self.write(publication, deadline).await?;
        if let Outcome::Reshaped(publication, version) = &outcome {
            event::secret_reshaped(publication, *version);
        }
        if let Outcome::Enrolled(publication, version) | Outcome::Reshaped(publication, version) = &outcome {
            for own in publication::newly_listed(&self.step.observed, publication) {
                event::key_enrolled(publication, *version, own.fingerprint, own.rotation);
            }
        }
        Ok(outcome)
    }

    /// Mints a key. When the answer is lost, the marker in the notes tells which key was ours.
    async fn mint(&self) -> Result<Minted, Failure> {
        let project = &self.target().project;
        let mut lost = None;
        for _ in 0..MINTS {
            let rotation = RotationId::fresh(super::clock::now());
            event::rotation_is(rotation);
            let marker = Marker { instance: self.engine.policy.instance.clone(), rotation };
            match self.engine.exceptionless.create_key(&project.id, &marker).await {
                Ok(created) => {
                    let minted = self.check_binding(created, &marker).await?;
                    event::key_minted(&minted.key);
                    return Ok(minted);
                }
                Err(CreateError::Refused(error)) => return Err(Failure::Mint(error)),
                Err(CreateError::Ambiguous(error)) => lost = Some(error),
            }
            let notes = marker.to_string();
            let is_it = |listed: &ListedKey| listed.notes.as_deref() == Some(&notes);
            let keys = self.engine.exceptionless.project_keys(&project.id, is_it).await;
            if let Some(listed) = keys.map_err(Failure::MintLost)?.kept.pop() {
                event::key_recovered(&listed.key);
                let ListedKey { key, project_id, organization_id, scopes, notes, created, .. } = listed;
                let found = CreatedKey { key, project_id, organization_id, scopes, notes, created };
                return self.check_binding(found, &marker).await;
            }
        }
        match lost {
            Some(error) => Err(Failure::MintUnanswered(error)),
            None => unreachable!("each round returns or records what was lost"),
        }
    }

    /// A key for something else than we asked for may be adopted by nobody: it is revoked at once. Unless it
    /// does not carry our marker: then it is not ours to revoke, and the server is not to be believed.
    async fn check_binding(&self, answer: CreatedKey, marker: &Marker) -> Result<Minted, Failure> {
        let CreatedKey { key, project_id, organization_id, scopes, notes, created } = answer;
        let project = &self.target().project;
        if notes.is_none_or(|notes| notes != marker.to_string()) {
            return Err(Failure::NotOurs);
        }
        let right = project_id.as_ref() == Some(&project.id)
            && organization_id == project.organization_id
            && scopes == ["client"];
        if right {
            return Ok(Minted { key, rotation: marker.rotation, created: Some(created) });
        }
        let exceptionless = &self.engine.exceptionless;
        let turn = exceptionless.turn().await;
        let keys = std::slice::from_ref(&key);
        exceptionless.delete_keys(turn, keys).await.map_err(Failure::WrongBindingLeft)?;
        event::key_misbound(&key);
        Err(Failure::WrongBinding)
    }

    /// Whether Exceptionless accepts the key.
    async fn verify(&self, key: &ApiKey) -> Result<bool, Failure> {
        for check in 0..CHECKS {
            match self.engine.exceptionless.key_works(key).await.map_err(Failure::VerifyLost)? {
                KeyCheck::Works => return Ok(true),
                KeyCheck::ProjectGone => return Err(Failure::ProjectGone),
                // After the last one there is nothing left to wait for.
                KeyCheck::Refused if check + 1 == CHECKS => {}
                KeyCheck::Refused => tokio::time::sleep(CHECK_PAUSE * 2u32.pow(check)).await,
            }
        }
        Ok(false)
    }

    async fn publish(&self, due: Due, minted: &Minted) -> Result<Outcome, Failure> {
        self.refuse_old(minted)?;
        let (deadline, clocks) = self.date()?;
        let fresh = Fresh {
            key: &minted.key,
            rotation: minted.rotation,
            rotated_at: clocks.ours,
            next_rotation_at: self.step.next_rotation_at,
        };
        let publication = publication::rotated(
            &self.engine.policy,
            &self.step.observed,
            self.step.promised(),
            fresh,
            &clocks,
        );
        let outcome = self.write(publication, deadline).await?;
        if let Outcome::Published(publication, version) = &outcome {
            event::key_published(publication, *version, due);
        }
        Ok(outcome)
    }

    /// Others enrol a key that is old and unlisted, so an attempt that took too long leaves its own to them.
    /// The key's age counts, by the clock that dated it: an attempt may have waited for the request budget,
    /// long before it had a key.
    fn refuse_old(&self, minted: &Minted) -> Result<(), Failure> {
        let age = self.target().rule.enrol_age();
        let now = self.engine.exceptionless.server_time();
        let taken = now.zip(minted.created).and_then(|(now, created)| (now - created).to_std().ok());
        if taken.is_some_and(|taken| taken > age) { Err(Failure::TooSlow(age)) } else { Ok(()) }
    }

    /// The clocks that date a publication, and the end of the time that its `since` allows for. The time
    /// begins before the clocks are read, so that nothing between the two is lost.
    fn date(&self) -> Result<(Instant, Clocks), Failure> {
        let deadline = Instant::now() + self.engine.policy.publication_limit;
        Ok((deadline, self.clocks()?))
    }

    /// The clocks, as long as they agree well enough to date anything by them.
    fn clocks(&self) -> Result<Clocks, Failure> {
        let clocks = self.engine.clocks();
        if clocks.spread() > WIDEST_SPREAD { Err(Failure::Clocks) } else { Ok(clocks) }
    }

    /// The check-and-set. It is over, or given up, at the deadline, and when the tenure ends.
    async fn write(&self, publication: Publication, deadline: Instant) -> Result<Outcome, Failure> {
        let tenure = &self.engine.tenure;
        let deadline = tenure.bound(deadline).ok_or(Failure::NotLeader)?;
        let done = |publication, version| {
            let publication = Box::new(publication);
            match self.step.decision {
                Decision::Enrol => Outcome::Enrolled(publication, version),
                Decision::Reshape => Outcome::Reshaped(publication, version),
                _ => Outcome::Published(publication, version),
            }
        };
        let renewed = matches!(self.step.decision, Decision::Enrol | Decision::Reshape);
        // Another rotator may have done the same to the same key.
        let is_done = |now: &Published| {
            let shaped = match &now.shape {
                Some(mark) => mark.is_of(&publication.shape),
                None => publication.shape.is_standard(),
            };
            now.publishes(&publication.api_key)
                && (!renewed || shaped && now.retiring == publication.retiring)
        };
        let mut over = Cow::Borrowed(self.secret);
        let mut rounds = 1..MERGES;
        let now = loop {
            let error = match self.engine.vault.publish(self.path, &publication, &over, deadline).await {
                Ok(version) => return Ok(done(publication, version)),
                Err(error) => error,
            };
            if matches!(error, VaultError::Late { .. }) && !tenure.stands() {
                return Err(Failure::NotLeader);
            }
            if !matches!(error.kind(), VaultKind::Conflict | VaultKind::Ambiguous) {
                return Err(Failure::Publish(error));
            }
            let now = match self.engine.vault.read(self.path).await {
                Ok(Secret { state: SecretState::Ours(now), .. }) if is_done(&now) => {
                    return Ok(done(publication, now.version));
                }
                Ok(Secret { state, .. }) if error.kind() == VaultKind::Conflict => state,
                // A write whose answer was lost may still be on its way.
                Ok(_) | Err(_) => return Err(Failure::PublishLost(error)),
            };
            if !(self.engine.vault.is_shared() && now.differs_for_others_alone(&over))
                || rounds.next().is_none()
            {
                break now;
            }
            over = Cow::Owned(now);
        };
        // Others changed something beside our key, or a person rolled back: nobody published a fresh one.
        let seen = self.step.observed.ours();
        if let SecretState::Ours(now) = now
            && seen.is_some_and(|seen| seen.api_key == now.api_key)
        {
            return Err(Failure::Overtaken);
        }
        event::project_superseded(&publication);
        Ok(Outcome::Superseded)
    }

    /// Whether the metadata, as it was read, already says what it shall say.
    fn is_stamped(&self) -> bool {
        match self.secret {
            SecretState::Ours(published) => published.stamped,
            SecretState::Absent
            | SecretState::Deleted { .. }
            | SecretState::Unclaimed { .. }
            | SecretState::Foreign { .. } => false,
        }
    }

    fn target(&self) -> &Target {
        &self.step.observed.target
    }
}

/// A key that was minted, by this attempt or an earlier one.
struct Minted {
    key: ApiKey,
    rotation: RotationId,
    /// When, by the server's clock, if it was minted by this attempt.
    created: Option<DateTime<Utc>>,
}
