//! The lease by which replicas agree which of them works: what its secret says.
//!
//! Who reads it waits by a clock of its own, from when it last saw the secret change; so the times in it are for
//! people, and only a duration and a name are acted upon.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::clocks::read_time;
use super::ids::{Instance, RotationId};
use super::marker::Owner;
use super::secret::MANAGED_BY;

/// The longest lease that the configuration allows. A longer one was damaged, and is not waited for.
pub const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// The longest name of a machine that is kept: what others wrote ends up in logs and tables.
const LONGEST_NAME: usize = 64;

/// Of a URL, likewise.
const LONGEST_URL: usize = 256;

/// One process that holds the lease, or wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Box<str>);

impl Holder {
    /// The name of this machine, and something that no other process has, nor a later one on this machine.
    pub fn fresh(machine: &str, now: DateTime<Utc>) -> Self {
        let uuid = RotationId::fresh(now).to_string();
        let unique = &uuid[uuid.len() - 8..];
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = machine.chars().filter(fits).take(LONGEST_NAME).collect();
        Self(format!("{name}-{unique}").into())
    }

    /// What stands in a lease; `None` when nobody does.
    fn parse(text: &str) -> Option<Self> {
        let name: String = printable(text).chars().take(LONGEST_NAME + 16).collect();
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// The name as it stands in the lease.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A share, from 0 to below 1, that replicas do not have in common: so they do not act in step.
    pub fn share(&self) -> f64 {
        let unique = self.0.rsplit('-').next().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        f64::from(unique.unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_URL).collect()
}

/// What the lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it; nobody, when its last holder has renounced it.
    pub holder: Option<Holder>,
    /// The Exceptionless server whose projects its holder rotates.
    pub server_url: Option<String>,
    /// Since when, by the holder's clock.
    pub acquired_at: Option<DateTime<Utc>>,
    /// When it was last written, by the holder's clock.
    pub renewed_at: Option<DateTime<Utc>>,
    /// How long after a renewal its holder may go on.
    pub ttl: Option<Duration>,
}

impl Lease {
    /// The fields as they stand in Vault, all of them strings as in every secret of ours.
    pub fn fields(&self, instance: &Instance) -> BTreeMap<&'static str, String> {
        let time = |time: &Option<DateTime<Utc>>| {
            time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
        };
        let Self { holder, server_url, acquired_at, renewed_at, ttl } = self;
        BTreeMap::from([
            ("holder", holder.as_ref().map_or_else(String::new, Holder::to_string)),
            ("server_url", server_url.clone().unwrap_or_default()),
            ("acquired_at", time(acquired_at)),
            ("renewed_at", time(renewed_at)),
            ("lease_seconds", ttl.map_or_else(String::new, |ttl| ttl.as_secs().to_string())),
            (MANAGED_BY, Owner(instance.clone()).to_string()),
        ])
    }

    /// Reads the fields, as `field` finds them. What is missing or damaged is `None`.
    pub fn read<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Self {
        let time = |name| read_time(field(name)?);
        Self {
            holder: field("holder").and_then(Holder::parse),
            server_url: field("server_url").filter(|url| !url.is_empty()).map(printable),
            acquired_at: time("acquired_at"),
            renewed_at: time("renewed_at"),
            ttl: field("lease_seconds")
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs)
                .filter(|ttl| *ttl <= LONGEST_LEASE),
        }
    }
}

/// What stands at the path of the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// Nothing was ever written.
    Absent,
    /// Ours, and its latest version is deleted.
    Deleted {
        /// The deleted version.
        version: u64,
    },
    /// Ours.
    Written {
        /// The version, for the next check-and-set.
        version: u64,
        /// What it says.
        lease: Lease,
    },
    /// Somebody else's secret, which is never overwritten.
    Foreign {
        /// The version.
        version: u64,
        /// The other instance, if it is one.
        owner: Option<Owner>,
    },
}

impl LeaseState {
    /// Why a replica that rotates the projects of this server cannot hold the lease, and what to do, if so.
    ///
    /// One that is held for another server is claimed like any other when its time is over: its holder may be of our own
    /// deployment, before the server's address changed.
    pub fn conflict(&self, server_url: &str) -> Option<String> {
        match self {
            Self::Written { lease: Lease { holder: Some(_), server_url: Some(other), .. }, .. }
                if other != server_url =>
            {
                Some(format!(
                    "it is held for another Exceptionless server, {other}, so these are two deployments; give each a \
                     rotation.instance and a ha.lease_path of its own"
                ))
            }
            Self::Foreign { owner: Some(Owner(instance)), .. } => Some(format!(
                "the path holds a secret of the instance {:?}; give ha.lease_path a path of its own",
                instance.as_str()
            )),
            Self::Foreign { owner: None, .. } => Some(
                "the path holds a secret of somebody else; give ha.lease_path a path of its own, or remove that \
                 secret with its metadata"
                    .to_owned(),
            ),
            Self::Absent | Self::Deleted { .. } | Self::Written { .. } => None,
        }
    }

    /// The version for the next check-and-set.
    pub fn version(&self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Deleted { version } | Self::Written { version, .. } | Self::Foreign { version, .. } => {
                *version
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance::parse("default").expect("a name")
    }

    fn fresh(machine: &str) -> Holder {
        Holder::fresh(machine, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_lease_reads_back_as_it_was_written() {
        let time = DateTime::parse_from_rfc3339("2026-11-22T03:00:07.250Z").ok().map(|time| time.to_utc());
        for holder in [None, Some(fresh("node-1"))] {
            let lease = Lease {
                holder,
                server_url: Some("https://ex.example".to_owned()),
                acquired_at: time,
                renewed_at: time,
                ttl: Some(Duration::from_secs(30)),
            };
            let fields = lease.fields(&instance());
            assert_eq!(Lease::read(|name| fields.get(name).map(String::as_str)), lease);
            assert_eq!(fields["managed_by"], "exceptionless-rotator/1 instance=default");
        }
    }

    #[test]
    fn what_is_damaged_reads_as_absent() {
        let fields = BTreeMap::from([
            ("holder", "\u{7}"),
            ("acquired_at", "yesterday"),
            ("renewed_at", "+262142-12-31T00:00:00Z"),
            ("lease_seconds", "3601"),
        ]);
        let nothing =
            Lease { holder: None, server_url: None, acquired_at: None, renewed_at: None, ttl: None };
        assert_eq!(Lease::read(|name| fields.get(name).copied()), nothing);
    }

    #[test]
    fn a_lease_that_is_held_for_another_server_is_a_conflict() {
        let state = |holder: Option<Holder>, url: &str| LeaseState::Written {
            version: 7,
            lease: Lease { holder, server_url: Some(url.to_owned()), ..Lease::read(|_| None) },
        };
        let conflict = |state: LeaseState| state.conflict("https://ex.example");
        assert_eq!(conflict(state(Some(fresh("a")), "https://ex.example")), None);
        assert_eq!(conflict(state(None, "https://other.example")), None, "nobody holds it");
        let told = conflict(state(Some(fresh("a")), "https://other.example")).expect("a conflict");
        assert!(told.contains("https://other.example"), "{told}");
    }

    #[test]
    fn a_holder_is_named_after_its_machine_and_like_no_other() {
        let (one, two) = (fresh("web\u{1b}[1m 7.example"), fresh("web"));
        assert!(one.as_str().starts_with("web1m7.example-"), "{one}");
        assert_eq!(one.as_str().rsplit('-').next().map(str::len), Some(8), "{one}");
        assert_ne!(two, fresh("web"));
        assert!((0.0..1.0).contains(&one.share()) && one.share() != two.share());
        assert_eq!(Holder::parse(one.as_str()), Some(one));
    }
}
