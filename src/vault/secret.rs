//! What a secret says, and what it shall say: between Vault's JSON and the domain.

use std::collections::HashMap;

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
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// What it means to us.
    pub state: SecretState,
    /// Since when its project is marked as gone, as [`mark_vanished`](super::VaultStore::mark_vanished) wrote it.
    pub vanished_at: Option<String>,
    /// Whether other owners have fields in it. Their values may be secret too, so that they are not kept.
    pub has_others: bool,
}

/// The fields of a secret, or of a patch of it, in which null removes one.
pub(super) type Fields = Map<String, Value>;

impl Secret {
    /// Nothing at all.
    pub fn absent() -> Self {
        Self { state: SecretState::Absent, vanished_at: None, has_others: false }
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

    /// This deployment.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether others may have fields in the same secret.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Reads a version of a secret.
    pub(super) fn interpret(&self, response: ReadSecretResponse) -> Secret {
        let ReadSecretResponse { data, metadata } = response;
        let mut marks = metadata.custom_metadata.unwrap_or_default();
        let stamp = marks.get(&self.name(MANAGED_BY)).and_then(|mark| Owner::parse(mark));
        let vanished_at = marks.remove(&self.name(VANISHED_AT));
        let version = metadata.version;
        let written_at = self.written_at(&metadata.created_time);
        let Value::Object(fields) = data else {
            let state = SecretState::Deleted { version, owner: stamp };
            return Secret { state, vanished_at, has_others: false };
        };
        let state = self.state(version, written_at, &fields, stamp, vanished_at.is_some());
        let has_others = self.shared && fields.keys().any(|name| !self.is_ours(name));
        Secret { state, vanished_at, has_others }
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

    /// The data that publishes where nothing else is, or shall be.
    pub(super) fn data(&self, publication: &Publication) -> Value {
        Value::Object(self.fields(publication))
    }

    /// The patch that publishes: it sets our fields, removes those of ours that have no value now, and names no other.
    pub(super) fn patch(&self, publication: &Publication) -> Fields {
        let mut patch = self.removal();
        patch.extend(self.fields(publication));
        patch
    }

    /// The patch that removes our fields.
    pub(super) fn removal(&self) -> Fields {
        FIELDS.into_iter().map(|name| (self.name(name), Value::Null)).collect()
    }

    fn fields(&self, publication: &Publication) -> Fields {
        let fields = publication.fields().into_iter();
        fields.map(|(name, value)| (self.name(name), Value::String(value))).collect()
    }

    /// The `custom_metadata` of a secret that lives: our mark, and no word of an end.
    pub(super) fn stamp(&self) -> HashMap<String, Option<String>> {
        [(self.name(MANAGED_BY), Some(self.owner.to_string())), (self.name(VANISHED_AT), None)].into()
    }

    /// The `custom_metadata` of a secret whose project is gone.
    pub(super) fn obituary(&self, at: String) -> HashMap<String, Option<String>> {
        [(self.name(MANAGED_BY), Some(self.owner.to_string())), (self.name(VANISHED_AT), Some(at))].into()
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
