//! A successor that is in force, and that the secret does not hold any more.
//!
//! Others write the secret too, as a whole and without asking: a tool that repeats what it was told, a person who rolls it
//! back. During a change the right password may then be in this process alone, and it is put back before anything else is
//! said or done.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, Custody, LAG, keeper};
use crate::domain::clocks::time_text;
use crate::engine::{Engine, event};

/// How often a successor is put back over what others write at the same time.
const MAX_HOLDS: u32 = 5;

impl Engine {
    /// After a change was sent, and the secret may not hold the successor any more: if it is in force, only this process
    /// knows it, and it is written over whatever stands there. What keeps it from that is not worth more than the error that
    /// is told anyway, and older versions hold it still. It is not ended early, for no other process could do it.
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
        let is_held = field.names().iter().any(|name| secret.text(name) == Some(ours.expose_secret()));
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
}
