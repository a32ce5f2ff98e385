//! The occurrences of a schedule around now, found once for all projects that share it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::schedule::Schedule;

use super::span;

/// The occurrences from the last one that every project has already reached, up to the next one.
#[derive(Debug)]
pub struct Occurrences {
    now: DateTime<Utc>,
    times: Vec<DateTime<Utc>>,
}

impl Occurrences {
    /// Looks back by the splay: a project's due time is an occurrence plus its share of the splay.
    pub fn around(schedule: &Schedule, splay: Duration, now: DateTime<Utc>) -> Self {
        let from = now - span(splay);
        let first = schedule.previous(from);
        let mut times: Vec<_> = first.into_iter().collect();
        let mut last = first.unwrap_or(from);
        while last <= now {
            let Some(next) = schedule.next(last) else { break };
            times.push(next);
            last = next;
        }
        Self { now, times }
    }

    /// The latest due time that has come, for a project with this delay.
    pub fn last_due(&self, delay: TimeDelta) -> Option<DateTime<Utc>> {
        let index = self.reached(delay).checked_sub(1)?;
        Some(self.times[index] + delay)
    }

    /// The first due time that is still to come.
    pub fn next_due(&self, delay: TimeDelta) -> Option<DateTime<Utc>> {
        self.times.get(self.reached(delay)).map(|time| *time + delay)
    }

    fn reached(&self, delay: TimeDelta) -> usize {
        self.times.partition_point(|time| *time + delay <= self.now)
    }
}
