//! What a secret in Vault says, and how it is written.
//!
//! All values are strings, so that environment files and Kubernetes need no special case. Reading is
//! lenient on purpose: a secret that carries our mark is ours to repair, and a field that a person
//! damaged reads as absent, which makes the planner write it anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::clocks::{read_time, time_text};
use super::ids::{Instance, OrganizationId, ProjectId, RotationId};
use super::key::{ApiKey, Fingerprint};
use super::marker::Owner;
use super::path::SecretPath;
use super::project::Project;
use super::retiring::Retiring;
use super::shape::{Shape, ShapeMark};

/// The field, in the data and in `custom_metadata`, that says whose secret this is.
pub const MANAGED_BY: &str = "managed_by";
/// The field that holds the key.
pub const API_KEY: &str = "api_key";

/// The field that says in what shape the secret was written, where that is not the standard one.
pub const SHAPE: &str = "shape";

/// The standard fields, so that the rotator can tell its own from those of other owners.
pub const FIELDS: [&str; 13] = [
    API_KEY,
    "server_url",
    "project_id",
    "project_name",
    "organization_id",
    "organization_name",
    "rotation_id",
    "rotated_at",
    "next_rotation_at",
    "overlap_seconds",
    "retiring",
    SHAPE,
    MANAGED_BY,
];

/// More than ten years was not promised but damaged: the configuration allows no longer overlap.
pub const LONGEST_PROMISE: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// An overlap as a secret or its metadata says it, in seconds; `None` when a person has damaged it.
pub fn promise(text: &str) -> Option<Duration> {
    let promise = Duration::from_secs(text.parse().ok()?);
    (promise <= LONGEST_PROMISE).then_some(promise)
}

/// A secret as the rotator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The deployment that owns the secret.
    pub instance: Instance,
    /// The key that readers shall use.
    pub api_key: ApiKey,
    /// The Exceptionless server, for readers that configure a client from the secret alone.
    pub server_url: String,
    /// The project, its names being those at the time of writing.
    pub project: Arc<Project>,
    /// The attempt that minted the key.
    pub rotation: RotationId,
    /// When it was decided.
    pub rotated_at: DateTime<Utc>,
    /// A forecast of the next rotation.
    pub next_rotation_at: Option<DateTime<Utc>>,
    /// The promise to readers: a key read now works for at least this long.
    pub overlap: Duration,
    /// The keys that this one replaces.
    pub retiring: Retiring,
    /// Which fields the secret gets.
    pub shape: Arc<Shape>,
    /// A time before which Vault must have written it; `None` where the secret does not speak of its shape.
    pub shaped_at: Option<DateTime<Utc>>,
}

impl Publication {
    /// What the secret says of its shape.
    pub fn shape_mark(&self) -> Option<ShapeMark> {
        self.shaped_at.map(|at| self.shape.mark(at))
    }

    /// The standard fields, those included that the shape leaves out. The key is in clear: for the wire only.
    pub fn fields(&self) -> BTreeMap<&'static str, String> {
        let Self {
            instance,
            api_key,
            server_url,
            project,
            rotation,
            rotated_at,
            next_rotation_at,
            overlap,
            retiring,
            shape: _,
            shaped_at: _,
        } = self;
        let mut fields = BTreeMap::from([
            (API_KEY, api_key.expose().to_owned()),
            ("server_url", server_url.clone()),
            ("project_id", project.id.to_string()),
            ("project_name", project.name.clone()),
            ("organization_id", project.organization_id.to_string()),
            ("organization_name", project.organization_name.to_string()),
            ("rotation_id", rotation.to_string()),
            ("rotated_at", time_text(*rotated_at)),
            ("overlap_seconds", overlap.as_secs().to_string()),
            ("retiring", retiring.to_string()),
            (MANAGED_BY, Owner(instance.clone()).to_string()),
        ]);
        if let Some(next) = next_rotation_at {
            fields.insert("next_rotation_at", time_text(*next));
        }
        if let Some(mark) = self.shape_mark() {
            fields.insert(SHAPE, mark.to_string());
        }
        fields
    }
}

/// A secret of ours as it was read. What is missing or damaged is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The KV version, for the next check-and-set.
    pub version: u64,
    /// The published key.
    pub api_key: Option<ApiKey>,
    /// The project that the secret was written for.
    pub project_id: Option<ProjectId>,
    /// The organization of that project.
    pub organization_id: Option<OrganizationId>,
    /// The attempt that minted the key.
    pub rotation: Option<RotationId>,
    /// When the key was decided.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The forecast that readers were given.
    pub next_rotation_at: Option<DateTime<Utc>>,
    /// The overlap that readers were promised.
    pub overlap: Option<Duration>,
    /// The keys that may die.
    pub retiring: Retiring,
    /// In what shape it was written, if it says so.
    pub shape: Option<ShapeMark>,
    /// The first of the fields that the wanted shape adds and that another owner already has there.
    pub taken: Option<String>,
    /// When Vault wrote this version, by its own clock. `None` where other owners' writes make versions too.
    pub written_at: Option<DateTime<Utc>>,
    /// Whether `custom_metadata` repeats the mark, so that it outlives a deleted version, and does not say
    /// that the project has vanished.
    pub stamped: bool,
}

impl Published {
    /// Reads the fields of one version of a secret, as `field` finds them.
    pub fn read<'a>(
        version: u64,
        written_at: Option<DateTime<Utc>>,
        stamped: bool,
        field: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let time = |name| read_time(field(name)?);
        Self {
            version,
            written_at,
            stamped,
            api_key: field(API_KEY).and_then(|text| ApiKey::parse(text).ok()),
            project_id: field("project_id").and_then(|text| ProjectId::parse(text).ok()),
            organization_id: field("organization_id").and_then(|text| OrganizationId::parse(text).ok()),
            rotation: field("rotation_id").and_then(|text| RotationId::parse(text).ok()),
            rotated_at: time("rotated_at"),
            next_rotation_at: time("next_rotation_at"),
            overlap: field("overlap_seconds").and_then(promise),
            retiring: field("retiring").map(Retiring::parse).unwrap_or_default(),
            shape: field(SHAPE).and_then(ShapeMark::parse),
            taken: None,
        }
    }

    /// Whether this is the published key.
    pub fn publishes(&self, key: &ApiKey) -> bool {
        self.api_key.as_ref() == Some(key)
    }

    /// Since when a listed key counts as old.
    ///
    /// A publication dates the newest entry of its list, or its shape, so that Vault must have written the version
    /// before that. A version that was written later is not what its list is about: a person has brought an old
    /// version back, or a write reached Vault long after it was sent. Until then the listed keys may have
    /// been published, so they count as old only since.
    pub fn old_since(&self, key: Fingerprint) -> Option<DateTime<Utc>> {
        let since = self.retiring.since(key)?;
        let shaped = self.shape.as_ref().map(|shape| shape.at);
        let newest = self.retiring.newest().max(shaped);
        let late = self.written_at.filter(|written| newest.is_some_and(|newest| *written > newest));
        Some(late.unwrap_or(since))
    }
}

/// What `custom_metadata` says of a secret whose project lives at another path now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The path where the project lives.
    pub to: String,
    /// Since when the key in the secret has served; `None` while the secret waits for that.
    pub at: Option<DateTime<Utc>>,
    /// The key that the secret publishes, or did until it was withdrawn.
    pub key: Option<Fingerprint>,
    /// The overlap that its readers were promised; `None` when that is missing or damaged.
    pub overlap: Option<Duration>,
    /// Until when the key is kept for those who read it last; `None` while nobody has noted a withdrawal.
    pub kept_until: Option<DateTime<Utc>>,
}

impl Moved {
    /// How a path is noted. Vault takes no longer text in `custom_metadata`, and so long a beginning tells paths apart.
    pub fn address(home: &SecretPath) -> &str {
        const LONGEST: usize = 512;
        let text = home.as_str();
        let mut ends = (0..=LONGEST.min(text.len())).rev();
        ends.find_map(|end| text.get(..end)).unwrap_or_default()
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretState {
    /// Nothing was ever written, or its metadata is gone as well: the next check-and-set is 0.
    Absent,
    /// The latest version is deleted or destroyed. `custom_metadata` may still tell whose it was.
    Deleted {
        /// The deleted version, for the next check-and-set.
        version: u64,
        /// The owner that `custom_metadata` names.
        owner: Option<Owner>,
    },
    /// Other owners' fields and none of ours, where secrets may be shared (`write = "merge"`).
    Unclaimed {
        /// The version, for the next check-and-set.
        version: u64,
    },
    /// A secret with our mark and our instance.
    Ours(Box<Published>),
    /// Somebody else's: another instance of the rotator, or, without an owner, another hand.
    Foreign {
        /// The version, for a check-and-set when paths may be adopted.
        version: u64,
        /// The other instance.
        owner: Option<Owner>,
        /// Where secrets may be shared, the first field of the other hand that has the name of one of ours.
        taken: Option<String>,
    },
}

impl SecretState {
    /// Whether a later version means the same to us as the one before it, so that what was decided by that one holds:
    /// only other owners' fields were written.
    pub fn differs_for_others_alone(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Ours(now), Self::Ours(before)) => {
                now.version > before.version
                    && Published { version: before.version, ..Published::clone(now) } == **before
            }
            (Self::Unclaimed { version }, Self::Absent | Self::Unclaimed { .. }) => {
                *version > before.version()
            }
            _ => false,
        }
    }

    /// The fields of ours beside the standard ones, as the secret says.
    pub fn names_added(&self) -> impl Iterator<Item = String> {
        let mark = match self {
            Self::Ours(published) => published.shape.as_ref(),
            _ => None,
        };
        mark.into_iter().flat_map(|mark| mark.names.iter().cloned())
    }

    /// Whether a field beside the standard ones is ours.
    pub fn added(&self, name: &str) -> bool {
        matches!(self, Self::Ours(published) if published.shape.as_ref().is_some_and(|mark| mark.names.contains(name)))
    }

    /// The version for the next check-and-set.
    pub fn version(&self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Ours(published) => published.version,
            Self::Deleted { version, .. } | Self::Unclaimed { version } | Self::Foreign { version, .. } => {
                *version
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written_at: &str) -> Published {
        let written_at = DateTime::parse_from_rfc3339(written_at).ok().map(|time| time.to_utc());
        let list = "9f86d081884c@2026-11-21T03:00:22Z,0123456789ab@2026-11-20T03:00:22Z";
        Published::read(7, written_at, true, |name| (name == "retiring").then_some(list))
    }

    #[test]
    fn a_path_is_noted_as_far_as_vault_takes_it() {
        let address = |text: &str| Moved::address(&SecretPath::parse(text).unwrap()).to_owned();
        assert_eq!(address("apps/shop"), "apps/shop");
        assert_eq!(address(&"a".repeat(512)).len(), 512);
        assert_eq!(address(&"a".repeat(513)).len(), 512);
        assert_eq!(address(&format!("{}\u{e9}b", "a".repeat(511))), "a".repeat(511));
    }

    #[test]
    fn a_list_that_is_as_old_as_its_version_keeps_its_times() {
        let published = read("2026-11-21T03:00:21.5Z");
        let key = Fingerprint::parse("0123456789ab").unwrap();
        assert_eq!(published.old_since(key), published.retiring.since(key));
    }

    #[test]
    fn a_list_in_a_version_that_was_only_shaped_anew_keeps_its_times() {
        let mut published = read("2026-11-22T09:00:00Z");
        let mark = "standard@2026-11-22T09:00:15Z";
        published.shape = ShapeMark::parse(mark);
        assert!(published.retiring.iter().all(|(key, since)| published.old_since(key) == Some(since)));
        published.shape = ShapeMark::parse(&mark.replace("09:00:15", "08:59:59"));
        assert!(published.retiring.iter().all(|(key, _)| published.old_since(key) == published.written_at));
    }

    #[test]
    fn a_list_in_a_version_that_was_brought_back_counts_from_then() {
        let published = read("2026-11-22T09:00:00Z");
        for (key, _) in published.retiring.iter() {
            assert_eq!(published.old_since(key), published.written_at);
        }
    }
}
