//! The clocks of this machine. Everything below the engine gets the time passed in.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Now, by our own clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The time since this machine was started, its sleep included: nobody sets this clock.
pub fn since_start() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
