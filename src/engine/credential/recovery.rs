//! When the password that works stands no longer where it belongs.
//!
//! Others write the secret too, as a whole and without asking: a tool that repeats what it was told, a person who rolls it
//! back. And the server may lose a change that it has taken. Then the right password is in this process, or in an older
//! version of the secret, and it is put back before anything else is said or done.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, Custody, LAG, Look, keeper};
use crate::domain::clocks::time_text;
use crate::engine::{Engine, event};
use crate::plan::credential::Verdict;
use crate::vault::Kind;

/// How often a successor is put back over what others write at the same time.
const MAX_HOLDS: u32 = 5;

impl Engine {
    /// Looks for the password that works in older versions, and puts it back over the one that was looked at. Whether
    /// something was done.
    pub(super) async fn recover_credential(
        &self,
        custody: &Custody,
        look: &Look,
    ) -> Result<bool, CredentialError> {
        let field = &custody.field;
        let mut tried: Vec<SecretString> = look.next.iter().chain([&look.current]).cloned().collect();
        for version in keeper::versions_before(look.version) {
            for password in keeper::held_in(&self.vault, field, version).await? {
                let text = password.expose_secret();
                if text.contains(':') || tried.iter().any(|other| other.expose_secret() == text) {
                    continue;
                }
                if self.is_in_force(custody, &password).await? {
                    let data = BTreeMap::from([
                        (field.name.to_string(), Some(text.to_owned())),
                        (field.next(), None),
                    ]);
                    return match self.vault.store_credential(field, data, look.version).await {
                        Ok(written) => {
                            event::credential_recovered(custody, written, Some(version));
                            Ok(true)
                        }
                        // The next look tells.
                        Err(error) if matches!(error.kind(), Kind::Ambiguous | Kind::Conflict) => Ok(true),
                        Err(error) => Err(error.into()),
                    };
                }
                tried.push(password);
            }
        }
        Ok(false)
    }

    /// After a change was sent, and the secret may not hold the successor any more: if it is in force, only this process
    /// knows it, and it is written over whatever stands there. What keeps it from that is not worth more than the error that
    /// is told anyway, and older versions hold it still.
    pub(super) async fn hold_credential(&self, custody: &Custody, ours: &SecretString) {
        for _ in 0..MAX_HOLDS {
            if let Ok(true) = self.try_to_hold(custody, ours).await {
                return;
            }
            tokio::time::sleep(LAG).await;
        }
    }

    /// Whether there is nothing left to do.
    async fn try_to_hold(&self, custody: &Custody, ours: &SecretString) -> Result<bool, CredentialError> {
        let field = &custody.field;
        let secret = keeper::secret(&self.vault, field).await?;
        let names = [field.name.to_string(), field.next()];
        let is_held = names.iter().any(|name| secret.text(name) == Some(ours.expose_secret()));
        if is_held || !self.is_in_force(custody, ours).await? {
            return Ok(true);
        }
        let now = time_text(self.clocks().latest());
        // A successor beside it is another's, who goes on from here.
        let data = BTreeMap::from([
            (field.name.to_string(), Some(ours.expose_secret().to_owned())),
            (field.changed_at(), Some(now)),
        ]);
        let version = self.vault.store_credential(field, data, secret.version).await?;
        event::credential_recovered(custody, version, None);
        Ok(true)
    }

    async fn is_in_force(&self, custody: &Custody, password: &SecretString) -> Result<bool, CredentialError> {
        if self.try_password(custody, password).await? == Verdict::Refused {
            return Ok(false);
        }
        self.check_that_wrong_passwords_are_refused(custody).await?;
        Ok(true)
    }
}
