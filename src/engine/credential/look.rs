//! All that is asked before a step: which password is right, which step that makes the next one, and what stands in its way.
//!
//! Whoever plans, checks or changes looks with the same eyes. Nothing is written here, so a look may be ended at any
//! time, as it waits for the request budget, say.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, Custody, LAG, changed_at, fresh, keeper};
use crate::domain::clocks::Clocks;
use crate::engine::{Engine, WIDEST_SPREAD};
use crate::plan::credential::{Step, Verdict, step};
use crate::vault::CredentialSecret;

/// How often a standby of Vault that lags behind is asked again.
const MAX_LAGS: u32 = 8;

/// What was seen, and what follows from it.
#[derive(Debug)]
pub struct Look {
    /// The version of the secret.
    pub version: u64,
    /// Since when the password is in force, if it was the rotator that changed it.
    pub changed_at: Option<DateTime<Utc>>,
    /// What is to be done next.
    pub step: Step,
    pub(super) current: SecretString,
    pub(super) next: Option<SecretString>,
    /// The password to recover, and the version that holds it.
    pub(super) older: Option<(u64, SecretString)>,
    /// When Vault deletes the secret by itself.
    ends: Option<DateTime<Utc>>,
}

impl Look {
    /// What keeps the next step from being taken, whoever takes it.
    pub fn obstacle(&self, custody: &Custody, clocks: &Clocks) -> Option<CredentialError> {
        match (self.step, self.ends) {
            (Step::Prepare | Step::Change, Some(at)) => {
                Some(CredentialError::Ending { field: custody.field.clone(), at })
            }
            (Step::Prepare, None) if clocks.spread() > WIDEST_SPREAD => Some(CredentialError::Clocks),
            (Step::Prepare | Step::Change | Step::Promote | Step::Recover, _) => None,
        }
    }
}

impl Engine {
    /// Looks at the secret, and asks Exceptionless which of its passwords is right. Changes nothing.
    pub async fn look_at_credential(&self, custody: &Custody) -> Result<Look, CredentialError> {
        self.look_at_credential_since(custody, 0).await
    }

    /// The same, and not at an older version than this one.
    pub(super) async fn look_at_credential_since(
        &self,
        custody: &Custody,
        version: u64,
    ) -> Result<Look, CredentialError> {
        let field = &custody.field;
        let secret = self.credential_since(custody, version).await?;
        let kept = keeper::kept(&secret, field)?;
        if custody.email.contains(':') || kept.current.expose_secret().contains(':') {
            return Err(CredentialError::Colon { field: field.clone() });
        }
        let current = self.try_password(custody, &kept.current).await?;
        let next = match &kept.next {
            // The one is refused because the other is in force: that is for sure if that is accepted.
            Some(next) => Some(self.try_password(custody, next).await?),
            None => None,
        };
        let step = step(current, next);
        let older = match step {
            Step::Prepare | Step::Change => None,
            Step::Promote => {
                self.check_that_wrong_passwords_are_refused(custody).await?;
                None
            }
            Step::Recover => {
                let tried = kept.next.iter().chain([&kept.current]).cloned().collect();
                Some(self.older_password(custody, secret.version, tried).await?)
            }
        };
        let (version, ends) = (secret.version, secret.ends);
        let changed_at = changed_at(&secret, field);
        Ok(Look { version, changed_at, step, current: kept.current, next: kept.next, older, ends })
    }

    async fn credential_since(
        &self,
        custody: &Custody,
        version: u64,
    ) -> Result<CredentialSecret, CredentialError> {
        for _ in 0..MAX_LAGS {
            let secret = keeper::secret(&self.vault, &custody.field).await?;
            if secret.version >= version {
                return Ok(secret);
            }
            tokio::time::sleep(LAG).await;
        }
        Err(custody.rival())
    }

    /// The password of an older version that is in force, and that version.
    async fn older_password(
        &self,
        custody: &Custody,
        latest: u64,
        mut tried: Vec<SecretString>,
    ) -> Result<(u64, SecretString), CredentialError> {
        let field = &custody.field;
        for version in keeper::versions_before(latest) {
            for password in keeper::held_in(&self.vault, field, version).await? {
                let text = password.expose_secret();
                if text.contains(':') || tried.iter().any(|other| other.expose_secret() == text) {
                    continue;
                }
                if self.is_in_force(custody, &password).await? {
                    return Ok((version, password));
                }
                tried.push(password);
            }
        }
        let (email, field) = (custody.email.clone(), field.clone());
        Err(CredentialError::Lost { email, field, version: latest })
    }

    /// Whether it is right, so that others may be overwritten with it.
    pub(super) async fn is_in_force(
        &self,
        custody: &Custody,
        password: &SecretString,
    ) -> Result<bool, CredentialError> {
        if self.try_password(custody, password).await? == Verdict::Refused {
            return Ok(false);
        }
        self.check_that_wrong_passwords_are_refused(custody).await?;
        Ok(true)
    }

    /// Asks for a password that nobody has. Only who refuses that one can be believed about another, and what is overwritten
    /// upon a yes may be the only right one.
    async fn check_that_wrong_passwords_are_refused(&self, custody: &Custody) -> Result<(), CredentialError> {
        match self.try_password(custody, &fresh()).await? {
            Verdict::Refused => Ok(()),
            Verdict::Accepted => Err(CredentialError::Gullible { email: custody.email.clone() }),
        }
    }

    async fn try_password(
        &self,
        custody: &Custody,
        password: &SecretString,
    ) -> Result<Verdict, CredentialError> {
        let place = format!("Vault's {}", custody.field);
        Ok(self.exceptionless.try_password(&custody.email, password, &place).await?)
    }
}
