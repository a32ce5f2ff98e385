//! Vault as the keeper of the credential.

use std::ops::RangeInclusive;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::CredentialError;
use crate::config::{SecretUnreadable, one_line};
use crate::domain::field::SecretField;
use crate::exceptionless::{ErrorKind, Keeper, Kept, NotKept};
use crate::vault::{CredentialSecret, Found, Kind, VaultStore};

/// A few writes are looked behind: those of one change, and of whoever undid it.
pub(super) const MAX_OLDER: usize = 5;

/// How long the server lets a password be (`ChangePasswordModel.cs`).
const LENGTHS: RangeInclusive<usize> = 6..=100;

/// A secret in Vault that lacks what it should hold.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    /// There is no secret.
    #[error(
        "Vault has no secret there; put the credential there: vault kv put -mount={mount} {path} {name}=- (it then reads it \
         from standard input)",
        mount = .0.mount, path = .0.path, name = .0.name
    )]
    Secret(SecretField),
    /// The secret was deleted.
    #[error(
        "Vault's secret there is deleted, and can be had back: vault kv undelete -mount={mount} -versions={version} {path}",
        mount = .field.mount, path = .field.path
    )]
    Deleted {
        /// Where it is kept.
        field: SecretField,
        /// The version that was the last.
        version: u64,
    },
    /// The secret has no such field.
    #[error(
        "the secret has no field {name} with text; add it: vault kv patch -mount={mount} {path} {name}=- (it then reads it \
         from standard input)",
        mount = .0.mount, path = .0.path, name = .0.name
    )]
    Field(SecretField),
    /// The field holds what is no password.
    #[error(transparent)]
    Unreadable(#[from] SecretUnreadable),
}

impl Keeper for VaultStore {
    fn read<'a>(&'a self, field: &'a SecretField) -> BoxFuture<'a, Result<Kept, NotKept>> {
        let read = async move {
            let secret = secret(self, field).await?;
            Ok::<_, CredentialError>(kept(&secret, field)?)
        };
        read.map(|read| read.map_err(not_kept)).boxed()
    }

    fn older<'a>(&'a self, field: &'a SecretField) -> BoxFuture<'a, Result<Vec<SecretString>, NotKept>> {
        let read = async move {
            let latest = secret(self, field).await?;
            let mut older = Vec::new();
            for version in versions_before(latest.version) {
                older.extend(held_in(self, field, version).await?);
            }
            Ok::<_, CredentialError>(older)
        };
        read.map(|read| read.map_err(not_kept)).boxed()
    }
}

/// The secret that holds the credential.
pub(super) async fn secret(
    vault: &VaultStore,
    field: &SecretField,
) -> Result<CredentialSecret, CredentialError> {
    match vault.read_credential(field, None).await? {
        Found::Secret(secret) => Ok(secret),
        Found::Deleted(version) => Err(Absent::Deleted { field: field.clone(), version }.into()),
        Found::Nothing => Err(Absent::Secret(field.clone()).into()),
    }
}

/// The credential in it, and its successor while it is being changed. What cannot be a password is no successor: who
/// empties the field may leave the end of a line in it.
pub(super) fn kept(secret: &CredentialSecret, field: &SecretField) -> Result<Kept, Absent> {
    let place = format!("Vault's {field}");
    let read = |secret: SecretString| one_line(&secret, &place);
    let current = secret.secret(&field.name).ok_or_else(|| Absent::Field(field.clone()))?;
    let next = secret.secret(&field.next()).and_then(|next| read(next).ok());
    let next = next.filter(|next| LENGTHS.contains(&next.expose_secret().chars().count()));
    Ok(Kept { current: read(current)?, next })
}

/// The versions before this one in which the right password is looked for, the newest first.
pub(super) fn versions_before(version: u64) -> impl Iterator<Item = u64> {
    (1..version).rev().take(MAX_OLDER)
}

/// The passwords that a version holds, without the end of their line; none if it is deleted.
pub(super) async fn held_in(
    vault: &VaultStore,
    field: &SecretField,
    version: u64,
) -> Result<Vec<SecretString>, CredentialError> {
    let Found::Secret(secret) = vault.read_credential(field, Some(version)).await? else {
        return Ok(Vec::new());
    };
    let held = field.names().into_iter().filter_map(|name| secret.secret(&name));
    Ok(held.filter_map(|held| one_line(&held, field).ok()).collect())
}

fn not_kept(error: CredentialError) -> NotKept {
    let kind = match &error {
        CredentialError::Vault(error) => match error.kind() {
            Kind::NotPermitted => ErrorKind::NotPermitted,
            Kind::Misconfigured => ErrorKind::Misconfigured,
            Kind::Unreachable | Kind::Conflict | Kind::Ambiguous | Kind::Other => ErrorKind::Unreachable,
        },
        _ => ErrorKind::Misconfigured,
    };
    NotKept { kind, source: Box::new(error) }
}
