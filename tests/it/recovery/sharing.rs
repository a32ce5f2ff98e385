//! Secrets that have other owners too, who write whenever they like.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use super::rotate;
use crate::support::rig::Rig;
use crate::support::{patience, until};

async fn shared() -> (Rig, String) {
    let mut rig = Rig::sized(1).await;
    rig.share().await;
    let project = rig.projects().remove(0);
    (rig, project)
}

/// A run, and another owner who writes as soon as the new key is verified.
async fn meanwhile(rig: &Rig, arguments: &[&str], write: impl AsyncFn()) -> Value {
    rig.emulator.fail_next("GET", "projects/config", Kind::Slow(Duration::from_secs(2)));
    rig.emulator.reset_requests();
    let other = async {
        rig.emulator.until_called("GET", "projects/config", 1).await;
        write().await;
    };
    let (ended, ()) = tokio::join!(rotate(rig, arguments), other);
    ended.document()["projects"][0].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_during_a_rotation_stays_and_does_not_stop_it() {
    let (rig, project) = shared().await;
    let place = Rig::place(&project);
    let data = format!("{}/data/{place}", rig.corner.mount);
    let patch = async |value: &str| {
        rig.corner.bao.root("PATCH", &data, json!({"data": {"password": value}})).await;
    };
    for (arguments, value) in [(&[][..], "second"), (&["--all"], "third")] {
        let row = meanwhile(&rig, arguments, async || patch(value).await).await;
        assert_eq!(row["outcome"], "published", "{row}");
        let secret = rig.secret(&project).await;
        assert_eq!(secret["password"], value);
        assert_eq!(rig.key(&project).await, secret["ex_api_key"]);
        assert!(rig.emulator.authenticates(&rig.key(&project).await));
    }
    assert_eq!(rig.emulator.requests().tokens_created, 1, "no key was minted in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_into_our_fields_meanwhile_is_not_overwritten() {
    let (rig, project) = shared().await;
    rig.rotate().await;
    let write = async || {
        let mut secret = rig.secret(&project).await;
        secret["ex_project_name"] = json!("corrected by hand");
        secret["ex_retiring"] = json!("0123456789ab@2026-01-01T00:00:00Z");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
    };
    let row = meanwhile(&rig, &["--all"], write).await;
    assert_eq!(row["outcome"], "failed", "{row}");
    assert!(row["problem"].as_str().unwrap().contains("changed meanwhile"), "{row}");
    assert_eq!(rig.secret(&project).await["ex_project_name"], "corrected by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_ours_in_another_form_are_a_conflict_and_not_left_behind() {
    let mut rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let replaced = rig.secret(&project).await;
    let held = async |rig: &mut Rig, write: &str, prefix: &str| {
        rig.set("vault", "write", write).set("vault", "field_prefix", prefix);
        let ended = rotate(rig, &["--all"]).await;
        let problem = ended.document()["projects"][0]["problem"].take();
        assert!(
            problem.as_str().unwrap().contains("set vault.write and vault.field_prefix as they were"),
            "{ended:?}"
        );
    };
    held(&mut rig, "\"merge\"", "\"ex_\"").await;
    assert_eq!(rig.secret(&project).await, replaced);

    let metadata = format!("{}/metadata/{}", rig.corner.mount, Rig::place(&project));
    rig.corner.bao.root("DELETE", &metadata, Value::Null).await;
    assert_eq!(rotate(&rig, &[]).await.code, 0);
    let merged = rig.secret(&project).await;
    assert!(merged["ex_api_key"].is_string(), "{merged}");
    held(&mut rig, "\"merge\"", "\"other_\"").await;
    rig.set("vault", "adopt_paths", "true");
    held(&mut rig, "\"replace\"", "\"\"").await;
    assert_eq!(rig.secret(&project).await, merged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_patch_is_told_before_a_key_is_minted() {
    let (rig, project) = shared().await;
    rig.corner.amend_policy(|policy| policy.replace("\"create\", \"patch\",", "\"create\",")).await;
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 77, "{check:?}");
    assert!(check.stdout.contains("lacks patch; add path"), "{check:?}");
    let ended = rotate(&rig, &[]).await;
    let problem = ended.document()["projects"][0]["problem"].take();
    assert_eq!(ended.code, 77, "{ended:?}");
    for words in ["\"patch\"", &Rig::place(&project), "no key was minted"] {
        assert!(problem.as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(rig.emulator.requests().tokens_created, 0);
}

/// A shared secret whose first key another has replaced, with the overlap, and the secret as it was with each.
async fn replaced(overlap: TimeDelta) -> (Rig, String, [Value; 2]) {
    let (mut rig, project) = shared().await;
    rig.set_overlap(overlap);
    rig.rotate().await;
    let first = rig.secret(&project).await;
    rig.json(&["rotate", "--all"]).await;
    let second = rig.secret(&project).await;
    (rig, project, [first, second])
}

/// The next passes leave the first key alone until it has served its overlap after this time.
async fn serves(rig: &Rig, first: &Value, since: DateTime<Utc>, overlap: TimeDelta) {
    let key = first["ex_api_key"].as_str().unwrap();
    let document = rig.json(&["rotate"]).await;
    assert!(Utc::now() < since + overlap, "the machine is too slow for this test");
    assert_eq!(document["retired"], 0, "{document}");
    assert!(rig.emulator.authenticates(key));
    rig.rotate_until("it is revoked", async || !rig.emulator.authenticates(key)).await;
    let revocation = rig.emulator.revocations().into_iter().find(|one| one.key.id == key).unwrap();
    assert!(revocation.at >= since + overlap, "{} < {since}", revocation.at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_rolled_back_secret_published_has_its_overlap_when_it_is_rolled_forward() {
    let overlap = TimeDelta::seconds(8);
    let (rig, project, [first, second]) = replaced(overlap).await;
    until(Utc::now() + overlap + TimeDelta::seconds(2)).await;
    rig.corner.put_raw(&Rig::place(&project), first.clone()).await;
    let since = Utc::now();
    rig.corner.put_raw(&Rig::place(&project), second.clone()).await;
    // Another owner writes last.
    let mut third = second;
    third["password"] = json!("of another");
    rig.corner.put_raw(&Rig::place(&project), third).await;
    serves(&rig, &first, since, overlap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_late_write_replaces_has_its_overlap_from_then_on() {
    let overlap = TimeDelta::seconds(8);
    let (mut rig, project) = shared().await;
    rig.set_overlap(overlap);
    rig.rotate().await;
    let (first, version) = (rig.secret(&project).await, rig.version(&project).await);
    let direct = rig.config["vault"].clone();
    let relay = rig.relay_vault().await;
    let late = overlap + TimeDelta::seconds(4);
    let data = format!("/v1/{}/data/{}", rig.corner.mount, Rig::place(&project));
    relay.add_fault(Fault::new("PATCH", &data, Kind::Slow(late.to_std().unwrap())));
    let mut run = rig.start(&["rotate", "--all"]);
    patience("it is on its way", async || relay.struck() == 1).await;
    // Who ends in good order revokes the token, without which no late write is applied.
    run.kill().await;
    rig.config.insert("vault".to_owned(), direct);
    patience("the write is applied", async || rig.version(&project).await > version).await;
    let created = rig.corner.metadata(&Rig::place(&project)).await["versions"]
        [(version + 1).to_string()]["created_time"]
        .take();
    serves(&rig, &first, created.as_str().unwrap().parse().unwrap(), overlap).await;
}
