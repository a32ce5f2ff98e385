//! Three clocks, none of them trusted alone.
//!
//! Our machine, Exceptionless and Vault each have their own idea of the time. Whatever protects a key
//! is dated by the latest of them and judged by the earliest, so that a skewed clock can only delay a
//! revocation.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};

/// A time as a server may tell it. A year that is no year of ours comes from a broken clock or a broken
/// parser, and arithmetic with it would overflow: it counts as not told.
pub fn plausible(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (2000..9000).contains(&time.year()).then_some(time)
}

/// A time as programs read it: RFC 3339, in UTC, cut to the second.
pub fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time that stands in a text, which a person may have damaged; `None` when it is none, or not [`plausible`].
pub fn read_time(text: &str) -> Option<DateTime<Utc>> {
    plausible(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

/// The three clocks, read at one moment.
///
/// A server's clock is known from its `Date` header, which is cut to whole seconds: the true time lies
/// in the second that starts there. A server that has not answered yet, or sends no `Date`, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// This machine.
    pub ours: DateTime<Utc>,
    /// The Exceptionless server, cut to the second.
    pub exceptionless: Option<DateTime<Utc>>,
    /// The Vault server, cut to the second.
    pub vault: Option<DateTime<Utc>>,
}

impl Clocks {
    /// No clock shows an earlier time.
    pub fn earliest(&self) -> DateTime<Utc> {
        self.servers().fold(self.ours, DateTime::min)
    }

    /// No clock shows a later time.
    pub fn latest(&self) -> DateTime<Utc> {
        let second = TimeDelta::seconds(1);
        self.servers().map(|time| time + second).fold(self.ours, DateTime::max)
    }

    /// By how much they differ.
    pub fn spread(&self) -> TimeDelta {
        self.latest() - self.earliest()
    }

    fn servers(&self) -> impl Iterator<Item = DateTime<Utc>> {
        [self.exceptionless, self.vault].into_iter().flatten()
    }
}
