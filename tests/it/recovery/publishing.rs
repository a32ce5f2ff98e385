//! Vault fails, or somebody else writes, while a key is published.

use std::time::Duration;

use chrono::TimeDelta;
use exceptionless_emulator::{Fault, Kind, Token};
use serde_json::json;

use super::{OURS, only_key, rotate};
use crate::support::rig::Rig;

/// The path of every publication.
fn publications(rig: &Rig) -> String {
    format!("/v1/{}/data/", rig.corner.mount)
}

/// An interrupted rotation of an hour ago has left its key.
fn leave_a_key_behind(rig: &Rig, project: &str) {
    let key = rig.emulator.create_person_key(project, OURS);
    rig.emulator.state(|state| {
        let created = state.now() - TimeDelta::hours(1);
        state.put_token(Token { created, ..key });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_person_writes_meanwhile_is_not_overwritten() {
    let rig = Rig::sized(1).await;
    rig.rotate().await;
    let project = rig.projects().remove(0);
    let published = only_key(&rig, &project).await;

    rig.emulator.fail_next("GET", "projects/config", Kind::Slow(Duration::from_secs(2)));
    rig.emulator.reset_requests();
    let run = async { rotate(&rig, &["--all"]).await };
    let person = async {
        rig.emulator.until_called("GET", "projects/config", 1).await;
        let mut secret = rig.secret(&project).await;
        secret["project_name"] = json!("corrected by hand");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
    };
    let (ended, ()) = tokio::join!(run, person);
    assert_eq!(ended.document()["projects"][0]["outcome"], "failed", "{ended:?}");
    assert_eq!(ended.code, 1, "nobody published a fresh key");
    let secret = rig.secret(&project).await;
    assert_eq!(secret["project_name"], "corrected by hand");
    assert_eq!(secret["api_key"], *published);
    assert!(rig.emulator.authenticates(&published));
    assert_eq!(rig.own_keys(&project).len(), 2, "the unused key stays until a later pass lists it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotator_that_is_overtaken_by_another_says_so_and_keeps_its_key_for_later() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"2s\"");
    rig.rotate().await;
    let project = rig.projects().remove(0);
    rig.emulator.fail_next("GET", "projects/config", Kind::Slow(Duration::from_secs(1)));
    rig.emulator.reset_requests();
    let slow = async { rotate(&rig, &["--all"]).await };
    let fast = async {
        rig.emulator.until_called("GET", "projects/config", 1).await;
        rotate(&rig, &["--all"]).await
    };
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!(fast.document()["projects"][0]["outcome"], "published", "{fast:?}");
    assert_eq!(
        (slow.code, &slow.document()["projects"][0]["outcome"]),
        (0, &json!("superseded")),
        "{slow:?}"
    );
    assert!(slow.events().contains(&"project.superseded".to_owned()));
    assert_eq!(rig.version(&project).await, 2);
    assert_eq!(rig.own_keys(&project).len(), 3);
    rig.rotate_until("the key is enrolled and revoked", async || rig.has_converged().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_whose_answer_is_lost_is_read_back() {
    let mut rig = Rig::sized(1).await;
    let relay = rig.relay_vault().await;
    let project = rig.projects().remove(0);
    relay.add_fault(Fault::new("POST", &publications(&rig), Kind::Drop).applied());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.document()["projects"][0]["outcome"], "published");
    only_key(&rig, &project).await;
    assert_eq!(rig.version(&project).await, 1, "it is not written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_stands_is_not_written_again() {
    let mut rig = Rig::sized(1).await;
    let relay = rig.relay_vault().await;
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    let marks = relay.seen().into_iter().filter(|request| request.starts_with("PATCH "));
    assert_eq!(marks.count(), 1);
    assert_eq!(rig.version(&rig.projects()[0]).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_is_missing_is_repaired_by_the_next_pass() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let mark = json!({"managed_by": "exceptionless-rotator/1 instance=default"});
    assert_eq!(rig.custom_metadata(&project).await, mark);
    // As after a crash between the two writes.
    rig.corner.put_metadata(&Rig::place(&project), json!({"custom_metadata": {}})).await;
    let ended = rig.rotate().await;
    assert_eq!(rig.custom_metadata(&project).await, mark);
    assert!(!ended.events().contains(&"key.published".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_goes_away_before_the_publication_leaves_a_key_to_adopt() {
    let mut rig = Rig::sized(2).await;
    let relay = rig.relay_vault().await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", Kind::Slow(Duration::from_secs(2))).times(2));
    let cut = async {
        rig.emulator.until_called("GET", "projects/config", 2).await;
        relay.add_fault(Fault::everywhere(Kind::Drop));
    };
    let (ended, ()) = tokio::join!(rotate(&rig, &[]), cut);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(rig.version(&rig.projects()[0]).await, 0);

    relay.clear_faults().await;
    let document = rotate(&rig, &[]).await.document();
    assert_eq!(document["projects"][0]["decision"], "adopt");
    assert!(rig.has_converged().await);
    assert_eq!(rig.emulator.requests().tokens_created, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_never_arrived_is_not_blamed_on_others() {
    let mut rig = Rig::sized(1).await;
    let relay = rig.relay_vault().await;
    let project = rig.projects().remove(0);
    for (version, arguments) in [(0, &[][..]), (1, &["--all"])] {
        assert_eq!(rig.version(&project).await, version);
        relay.add_fault(Fault::new("POST", &publications(&rig), Kind::Drop));
        let ended = rotate(&rig, arguments).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        let problem = ended.document()["projects"][0]["problem"].take();
        assert!(problem.as_str().unwrap().contains("could not be learned"), "{problem}");
        assert_eq!(rig.version(&project).await, version);
        assert_eq!(rig.own_keys(&project).len(), arguments.len() + 1, "its key stays");
        rig.rotate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_so_long_that_others_may_enrol_its_key_publishes_nothing() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    // The server's clock is known to two seconds.
    rig.emulator.fail_next("GET", "projects/config", Kind::Slow(Duration::from_millis(3500)));
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let problem = ended.document()["projects"][0]["problem"].take();
    assert!(problem.as_str().unwrap().contains("took longer than the 1s"), "{problem}");
    assert_eq!(rig.version(&project).await, 0);
    assert_eq!(rig.own_keys(&project).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_whose_answer_is_lost_is_read_back() {
    let mut rig = Rig::sized(1).await;
    rig.rotate().await;
    let project = rig.projects().remove(0);
    leave_a_key_behind(&rig, &project);
    let relay = rig.relay_vault().await;
    relay.add_fault(Fault::new("POST", &publications(&rig), Kind::Drop).applied());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.document()["projects"][0]["outcome"], "enrolled");
    assert_eq!(rig.version(&project).await, 2, "it is not written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_a_person_forestalls_is_not_taken_for_done() {
    let rig = Rig::sized(1).await;
    rig.rotate().await;
    let project = rig.projects().remove(0);
    leave_a_key_behind(&rig, &project);
    rig.emulator.reset_requests();
    rig.emulator.fail_next("GET", "organizations/{id}/tokens", Kind::Slow(Duration::from_secs(2)));
    let person = async {
        rig.emulator.until_called("GET", "organizations/{id}/tokens", 1).await;
        let mut secret = rig.secret(&project).await;
        secret["project_name"] = json!("corrected by hand");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
    };
    let (ended, ()) = tokio::join!(rotate(&rig, &[]), person);
    let row = ended.document()["projects"][0].take();
    assert_eq!((ended.code, &row["outcome"]), (1, &json!("failed")), "{ended:?}");
    assert!(row["problem"].as_str().unwrap().contains("changed meanwhile"), "{row}");
    assert_eq!(rig.secret(&project).await["project_name"], "corrected by hand");
    assert_eq!(rotate(&rig, &[]).await.document()["projects"][0]["outcome"], "enrolled");
}
