//! The daemon's part: the password is changed when its time has come, before the pass that this activation is for, and put
//! back when the pass before found that only an older version holds it: Vault does not keep older versions for ever.
//!
//! What is due is asked of the secret itself, so that a missed time is caught up, and a second replica or a restart does
//! nothing twice.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{CredentialError, Custody, changed_at, keeper};
use crate::engine::{Engine, event};
use crate::plan::credential::due;

/// How the password stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Since when it is in force, if the rotator changed it.
    pub changed_at: Option<DateTime<Utc>>,
    /// When it is due next, as far as that is known.
    pub due: Option<DateTime<Utc>>,
    /// Why it was not changed or put back.
    pub failure: Option<String>,
}

impl Engine {
    /// Puts the password back if the secret holds it no longer, and changes it if that is due. What goes wrong is told, and
    /// left to the next activation.
    pub async fn keep_credential(&self, stop: &CancellationToken) -> Upkeep {
        let Some(custody) = &self.custody else { return Upkeep::default() };
        let kept = AssertUnwindSafe(self.keep(custody, stop)).catch_unwind().await;
        match kept.unwrap_or(Err(CredentialError::Panicked)) {
            Ok(upkeep) => upkeep,
            // Told to stop, or without the lease: whoever comes next goes on.
            Err(CredentialError::Interrupted) => Upkeep::default(),
            Err(error) => {
                event::credential_failed(&error);
                let failure = format!("the password was not changed: {}", event::chain(&error));
                Upkeep { failure: Some(failure), ..Upkeep::default() }
            }
        }
    }

    /// What is wrong with the secret, if the pass has met it.
    pub fn credential_problem(&self) -> Option<String> {
        let custody = self.custody.as_ref().filter(|_| self.exceptionless.has_an_outdated_keeper())?;
        Some(format!(
            "Exceptionless does not accept {custody}, but one of an older version; the next pass puts it back"
        ))
    }

    async fn keep(&self, custody: &Custody, stop: &CancellationToken) -> Result<Upkeep, CredentialError> {
        if self.exceptionless.has_an_outdated_keeper() {
            self.restore_credential(custody, stop).await?;
        }
        let Some(schedule) = &custody.schedule else { return Ok(Upkeep::default()) };
        let field = &custody.field;
        let secret = keeper::secret(&self.vault, field).await?;
        let (changed_at, clocks) = (changed_at(&secret, field), self.clocks());
        let interrupted = secret.text(&field.next()).is_some();
        match due(schedule, changed_at, interrupted, &clocks) {
            Some(due) if due <= clocks.ours => {}
            due => return Ok(Upkeep { changed_at, due, failure: None }),
        }
        let changed_at = self.replace_credential(custody, stop).await?.changed_at;
        let due = changed_at.and_then(|changed| schedule.next(changed));
        Ok(Upkeep { changed_at, due, failure: None })
    }
}
