//! The shape of a secret: which fields it has, beside and instead of the standard ones.
//!
//! `[secret.fields]` adds fields by template, so that a secret can be consumed as it is, such as an environment file,
//! and leaves standard ones out. What the rotator reads back is never left out: it keeps no other state.
//!
//! A secret in another shape than the standard one says so itself, in the field `shape`. By that a pass finds the key
//! where `api_key` is left out, knows which fields are ours beside those of other owners, and sees that a secret was
//! written in another shape than is wanted now; all without knowing by which configuration it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::clocks::{read_time, time_text};
use super::secret::{API_KEY, FIELDS, SHAPE};

/// Describe the project or tell times to people: nothing is decided by them, but that without its organization the secret
/// of a project that is gone is never deleted.
const DESCRIPTIVE: [&str; 5] =
    ["server_url", "project_name", "organization_id", "organization_name", "next_rotation_at"];

/// The digest of the shape without templates.
const STANDARD: &str = "standard";

/// Which fields a secret has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    added: BTreeMap<String, FieldTemplate>,
    left_out: BTreeSet<&'static str>,
    digest: String,
}

/// What one name is given: a template, or, empty, its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

/// Why a field cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// Not a name.
    #[error(
        "has a name with other characters than letters, digits, '_' and '-'; choose one such as EXCEPTIONLESS_API_KEY"
    )]
    Name,
    /// A standard field with a template.
    #[error("is a standard field, which can only be left out, by \"\"; choose another name")]
    Standard,
    /// A standard field that holds state.
    #[error("cannot be left out: the rotator reads it back, and keeps no other state; remove this")]
    State,
    /// A field of somebody's own without a value.
    #[error("is empty, and no standard field; write a template such as \"{{api_key}}\"")]
    Empty,
    /// A brace without its partner.
    #[error(
        "has a brace without its partner; write braces around the name of a field only, such as {{api_key}}"
    )]
    Brace,
    /// A character that no environment file can hold.
    #[error("contains a control character; write text of one line")]
    Control,
    /// A placeholder that does not exist.
    #[error("has the unknown placeholder {{{0}}}; known are {known}", known = known())]
    Placeholder(String),
    /// The key stands nowhere.
    #[error("leaves out the key, which no other field is; add one whose template is exactly \"{{api_key}}\"")]
    NoKey,
}

fn known() -> String {
    let names: Vec<String> = placeholders().map(|name| format!("{{{name}}}")).collect();
    names.join(", ")
}

/// The fields that a template may name.
fn placeholders() -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().filter(|name| *name != SHAPE)
}

impl FieldTemplate {
    /// Reads literal text with the names of standard fields in braces.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        if text.chars().any(char::is_control) {
            return Err(InvalidField::Control);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            let inner = from_brace.strip_prefix('{').ok_or(InvalidField::Brace)?;
            let (name, after) = inner.split_once('}').ok_or(InvalidField::Brace)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let known = placeholders().find(|known| *known == name);
            parts.push(Part::Field(known.ok_or_else(|| InvalidField::Placeholder(name.to_owned()))?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The value, with each field as `field` knows it. It may hold the key: for the wire only.
    pub fn fill<'a>(&'a self, field: impl Fn(&str) -> Option<&'a str>) -> String {
        let part = |part: &'a Part| match part {
            Part::Text(text) => text.as_str(),
            Part::Field(name) => field(name).unwrap_or_default(),
        };
        self.0.iter().map(part).collect()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_the_key(&self) -> bool {
        self.0 == [Part::Field(API_KEY)]
    }
}

impl fmt::Display for FieldTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Field(name) => write!(f, "{{{name}}}"),
        })
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self { added: BTreeMap::new(), left_out: BTreeSet::new(), digest: STANDARD.to_owned() }
    }
}

impl Shape {
    /// Checks one entry of `[secret.fields]` for itself.
    pub fn check(name: &str, template: &str) -> Result<FieldTemplate, InvalidField> {
        let template = FieldTemplate::parse(template)?;
        let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        match FIELDS.into_iter().find(|field| *field == name) {
            None if name.is_empty() || !name.chars().all(letter) => Err(InvalidField::Name),
            None if template.is_empty() => Err(InvalidField::Empty),
            None => Ok(template),
            Some(_) if !template.is_empty() => Err(InvalidField::Standard),
            Some(API_KEY) => Ok(template),
            Some(name) if DESCRIPTIVE.contains(&name) => Ok(template),
            Some(_) => Err(InvalidField::State),
        }
    }

    /// The shape of entries that were each found good.
    pub fn new(entries: BTreeMap<String, FieldTemplate>) -> Result<Self, InvalidField> {
        if entries.is_empty() {
            return Ok(Self::default());
        }
        let lines = entries.iter().map(|(name, template)| format!("{name}={template}\n"));
        let digest = Sha256::digest(lines.collect::<String>().as_bytes());
        let digest = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        let standard = |name: &str| FIELDS.into_iter().find(|field| *field == name);
        let left_out = entries.keys().filter_map(|name| standard(name)).collect();
        let added = entries.into_iter().filter(|(name, _)| standard(name).is_none()).collect();
        let shape = Self { added, left_out, digest };
        if shape.leaves_out(API_KEY) && shape.key_field().is_none() {
            return Err(InvalidField::NoKey);
        }
        Ok(shape)
    }

    /// Whether nothing is added and nothing left out.
    pub fn is_standard(&self) -> bool {
        self.digest == STANDARD
    }

    /// The fields beside the standard ones, with what they hold.
    pub fn added(&self) -> impl Iterator<Item = (&str, &FieldTemplate)> {
        self.added.iter().map(|(name, template)| (name.as_str(), template))
    }

    /// The standard fields that are left out.
    pub fn left_out(&self) -> impl Iterator<Item = &'static str> {
        self.left_out.iter().copied()
    }

    /// Whether this is a field beside the standard ones.
    pub fn adds(&self, name: &str) -> bool {
        self.added.contains_key(name)
    }

    /// Whether a standard field is left out.
    pub fn leaves_out(&self, name: &str) -> bool {
        self.left_out.contains(name)
    }

    /// The added field that is the key and nothing else.
    pub fn key_field(&self) -> Option<&str> {
        let mut keys = self.added.iter().filter(|(_, template)| template.is_the_key());
        keys.next().map(|(name, _)| name.as_str())
    }

    /// What a secret in this shape says of it.
    pub fn mark(&self, at: DateTime<Utc>) -> ShapeMark {
        let whole = at.trunc_subsecs(0);
        ShapeMark {
            digest: self.digest.clone(),
            at: if whole == at { whole } else { whole + TimeDelta::seconds(1) },
            key: self.key_field().filter(|_| self.leaves_out(API_KEY)).map(str::to_owned),
            names: self.added.keys().cloned().collect(),
        }
    }
}

/// In what shape a secret was written, as it says itself: `digest@time`, then the names of the added fields, joined by
/// commas. The one that is the key where `api_key` is left out has `key:` before its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMark {
    digest: String,
    /// A time before which Vault wrote the version.
    pub at: DateTime<Utc>,
    /// The added field that is the key.
    pub key: Option<String>,
    /// All added fields.
    pub names: BTreeSet<String>,
}

impl ShapeMark {
    /// Reads the text form; `None` when a person has damaged it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut entries = text.split(',');
        let (digest, at) = entries.next()?.split_once('@')?;
        let at = read_time(at)?;
        let mut mark = Self { digest: digest.to_owned(), at, key: None, names: BTreeSet::new() };
        for entry in entries {
            let name = entry.strip_prefix("key:");
            if mark.key.is_none() {
                mark.key = name.map(str::to_owned);
            }
            mark.names.insert(name.unwrap_or(entry).to_owned());
        }
        // Never may an entry that somebody added make a field of the rotator's state one to remove.
        mark.names.retain(|name| !name.is_empty() && !FIELDS.contains(&name.as_str()));
        Some(mark)
    }

    /// Whether the secret was written in this shape.
    pub fn is_of(&self, shape: &Shape) -> bool {
        self.digest == shape.digest
    }
}

impl fmt::Display for ShapeMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.digest, time_text(self.at))?;
        self.names.iter().try_for_each(|name| {
            let role = if self.key.as_ref() == Some(name) { "key:" } else { "" };
            write!(f, ",{role}{name}")
        })
    }
}

#[cfg(test)]
mod tests;
