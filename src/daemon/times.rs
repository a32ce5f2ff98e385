//! How spans of time are written for people: the same in every table and page.

use chrono::{DateTime, TimeDelta, Utc};

/// A distance in time for people: `3d 4h`, `12m`, `8s`.
pub(crate) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long ago, or how soon.
pub(crate) fn relative(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if time <= now { format!("{} ago", span(now - time)) } else { format!("in {}", span(time - now)) }
}
