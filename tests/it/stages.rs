//! Revocation in two stages: a key whose time is over is disabled, can be brought back, and is deleted later.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Token};
use serde_json::{Value, json};

use crate::support::bao::FOLDER;
use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::{fingerprint, patience, until};

const PATCH: (&str, &str) = ("PATCH", "tokens/{ids}");

/// A rig with two stages, of which the second is far away.
async fn rig() -> Rig {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"").set("rotation", "revocation", "\"disable_then_delete\"");
    rig
}

/// One project, and its first key, which another has replaced and whose overlap is over.
async fn a_key_that_is_due() -> (Rig, String, String) {
    let rig = rig().await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let old = rig.key(&project).await;
    rig.json(&["rotate", "--all"]).await;
    overlap_is_over(&rig).await;
    (rig, project, old)
}

/// The same when it has been disabled.
async fn a_disabled_key() -> (Rig, String, String) {
    let (rig, project, old) = a_key_that_is_due().await;
    assert_eq!(rig.json(&["rotate"]).await["disabled"], 1);
    assert!(is_disabled(&rig, &old));
    (rig, project, old)
}

async fn retiring(rig: &Rig) -> Value {
    rig.json(&["status"]).await["projects"][0]["retiring"][0].take()
}

async fn overlap_is_over(rig: &Rig) {
    let end: DateTime<Utc> = retiring(rig).await["revoked_after"].as_str().unwrap().parse().unwrap();
    until(end + TimeDelta::seconds(2)).await;
}

fn token(rig: &Rig, key: &str) -> Option<Token> {
    rig.emulator.state(|state| state.token(key))
}

fn is_disabled(rig: &Rig, key: &str) -> bool {
    token(rig, key).is_some_and(|token| token.disabled)
}

/// A person disables a key, or enables it.
fn by_hand(rig: &Rig, key: &str, disabled: bool) {
    rig.emulator.state(|state| {
        let (key, updated) = (state.token(key).unwrap(), state.now());
        state.put_token(Token { disabled, updated, ..key });
    });
}

fn deletions(rig: &Rig) -> u64 {
    rig.emulator.requests().count("DELETE", "tokens/{ids}")
}

async fn undo(rig: &Rig, arguments: &[&str]) -> Ended {
    rig.run(&[&["undo", "--output", "json"], arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_time_is_over_is_disabled_first_and_deleted_when_it_has_been_so_for_a_while() {
    let (mut rig, project, old) = a_key_that_is_due().await;
    let plan = rig.json(&["plan"]).await;
    assert_eq!((&plan["budget"]["disable"], &plan["budget"]["retire"]), (&json!(1), &json!(0)), "{plan}");
    let row = &plan["projects"][0];
    assert_eq!(
        (&row["retire"], row["disable"].as_array().unwrap().len(), &row["revoke"]),
        (&json!(1), 1, &json!([]))
    );

    let ended = rig.run(&["rotate", "--output", "json"]).await;
    assert_eq!(
        (&ended.document()["disabled"], &ended.document()["retired"]),
        (&json!(1), &json!(0)),
        "{ended:?}"
    );
    assert_eq!(ended.document()["requests"], plan["budget"]["total"], "it costs what the plan said");
    assert!(ended.events().contains(&"key.disabled".to_owned()));
    assert!(!rig.emulator.authenticates(&old) && is_disabled(&rig, &old));
    let waiting = retiring(&rig).await;
    let deleted: DateTime<Utc> = waiting["deleted_after"].as_str().unwrap().parse().unwrap();
    assert_eq!(waiting["disabled"], true);
    assert!(deleted > Utc::now() + TimeDelta::days(6), "{waiting}");
    let told = rig.run(&["explain", &project]).await.stdout;
    assert!(
        told.contains("it is disabled, and deleted after") && told.contains("`undo` brings it back"),
        "{told}"
    );

    // Nothing more happens for as long as it can be brought back.
    rig.emulator.reset_requests();
    rig.rotate().await;
    assert_eq!(rig.emulator.requests().writes, 0);

    rig.set("rotation", "disabled_for", "\"1s\"");
    rig.rotate_until("it is deleted", async || token(&rig, &old).is_none()).await;
    assert!(rig.has_converged().await);
    assert_eq!(rig.json(&["status"]).await["projects"][0]["retiring"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_brings_a_key_back_for_another_overlap() {
    let (rig, project, old) = a_disabled_key().await;
    let published = rig.key(&project).await;
    let key = fingerprint(&old);
    let before = Utc::now();
    let ended = undo(&rig, &["--key", &key]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let document = ended.document();
    assert_eq!((&document["done"], &document["failed"]), (&json!(1), &json!(0)));
    let row = &document["keys"][0];
    assert_eq!(
        (&row["key"], &row["outcome"], &row["project_id"]),
        (&json!(key), &json!("enabled"), &json!(project))
    );
    let story: Vec<_> = ended.lines().into_iter().filter(|line| line["event"] == "key.enabled").collect();
    assert_eq!((story.len(), &story[0]["command"], &story[0]["key"]), (1, &json!("undo"), &json!(key)));
    assert!(rig.emulator.authenticates(&old));
    assert_eq!(rig.key(&project).await, published, "the published key stays");
    let waiting = retiring(&rig).await;
    assert!(waiting["since"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() >= before, "{waiting}");
    assert_eq!(waiting["disabled"], false);

    rig.rotate().await;
    assert!(rig.emulator.authenticates(&old), "it has its overlap");
    rig.rotate_until("it is disabled again", async || is_disabled(&rig, &old)).await;

    let ended = undo(&rig, &["--project", &project]).await;
    assert_eq!(ended.document()["done"], 1, "{ended:?}");
    let ended = undo(&rig, &["--all"]).await;
    assert_eq!((ended.code, &ended.document()["keys"]), (0, &json!([])), "nothing is disabled");
    let ended = undo(&rig, &["--key", &key]).await;
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    let table = rig.run(&["undo", "--all"]).await;
    assert!(table.stdout.contains("0 keys done, 0 with problems"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_killed_before_the_key_is_enabled_is_repeated() {
    let (rig, project, old) = a_disabled_key().await;
    let version = rig.version(&project).await;
    rig.emulator.reset_requests();
    rig.emulator.add_fault(Fault::new(PATCH.0, PATCH.1, Kind::Hang(Duration::from_secs(600))).always());
    let mut run = rig.start(&["undo", "--all"]);
    rig.emulator.until_called(PATCH.0, PATCH.1, 1).await;
    run.kill().await;
    rig.emulator.clear_faults();
    assert_eq!(rig.version(&project).await, version + 1, "the list was written first");
    assert!(is_disabled(&rig, &old));
    rig.rotate().await;
    assert!(token(&rig, &old).is_some(), "its time was put off");

    assert_eq!(undo(&rig, &["--key", &fingerprint(&old)]).await.document()["done"], 1);
    assert!(rig.emulator.authenticates(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_else_disabled_comes_back_only_by_its_name() {
    for revocation in ["delete", "disable_then_delete"] {
        let mut rig = Rig::sized(1).await;
        rig.set("rotation", "revocation", &format!("{revocation:?}"));
        let project = rig.projects().remove(0);
        rig.rotate().await;
        let leaked = rig.key(&project).await;
        rig.json(&["rotate", "--all"]).await;
        by_hand(&rig, &leaked, true);
        let ended = undo(&rig, &["--all"]).await;
        assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{revocation}: {ended:?}");
        let problem = ended.document()["keys"][0]["problem"].as_str().unwrap().to_owned();
        assert!(problem.contains("disabled by somebody else") && problem.contains("--key"), "{problem}");
        assert!(is_disabled(&rig, &leaked), "{revocation}");

        let ended = undo(&rig, &["--key", &fingerprint(&leaked)]).await;
        assert_eq!((ended.code, &ended.document()["done"]), (0, &json!(1)), "{revocation}: {ended:?}");
        assert!(rig.emulator.authenticates(&leaked));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_old_path_publishes_was_disabled_by_somebody_else_however_late() {
    let mut rig = rig().await;
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let leaked = rig.corner.get_raw(&format!("{FOLDER}/project-1")).await["api_key"].take();
    let leaked = leaked.as_str().unwrap();
    rig.emulator.rename_project(&project, "Renamed");
    rig.json(&["rotate", "--all"]).await;
    overlap_is_over(&rig).await;
    assert_eq!(rig.json(&["rotate"]).await["disabled"], 0, "readers of the old path hold it");
    by_hand(&rig, leaked, true);
    let ended = undo(&rig, &["--all"]).await;
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    assert!(is_disabled(&rig, leaked));
    assert_eq!(undo(&rig, &["--key", &fingerprint(leaked)]).await.document()["done"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_person_enables_again_has_another_overlap() {
    let (rig, _, old) = a_disabled_key().await;
    let enabled = Utc::now();
    by_hand(&rig, &old, false);
    rig.rotate().await;
    assert!(rig.emulator.authenticates(&old), "the next pass does not fight with a person");
    rig.rotate_until("it is disabled again", async || is_disabled(&rig, &old)).await;
    assert!(Utc::now() - enabled > TimeDelta::seconds(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_deletes_at_once_what_is_disabled_and_what_works() {
    let (rig, _, old) = a_disabled_key().await;
    let document = rig.json(&["rotate", "--all", "--revoke-previous-now"]).await;
    assert_eq!((&document["retired"], &document["disabled"]), (&json!(2), &json!(0)), "{document}");
    assert!(token(&rig, &old).is_none() && rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_or_refused_is_asked_for_again_and_nothing_is_said_that_is_not_so() {
    let (rig, _, old) = a_key_that_is_due().await;
    for kind in [Kind::Status(500), Kind::Html, Kind::Status(404)] {
        rig.emulator.add_fault(Fault::new(PATCH.0, PATCH.1, kind.clone()).always());
        let ended = rig.run(&["rotate", "--output", "json"]).await;
        assert_eq!((ended.code, &ended.document()["disabled"]), (1, &json!(0)), "{kind:?}: {ended:?}");
        rig.emulator.clear_faults();
        assert!(rig.emulator.authenticates(&old));
    }
    rig.emulator.add_fault(Fault::new(PATCH.0, PATCH.1, Kind::Drop).times(2).applied());
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["disabled"], 1, "{document}");
    assert!(is_disabled(&rig, &old));
    assert_eq!(deletions(&rig), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_deleted_while_it_is_disabled_comes_back_disabled_and_goes_later() {
    let (mut rig, _, old) = a_key_that_is_due().await;
    rig.emulator.switch(|switches| switches.patch_gap = Duration::from_secs(1));
    rig.emulator.reset_requests();
    let mut run = rig.start(&["rotate"]);
    rig.emulator.until_called(PATCH.0, PATCH.1, 1).await;
    patience("it is deleted before it is written back", async || rig.emulator.delete_key(&old)).await;
    assert_eq!(run.ended().await, 0, "{}", run.text());
    rig.emulator.switch(|switches| switches.patch_gap = Duration::ZERO);
    assert!(is_disabled(&rig, &old), "Exceptionless has brought it back");
    rig.set("rotation", "disabled_for", "\"1s\"");
    rig.rotate_until("it is deleted", async || token(&rig, &old).is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_that_no_list_has_is_listed_by_the_next_rotation() {
    let (mut rig, project, old) = a_disabled_key().await;
    let mut secret = rig.secret(&project).await;
    secret["retiring"] = json!("");
    rig.corner.put_raw(&Rig::place(&project), secret).await;
    rig.rotate().await;
    assert!(is_disabled(&rig, &old));
    rig.set("rotation", "disabled_for", "\"1s\"");
    rig.json(&["rotate", "--all"]).await;
    rig.rotate_until("it is deleted", async || token(&rig, &old).is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_says_why_a_key_cannot_come_back() {
    let (rig, project, old) = a_disabled_key().await;
    let key = fingerprint(&old);
    let secret = rig.secret(&project).await;
    rig.corner.put_raw(&Rig::place(&project), json!({"password": "of somebody else"})).await;
    let ended = undo(&rig, &["--key", &key]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let problem = ended.document()["keys"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("the path holds a secret that the rotator did not write"), "{problem}");
    rig.corner.put_raw(&Rig::place(&project), secret).await;

    rig.emulator.add_fault(Fault::new(PATCH.0, PATCH.1, Kind::Status(500)).always());
    let ended = undo(&rig, &["--key", &key]).await;
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    assert!(is_disabled(&rig, &old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_key_does_not_come_back_when_somebody_has_published_another_meanwhile() {
    let rig = rig().await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let first = rig.secret(&project).await;
    rig.json(&["rotate", "--all"]).await;
    let published = rig.key(&project).await;
    by_hand(&rig, &published, true);
    rig.emulator.reset_requests();
    let listing = "organizations/{id}/tokens";
    rig.emulator.fail_next("GET", listing, Kind::Slow(Duration::from_secs(3)));
    let person = async {
        rig.emulator.until_called("GET", listing, 1).await;
        rig.corner.put_raw(&Rig::place(&project), first).await;
    };
    let key = fingerprint(&published);
    let named = ["--key", &key];
    let (ended, ()) = tokio::join!(undo(&rig, &named), person);
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    let problem = ended.document()["keys"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("somebody else wrote the secret meanwhile"), "{problem}");
    assert!(is_disabled(&rig, &published));
}
