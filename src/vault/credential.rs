//! The secret that holds the rotator's own password. It is the operator's: other fields stay as they are, which is why
//! it is changed by PATCH, and by check-and-set like everything else.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Value};
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::api::kv2::responses::{ReadSecretResponse, SecretVersionMetadata};

use super::VaultStore;
use super::attempt::{Attempt, Operation};
use super::error::VaultError;
use crate::domain::field::SecretField;

/// The secret as it was read. It does not print: all of it may be secret.
pub struct CredentialSecret {
    /// The version for the check-and-set.
    pub version: u64,
    /// When Vault deletes this version by itself.
    pub ends: Option<DateTime<Utc>>,
    fields: Map<String, Value>,
}

/// What is found where the credential should be.
#[derive(Debug)]
pub enum Found {
    /// The secret.
    Secret(CredentialSecret),
    /// This version of it was deleted, and can be had back.
    Deleted(u64),
    /// Nothing.
    Nothing,
}

impl CredentialSecret {
    /// A field, if there is such a field with text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The same, as a secret.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(Into::into)
    }
}

impl fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialSecret(version {}, {} fields)", self.version, self.fields.len())
    }
}

impl VaultStore {
    /// Reads the secret that holds a credential: the latest version, or this one.
    pub async fn read_credential(
        &self,
        field: &SecretField,
        version: Option<u64>,
    ) -> Result<Found, VaultError> {
        let request =
            ReadSecretRequest { mount: field.mount.to_string(), path: field.path.to_string(), version };
        let attempt = Attempt::new(Operation::ReadCredential, field.data_path());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, None).await?;
        if answer.is_absence() {
            return Ok(Found::Nothing);
        }
        let response: ReadSecretResponse = self.transport().data(&call.attempt, &answer)?;
        let SecretVersionMetadata { version, deletion_time, destroyed, .. } = response.metadata;
        let ends = DateTime::parse_from_rfc3339(&deletion_time).ok().map(|time| time.to_utc());
        Ok(match response.data {
            Value::Object(fields) => Found::Secret(CredentialSecret { version, ends, fields }),
            _ if destroyed => Found::Nothing,
            _ => Found::Deleted(version),
        })
    }

    /// Sets fields of that secret over the version that was read, or removes them, and returns the new version. The
    /// errors mean what they mean for [`publish`](Self::publish).
    pub async fn store_credential(
        &self,
        field: &SecretField,
        data: BTreeMap<String, Option<String>>,
        over: u64,
    ) -> Result<u64, VaultError> {
        let attempt = Attempt::new(Operation::StoreCredential, field.data_path());
        let fields = data.into_iter().map(|(name, value)| (name, value.into())).collect();
        self.patch(attempt, field.mount.to_string(), field.path.to_string(), fields, over, None).await
    }
}
