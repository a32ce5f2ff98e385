//! The list of keys that may die, and since when they count as old.
//!
//! It is written into the secret in the same check-and-set as the key that replaces them, and it is the
//! only licence to revoke: a key that is not on the list of the published secret is not touched.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::clocks::{read_time, time_text};
use super::key::Fingerprint;

/// Keys by fingerprint, each with the time since when it counts as old. As text:
/// `fingerprint@since` entries, joined by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retiring(BTreeMap<Fingerprint, DateTime<Utc>>);

impl Retiring {
    /// Reads the text form. An entry that a person damaged is dropped: its key is then found unlisted
    /// and enrolled anew, which only delays its end. Of two entries for one key the later time counts.
    pub fn parse(text: &str) -> Self {
        let entry = |entry: &str| {
            let (fingerprint, since) = entry.trim().split_once('@')?;
            Some((Fingerprint::parse(fingerprint)?, read_time(since)?))
        };
        let mut list = Self::default();
        for (key, since) in text.split(',').filter_map(entry) {
            list.insert(key, list.since(key).map_or(since, |known| known.max(since)));
        }
        list
    }

    /// Lists a key. The time is rounded up to the whole second in which it is written.
    pub fn insert(&mut self, key: Fingerprint, since: DateTime<Utc>) {
        let whole = since.trunc_subsecs(0);
        let rounded = if whole == since { whole } else { whole + TimeDelta::seconds(1) };
        self.0.insert(key, rounded);
    }

    /// Since when the key counts as old, if it is listed.
    pub fn since(&self, key: Fingerprint) -> Option<DateTime<Utc>> {
        self.0.get(&key).copied()
    }

    /// The latest time in the list.
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.0.values().copied().max()
    }

    /// Whether the key is listed.
    pub fn contains(&self, key: Fingerprint) -> bool {
        self.0.contains_key(&key)
    }

    /// The entries, by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, DateTime<Utc>)> {
        self.0.iter().map(|(key, since)| (*key, *since))
    }
}

impl fmt::Display for Retiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (key, since)) in self.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{key}@{}", time_text(since))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_reads_back_as_it_was_written() {
        let text = "0123456789ab@2026-11-21T03:00:23Z,9f86d081884c@2026-11-21T03:00:22Z";
        assert_eq!(Retiring::parse(text).to_string(), text);
    }

    #[test]
    fn a_time_within_a_second_is_rounded_up() {
        let since = DateTime::from_timestamp(100, 1).expect("a time");
        let mut list = Retiring::default();
        list.insert(Fingerprint::parse("0123456789ab").expect("hex"), since);
        assert_eq!(list.to_string(), "0123456789ab@1970-01-01T00:01:41Z");
    }

    #[test]
    fn a_time_that_a_person_wrote_is_never_taken_for_an_earlier_one() {
        for (written, read) in [
            ("9f86d081884c@2026-11-21T03:00:22.1Z", "9f86d081884c@2026-11-21T03:00:23Z"),
            (
                "9f86d081884c@2026-11-21T03:00:22Z,9f86d081884c@2026-11-20T03:00:22Z",
                "9f86d081884c@2026-11-21T03:00:22Z",
            ),
            ("9f86d081884c@0026-11-21T03:00:22Z", ""),
            ("9f86d081884c@9999-12-31T23:59:59-23:59", ""),
        ] {
            assert_eq!(Retiring::parse(written).to_string(), read, "{written}");
        }
    }

    #[test]
    fn damaged_entries_are_dropped_and_the_others_kept() {
        let list = Retiring::parse("nonsense,0123456789ab@yesterday,9f86d081884c@2026-11-21T03:00:22Z,");
        assert_eq!(list.to_string(), "9f86d081884c@2026-11-21T03:00:22Z");
    }
}
