//! Secrets: read, written by check-and-set, marked, withdrawn, listed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rustify_derive::Endpoint;
use serde_json::Value;
use tokio::time::Instant;
use vaultrs::api::kv2::requests::{
    DeleteSecretVersionsRequest, ListSecretsRequest, ReadSecretRequest, SetSecretRequest,
    SetSecretRequestOptions,
};
use vaultrs::api::kv2::responses::{ListSecretsResponse, ReadSecretResponse, SecretVersionMetadata};

use super::VaultStore;
use super::attempt::{Attempt, Operation, Said};
use super::error::VaultError;
use super::secret::{Fields, Secret, Settings};
use super::transport::{Answer, Call, ambiguous};
use crate::domain::clocks::time_text;
use crate::domain::path::SecretPath;
use crate::domain::secret::{Moved, Publication, SecretState};

/// Deeper than any template makes a path; a bound for a folder that somebody else fills.
const DEEPEST_FOLDER: usize = 8;

/// vaultrs can only replace `custom_metadata`, which loses what others add in between.
#[derive(Endpoint)]
#[endpoint(path = "{self.mount}/metadata/{self.path}", method = "PATCH")]
struct PatchMetadata {
    #[endpoint(skip)]
    mount: String,
    #[endpoint(skip)]
    path: String,
    max_versions: Option<u32>,
    cas_required: Option<bool>,
    custom_metadata: HashMap<String, Option<String>>,
}

/// vaultrs has no patch of data.
#[derive(Endpoint)]
#[endpoint(path = "{self.mount}/data/{self.path}", method = "PATCH")]
struct PatchSecret {
    #[endpoint(skip)]
    mount: String,
    #[endpoint(skip)]
    path: String,
    data: Fields,
    options: SetSecretRequestOptions,
}

impl VaultStore {
    /// Reads the latest version of a secret, in one request.
    pub async fn read(&self, path: &SecretPath) -> Result<Secret, VaultError> {
        self.read_one(path, None).await
    }

    /// Reads an earlier version. One that Vault no longer keeps is absent.
    pub async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Secret, VaultError> {
        self.read_one(path, Some(version)).await
    }

    async fn read_one(&self, path: &SecretPath, version: Option<u64>) -> Result<Secret, VaultError> {
        let request = ReadSecretRequest { mount: self.mount(), path: path.to_string(), version };
        let call =
            self.transport().prepare(self.attempt(Operation::Read, "data", path.as_str()), &request)?;
        let answer = self.call(&call, None).await?;
        // A 404 with metadata is a secret whose latest version is deleted.
        if answer.is_absence() {
            return Ok(Secret::absent());
        }
        let response: ReadSecretResponse = self.transport().data(&call.attempt, &answer)?;
        Ok(self.layout().interpret(response))
    }

    /// Publishes over what was read, if it is still there, and returns the new version.
    ///
    /// Where others may have fields in the same secret, Vault itself puts ours beside theirs, which are never sent.
    /// The request is not sent after `deadline`, and no longer waited for. [`Kind::Conflict`] means that
    /// somebody else wrote; [`Kind::Ambiguous`] that the write may have been applied, so that it must be
    /// read back; every other error that nothing was changed.
    ///
    /// [`Kind::Conflict`]: super::Kind::Conflict
    /// [`Kind::Ambiguous`]: super::Kind::Ambiguous
    pub async fn publish(
        &self,
        path: &SecretPath,
        publication: &Publication,
        over: &SecretState,
        deadline: Instant,
    ) -> Result<u64, VaultError> {
        let (version, deadline) = (over.version(), Some(deadline));
        if self.merges_into(over) {
            return self.merge(path, self.layout().patch(publication, over), version, deadline).await;
        }
        let data = self.layout().data(publication);
        self.write(Operation::Publish, path, data, version, deadline).await
    }

    /// The capability that a publication over this needs at the secret's [`data_path`](Self::data_path).
    pub fn right_to_publish(&self, over: &SecretState) -> &'static str {
        match over {
            SecretState::Absent => "create",
            over if self.merges_into(over) => "patch",
            _ => "update",
        }
    }

    /// Whether secrets of ours have other owners too.
    pub fn is_shared(&self) -> bool {
        self.layout().is_shared()
    }

    /// A patch needs a version that is there.
    fn merges_into(&self, over: &SecretState) -> bool {
        self.is_shared() && !matches!(over, SecretState::Absent | SecretState::Deleted { .. })
    }

    /// Repeats our mark in `custom_metadata`, where it outlives a deleted version, sets what `[secret]` says of the
    /// versions and of check-and-set, and removes the marks of [`mark_vanished`](Self::mark_vanished) and
    /// [`mark_moved`](Self::mark_moved). Everything else in the metadata stays as it is.
    pub async fn stamp(&self, path: &SecretPath) -> Result<(), VaultError> {
        self.patch_metadata(path, self.layout().stamp(), self.layout().settings()).await
    }

    /// Notes in `custom_metadata` that the project is gone.
    pub async fn mark_vanished(&self, path: &SecretPath, at: DateTime<Utc>) -> Result<(), VaultError> {
        self.patch_metadata(path, self.layout().obituary(time_text(at)), Settings::NONE).await
    }

    /// Notes in `custom_metadata` that the project lives at another path now.
    pub async fn mark_moved(&self, path: &SecretPath, moved: &Moved) -> Result<(), VaultError> {
        self.patch_metadata(path, self.layout().forwarding(moved), Settings::NONE).await
    }

    /// Takes our secret away: the version that was read is soft-deleted, so that it can be undeleted, and
    /// a later one stays. From a secret that others share, only our fields are removed.
    pub async fn withdraw(&self, path: &SecretPath, seen: &Secret) -> Result<(), VaultError> {
        if seen.has_others {
            let version = seen.state.version();
            return self.merge(path, self.layout().removal(&seen.state), version, None).await.map(drop);
        }
        let request = DeleteSecretVersionsRequest {
            mount: self.mount(),
            path: path.to_string(),
            versions: vec![seen.state.version()],
        };
        let attempt = self.attempt(Operation::Withdraw, "delete", path.as_str());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, None).await?;
        self.refuse_not_found(&call, &answer)
    }

    /// The secrets below a folder, however deep, whoever they belong to. A folder that does not exist is
    /// empty; so is the part of it that lies too deep to be ours.
    pub async fn list(&self, folder: &str) -> Result<Vec<SecretPath>, VaultError> {
        let mut found = Vec::new();
        let mut folders = vec![(with_slash(folder), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for key in self.list_one(&folder).await? {
                let path = format!("{folder}{key}");
                if !key.ends_with('/') {
                    // A name that cannot be one of ours is not ours.
                    found.extend(SecretPath::parse(&path));
                } else if depth < DEEPEST_FOLDER {
                    folders.push((path, depth + 1));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A secret's path as policies and capabilities name it.
    pub fn data_path(&self, path: &SecretPath) -> String {
        format!("{}/data/{path}", self.mount())
    }

    /// The path at which its versions are deleted, likewise.
    pub fn delete_path(&self, path: &SecretPath) -> String {
        format!("{}/delete/{path}", self.mount())
    }

    /// The path of its metadata, likewise.
    pub fn metadata_path(&self, path: &SecretPath) -> String {
        format!("{}/metadata/{path}", self.mount())
    }

    /// The path at which the secrets of a folder are listed, likewise.
    pub fn folder_path(&self, folder: &str) -> String {
        format!("{}/metadata/{}", self.mount(), with_slash(folder))
    }

    async fn list_one(&self, folder: &str) -> Result<Vec<String>, VaultError> {
        let request = ListSecretsRequest { mount: self.mount(), path: folder.to_owned() };
        let call = self.transport().prepare(self.attempt(Operation::List, "metadata", folder), &request)?;
        let answer = self.call(&call, None).await?;
        if answer.is_absence() {
            return Ok(Vec::new());
        }
        let ListSecretsResponse { keys } = self.transport().data(&call.attempt, &answer)?;
        Ok(keys)
    }

    pub(super) async fn write(
        &self,
        operation: Operation,
        path: &SecretPath,
        data: Value,
        over: u64,
        deadline: Option<Instant>,
    ) -> Result<u64, VaultError> {
        let attempt = self.attempt(operation, "data", path.as_str());
        let options = Some(check_and_set(&attempt, over)?);
        let request = SetSecretRequest { mount: self.mount(), path: path.to_string(), data, options };
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, deadline).await?;
        self.refuse_not_found(&call, &answer)?;
        if answer.is_empty() {
            // KV version 1 takes anything at any path, and says nothing.
            return Err(VaultError::KvVersion1 { mount: self.mount() });
        }
        self.written(&call, &answer)
    }

    async fn merge(
        &self,
        path: &SecretPath,
        fields: Fields,
        over: u64,
        deadline: Option<Instant>,
    ) -> Result<u64, VaultError> {
        let attempt = self.attempt(Operation::Merge, "data", path.as_str());
        self.patch(attempt, self.mount(), path.to_string(), fields, over, deadline).await
    }

    /// Sets fields of a secret over the version that was read, or, by null, removes them; the others stay as they are.
    /// Returns the new version; the errors mean what they mean for [`publish`](Self::publish).
    pub(super) async fn patch(
        &self,
        attempt: Attempt,
        mount: String,
        path: String,
        data: Fields,
        over: u64,
        deadline: Option<Instant>,
    ) -> Result<u64, VaultError> {
        let options = check_and_set(&attempt, over)?;
        let request = PatchSecret { mount, path, data, options };
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, deadline).await?;
        if answer.is_not_found() {
            // The version that was read is deleted, or gone altogether.
            return Err(VaultError::Conflict { attempt: call.attempt });
        }
        self.written(&call, &answer)
    }

    fn written(&self, call: &Call, answer: &Answer) -> Result<u64, VaultError> {
        let written: Result<SecretVersionMetadata, _> = self.transport().data(&call.attempt, answer);
        written.map(|written| written.version).map_err(|error| ambiguous(&call.attempt, error))
    }

    async fn patch_metadata(
        &self,
        path: &SecretPath,
        custom_metadata: HashMap<String, Option<String>>,
        settings: Settings,
    ) -> Result<(), VaultError> {
        let Settings { max_versions, cas_required } = settings;
        let (mount, path_text) = (self.mount(), path.to_string());
        let request = PatchMetadata { mount, path: path_text, max_versions, cas_required, custom_metadata };
        let attempt = self.attempt(Operation::Mark, "metadata", path.as_str());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, None).await?;
        self.refuse_not_found(&call, &answer)
    }

    pub(super) fn refuse_not_found(&self, call: &Call, answer: &Answer) -> Result<(), VaultError> {
        if !answer.is_not_found() {
            return Ok(());
        }
        let (attempt, said) = (call.attempt.clone(), Said::new(&[], &[]));
        Err(VaultError::Rejected { attempt, status: 404, said })
    }

    pub(super) fn attempt(&self, operation: Operation, api: &str, path: &str) -> Attempt {
        Attempt::new(operation, format!("{}/{api}/{path}", self.mount()))
    }
}

fn check_and_set(attempt: &Attempt, over: u64) -> Result<SetSecretRequestOptions, VaultError> {
    let cas = u32::try_from(over).map_err(|_| VaultError::Request { attempt: attempt.clone() })?;
    Ok(SetSecretRequestOptions { cas })
}

fn with_slash(folder: &str) -> String {
    if folder.is_empty() || folder.ends_with('/') { folder.to_owned() } else { format!("{folder}/") }
}
