//! The only place that reads the time.
//!
//! Expiry, throttle windows, login lifetimes and the `Date` header all come from here, so a test can move them
//! together: a rotator that follows the server's `Date` must see the skew that the server itself lives in.

use chrono::{DateTime, TimeDelta, Timelike, Utc};

/// The emulator's clock: the machine's, shifted; or stopped.
#[derive(Debug, Clone)]
pub struct Clock {
    offset: TimeDelta,
    frozen: Option<DateTime<Utc>>,
}

impl Clock {
    pub(crate) fn new(frozen: Option<DateTime<Utc>>) -> Self {
        Self { offset: TimeDelta::zero(), frozen }
    }

    /// The emulator's present, in the ticks of 100 nanoseconds that a .NET server keeps.
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.frozen.unwrap_or_else(wall_clock) + self.offset;
        let ticks = now.nanosecond() / 100 * 100;
        now.with_nanosecond(ticks).unwrap_or(now)
    }

    /// Moves on (or back, with a negative amount).
    pub fn advance(&mut self, by: TimeDelta) {
        self.offset += by;
    }

    /// Replaces the distance to the machine's clock (or to the frozen moment).
    pub fn set_offset(&mut self, offset: TimeDelta) {
        self.offset = offset;
    }

    /// Stops the clock at a moment.
    pub fn freeze(&mut self, at: DateTime<Utc>) {
        *self = Self::new(Some(at));
    }

    /// Lets a stopped clock run again, from the moment it shows.
    pub fn thaw(&mut self) {
        if self.frozen.is_some() {
            let offset = self.now() - wall_clock();
            *self = Self { offset, frozen: None };
        }
    }
}

/// The machine's present, whatever the server's clock shows.
#[allow(
    clippy::disallowed_methods,
    reason = "the emulator is a server of its own; this is where its time comes from"
)]
pub(crate) fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}
