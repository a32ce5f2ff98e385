//! Exceptionless fails while a key is made or tried.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind};

use super::{only_key, rotate};
use crate::support::rig::Rig;

const MINT: &str = "projects/{id}/tokens";

async fn one_key_although_the_mint_met(fault: Kind) {
    let mut rig = Rig::sized(1).await;
    rig.set("exceptionless", "timeout", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.emulator.add_fault(Fault::new("POST", MINT, fault).applied());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.events().contains(&"key.recovered".to_owned()), "{:?}", ended.events());
    only_key(&rig, &project).await;
    assert_eq!(rig.emulator.requests().tokens_created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_whose_connection_drops_is_found_by_its_marker() {
    one_key_although_the_mint_met(Kind::Drop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_that_is_done_and_answered_with_an_error_is_found_by_its_marker() {
    one_key_although_the_mint_met(Kind::Status(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_that_is_answered_too_late_is_found_by_its_marker() {
    one_key_although_the_mint_met(Kind::Hang(Duration::from_secs(30))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_that_never_arrived_is_sent_again() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.emulator.add_fault(Fault::new("POST", MINT, Kind::Drop));
    assert_eq!(rotate(&rig, &[]).await.code, 0);
    only_key(&rig, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_project_is_revoked_at_once_and_published_nowhere() {
    let rig = Rig::sized(2).await;
    let [project, other] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let claims = [
        (Some(other.clone()), None, None),
        (None, Some("64f0c0ffee00001000000009".to_owned()), None),
        (None, None, Some(vec!["client".to_owned(), "user".to_owned()])),
    ];
    for (project_id, organization_id, scopes) in claims {
        let kind = Kind::WrongProject { project_id, organization_id, scopes };
        rig.emulator.add_fault(Fault::new("POST", &format!("/api/v2/projects/{project}/tokens"), kind));
        let ended = rotate(&rig, &["--project", &project]).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.events().contains(&"key.misbound".to_owned()));
        assert_eq!(rig.own_keys(&project), [""; 0], "the key is revoked");
        assert_eq!(rig.version(&project).await, 0);
    }
    assert_eq!(rotate(&rig, &[]).await.code, 0);
    only_key(&rig, &project).await;
    only_key(&rig, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_not_every_node_knows_yet_is_waited_for() {
    let rig = Rig::sized(1).await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", Kind::Status(401)).times(3));
    let ended = rig.rotate().await;
    let lines = ended.lines();
    let time = |event: &str| -> DateTime<Utc> {
        let line = lines.iter().find(|line| line["event"] == event).unwrap();
        line["timestamp"].as_str().unwrap().parse().unwrap()
    };
    let waited = time("key.verified") - time("key.minted");
    assert!(waited >= TimeDelta::milliseconds(200 + 400 + 800), "{waited}");
    only_key(&rig, &rig.projects()[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_is_not_published_and_a_later_pass_goes_on_with_it() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let published = only_key(&rig, &project).await;

    rig.emulator.add_fault(Fault::new("GET", "projects/config", Kind::Status(401)).always());
    let started = tokio::time::Instant::now();
    let ended = rotate(&rig, &["--all"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.document()["projects"][0]["problem"].as_str().unwrap().contains("refused"));
    assert!(started.elapsed() < Duration::from_secs(11), "doubt about a key costs about six seconds");
    assert_eq!(rig.key(&project).await, published, "the old key stays published");
    assert!(rig.emulator.authenticates(&published));
    assert_eq!(rig.own_keys(&project).len(), 2, "nobody can know that the new key is unused");

    // Once the published key is gone, the key of the failed attempt serves.
    rig.emulator.clear_faults();
    rig.emulator.delete_key(&published);
    let document = rotate(&rig, &[]).await.document();
    assert_eq!(document["projects"][0]["decision"], "adopt");
    assert_eq!(document["projects"][0]["reason"], "key_gone");
    only_key(&rig, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_ends_short_decides_nothing() {
    let mut rig = Rig::new().await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    let before = rig.marks().await;

    for listing in ["organizations/{id}/tokens", "organizations/{id}/projects"] {
        rig.emulator.add_fault(Fault::new("GET", listing, Kind::ShortListing(1)).always());
        let ended = rotate(&rig, &["--all"]).await;
        assert_eq!(ended.code, 1, "{listing}: {ended:?}");
        let document = ended.document();
        assert_eq!((&document["published"], &document["retired"]), (&0.into(), &0.into()), "{listing}");
        assert_eq!(rig.marks().await, before, "{listing}");
        let blind = ended.events().contains(&"pass.blind".to_owned());
        assert_eq!(blind, listing.ends_with("projects"), "{listing}: {ended:?}");
        let vanished = ended.events().contains(&"projects.vanish_held".to_owned());
        assert!(!vanished, "what was not listed is not gone: {ended:?}");
        rig.emulator.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_revoked_is_revoked_by_a_later_pass() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    rig.emulator.add_fault(Fault::new("DELETE", "tokens/{ids}", Kind::Status(403)).always());
    crate::support::patience("a revocation fails", async || {
        let ended = rotate(&rig, &[]).await;
        ended.code == 1 && ended.events().contains(&"keys.retire_failed".to_owned())
    })
    .await;
    assert_eq!(rig.own_keys(&rig.projects()[0]).len(), 2);
    rig.emulator.clear_faults();
    rig.rotate_until("the keys are revoked", async || rig.has_converged().await).await;
}
