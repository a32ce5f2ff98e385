//! The rotator's own password: read from Vault, and changed.
//!
//! Every step looks first (`look`) and then does the one thing that [`plan::credential`](crate::plan::credential) names, so
//! that a step that was cut off, or whose answer was lost, is found again by the next look, in this process or in a later one.
//! Both passwords stand in the secret before the server is told of the new one, and whoever logs in meanwhile finds out
//! which is right. Of several that change it at a time, check-and-set lets one go on.

mod error;
mod hold;
mod keeper;
mod look;
mod schedule;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, event};
use crate::config::{Config, ExceptionlessAuth};
use crate::domain::clocks::{read_time, time_text};
use crate::domain::field::SecretField;
use crate::domain::schedule::Schedule;
use crate::exceptionless::{Changed, ExceptionlessError, Turn};
use crate::plan::credential::Step;
use crate::tls;
use crate::vault::{CredentialSecret, Kind, VaultError};

pub use error::CredentialError;
pub use keeper::Absent;
pub use look::Look;
pub use schedule::Upkeep;

/// Looks in a row. An undisturbed change takes three.
const MAX_LOOKS: u32 = 8;

/// How long a standby of Vault is given to catch up.
const LAG: Duration = Duration::from_millis(200);

/// How long a look licenses a change.
const FRESH: Duration = Duration::from_secs(5);

/// How often the server is asked to take the new password, within one change.
const MAX_CHANGES: u32 = 2;

/// More letters and digits than anybody guesses, and fewer than the 100 that the server allows (`ChangePasswordModel.cs`).
const LENGTH: usize = 48;

/// A password that the rotator can change, because it is kept where it can write.
#[derive(Debug, Clone)]
pub struct Custody {
    /// Whose password it is.
    pub email: String,
    /// Where it is kept.
    pub field: SecretField,
    /// When it is changed without being asked.
    pub schedule: Option<Schedule>,
}

impl Custody {
    /// What the configuration says; `None` if the password is kept elsewhere, or is none.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let field = config.exceptionless.auth.kept_in_vault()?.clone();
        let (ExceptionlessAuth::Login { email, .. } | ExceptionlessAuth::Basic { email, .. }) =
            &config.exceptionless.auth
        else {
            return None;
        };
        Some(Self { email: email.clone(), field, schedule: config.exceptionless.password_schedule.clone() })
    }

    fn rival(&self) -> CredentialError {
        CredentialError::Rival { field: self.field.clone() }
    }
}

/// A password that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The version of the secret that holds it.
    pub version: u64,
    /// Since when.
    pub changed_at: Option<DateTime<Utc>>,
    /// Whether somebody else had begun, and this was only the end of it.
    pub finished: bool,
}

impl Engine {
    /// Changes the password, or ends a change that was begun. When `stop` is cancelled, no further step is begun.
    pub async fn replace_credential(
        &self,
        custody: &Custody,
        stop: &CancellationToken,
    ) -> Result<Replaced, CredentialError> {
        let mut replacement = Replacement::new(self, custody);
        let replaced = replacement.run(stop).await;
        if let (Err(_), Some(ours), 1..) = (&replaced, &replacement.ours, replacement.changes) {
            self.hold_credential(custody, ours).await;
        }
        replaced
    }

    /// Puts the password of an older version back where the latest one is refused, and changes nothing else.
    async fn restore_credential(
        &self,
        custody: &Custody,
        stop: &CancellationToken,
    ) -> Result<(), CredentialError> {
        let look = unless_stopped(stop, self.look_at_credential(custody)).await??;
        match look.step {
            Step::Recover => Replacement::new(self, custody).recover(&look).await?,
            Step::Prepare | Step::Change | Step::Promote => {}
        }
        self.exceptionless.note_mended_keeper();
        Ok(())
    }
}

/// One change under way.
struct Replacement<'a> {
    engine: &'a Engine,
    custody: &'a Custody,
    /// The successor, as it was written or first seen.
    ours: Option<SecretString>,
    /// Whether it was there before us.
    finishing: bool,
    /// What we wrote. A standby of Vault may still show an older one.
    version: u64,
    changes: u32,
    /// Why the last of these was not taken.
    failure: Option<CredentialError>,
}

impl<'a> Replacement<'a> {
    fn new(engine: &'a Engine, custody: &'a Custody) -> Self {
        Self { engine, custody, ours: None, finishing: false, version: 0, changes: 0, failure: None }
    }

    /// Step by step to the end.
    async fn run(&mut self, stop: &CancellationToken) -> Result<Replaced, CredentialError> {
        let (engine, custody) = (self.engine, self.custody);
        for _ in 0..MAX_LOOKS {
            let look = unless_stopped(stop, engine.look_at_credential_since(custody, self.version)).await??;
            if !engine.tenure.stands() {
                return Err(CredentialError::Interrupted);
            }
            if let Some(replaced) = self.compare(&look)? {
                return Ok(replaced);
            }
            if let Some(obstacle) = look.obstacle(custody, &engine.clocks()) {
                return Err(obstacle);
            }
            match look.step {
                Step::Prepare => self.prepare(&look).await?,
                Step::Change => {
                    let asked = Instant::now();
                    let turn = unless_stopped(stop, engine.exceptionless.turn()).await?;
                    // While it was waited for, somebody may have written the secret.
                    if asked.elapsed() <= FRESH {
                        self.change(&look, turn).await?;
                    }
                }
                Step::Promote => {
                    if let Some(replaced) = self.promote(&look).await? {
                        return Ok(replaced);
                    }
                }
                Step::Recover => self.recover(&look).await?,
            }
        }
        Err(custody.rival())
    }

    /// Compares the successor that is ours with the one that is there. It was done already if somebody else, or a write
    /// whose answer was lost, has put ours into its place.
    fn compare(&mut self, look: &Look) -> Result<Option<Replaced>, CredentialError> {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (&self.ours, &look.next) {
            (None, None) => Ok(None),
            (None, Some(next)) => {
                (self.ours, self.finishing) = (Some(next.clone()), true);
                Ok(None)
            }
            (Some(ours), Some(next)) if same(ours, next) => Ok(None),
            // The server may have lost it again.
            (Some(ours), None) if same(ours, &look.current) && look.step == Step::Recover => Ok(None),
            (Some(ours), None) if same(ours, &look.current) => {
                event::credential_rotated(self.custody, look.version);
                Ok(Some(self.replaced(look.version, look.changed_at)))
            }
            (Some(_), _) => Err(self.custody.rival()),
        }
    }

    async fn prepare(&mut self, look: &Look) -> Result<(), CredentialError> {
        let successor = fresh();
        let data = BTreeMap::from([(self.custody.field.next(), Some(successor.expose_secret().to_owned()))]);
        let version = match self.store(data, look.version).await {
            Ok(version) => version,
            // If it is not there, it may still come, and then whoever comes next ends it.
            Err(error) if error.kind() == Kind::Ambiguous => {
                let found = keeper::secret(&self.engine.vault, &self.custody.field).await?;
                if found.text(&self.custody.field.next()) != Some(successor.expose_secret()) {
                    return Err(error.into());
                }
                found.version
            }
            Err(error) if error.kind() == Kind::Conflict => return Err(self.custody.rival()),
            Err(error) => return Err(error.into()),
        };
        event::credential_prepared(self.custody, version);
        (self.ours, self.version) = (Some(successor), version);
        Ok(())
    }

    /// What became of it, the next look tells.
    async fn change(&mut self, look: &Look, turn: Turn<'_>) -> Result<(), CredentialError> {
        let Some(next) = &look.next else { return Ok(()) };
        let email = || self.custody.email.clone();
        if self.changes == MAX_CHANGES {
            let failure = self.failure.take();
            return Err(failure.unwrap_or_else(|| CredentialError::Untaken { email: email() }));
        }
        self.changes += 1;
        let client = &self.engine.exceptionless;
        self.failure = match client.change_password(turn, &self.custody.email, &look.current, next).await {
            Ok(Changed::Done) => {
                event::credential_changed(self.custody);
                None
            }
            Ok(Changed::Refused { status }) => Some(CredentialError::Refused { email: email(), status }),
            // Nobody has looked at it.
            Err(ExceptionlessError::Throttled { .. }) => {
                self.changes -= 1;
                None
            }
            Err(error) => Some(error.into()),
        };
        Ok(())
    }

    /// `None` when the next look tells what became of it.
    async fn promote(&self, look: &Look) -> Result<Option<Replaced>, CredentialError> {
        let Some(next) = &look.next else { return Ok(None) };
        let field = &self.custody.field;
        let now = self.engine.clocks().latest();
        let data = BTreeMap::from([
            (field.name.to_string(), Some(next.expose_secret().to_owned())),
            (field.next(), None),
            (field.changed_at(), Some(time_text(now))),
        ]);
        match self.store(data, look.version).await {
            Ok(version) => {
                event::credential_rotated(self.custody, version);
                Ok(Some(self.replaced(version, Some(now))))
            }
            Err(error) if matches!(error.kind(), Kind::Ambiguous | Kind::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the password of an older version back. Then all begins anew.
    async fn recover(&mut self, look: &Look) -> Result<(), CredentialError> {
        let Some((version, password)) = &look.older else { return Ok(()) };
        let field = &self.custody.field;
        let data = BTreeMap::from([
            (field.name.to_string(), Some(password.expose_secret().to_owned())),
            (field.next(), None),
        ]);
        match self.store(data, look.version).await {
            Ok(written) => {
                event::credential_recovered(self.custody, written, Some(*version));
                self.version = written;
            }
            // The next look tells.
            Err(error) if matches!(error.kind(), Kind::Ambiguous | Kind::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        (self.ours, self.finishing, self.changes) = (None, false, 0);
        Ok(())
    }

    async fn store(&self, data: BTreeMap<String, Option<String>>, over: u64) -> Result<u64, VaultError> {
        self.engine.vault.store_credential(&self.custody.field, data, over).await
    }

    fn replaced(&self, version: u64, changed_at: Option<DateTime<Utc>>) -> Replaced {
        Replaced { version, changed_at, finished: self.finishing }
    }
}

/// For what may wait for the request budget and changes nothing, so that nothing is lost by ending it.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    waiting: impl Future<Output = T>,
) -> Result<T, CredentialError> {
    stop.run_until_cancelled(waiting).await.ok_or(CredentialError::Interrupted)
}

fn changed_at(secret: &CredentialSecret, field: &SecretField) -> Option<DateTime<Utc>> {
    read_time(secret.text(&field.changed_at())?)
}

/// Letters and digits: nothing that a shell, a URL or HTTP Basic reads as anything else.
fn fresh() -> SecretString {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        // 248 is the largest multiple of 62 in a byte, so that no letter is likelier than another.
        let letter = |byte: &u8| (*byte < 248).then(|| char::from(LETTERS[usize::from(*byte % 62)]));
        let room = LENGTH - password.len();
        password.extend(tls::random::<LENGTH>().iter().filter_map(letter).take(room));
    }
    password.into()
}

impl fmt::Display for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the password of {} in Vault's {}", self.email, self.field)
    }
}

#[cfg(test)]
mod tests;
