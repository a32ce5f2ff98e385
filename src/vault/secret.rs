//! What a secret says, and what it shall say: between Vault's JSON and the domain.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use vaultrs::api::kv2::responses::ReadSecretResponse;

use crate::config::{SecretRules, Write};
use crate::domain::clocks::{read_time, time_text};
use crate::domain::ids::Instance;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::Owner;
use crate::domain::secret::{
    API_KEY, FIELDS, MANAGED_BY, Moved, Publication, Published, SHAPE, SecretState, promise,
};
use crate::domain::shape::{FieldTemplate, Shape, ShapeMark};

/// The entry in `custom_metadata` that says since when the project is gone.
const VANISHED_AT: &str = "vanished_at";
/// The entries that say where the project lives now, since when the key that the secret published has served, which
/// key that is, which overlap its readers were promised, and, once it is withdrawn, until when they may need that key.
const MOVED_TO: &str = "moved_to";
const MOVED_AT: &str = "moved_at";
const MOVED_KEY: &str = "moved_key";
const MOVED_OVERLAP: &str = "moved_overlap_seconds";
const KEPT_UNTIL: &str = "kept_until";
/// The entry in `custom_metadata` that says what `[secret]` has set in the metadata, so that it is set once.
const SETTINGS: &str = "settings";

/// What was read at a path: all that the next write needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// What it means to us.
    pub state: SecretState,
    /// When Vault wrote this version, by its own clock, whoever asked for it.
    pub created_at: Option<DateTime<Utc>>,
    /// Since when its project is marked as gone, as [`mark_vanished`](super::VaultStore::mark_vanished) wrote it.
    pub vanished_at: Option<String>,
    /// Where its project lives now, as [`mark_moved`](super::VaultStore::mark_moved) wrote it.
    pub moved: Option<Moved>,
    /// Whether other owners have fields in it. Their values may be secret too, so that they are not kept.
    pub has_others: bool,
    /// What it publishes, with our own mark, in forms in which we do not write now: under another prefix, or with one
    /// where there is none now.
    pub other_forms: Vec<Published>,
}

/// The fields of a secret, or of a patch of it, in which null removes one.
pub(super) type Fields = Map<String, Value>;

impl Secret {
    /// Nothing at all.
    pub fn absent() -> Self {
        Self {
            state: SecretState::Absent,
            created_at: None,
            vanished_at: None,
            moved: None,
            has_others: false,
            other_forms: Vec::new(),
        }
    }
}

/// How our fields stand in a secret.
#[derive(Debug)]
pub(super) struct Layout {
    prefix: String,
    shared: bool,
    owner: Owner,
    /// The shape that is wanted.
    shape: Arc<Shape>,
    settings: Settings,
}

/// What Vault shall do with a secret of ours, as far as that is not left to the mount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) max_versions: Option<u32>,
    pub(super) cas_required: Option<bool>,
}

impl Settings {
    /// All is left to the mount.
    pub(super) const NONE: Self = Self { max_versions: None, cas_required: None };

    /// How the metadata says that this was set; `None` for nothing.
    fn text(self) -> Option<String> {
        let versions = self.max_versions.map(|number| format!("max_versions={number}"));
        let cas = self.cas_required.map(|required| format!("cas_required={required}"));
        let texts: Vec<String> = versions.into_iter().chain(cas).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }
}

impl Layout {
    pub(super) fn new(write: &Write, rules: &SecretRules, instance: Instance) -> Self {
        let (prefix, shared) = match write {
            Write::Replace => (String::new(), false),
            Write::Merge { prefix } => (prefix.clone(), true),
        };
        let SecretRules { shape, max_versions, cas_required } = rules;
        let settings = Settings { max_versions: *max_versions, cas_required: *cas_required };
        Self { prefix, shared, owner: Owner(instance), shape: Arc::clone(shape), settings }
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
        let moved = self.moved(&marks).filter(|_| stamp.as_ref() == Some(&self.owner));
        let version = metadata.version;
        let created = DateTime::parse_from_rfc3339(&metadata.created_time).ok();
        let created_at = created.map(|time| time.to_utc());
        // In a shared secret most versions are others'.
        let written_at = created_at.filter(|_| !self.shared);
        let Value::Object(fields) = data else {
            let state = SecretState::Deleted { version, owner: stamp };
            return Secret { state, created_at, vanished_at, moved, ..Secret::absent() };
        };
        let settings = marks.remove(&self.name(SETTINGS));
        let is_set = vanished_at.is_none() && moved.is_none() && settings == self.settings.text();
        let state = self.state(version, written_at, &fields, stamp, is_set);
        let has_others =
            self.shared && fields.keys().any(|name| !self.is_standard(name) && !state.added(name));
        let other_forms = self.other_forms(version, created_at, &fields);
        Secret { state, created_at, vanished_at, moved, has_others, other_forms }
    }

    fn state(
        &self,
        version: u64,
        written_at: Option<DateTime<Utc>>,
        fields: &Map<String, Value>,
        stamp: Option<Owner>,
        is_set: bool,
    ) -> SecretState {
        let field = |name: &str| fields.get(&self.name(name)).and_then(Value::as_str);
        let marked = fields.contains_key(&self.name(MANAGED_BY));
        let owner = field(MANAGED_BY).and_then(Owner::parse);
        if owner.as_ref() == Some(&self.owner) {
            let stamped = stamp.as_ref() == Some(&self.owner) && is_set;
            let mark = field(SHAPE).and_then(ShapeMark::parse);
            let read = |name: &str| {
                if name == API_KEY { self.key(fields, &self.prefix, mark.as_ref()) } else { field(name) }
            };
            let mut published = Published::read(version, written_at, stamped, read);
            published.taken = self.taken(fields, mark.as_ref(), published.api_key.as_ref());
            return SecretState::Ours(Box::new(published));
        }
        let stamped_by_another = stamp.as_ref().is_some_and(|stamp| *stamp != self.owner);
        let mut names = fields.keys().filter(|_| self.shared);
        let taken = names.find(|name| self.is_standard(name) || self.shape.adds(name)).cloned();
        let other_form = self.other_prefixes(fields).next().is_some();
        let room = !marked && !stamped_by_another && !other_form && taken.is_none();
        if self.shared && room {
            SecretState::Unclaimed { version }
        } else {
            let owner = owner
                .or_else(|| stamp.filter(|_| stamped_by_another))
                .or_else(|| other_form.then(|| self.owner.clone()));
            SecretState::Foreign { version, owner, taken }
        }
    }

    /// The prefixes, other than the one that our fields have now, under which the secret has our mark. A field that the
    /// operator has wanted to have that text is none.
    fn other_prefixes<'a>(&self, fields: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
        let shape = fields.get(&self.name(SHAPE)).and_then(Value::as_str).and_then(ShapeMark::parse);
        let ours = |mark: &Value| mark.as_str().and_then(Owner::parse).as_ref() == Some(&self.owner);
        let added = move |name: &str| {
            self.shape.adds(name) || shape.as_ref().is_some_and(|shape| shape.names.contains(name))
        };
        let marks = fields.iter().filter(move |(name, mark)| ours(mark) && !added(name));
        let prefixes = marks.filter_map(|(name, _)| name.strip_suffix(MANAGED_BY));
        prefixes.filter(|prefix| *prefix != self.prefix)
    }

    /// What the secret publishes under those. When others wrote it last, its lists only count for longer.
    fn other_forms(
        &self,
        version: u64,
        created_at: Option<DateTime<Utc>>,
        fields: &Map<String, Value>,
    ) -> Vec<Published> {
        let form = |prefix: &str| {
            let field = |name: &str| fields.get(&format!("{prefix}{name}")).and_then(Value::as_str);
            let mark = field(SHAPE).and_then(ShapeMark::parse);
            let read = |name: &str| {
                if name == API_KEY { self.key(fields, prefix, mark.as_ref()) } else { field(name) }
            };
            Published::read(version, created_at, true, read)
        };
        self.other_prefixes(fields).map(form).collect()
    }

    /// The key, where the secret says that it is; in its standard field; or where the wanted shape has it.
    fn key<'a>(
        &self,
        fields: &'a Map<String, Value>,
        prefix: &str,
        mark: Option<&ShapeMark>,
    ) -> Option<&'a str> {
        let standard = format!("{prefix}{API_KEY}");
        let said = mark.and_then(|mark| mark.key.as_deref());
        let places = said.into_iter().chain([standard.as_str()]).chain(self.shape.key_field());
        let mut found = places.filter_map(|name| fields.get(name).and_then(Value::as_str));
        found.find(|text| ApiKey::parse(text).is_ok())
    }

    /// A field of another owner whose name the wanted shape has for one of ours.
    ///
    /// Where a person has damaged what the secret says of its shape, a field that holds the published key, or what we
    /// would write there, is known by its value: the project must not be stuck for it, least of all in an emergency.
    /// Where nothing is said at all, only a value with the key in it can tell.
    fn taken(
        &self,
        fields: &Map<String, Value>,
        mark: Option<&ShapeMark>,
        key: Option<&ApiKey>,
    ) -> Option<String> {
        let is_damaged = mark.is_none() && fields.contains_key(&self.name(SHAPE));
        let ours = |name: &str, template: &FieldTemplate, value: &Value| match (mark, key, value.as_str()) {
            (Some(mark), _, _) => mark.names.contains(name),
            (None, Some(key), Some(value)) => {
                let standard = |name: &str| match name {
                    API_KEY => Some(key.expose()),
                    _ => fields.get(&self.name(name)).and_then(Value::as_str),
                };
                let is_written = value == key.expose() || value == template.fill(standard);
                is_written && (is_damaged || value.contains(key.expose()))
            }
            (None, _, _) => false,
        };
        let mut added = self.shape.added().filter(|_| self.shared);
        let taken = added
            .find(|(name, template)| fields.get(*name).is_some_and(|value| !ours(name, template, value)));
        taken.map(|(name, _)| name.to_owned())
    }

    /// The data that publishes where nothing else is, or shall be.
    pub(super) fn data(&self, publication: &Publication) -> Value {
        Value::Object(self.fields(publication))
    }

    /// The patch that publishes: it sets our fields, removes those of ours that are not wanted or have no value now,
    /// and names no other.
    pub(super) fn patch(&self, publication: &Publication, over: &SecretState) -> Fields {
        let mut patch = self.removal(over);
        patch.extend(self.fields(publication));
        patch
    }

    /// The patch that removes our fields.
    pub(super) fn removal(&self, over: &SecretState) -> Fields {
        let standard = FIELDS.into_iter().map(|name| self.name(name));
        standard.chain(over.names_added()).map(|name| (name, Value::Null)).collect()
    }

    fn fields(&self, publication: &Publication) -> Fields {
        let shape = &publication.shape;
        let standard = publication.fields();
        let value = |name: &str| standard.get(name).map(String::as_str);
        let added = shape.added().map(|(name, template)| (name.to_owned(), template.fill(value)));
        let kept = standard.iter().filter(|(name, _)| !shape.leaves_out(name));
        let kept = kept.map(|(name, value)| (self.name(name), value.clone()));
        kept.chain(added).map(|(name, value)| (name, Value::String(value))).collect()
    }

    /// The `custom_metadata` of a secret that lives: our mark, and no word of an end.
    pub(super) fn stamp(&self) -> HashMap<String, Option<String>> {
        let entries = [
            (MANAGED_BY, Some(self.owner.to_string())),
            (VANISHED_AT, None),
            (MOVED_TO, None),
            (MOVED_AT, None),
            (MOVED_KEY, None),
            (MOVED_OVERLAP, None),
            (KEPT_UNTIL, None),
            (SETTINGS, self.settings.text()),
        ];
        entries.map(|(name, value)| (self.name(name), value)).into()
    }

    /// What Vault shall do with it.
    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// The `custom_metadata` of a secret whose project is gone.
    pub(super) fn obituary(&self, at: String) -> HashMap<String, Option<String>> {
        [(self.name(MANAGED_BY), Some(self.owner.to_string())), (self.name(VANISHED_AT), Some(at))].into()
    }

    /// The `custom_metadata` of a secret whose project lives elsewhere.
    pub(super) fn forwarding(&self, moved: &Moved) -> HashMap<String, Option<String>> {
        let entries = [
            (MANAGED_BY, Some(self.owner.to_string())),
            (MOVED_TO, Some(moved.to.clone())),
            (MOVED_AT, moved.at.map(time_text)),
            (MOVED_KEY, moved.key.map(|key| key.to_string())),
            (MOVED_OVERLAP, moved.overlap.map(|overlap| overlap.as_secs().to_string())),
            (KEPT_UNTIL, moved.kept_until.map(time_text)),
        ];
        entries.map(|(name, value)| (self.name(name), value)).into()
    }

    fn moved(&self, marks: &HashMap<String, String>) -> Option<Moved> {
        let mark = |name: &str| marks.get(&self.name(name));
        Some(Moved {
            to: mark(MOVED_TO)?.clone(),
            at: mark(MOVED_AT).and_then(|text| read_time(text)),
            key: mark(MOVED_KEY).and_then(|text| Fingerprint::parse(text)),
            overlap: mark(MOVED_OVERLAP).and_then(|text| promise(text)),
            kept_until: mark(KEPT_UNTIL).and_then(|text| read_time(text)),
        })
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn is_standard(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|name| FIELDS.contains(&name))
    }
}

#[cfg(test)]
mod tests;
