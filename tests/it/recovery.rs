//! What goes wrong between two servers, and that the next pass puts it right: no lost key, no orphan, no
//! manual step, and nothing touched that is not ours.

use crate::support::process::Ended;
use crate::support::rig::Rig;

mod crashes;
mod minting;
mod ownership;
mod people;
mod publishing;
mod reading;
mod sharing;
mod vanished;

/// The notes of a key of ours.
const OURS: &str = "exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";

/// A run with its document.
async fn rotate(rig: &Rig, arguments: &[&str]) -> Ended {
    rig.run(&[&["rotate", "--output", "json"], arguments].concat()).await
}

/// The only key of ours in a project, which must be the published one.
async fn only_key(rig: &Rig, project: &str) -> String {
    let key = rig.key(project).await;
    assert_eq!(rig.own_keys(project), std::slice::from_ref(&key), "one key of ours, the published one");
    key
}
