//! The secret that holds the lease. It is ours alone, with plain names, also where our fields in other secrets stand
//! beside those of others (`write = "merge"`).

use std::collections::HashMap;

use rustify_derive::Endpoint;
use serde_json::{Map, Value};
use tokio::time::Instant;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::api::kv2::responses::ReadSecretResponse;

use super::VaultStore;
use super::attempt::Operation;
use super::error::VaultError;
use crate::domain::lease::{Lease, LeaseState};
use crate::domain::marker::Owner;
use crate::domain::path::SecretPath;
use crate::domain::secret::MANAGED_BY;

/// How many versions of a lease are kept, which is written several times a minute, unless the mount keeps more of
/// everything. Not one alone: a standby that still shows the version before would find it deleted.
const KEPT_VERSIONS: u32 = 3;

#[derive(Endpoint)]
#[endpoint(path = "{self.mount}/metadata/{self.path}", method = "PATCH")]
struct PatchLease {
    #[endpoint(skip)]
    mount: String,
    #[endpoint(skip)]
    path: String,
    max_versions: u32,
    custom_metadata: HashMap<String, String>,
}

/// A lease as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRead {
    /// What it means.
    pub state: LeaseState,
    /// Whether [`stamp_lease`](VaultStore::stamp_lease) was done.
    pub stamped: bool,
}

impl VaultStore {
    /// Reads the lease, in one request. After the deadline it is neither sent nor waited for.
    pub async fn read_lease(
        &self,
        path: &SecretPath,
        deadline: Option<Instant>,
    ) -> Result<LeaseRead, VaultError> {
        let request = ReadSecretRequest { mount: self.mount(), path: path.to_string(), version: None };
        let attempt = self.attempt(Operation::ReadLease, "data", path.as_str());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, deadline).await?;
        if answer.is_absence() {
            return Ok(LeaseRead { state: LeaseState::Absent, stamped: false });
        }
        let response: ReadSecretResponse = self.transport().data(&call.attempt, &answer)?;
        Ok(self.interpret_lease(response))
    }

    fn interpret_lease(&self, response: ReadSecretResponse) -> LeaseRead {
        let ReadSecretResponse { data, metadata } = response;
        let version = metadata.version;
        let ours = self.layout().owner();
        let marks = metadata.custom_metadata.unwrap_or_default();
        let stamp = marks.get(MANAGED_BY).and_then(|mark| Owner::parse(mark));
        let stamped = stamp.as_ref() == Some(ours);
        let no_fields = Map::new();
        let fields = match &data {
            Value::Object(fields) => fields,
            _ if stamped => return LeaseRead { state: LeaseState::Deleted { version }, stamped },
            _ => &no_fields,
        };
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        let owner = field(MANAGED_BY).and_then(Owner::parse);
        // A project's secret of ours carries our mark too, and is no lease.
        let is_lease = fields.contains_key("lease_seconds");
        let state = if owner.as_ref() == Some(ours) && is_lease {
            LeaseState::Written { version, lease: Lease::read(field) }
        } else {
            let owner = owner.or(stamp).filter(|owner| owner != ours);
            LeaseState::Foreign { version, owner }
        };
        LeaseRead { state, stamped }
    }

    /// Writes the lease over this version, and returns the new one. The errors mean what they mean for
    /// [`publish`](Self::publish).
    pub async fn hold_lease(
        &self,
        path: &SecretPath,
        lease: &Lease,
        over: u64,
        deadline: Instant,
    ) -> Result<u64, VaultError> {
        let Owner(instance) = self.layout().owner();
        let fields = lease.fields(instance).into_iter();
        let data = fields.map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
        self.write(Operation::HoldLease, path, Value::Object(data), over, Some(deadline)).await
    }

    /// Lets Vault forget old versions of the lease, and repeats our mark where it outlives a deleted one.
    pub async fn stamp_lease(&self, path: &SecretPath, deadline: Instant) -> Result<(), VaultError> {
        let custom_metadata = HashMap::from([(MANAGED_BY.to_owned(), self.layout().owner().to_string())]);
        let (mount, max_versions) = (self.mount(), KEPT_VERSIONS);
        let request = PatchLease { mount, path: path.to_string(), max_versions, custom_metadata };
        let attempt = self.attempt(Operation::MarkLease, "metadata", path.as_str());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.call(&call, Some(deadline)).await?;
        self.refuse_not_found(&call, &answer)
    }
}
