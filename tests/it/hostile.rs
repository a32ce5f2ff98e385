//! Histories that a hostile reader made up: the worst moment for each step, and servers, proxies and people
//! that do the last thing anybody expects.

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::patience;
use crate::support::process::Ended;
use crate::support::rig::Rig;

mod answers;
mod idling;
mod licence;
mod moving;

/// A run with its document.
async fn rotate(rig: &Rig, arguments: &[&str]) -> Ended {
    rig.run(&[&["rotate", "--output", "json"], arguments].concat()).await
}

/// Waits until every key that is listed for retirement may be revoked by all three clocks, two of which are
/// known to the second only.
async fn overlaps_are_over(rig: &Rig) {
    let status = rig.json(&["status"]).await;
    let ends: Vec<DateTime<Utc>> = status["projects"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|project| project["retiring"].as_array().unwrap())
        .map(|key| key["revoked_after"].as_str().unwrap().parse().unwrap())
        .collect();
    let end = *ends.iter().max().expect("a key that is listed for retirement");
    patience("the overlap is over", async || Utc::now() > end + TimeDelta::seconds(2)).await;
}
