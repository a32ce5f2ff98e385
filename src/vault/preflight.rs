//! Questions about Vault itself: is it there, is the mount right, who are we, what may we do.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustify_derive::Endpoint;
use serde::Deserialize;

use super::VaultStore;
use super::attempt::{Attempt, Operation, Said};
use super::auth::{Lookup, remaining};
use super::error::VaultError;

/// The state of the server that answers at the address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Whether it was ever initialized.
    #[serde(default)]
    pub initialized: bool,
    /// Whether it is sealed.
    #[serde(default)]
    pub sealed: bool,
    /// Whether it is a standby, which passes requests on.
    #[serde(default)]
    pub standby: bool,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// Who Vault takes us for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name that Vault shows in its audit log, such as `approle`.
    pub display_name: String,
    /// What the token may do, its identity's policies included.
    pub policies: Vec<String>,
    /// How long the token still lives; `None` for one that does not end.
    pub ttl: Option<Duration>,
    /// Whether its life can be prolonged.
    pub renewable: bool,
    /// When it ends in spite of all renewals, if that was said when it was made.
    pub ends_at_last: Option<DateTime<Utc>>,
    /// How often it may still be used; `None` for one that is not counted.
    pub uses: Option<u64>,
}

/// vaultrs demands a field that OpenBao no longer sends, and cannot ask for 200 in all states.
#[derive(Endpoint)]
#[endpoint(path = "sys/health", response = "Health")]
struct ReadHealth {
    #[endpoint(query)]
    standbyok: bool,
    #[endpoint(query)]
    perfstandbyok: bool,
    #[endpoint(query)]
    sealedcode: u16,
    #[endpoint(query)]
    uninitcode: u16,
    #[endpoint(query)]
    drsecondarycode: u16,
}

#[derive(Endpoint)]
#[endpoint(path = "sys/internal/ui/mounts/{self.mount}", response = "Mount")]
struct InspectMount {
    #[endpoint(skip)]
    mount: String,
}

#[derive(Deserialize)]
struct Mount {
    path: String,
    #[serde(rename = "type")]
    engine: String,
    options: Option<BTreeMap<String, String>>,
}

#[derive(Endpoint)]
#[endpoint(path = "sys/capabilities-self", method = "POST", response = "BTreeMap<String, Vec<String>>")]
struct AskCapabilities {
    paths: Vec<String>,
}

/// How many paths one question about rights holds.
pub const MAX_ASKED_AT_ONCE: usize = 200;

/// Whether what is held at a path includes this capability.
pub fn grants(held: &[String], capability: &str) -> bool {
    held.iter().any(|held| held == capability || held == "root")
}

impl VaultStore {
    /// Logs in and checks that the mount is a KV version 2. Without it a KV version 1 looks like an empty
    /// version 2.
    pub async fn preflight(&self) -> Result<(), VaultError> {
        let attempt =
            Attempt::new(Operation::InspectMount, format!("sys/internal/ui/mounts/{}", self.mount()));
        let call = self.transport().prepare(attempt, &InspectMount { mount: self.mount() })?;
        let answer = match self.call(&call, None).await {
            // Vault answers the same about a mount that does not exist and one that it hides.
            Err(VaultError::Forbidden { .. }) => return Err(VaultError::MountHidden { mount: self.mount() }),
            other => other?,
        };
        if answer.is_not_found() {
            return Err(VaultError::NoMount { mount: self.mount() });
        }
        let mount: Mount = self.transport().data(&call.attempt, &answer)?;
        if !format!("{}/", self.mount()).ends_with(&mount.path) {
            // The answer is about a mount higher up.
            return Err(VaultError::NoMount { mount: self.mount() });
        }
        let version = mount.options.as_ref().and_then(|options| options.get("version")).map(String::as_str);
        match (mount.engine.as_str(), version) {
            ("kv", Some("2")) => Ok(()),
            ("kv", _) => Err(VaultError::KvVersion1 { mount: self.mount() }),
            (engine, _) => {
                let engine = Said::in_one_line(engine);
                Err(VaultError::WrongEngine { mount: self.mount(), engine })
            }
        }
    }

    /// Asks the server for its state, which needs neither a token nor an unsealed server.
    pub async fn health(&self) -> Result<Health, VaultError> {
        let request = ReadHealth {
            standbyok: true,
            perfstandbyok: true,
            sealedcode: 200,
            uninitcode: 200,
            drsecondarycode: 200,
        };
        let attempt = Attempt::new(Operation::AskHealth, "sys/health".to_owned());
        let call = self.transport().prepare(attempt, &request)?;
        let answer = self.transport().send(&call, None, None).await?;
        let health: Health = self.transport().parse(&call.attempt, &answer)?;
        Ok(Health { version: Said::in_one_line(&health.version), ..health })
    }

    /// What the token may do at each of these API paths, such as `secret/data/exceptionless/42`: at most
    /// [`MAX_ASKED_AT_ONCE`] of them.
    pub async fn capabilities(&self, paths: &[String]) -> Result<BTreeMap<String, Vec<String>>, VaultError> {
        let attempt = Attempt::new(Operation::AskCapabilities, "sys/capabilities-self".to_owned());
        let call = self.transport().prepare(attempt, &AskCapabilities { paths: paths.to_vec() })?;
        let answer = self.call(&call, None).await?;
        let mut granted: BTreeMap<String, Vec<String>> = self.transport().data(&call.attempt, &answer)?;
        granted.retain(|path, _| paths.contains(path));
        Ok(granted)
    }

    /// Who Vault takes us for.
    pub async fn whoami(&self) -> Result<Identity, VaultError> {
        let token = self.token().await?;
        let found = match self.look_up(&token).await {
            Err(refused @ VaultError::Forbidden { .. }) => match self.replace_if_dead(&token).await? {
                Some(successor) => self.look_up(&successor).await?,
                None => return Err(refused),
            },
            other => other?,
        };
        let ttl = remaining(&found);
        let longest = (found.explicit_max_ttl > 0).then_some(found.explicit_max_ttl);
        let ends = longest.and_then(|longest| found.creation_time.checked_add(longest));
        let Lookup { display_name, policies, identity_policies, renewable, num_uses, .. } = found;
        Ok(Identity {
            display_name,
            policies: policies.into_iter().chain(identity_policies.unwrap_or_default()).collect(),
            ttl,
            renewable: renewable.unwrap_or(false),
            ends_at_last: ends.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            uses: (num_uses > 0).then_some(num_uses),
        })
    }
}
