//! A world in which there is nothing to rotate.

use exceptionless_emulator::Settings;

use super::{CONFIGURATION, refused};
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_leave_no_project_are_named() {
    let mut rig = Rig::new().await;
    rig.set("projects", "include", "[\"Nobody/*\"]");
    let words = ["projects.include", "projects.exclude", "none of the 7 projects", "\"organization/name\""];
    refused(&rig, CONFIGURATION, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_an_organization_is_named() {
    let rig = Rig::new().await;
    rig.emulator.state(|state| state.users[0].organization_ids.clear());
    let words = ["rotator@example.test", "sees no project", "make it a member"];
    refused(&rig, CONFIGURATION, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_sees_no_project_is_named() {
    let rig = Rig::with(Settings { projects: 0, ..Settings::default() }).await;
    let words = ["rotator@example.test", "sees no project", "make it a member"];
    refused(&rig, CONFIGURATION, &words).await;
}
