//! What may be revoked, and what is said when it is not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Settings};
use serde_json::{Value, json};

use super::{overlaps_are_over, rotate};
use crate::support::bao::FOLDER;
use crate::support::rig::Rig;
use crate::support::until;

const WINDOW: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_person_publishes_again_while_the_budget_is_waited_for_is_not_revoked() {
    let settings = Settings { organizations: 1, projects: 1, rate_window: WINDOW, ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.set("exceptionless", "rate_window", "\"6s\"").set("exceptionless", "rate_reserve", "0");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let first = rig.secret(&project).await;
    rig.json(&["rotate", "--all"]).await;
    overlaps_are_over(&rig).await;

    // The listing of the keys takes the last request of a window that has only begun.
    let listing = "organizations/{id}/tokens";
    rig.emulator.reset_requests();
    rig.emulator.fail_next("GET", listing, Kind::Slow(Duration::from_secs(1)));
    let mut run = rig.start(&["rotate"]);
    rig.emulator.until_called("GET", listing, 1).await;
    rig.emulator.state(|state| {
        let window = i64::try_from(WINDOW.as_millis()).unwrap();
        // The request was sent in this window, by whatever clock: it is the rotator that has to see that.
        let early = (state.now().timestamp_millis() - 1500).rem_euclid(window);
        state.clock.advance(TimeDelta::milliseconds(window - early));
        state.rate_limit = 1;
        state.set_rate_window(WINDOW);
    });
    run.until("budget.waiting", 1).await;
    rig.corner.put_raw(&Rig::place(&project), first.clone()).await;
    assert_eq!(rig.emulator.requests().count("DELETE", "tokens/{ids}"), 0, "too late for this test");
    assert_eq!(run.ended().await, 0, "{}", run.text());

    assert!(rig.emulator.authenticates(first["api_key"].as_str().unwrap()), "the published key is revoked");
    assert_eq!(run.count("key.retired"), 0);
    assert_eq!(rig.own_keys(&project).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_says_that_a_key_still_works_which_exceptionless_does_not_find() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let first = rig.key(&project).await;
    rig.emulator.add_fault(Fault::new("DELETE", "tokens/{ids}", Kind::Status(404)).always());
    let ended = rotate(&rig, &["--all", "--revoke-previous-now"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(!ended.events().contains(&"key.retired".to_owned()), "{ended:?}");
    let document = ended.document();
    assert_eq!((&document["published"], &document["retired"]), (&1.into(), &0.into()));
    assert!(document["problems"].to_string().contains("still works"), "{document}");
    assert!(rig.emulator.authenticates(&first));

    rig.emulator.clear_faults();
    let document = rig.json(&["rotate", "--all", "--revoke-previous-now"]).await;
    assert_eq!(document["retired"], 2);
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_may_not_be_written_neither_undoes_a_publication_nor_keeps_old_keys() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.corner
        .amend_policy(|policy| {
            assert!(policy.contains("\"list\", \"patch\""), "{policy}");
            policy.replace("\"list\", \"patch\"", "\"list\"")
        })
        .await;
    for arguments in [&[][..], &["--all"]] {
        let ended = rotate(&rig, arguments).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.events().contains(&"secret.unstamped".to_owned()), "{ended:?}");
        let document = ended.document();
        assert_eq!(document["projects"][0]["outcome"], "published");
        assert!(document["projects"][0]["problem"].is_string(), "{document}");
        assert_eq!((&document["published"], &document["failed"]), (&1.into(), &1.into()));
    }
    assert_eq!(rig.own_keys(&project).len(), 2);

    overlaps_are_over(&rig).await;
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.document()["retired"], 1);
    assert!(rig.has_converged().await);
}

/// One project, and its first key, which another has replaced.
async fn a_replaced_key() -> (Rig, String, String) {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let first = rig.key(&project).await;
    rig.json(&["rotate", "--all"]).await;
    (rig, project, first)
}

/// The same when the first key has served its overlap, and the secret.
async fn a_key_that_is_due() -> (Rig, String, Value) {
    let (rig, project, first) = a_replaced_key().await;
    overlaps_are_over(&rig).await;
    let secret = rig.secret(&project).await;
    (rig, first, secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_exceptionless_does_not_find_and_that_works_is_not_called_revoked() {
    let (rig, first, _) = a_key_that_is_due().await;
    rig.emulator.add_fault(Fault::new("DELETE", "tokens/{ids}", Kind::Status(404)).always());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let document = ended.document();
    assert_eq!(document["retired"], 0);
    assert!(document["problems"].to_string().contains("still works"), "{document}");
    assert!(rig.emulator.authenticates(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_published_key_that_the_pass_has_not_seen_alive_none_is_revoked() {
    let (rig, project, first) = a_replaced_key().await;
    let listing = "organizations/{id}/tokens";
    rig.emulator.reset_requests();
    rig.emulator.fail_next("GET", listing, Kind::Slow(Duration::from_secs(5)));
    let person = async {
        rig.emulator.until_called("GET", listing, 1).await;
        let mut secret = rig.secret(&project).await;
        secret["api_key"] = json!("a-key-that-never-worked-anywhere-at-all");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
    };
    let (ended, ()) = tokio::join!(rotate(&rig, &[]), person);
    let end = Utc::now();
    assert_eq!((ended.code, &ended.document()["retired"]), (0, &json!(0)), "{ended:?}");
    assert!(rig.emulator.authenticates(&first));
    let status = rig.json(&["status"]).await;
    let over = status["projects"][0]["retiring"][0]["revoked_after"].as_str().unwrap();
    assert!(over.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(1) < end, "too early for this test");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_in_our_folder_cannot_be_read_none_is_revoked_that_it_may_publish() {
    let (mut rig, first, mut secret) = a_key_that_is_due().await;
    secret["api_key"] = json!(first);
    let formerly = format!("{FOLDER}/formerly");
    rig.corner.put_raw(&formerly, secret).await;
    let relay = rig.relay_vault().await;
    let read = format!("/v1/{}/data/{formerly}", rig.corner.mount);
    relay.add_fault(Fault::new("GET", &read, Kind::Drop).always());
    let ended = rotate(&rig, &[]).await;
    assert_eq!((ended.code, &ended.document()["retired"]), (1, &json!(0)), "{ended:?}");
    assert!(ended.events().contains(&"pass.blind".to_owned()), "{ended:?}");
    assert!(rig.emulator.authenticates(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_vault_that_is_not_fresh_any_more_licenses_nothing() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"").set("vault", "timeout", "\"7s\"");
    for _ in 0..2 {
        rig.json(&["rotate", "--all"]).await;
    }
    let over = Utc::now() + TimeDelta::seconds(8);
    until(over).await;
    let relay = rig.relay_vault().await;
    // Of the two readings that the batch waits for, the second takes its time.
    let slow = format!("/v1/{}/data/{FOLDER}/{}", rig.corner.mount, rig.projects()[1]);
    relay.add_fault(Fault::new("GET", &slow, Kind::Slow(Duration::from_secs(6))).skip(1));
    let ended = rotate(&rig, &[]).await;
    assert_eq!((ended.code, &ended.document()["retired"]), (0, &json!(1)), "{ended:?}");
    assert_eq!(rig.json(&["rotate"]).await["retired"], 1);
    assert!(rig.has_converged().await);
}
