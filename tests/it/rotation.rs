//! The main job: every project gets a key, and every key gets its time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::bao::FOLDER;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn each_project_gets_a_working_key_and_a_second_pass_writes_nothing() {
    let rig = Rig::new().await;
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["published"], 7);
    for (project, key) in rig.keys().await {
        assert!(rig.emulator.authenticates(&key), "the key of {project} works");
        assert_eq!(rig.own_keys(&project), [key]);
    }

    rig.emulator.reset_requests();
    let before = rig.marks().await;
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["published"], 0);
    assert_eq!(rig.marks().await, before);
    assert_eq!(rig.emulator.requests().writes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_keys_work_until_the_overlap_ends_and_then_go() {
    let mut rig = Rig::new().await;
    rig.set("rotation", "overlap", "\"2s\"");
    let made_by_people: Vec<_> =
        rig.projects().iter().flat_map(|project| rig.emulator.live_keys(project)).map(|key| key.id).collect();
    rig.rotate().await;
    let old = rig.keys().await;

    let document = rig.json(&["rotate", "--all"]).await;
    let replaced = Utc::now();
    assert_eq!(document["published"], 7);
    let new = rig.keys().await;
    for (project, key) in &old {
        assert_ne!(new[project], *key);
        assert!(rig.emulator.authenticates(key), "the replaced key of {project} works on");
        assert!(rig.emulator.authenticates(&new[project]));
    }

    rig.rotate_until("all replaced keys are revoked", async || rig.has_converged().await).await;
    assert!(Utc::now() - replaced >= TimeDelta::seconds(2), "a key was revoked before its overlap was over");
    assert_eq!(rig.keys().await, new);
    for key in &made_by_people {
        assert!(rig.emulator.authenticates(key), "a key made by a person was touched");
    }

    let before = rig.marks().await;
    rig.rotate().await;
    assert_eq!(rig.marks().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_asked_for_is_the_only_one_that_changes() {
    let rig = Rig::new().await;
    rig.rotate().await;
    let (before, _) = rig.marks().await;
    let chosen = rig.projects()[3].clone();
    let document = rig.json(&["rotate", "--project", &chosen]).await;
    assert_eq!(document["published"], 1);
    assert_eq!(document["projects"].as_array().unwrap().len(), 1);
    let (after, _) = rig.marks().await;
    for project in rig.projects() {
        assert_eq!(before[&project] == after[&project], project != chosen, "{project}");
    }

    let document = rig.json(&["rotate", "--project", "Acme/*"]).await;
    assert_eq!(document["published"], 3, "a glob over organization/name selects: {document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_says_what_its_readers_need_and_whose_it_is() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"3600s\"").set("rotation", "schedule", "\"0 3 * * *\"");
    rig.rotate().await;
    let project = rig.emulator.projects().remove(0);
    let secret = rig.secret(&project.id).await;
    let key = rig.emulator.state(|state| state.token(secret["api_key"].as_str().unwrap())).unwrap();
    let text =
        |field: &str| secret[field].as_str().unwrap_or_else(|| panic!("{field} in {secret}")).to_owned();
    let time = |field: &str| DateTime::parse_from_rfc3339(&text(field)).unwrap().to_utc();

    assert_eq!(key.scopes, ["client"]);
    assert_eq!(key.project_id.as_deref(), Some(&*project.id));
    assert_eq!(
        key.notes.unwrap(),
        format!("exceptionless-rotator/1 instance=default rotation={}", text("rotation_id"))
    );
    let age = Utc::now() - time("rotated_at");
    assert!(age >= TimeDelta::zero() && age < TimeDelta::minutes(1), "{secret}");
    let next = time("next_rotation_at");
    assert!(next > Utc::now() && next.to_rfc3339().contains("T03:00:00"), "{secret}");
    let expected = json!({
        "api_key": key.id,
        "server_url": rig.emulator.url(),
        "project_id": project.id,
        "project_name": "Project 1",
        "organization_id": project.organization_id,
        "organization_name": "Acme",
        "rotation_id": text("rotation_id"),
        "rotated_at": text("rotated_at"),
        "next_rotation_at": text("next_rotation_at"),
        "overlap_seconds": "3600",
        "retiring": "",
        "managed_by": "exceptionless-rotator/1 instance=default",
    });
    assert_eq!(secret, expected);
    assert_eq!(
        rig.custom_metadata(&project.id).await,
        json!({"managed_by": "exceptionless-rotator/1 instance=default"})
    );

    let status = rig.json(&["status"]).await;
    let old = status["projects"][0]["key"].as_str().unwrap().to_owned();
    rig.json(&["rotate", "--all"]).await;
    let retiring = rig.secret(&project.id).await["retiring"].as_str().unwrap().to_owned();
    let (listed, since) = retiring.split_once('@').unwrap();
    assert_eq!(listed, old);
    assert!(DateTime::parse_from_rfc3339(since).unwrap() >= Utc::now() - TimeDelta::minutes(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_minted_then_verified_then_published_and_the_log_says_so_in_this_order() {
    let rig = Rig::sized(2).await;
    let ended = rig.rotate().await;
    let mut stories: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for line in ended.lines() {
        let text = |field: &str| line[field].as_str().map(str::to_owned);
        if let (Some(event), Some(rotation), Some(key)) = (text("event"), text("rotation_id"), text("key")) {
            stories.entry(rotation).or_default().push((event, key));
        }
    }
    assert_eq!(stories.len(), 2);
    for story in stories.values() {
        let events: Vec<_> = story.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(events, ["key.minted", "key.verified", "key.published"]);
        assert!(story.iter().all(|(_, key)| *key == story[0].1), "one key: {story:?}");
    }
    assert_eq!(ended.events().first().unwrap(), "pass.started");
    assert_eq!(ended.events().last().unwrap(), "vault.logout");
    let of_the_pass = ended.events().into_iter().rfind(|event| !event.starts_with("vault."));
    assert_eq!(of_the_pass.unwrap(), "pass.finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_secrets_keep_the_fields_of_their_owner() {
    let mut rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.set("vault", "write", "\"merge\"").set("vault", "field_prefix", "\"exceptionless_\"");
    rig.corner.put_raw(&format!("{FOLDER}/{project}"), json!({"password": "of the application"})).await;
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    let secret = rig.secret(&project).await;
    assert_eq!(secret["password"], "of the application");
    let key = secret["exceptionless_api_key"].as_str().unwrap();
    assert!(rig.emulator.authenticates(key));
    assert_eq!(secret["api_key"], Value::Null);
}
