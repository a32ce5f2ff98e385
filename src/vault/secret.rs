//! What a secret says, and what it shall say: between Vault's JSON and the domain.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use vaultrs::api::kv2::responses::ReadSecretResponse;

use crate::config::Write;
use crate::domain::ids::Instance;
use crate::domain::marker::Owner;
use crate::domain::secret::{FIELDS, MANAGED_BY, Publication, Published, SecretState};

/// The entry in `custom_metadata` that says since when the project is gone.
const VANISHED_AT: &str = "vanished_at";

/// What was read at a path: all that the next write needs.
#[derive(Clone, PartialEq)]
pub struct Secret {
    /// What it means to us.
    pub state: SecretState,
    /// The `custom_metadata` as it was read, whoever wrote it.
    pub custom_metadata: BTreeMap<String, String>,
    /// The fields of other owners, which a merge keeps. Empty when the secret is ours alone.
    pub others: Map<String, Value>,
}

/// The values of others may be secret too.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, custom_metadata, others } = self;
        f.debug_struct("Secret")
            .field("state", state)
            .field("custom_metadata", &custom_metadata.keys())
            .field("others", &others.len())
            .finish()
    }
}

impl Secret {
    /// Nothing at all.
    pub fn absent() -> Self {
        Self { state: SecretState::Absent, custom_metadata: BTreeMap::new(), others: Map::new() }
    }

    /// The version for the next check-and-set.
    pub fn version(&self) -> u64 {
        match &self.state {
            SecretState::Absent => 0,
            SecretState::Ours(published) => published.version,
            SecretState::Deleted { version, .. }
            | SecretState::Unclaimed { version }
            | SecretState::Foreign { version, .. } => *version,
        }
    }
}

/// How our fields stand in a secret.
#[derive(Debug)]
pub(super) struct Layout {
    prefix: String,
    shared: bool,
    owner: Owner,
}

impl Layout {
    pub(super) fn new(write: &Write, instance: Instance) -> Self {
        let (prefix, shared) = match write {
            Write::Replace => (String::new(), false),
            Write::Merge { prefix } => (prefix.clone(), true),
        };
        Self { prefix, shared, owner: Owner(instance) }
    }

    /// Whether others may have fields in the same secret.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Reads a version of a secret.
    pub(super) fn interpret(&self, response: ReadSecretResponse) -> Secret {
        let ReadSecretResponse { data, metadata } = response;
        let custom_metadata: BTreeMap<_, _> =
            metadata.custom_metadata.unwrap_or_default().into_iter().collect();
        let stamp = custom_metadata.get(&self.name(MANAGED_BY)).and_then(|mark| Owner::parse(mark));
        let gone = custom_metadata.contains_key(&self.name(VANISHED_AT));
        let version = metadata.version;
        let written_at = self.written_at(&metadata.created_time);
        let Value::Object(mut fields) = data else {
            let state = SecretState::Deleted { version, owner: stamp };
            return Secret { state, custom_metadata, others: Map::new() };
        };
        let state = self.state(version, written_at, &fields, stamp, gone);
        fields.retain(|name, _| self.shared && !self.is_ours(name));
        Secret { state, custom_metadata, others: fields }
    }

    fn state(
        &self,
        version: u64,
        written_at: Option<DateTime<Utc>>,
        fields: &Map<String, Value>,
        stamp: Option<Owner>,
        gone: bool,
    ) -> SecretState {
        let field = |name: &str| fields.get(&self.name(name)).and_then(Value::as_str);
        let marked = fields.contains_key(&self.name(MANAGED_BY));
        let owner = field(MANAGED_BY).and_then(Owner::parse);
        if owner.as_ref() == Some(&self.owner) {
            let stamped = stamp.as_ref() == Some(&self.owner) && !gone;
            return SecretState::Ours(Box::new(Published::read(version, written_at, stamped, field)));
        }
        let stamped_by_another = stamp.as_ref().is_some_and(|stamp| *stamp != self.owner);
        let room = !marked && !stamped_by_another && !fields.keys().any(|name| self.is_ours(name));
        if self.shared && room {
            SecretState::Unclaimed { version }
        } else {
            SecretState::Foreign { version, owner: owner.or_else(|| stamp.filter(|_| stamped_by_another)) }
        }
    }

    /// When a version of ours was written. In a shared secret most versions are others'.
    fn written_at(&self, created_time: &str) -> Option<DateTime<Utc>> {
        let written = DateTime::parse_from_rfc3339(created_time).ok()?;
        (!self.shared).then(|| written.to_utc())
    }

    /// The data that publishes: our fields, and what others have beside them.
    pub(super) fn data(&self, publication: &Publication, others: &Map<String, Value>) -> Value {
        let mut data = if self.shared { others.clone() } else { Map::new() };
        for (name, value) in publication.fields() {
            data.insert(self.name(name), Value::String(value));
        }
        Value::Object(data)
    }

    /// The `custom_metadata` of a secret that lives: our mark, and no word of an end.
    pub(super) fn stamp(&self) -> HashMap<String, Option<String>> {
        [(self.name(MANAGED_BY), Some(self.owner.to_string())), (self.name(VANISHED_AT), None)].into()
    }

    /// The `custom_metadata` of a secret whose project is gone.
    pub(super) fn obituary(&self, at: String) -> HashMap<String, Option<String>> {
        [(self.name(MANAGED_BY), Some(self.owner.to_string())), (self.name(VANISHED_AT), Some(at))].into()
    }

    /// Since when the project is marked as gone.
    pub(super) fn vanished_at<'a>(&self, secret: &'a Secret) -> Option<&'a str> {
        secret.custom_metadata.get(&self.name(VANISHED_AT)).map(String::as_str)
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn is_ours(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|name| FIELDS.contains(&name))
    }
}

#[cfg(test)]
mod tests;
