//! Waiting for what shall be true, and not for a while.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};

/// Waits until something is true, for as long as a busy machine may need.
pub async fn patience(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !done().await {
        assert!(
            Instant::now() < end,
            "in two minutes it never came to this, unless the machine is too slow: {what}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every clock shows this time; the servers' are known to the second only.
pub async fn until(time: DateTime<Utc>) {
    patience("a time", async || Utc::now() > time + TimeDelta::seconds(2)).await;
}
