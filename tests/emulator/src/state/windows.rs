//! Counters that forget at aligned moments: throttling (contract 5) and login attempts (contract 1.5).

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// One count per key, all for the current window only.
#[derive(Debug)]
pub(crate) struct Windows {
    length: Duration,
    current: i64,
    counts: HashMap<String, u32>,
}

impl Windows {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, current: 0, counts: HashMap::new() }
    }

    /// Counts one more and tells how many that makes.
    pub(crate) fn add(&mut self, key: &str, now: DateTime<Utc>) -> u32 {
        self.turn(now);
        // The key is copied only once per window, not on every request.
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return *count;
        }
        self.counts.insert(key.to_owned(), 1);
        1
    }

    pub(crate) fn count(&self, key: &str) -> u32 {
        self.counts.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn forget(&mut self, key: &str) {
        self.counts.remove(key);
    }

    pub(crate) fn take_back_one(&mut self, key: &str) {
        if let Some(count) = self.counts.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }

    /// Another window length from now on; what was counted is forgotten.
    pub(crate) fn set_length(&mut self, length: Duration) {
        *self = Self::new(length);
    }

    fn turn(&mut self, now: DateTime<Utc>) {
        let length = i64::try_from(self.length.as_millis()).unwrap_or(i64::MAX).max(1);
        let window = now.timestamp_millis().div_euclid(length);
        if window != self.current {
            self.current = window;
            self.counts.clear();
        }
    }
}
