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

    /// The latest due time that has come, and the first that is still to come, for a project with this delay.
    pub fn due(&self, delay: TimeDelta) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let reached = self.now - delay;
        let to_come = self.times.partition_point(|time| *time <= reached);
        let due = |index: usize| self.times.get(index).map(|time| *time + delay);
        (to_come.checked_sub(1).and_then(due), due(to_come))
    }
}
