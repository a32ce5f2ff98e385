//! What people do to keys and secrets by hand.

use exceptionless_emulator::Token;
use serde_json::{Value, json};

use super::{only_key, rotate};
use crate::support::rig::Rig;

async fn healed(rig: &Rig, project: &str, reason: &str) -> Value {
    let ended = rotate(rig, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let row = ended.document()["projects"][0].take();
    assert_eq!((&row["reason"], &row["outcome"]), (&json!(reason), &json!("published")), "{row}");
    assert!(rig.emulator.authenticates(&rig.key(project).await));
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_key_that_a_person_deletes_or_disables_is_replaced_by_the_next_pass() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;

    rig.emulator.delete_key(&only_key(&rig, &project).await);
    healed(&rig, &project, "key_gone").await;
    rig.emulator.disable_key(&only_key(&rig, &project).await);
    healed(&rig, &project, "key_disabled").await;
    let own = async || rig.emulator.keys(&project).iter().filter(|key| key.id.len() == 40).count();
    rig.rotate_until("the disabled key is cleared away", async || own().await == 2).await;
    only_key(&rig, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_person_deletes_or_destroys_is_written_again() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let mount = &rig.corner.mount;
    let at = |verb: &str| format!("{mount}/{verb}/{}", Rig::place(&project));

    rig.corner.bao.root("POST", &at("delete"), json!({"versions": [1]})).await;
    healed(&rig, &project, "secret_deleted").await;
    assert_eq!(rig.version(&project).await, 2);
    rig.corner.bao.root("POST", &at("destroy"), json!({"versions": [2]})).await;
    healed(&rig, &project, "secret_deleted").await;
    assert_eq!(rig.version(&project).await, 3);
    rig.corner.bao.root("DELETE", &at("metadata"), Value::Null).await;
    healed(&rig, &project, "never_published").await;
    assert_eq!(rig.version(&project).await, 1);
    only_key(&rig, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_person_damages_is_repaired() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    for field in ["api_key", "rotated_at"] {
        let mut secret = rig.secret(&project).await;
        secret[field] = json!("?");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
        healed(&rig, &project, "secret_damaged").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_is_believed_and_the_key_in_use_is_never_revoked() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let first = rig.secret(&project).await;
    rig.json(&["rotate", "--all"]).await;
    rig.corner.put_raw(&Rig::place(&project), first.clone()).await;

    rig.rotate_until("the key that was rolled back is gone", async || rig.has_converged().await).await;
    assert_eq!(rig.key(&project).await, first["api_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_kills_the_replaced_keys_at_once() {
    let rig = Rig::sized(3).await;
    let people: Vec<_> =
        rig.projects().iter().flat_map(|project| rig.emulator.live_keys(project)).map(|key| key.id).collect();
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    let document = rig.json(&["rotate", "--all", "--revoke-previous-now"]).await;
    assert_eq!((&document["published"], &document["retired"]), (&json!(3), &json!(6)));
    assert!(rig.has_converged().await, "only the new keys live");
    assert!(people.iter().all(|key| rig.emulator.authenticates(key)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organization_is_left_alone_until_it_is_back() {
    let rig = Rig::new().await;
    rig.rotate().await;
    let organization = rig.emulator.organizations().remove(0).id;
    rig.emulator.suspend_organization(&organization, true);
    let before = rig.marks().await;
    let document = rotate(&rig, &["--all"]).await.document();
    assert_eq!((&document["published"], &document["failed"]), (&json!(4), &json!(0)), "{document}");
    let held = document["projects"].as_array().unwrap().iter().filter(|row| row["outcome"] == "held");
    assert!(held.clone().all(|row| row["reason"] == "organization_suspended"));
    assert_eq!(held.count(), 3);
    let after = rig.marks().await;
    for project in rig.emulator.projects().iter().filter(|one| one.organization_id == organization) {
        assert_eq!(before.0[&project.id], after.0[&project.id]);
    }

    rig.emulator.suspend_organization(&organization, false);
    assert_eq!(rig.json(&["rotate"]).await["published"], 0, "the keys came back with it");
    assert_eq!(rig.json(&["rotate", "--project", "Acme/*"]).await["published"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_person_borrows_from_another_project_is_left_to_them() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let [borrower, lender] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let mut secret = rig.secret(&borrower).await;
    secret["api_key"] = json!(rig.key(&lender).await);
    rig.corner.put_raw(&Rig::place(&borrower), secret).await;
    let before = rig.marks().await;
    let ended = rotate(&rig, &[]).await;
    let row = ended.document()["projects"][0].take();
    assert_eq!((ended.code, &row["reason"]), (1, &json!("published_key_misplaced")), "{ended:?}");
    assert_eq!(rig.marks().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_names_a_replaced_key_that_a_person_has_made_theirs() {
    let rig = Rig::sized(1).await;
    rig.rotate().await;
    let replaced = only_key(&rig, &rig.projects()[0]).await;
    rig.emulator.state(|state| {
        let key = state.token(&replaced).unwrap();
        state.put_token(Token { notes: Some("of the importer now".to_owned()), ..key });
    });
    let ended = rotate(&rig, &["--all", "--revoke-previous-now"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let problems = ended.document()["problems"].to_string();
    assert!(problems.contains("revoke it by hand"), "{problems}");
    assert!(rig.emulator.authenticates(&replaced));
}
