//! Exceptionless's clock, as far as whole seconds can tell.
//!
//! A `Date` header is cut to the second, so it proves a lower bound of the server's time and little else.
//! The best bound of recent answers is kept and carried forward by our monotonic clock. Lower bounds are
//! what the budget needs: a window that has turned by the lower bound has turned.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// How long a bound is believed against later, weaker ones: two clocks that differ by 100 parts in a
/// million drift apart by 60 ms in that time.
const RECENT: Duration = Duration::from_secs(600);

/// How far the true time may be past a `Date`: the second that was cut off, and another because servers
/// keep the header for up to a second. A bound beyond that is refuted: the server's clock was set back,
/// or another of its nodes answered.
const SLACK: TimeDelta = TimeDelta::seconds(2);

/// The greatest lower bound that recent answers prove.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    bound: Option<Bound>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    time: DateTime<Utc>,
    at: Instant,
}

impl ServerClock {
    /// Learns from the `Date` of an answer to a request.
    pub(super) fn observe(&mut self, date: DateTime<Utc>, sent: Instant, received: Instant) {
        let refuted = self.earliest(sent).is_some_and(|time| time >= date + SLACK);
        let weaker = self.earliest(received).is_none_or(|time| time <= date);
        let old = self.bound.is_some_and(|bound| received.saturating_duration_since(bound.at) > RECENT);
        if refuted || weaker || old {
            self.bound = Some(Bound { time: date, at: received });
        }
    }

    /// The server's clock showed no earlier time than this at the moment `at`.
    pub(super) fn earliest(&self, at: Instant) -> Option<DateTime<Utc>> {
        let Bound { time, at: known } = self.bound?;
        let forward = TimeDelta::from_std(at.saturating_duration_since(known)).ok()?;
        let backward = TimeDelta::from_std(known.saturating_duration_since(at)).ok()?;
        time.checked_add_signed(forward)?.checked_sub_signed(backward)
    }
}

#[cfg(test)]
mod tests;
