//! The time of day on this machine. Everything below the engine gets the time passed in.

use chrono::{DateTime, Utc};

/// Now, by our own clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
