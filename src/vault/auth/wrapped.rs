//! A wrapped secret id: the file holds a token that can be unwrapped once, by us or by a thief.
//!
//! That somebody else was faster is noticed, which is the point of wrapping. A thief could wrap again what was stolen,
//! but not at the endpoint that secret ids come from; so the token is looked up first, and left alone if it comes from
//! elsewhere. The secret id stays in memory for the logins to come, also those of the store that follows after a reload:
//! nobody could unwrap it again. For the same reason it is unwrapped in a task of its own, which nothing cancels:
//! whoever waits for it may be dropped at any time, and what Vault says then is still kept.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use rustify_derive::Endpoint;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::Instrument;
use uuid::Uuid;

use super::lease::same_secret;
use crate::config::SecretSource;
use crate::vault::attempt::{Attempt, Operation, Said};
use crate::vault::error::{LoginRefused, VaultError};
use crate::vault::transport::Transport;

/// What this process has unwrapped. A store shares it with its successor.
#[derive(Default)]
pub(super) struct Unwrapping(std::sync::Mutex<Arc<Mutex<Memory>>>);

#[derive(Default)]
struct Memory {
    /// The wrapping token that was unwrapped last, and what was in it.
    kept: Option<(SecretString, SecretString)>,
    /// One that was sent to be unwrapped, and no answer was heard.
    unheard: Option<SecretString>,
}

/// A secret id that nobody has unwrapped yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The endpoint that it comes from.
    pub path: String,
    /// How long it can still be unwrapped.
    pub lasts: Duration,
}

#[derive(Endpoint)]
#[endpoint(path = "sys/wrapping/lookup", method = "POST", response = "Wrapping")]
struct LookUpWrapping {
    token: String,
}

#[derive(Deserialize)]
pub(super) struct Wrapping {
    creation_path: String,
    creation_time: String,
    creation_ttl: u32,
}

/// The wrapping token goes in the header, as any other does.
#[derive(Endpoint)]
#[endpoint(path = "sys/wrapping/unwrap", method = "POST", response = "Unwrapped")]
struct Unwrap {}

#[derive(Deserialize)]
pub(super) struct Unwrapped {
    secret_id: String,
}

impl Unwrapping {
    /// From now on, one memory for both.
    pub(super) fn inherit(&self, former: &Self) {
        let memory = former.memory();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }

    fn memory(&self) -> Arc<Mutex<Memory>> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The wrapping token of the secret id that is in use.
    pub(super) async fn unwrapped(&self) -> Option<SecretString> {
        self.memory().lock().await.kept.as_ref().map(|(wrapping, _)| wrapping.clone())
    }

    /// The secret id, unwrapped now unless it was before. When the wrapping token cannot be unwrapped and a login is
    /// `needed`, it is the one that was unwrapped before.
    pub(super) async fn secret_id(
        &self,
        transport: &Arc<Transport>,
        mount: &str,
        source: &SecretSource,
        needed: bool,
    ) -> Result<SecretString, VaultError> {
        let memory = self.memory();
        let (transport, mount, source) = (Arc::clone(transport), mount.to_owned(), source.clone());
        let lost = spent(&mount, source.to_string(), true);
        let unwrapping = async move {
            // It is held to the end, so that nobody tries it twice.
            let mut memory = memory.lock().await;
            match memory.secret_id(&transport, &mount, &source).await {
                Err(error @ VaultError::Login(_)) if needed && memory.kept.is_some() => {
                    tracing::warn!(
                        event = "vault.unwrapping_failed",
                        error = &error as &dyn std::error::Error,
                        "logging in with the secret id that was unwrapped before"
                    );
                    memory.kept.as_ref().map(|(_, secret_id)| secret_id.clone()).ok_or(error)
                }
                other => other,
            }
        };
        match tokio::spawn(unwrapping.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends.
            Err(_) => Err(lost),
        }
    }
}

impl Memory {
    async fn secret_id(
        &mut self,
        transport: &Transport,
        mount: &str,
        source: &SecretSource,
    ) -> Result<SecretString, VaultError> {
        let wrapping = match (super::read(source), &self.kept) {
            (Ok(wrapping), Some((used, secret_id))) if same_secret(&wrapping, used) => {
                return Ok(secret_id.clone());
            }
            (Ok(wrapping), _) => wrapping,
            // Whoever put it there may have taken it away again.
            (Err(_), Some((_, secret_id))) => return Ok(secret_id.clone()),
            (Err(error), None) => return Err(error),
        };
        let place = source.to_string();
        let unheard = self.unheard.as_ref().is_some_and(|sent| same_secret(sent, &wrapping));
        look_up(transport, mount, &place, &wrapping, unheard).await?;
        let attempt = Attempt::new(Operation::Unwrap, "sys/wrapping/unwrap".to_owned());
        let call = transport.prepare(attempt, &Unwrap {})?;
        self.unheard = Some(wrapping.clone());
        let answer = match transport.send(&call, Some(&wrapping), None).await {
            Err(VaultError::Rejected { .. } | VaultError::Forbidden { .. }) => {
                return Err(spent(mount, place, unheard));
            }
            other => other?,
        };
        let Unwrapped { secret_id } = transport.data(&call.attempt, &answer)?;
        let secret_id = SecretString::from(secret_id);
        *self = Self { kept: Some((wrapping, secret_id.clone())), unheard: None };
        tracing::info!(event = "vault.unwrapped", "unwrapped the secret id");
        Ok(secret_id)
    }
}

/// Looks at the wrapped secret id and leaves it as it is.
pub(super) async fn inspect(
    transport: &Transport,
    mount: &str,
    source: &SecretSource,
) -> Result<Wrapped, VaultError> {
    let wrapping = super::read(source)?;
    let found = look_up(transport, mount, &source.to_string(), &wrapping, false).await?;
    Ok(found.describe(transport))
}

impl Wrapping {
    pub(super) fn describe(&self, transport: &Transport) -> Wrapped {
        let made = DateTime::parse_from_rfc3339(&self.creation_time).ok().map(|made| made.to_utc());
        let age = transport.server_time().zip(made).and_then(|(now, made)| (now - made).to_std().ok());
        let lasts = Duration::from_secs(self.creation_ttl.into()).saturating_sub(age.unwrap_or_default());
        Wrapped { path: Said::in_one_line(&self.creation_path), lasts }
    }
}

/// Whether it can be unwrapped, and holds what it shall.
async fn look_up(
    transport: &Transport,
    mount: &str,
    place: &str,
    wrapping: &SecretString,
    unheard: bool,
) -> Result<Wrapping, VaultError> {
    let attempt = Attempt::new(Operation::LookUpWrapping, "sys/wrapping/lookup".to_owned());
    let call = transport.prepare(attempt, &LookUpWrapping { token: wrapping.expose_secret().to_owned() })?;
    let answer = match transport.send(&call, None, None).await {
        Err(VaultError::Rejected { .. } | VaultError::Forbidden { .. }) => {
            // Vault makes secret ids of this form, and no token.
            let is_plain = Uuid::parse_str(wrapping.expose_secret()).is_ok();
            return Err(match is_plain {
                true => VaultError::Login(LoginRefused::Plain {
                    mount: mount.to_owned(),
                    place: place.to_owned(),
                }),
                false => spent(mount, place.to_owned(), unheard),
            });
        }
        other => other?,
    };
    let found: Wrapping = transport.data(&call.attempt, &answer)?;
    if !is_of_secret_ids(&found.creation_path, mount) {
        let path = Said::in_one_line(&found.creation_path);
        let (mount, place) = (mount.to_owned(), place.to_owned());
        return Err(VaultError::Login(LoginRefused::WrappedElsewhere { mount, place, path }));
    }
    Ok(found)
}

/// Whether an endpoint gives out secret ids of a role at this mount. Of which role, the login finds out.
fn is_of_secret_ids(path: &str, mount: &str) -> bool {
    let role = path
        .strip_prefix(&format!("auth/{mount}/role/"))
        .and_then(|rest| rest.strip_suffix("/secret-id").or_else(|| rest.strip_suffix("/custom-secret-id")));
    role.is_some_and(|role| !role.is_empty() && !role.contains('/'))
}

fn spent(mount: &str, place: String, unheard: bool) -> VaultError {
    let mount = mount.to_owned();
    VaultError::Login(match unheard {
        true => LoginRefused::UnwrappedUnheard { mount, place },
        false => LoginRefused::Spent { mount, place },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoints_that_give_out_secret_ids_wrap_one() {
        for path in ["auth/approle/role/rotator/secret-id", "auth/approle/role/rotator/custom-secret-id"] {
            assert!(is_of_secret_ids(path, "approle"), "{path}");
        }
        for path in [
            "sys/wrapping/wrap",
            "secret/data/a",
            "auth/other/role/rotator/secret-id",
            "auth/approle/role/rotator/role-id",
            "auth/approle/role//secret-id",
            "auth/approle/role/secret-id",
            "auth/approle/role/a/b/secret-id",
            "x/auth/approle/role/rotator/secret-id",
        ] {
            assert!(!is_of_secret_ids(path, "approle"), "{path}");
        }
    }
}
