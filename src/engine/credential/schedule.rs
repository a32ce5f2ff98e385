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
use crate::domain::schedule::Schedule;
use crate::engine::{Engine, event};
use crate::plan::credential::due;

/// What became of the password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Since when it is in force, if the rotator changed it.
    pub changed_at: Option<DateTime<Utc>>,
    /// When it is due next; `None` for never.
    pub due: Option<DateTime<Utc>>,
    /// Why it could not be changed, though it is due.
    pub failure: Option<String>,
}

impl Engine {
    /// Puts the password back if the secret holds it no longer, and changes it if that is due. What goes wrong is told, and
    /// left to the next activation.
    pub async fn keep_credential(&self, stop: &CancellationToken) -> Kept {
        let Some(custody) = &self.custody else { return Kept::default() };
        let work = async {
            if self.exceptionless.has_an_outdated_keeper() {
                match self.restore_credential(custody, stop).await {
                    Ok(()) => {}
                    Err(CredentialError::Interrupted) => return Kept::default(),
                    Err(error) => return Self::not_changed(&error),
                }
            }
            match &custody.schedule {
                Some(schedule) => self.keep(custody, schedule, stop).await,
                None => Kept::default(),
            }
        };
        let kept = AssertUnwindSafe(work).catch_unwind().await;
        kept.unwrap_or_else(|_| Self::not_changed(&CredentialError::Panicked))
    }

    /// What is wrong with the secret, if the pass has met it.
    pub fn credential_problem(&self) -> Option<String> {
        let custody = self.custody.as_ref().filter(|_| self.exceptionless.has_an_outdated_keeper())?;
        Some(format!(
            "Exceptionless does not accept {custody}, but one of an older version; the next pass puts it back"
        ))
    }

    async fn keep(&self, custody: &Custody, schedule: &Schedule, stop: &CancellationToken) -> Kept {
        let field = &custody.field;
        let secret = match keeper::secret(&self.vault, field).await {
            Ok(secret) => secret,
            Err(error) => return Self::not_changed(&error),
        };
        let (changed, clocks) = (changed_at(&secret, field), self.clocks());
        let interrupted = secret.text(&field.next()).is_some();
        match due(schedule, changed, interrupted, &clocks) {
            Some(due) if due <= clocks.ours && !stop.is_cancelled() && self.tenure.stands() => {}
            due => return Kept { changed_at: changed, due, failure: None },
        }
        match self.replace_credential(custody, stop).await {
            Ok(replaced) => {
                let due = replaced.changed_at.and_then(|changed| schedule.next(changed));
                Kept { changed_at: replaced.changed_at, due, failure: None }
            }
            // Told to stop, or without the lease: whoever comes next goes on.
            Err(CredentialError::Interrupted) => Kept { changed_at: changed, ..Kept::default() },
            Err(error) => Self::not_changed(&error),
        }
    }

    fn not_changed(error: &CredentialError) -> Kept {
        event::credential_failed(error);
        let failure = format!("the password was not changed: {}", event::chain(error));
        Kept { failure: Some(failure), ..Kept::default() }
    }
}
