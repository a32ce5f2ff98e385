//! The rotator dies between two steps.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};

use super::{OURS, only_key, rotate};
use crate::support::rig::Rig;

const FOR_EVER: Kind = Kind::Hang(Duration::from_secs(600));

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_minted_before_a_crash_is_adopted_and_no_second_one_minted() {
    let rig = Rig::sized(3).await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", FOR_EVER).always());
    let mut run = rig.start(&["rotate"]);
    rig.emulator.until_called("GET", "projects/config", 3).await;
    run.kill().await;
    let minted: Vec<_> = rig.projects().iter().flat_map(|project| rig.own_keys(project)).collect();
    assert_eq!(minted.len(), 3);

    rig.emulator.clear_faults();
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.events().iter().filter(|event| *event == "key.adopted").count(), 3);
    assert_eq!(rig.emulator.requests().tokens_created, 3);
    for (project, key) in rig.projects().iter().zip(minted) {
        assert_eq!(only_key(&rig, project).await, key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_mint_arrives_leaves_nothing_to_clean_up() {
    let rig = Rig::sized(2).await;
    rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", FOR_EVER).always());
    let mut run = rig.start(&["rotate"]);
    rig.emulator.until_called("POST", "projects/{id}/tokens", 2).await;
    run.kill().await;
    rig.emulator.clear_faults();
    rig.rotate().await;
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_forced_rotation_is_put_right_without_a_person() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    let published = rig.keys().await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", FOR_EVER).always());
    let mut run = rig.start(&["rotate", "--all"]);
    rig.emulator.until_called("GET", "projects/config", 4).await;
    run.kill().await;
    rig.emulator.clear_faults();

    // Nothing is due, so the orphans are listed for retirement and then revoked.
    rig.rotate_until("the orphans are gone", async || rig.has_converged().await).await;
    assert_eq!(rig.keys().await, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_of_ours_is_enrolled_and_then_revoked() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    let project = rig.projects().remove(0);
    let published = only_key(&rig, &project).await;
    let orphan = rig.emulator.create_person_key(&project, OURS).id;
    let anothers = rig.emulator.create_person_key(&project, &OURS.replace("default", "staging")).id;
    let edited = rig.emulator.create_person_key(&project, &format!("{OURS}, do not touch")).id;

    let mut enrolled = false;
    while rig.emulator.authenticates(&orphan) {
        let events = rig.rotate().await.events();
        assert!(enrolled || !events.contains(&"key.retired".to_owned()), "revoked without a notice");
        enrolled |= events.contains(&"key.enrolled".to_owned());
        assert_eq!(rig.key(&project).await, published);
    }
    assert!(enrolled);
    assert_eq!(rig.version(&project).await, 2, "one publication to enrol it");
    for key in [anothers, edited, published] {
        assert!(rig.emulator.authenticates(&key));
    }
}
