//! Projects that move, and projects that appear while others are counted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use super::overlaps_are_over;
use crate::support::bao::FOLDER;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn the_key_at_the_old_path_of_a_renamed_project_works_until_its_secret_is_deleted() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    let project = rig.projects().remove(0);
    let key_at = async |name: &str| {
        let secret = rig.corner.get_raw(&format!("{FOLDER}/{name}")).await;
        secret["api_key"].as_str().unwrap().to_owned()
    };
    rig.rotate().await;
    let old = key_at("project-1").await;

    rig.emulator.rename_project(&project, "Renamed");
    let lines = rig.rotate().await.lines();
    let told = lines.iter().find(|line| line["event"] == "project.moved").unwrap();
    assert_eq!((&told["fate"], &told["level"]), (&json!("waits"), &json!("DEBUG")), "it comes in every pass");
    rig.json(&["rotate", "--all"]).await;
    rig.json(&["rotate", "--all"]).await;
    // What is published nowhere goes, and the key in the old secret does not go with it.
    let left = async || {
        let published = key_at("renamed").await;
        let mut keys = rig.own_keys(&project);
        keys.retain(|key| *key != published && *key != old);
        keys
    };
    rig.rotate_until("the key that nobody reads is revoked", async || left().await.is_empty()).await;
    overlaps_are_over(&rig).await;
    let events = rig.rotate().await.events();
    assert!(!events.contains(&"key.retired".to_owned()), "{events:?}");
    assert!(rig.emulator.authenticates(&old), "readers of the old path have a dead key");
    let explained = rig.run(&["explain", "Renamed"]).await;
    assert!(explained.stdout.contains("formerly"), "{explained:?}");
    assert!(explained.stdout.contains(&format!("{FOLDER}/project-1")), "{explained:?}");

    let metadata = format!("{}/metadata/{FOLDER}/project-1", rig.corner.mount);
    rig.corner.bao.root("DELETE", &metadata, Value::Null).await;
    let events = rig.rotate().await.events();
    assert!(events.contains(&"key.retired".to_owned()), "{events:?}");
    assert!(!events.contains(&"project.moved".to_owned()), "{events:?}");
    assert_eq!(rig.own_keys(&project), [key_at("renamed").await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_keep_the_overlap_that_they_were_promised_at_a_path_that_has_changed_since() {
    let mut rig = Rig::sized(1).await;
    rig.rotate().await;
    let old = rig.keys().await.into_values().next().unwrap();
    // Both in one edit.
    rig.set("rotation", "overlap", "\"1s\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/new-{{project_id}}\""));
    rig.json(&["rotate", "--all"]).await;
    let explained = rig.json(&["explain", "Project 1"]).await;
    let ends: DateTime<Utc> =
        explained["projects"][0]["retiring"][0]["revoked_after"].as_str().unwrap().parse().unwrap();
    assert!(ends > Utc::now() + TimeDelta::hours(23), "{explained}");
    assert!(!rig.rotate().await.events().contains(&"key.retired".to_owned()));
    assert!(rig.emulator.authenticates(&old));
}

/// A project that was renamed, and rotated under its new name, and whose old secret shall go.
async fn renamed() -> (Rig, String) {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"2s\"").set("rotation", "on_vanished", "\"delete\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    let project = rig.projects().remove(0);
    rig.rotate().await;
    rig.emulator.rename_project(&project, "Renamed");
    rig.json(&["rotate", "--all"]).await;
    (rig, project)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_path_is_withdrawn_when_its_key_has_served_and_the_key_follows_an_overlap_later() {
    let (rig, project) = renamed().await;
    let old =
        rig.corner.get_raw(&format!("{FOLDER}/project-1")).await["api_key"].as_str().unwrap().to_owned();
    let data = format!("{}/data/{FOLDER}/project-1", rig.corner.mount);
    let gone = async || rig.corner.bao.any("GET", &data, Value::Null).await.0 == 404;
    assert!(!gone().await && rig.emulator.authenticates(&old));
    rig.rotate_until("the old secret is withdrawn", gone).await;
    assert!(rig.emulator.authenticates(&old), "who has just read it holds a dead key");
    let marks = rig.corner.metadata(&format!("{FOLDER}/project-1")).await["custom_metadata"].take();
    assert_eq!(marks["moved_to"], format!("{FOLDER}/renamed"));
    let kept_until: DateTime<Utc> = marks["kept_until"].as_str().unwrap().parse().unwrap();
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("its key is revoked", revoked).await;
    let revocation = rig.emulator.revocations().into_iter().find(|one| one.key.id == old).unwrap();
    assert!(revocation.at >= kept_until, "{} < {kept_until}", revocation.at);
    let published = rig.corner.get_raw(&format!("{FOLDER}/renamed")).await["api_key"].take();
    assert_eq!(rig.own_keys(&project), [published.as_str().unwrap()]);
    let marks_again = rig.corner.metadata(&format!("{FOLDER}/project-1")).await["custom_metadata"].take();
    rig.rotate().await;
    assert_eq!(marks_again, marks, "it is settled once");
}

/// A project that was renamed long ago, and the key that the secret at its old path publishes.
async fn served(overlap: &str) -> (Rig, String, String) {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", &format!("{overlap:?}"));
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let old =
        rig.corner.get_raw(&format!("{FOLDER}/project-1")).await["api_key"].as_str().unwrap().to_owned();
    rig.emulator.rename_project(&project, "Renamed");
    rig.json(&["rotate", "--all"]).await;
    overlaps_are_over(&rig).await;
    (rig, project, old)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_renamed_project_works_while_its_secret_stands_where_another_project_came_to_live() {
    let (rig, _, old) = served("1s").await;
    let place = format!("{FOLDER}/project-1");
    let organization = rig.emulator.add_organization("Other").id;
    rig.emulator.add_project(&organization, "Project 1");
    let still_works = async |arguments: &[&str]| {
        let ended = rig.run(arguments).await;
        assert!(!ended.events().contains(&"key.retired".to_owned()), "{arguments:?}: {ended:?}");
        assert!(rig.emulator.authenticates(&old), "{arguments:?}: the secret at {place} has a dead key");
    };
    still_works(&["rotate", "--project", "Renamed"]).await;
    still_works(&["rotate"]).await;
    rig.emulator.suspend_organization(&organization, true);
    still_works(&["rotate"]).await;
    rig.emulator.suspend_organization(&organization, false);

    let metadata = format!("{}/metadata/{place}", rig.corner.mount);
    rig.corner.bao.root("DELETE", &metadata, Value::Null).await;
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("the key that nobody publishes any more is revoked", revoked).await;
    // Its own key, at its own path, is nothing that another project has left.
    let ended = rig.rotate().await;
    assert!(!ended.events().contains(&"project.moved".to_owned()), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_withdrawn_secret_is_kept_although_another_project_publishes_at_its_path() {
    let (mut rig, _) = renamed().await;
    rig.set("rotation", "overlap", "\"4s\"");
    let place = format!("{FOLDER}/project-1");
    let old = rig.corner.get_raw(&place).await["api_key"].as_str().unwrap().to_owned();
    let data = format!("{}/data/{place}", rig.corner.mount);
    let gone = async || rig.corner.bao.any("GET", &data, Value::Null).await.0 == 404;
    rig.rotate_until("the old secret is withdrawn", gone).await;
    let marks = async || rig.corner.metadata(&place).await["custom_metadata"].take();
    let noted = marks().await["kept_until"].take();
    let kept_until: DateTime<Utc> = noted.as_str().unwrap().parse().unwrap();

    let organization = rig.emulator.organizations().remove(0).id;
    let next = rig.emulator.add_project(&organization, "Project 1").id;
    rig.rotate().await;
    assert_eq!(rig.corner.get_raw(&place).await["project_id"], next);
    if Utc::now() < kept_until {
        assert!(rig.emulator.authenticates(&old), "who has just read it holds a dead key");
    }
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("its key is revoked", revoked).await;
    let revocation = rig.emulator.revocations().into_iter().find(|one| one.key.id == old).unwrap();
    assert!(revocation.at >= kept_until, "{} < {kept_until}", revocation.at);
    let alone = json!({"managed_by": "exceptionless-rotator/1 instance=default"});
    rig.rotate_until("the marks are gone with it", async || marks().await == alone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_folder_is_looked_through_as_long_as_an_override_names_it() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let old = rig.key(&project).await;
    rig.set("vault", "path", &format!("\"{FOLDER}-new/{{project_id}}\""));
    rig.config.insert("[override]".to_owned(), format!("match = \"no project\"\npath = \"{FOLDER}/none\""));
    rig.corner
        .amend_policy(|policy| format!("{policy}\n{}", policy.replace(FOLDER, &format!("{FOLDER}-new"))))
        .await;
    rig.json(&["rotate", "--all"]).await;
    overlaps_are_over(&rig).await;
    let events = rig.rotate().await.events();
    assert!(events.contains(&"project.moved".to_owned()), "{events:?}");
    assert!(rig.emulator.authenticates(&old), "the secret in the old folder has a dead key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_gets_its_old_name_back_is_at_home_there_again() {
    let (rig, project) = renamed().await;
    let data = format!("{}/data/{FOLDER}/project-1", rig.corner.mount);
    let gone = async || rig.corner.bao.any("GET", &data, Value::Null).await.0 == 404;
    rig.rotate_until("the old secret is withdrawn", gone).await;
    rig.emulator.rename_project(&project, "Project 1");
    rig.rotate().await;
    // The marks tell how long the old key is kept, and go after that.
    let marks = async || rig.corner.metadata(&format!("{FOLDER}/project-1")).await["custom_metadata"].take();
    let alone = json!({"managed_by": "exceptionless-rotator/1 instance=default"});
    rig.rotate_until("the marks are gone", async || marks().await == alone).await;
    let key = rig.corner.get_raw(&format!("{FOLDER}/project-1")).await["api_key"].take();
    assert!(rig.emulator.authenticates(key.as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_changes_back_and_forth_keeps_what_the_secret_at_each_has_promised() {
    let (rig, project, old) = served("5s").await;
    rig.emulator.rename_project(&project, "Project 1");
    rig.json(&["rotate", "--all"]).await;
    let replaced = Utc::now();
    rig.emulator.rename_project(&project, "Renamed");
    let explained = rig.json(&["explain", "Renamed"]).await;
    let waiting = explained["projects"][0]["retiring"].as_array().unwrap();
    let ends: Vec<DateTime<Utc>> =
        waiting.iter().map(|key| key["revoked_after"].as_str().unwrap().parse().unwrap()).collect();
    let promise = replaced + TimeDelta::seconds(5);
    assert!(ends.iter().any(|end| *end >= promise), "{explained}");
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("it is revoked", revoked).await;
    let revocation = rig.emulator.revocations().into_iter().find(|one| one.key.id == old).unwrap();
    assert!(revocation.at >= promise, "{} < {promise}", revocation.at);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_in_an_old_secret_of_another_form_works_while_that_secret_stands() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let old = rig.key(&project).await;
    rig.set("vault", "write", "\"merge\"").set("vault", "field_prefix", "\"ex_\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/new-{{project_id}}\""));
    let rotated = async || {
        rig.json(&["rotate", "--all"]).await;
        overlaps_are_over(&rig).await;
        rig.rotate().await;
        rig.emulator.authenticates(&old)
    };
    assert!(rotated().await, "readers of the old secret have a dead key");
    let mut damaged = rig.secret(&project).await;
    damaged["api_key"] = json!("not a key");
    rig.corner.put_raw(&Rig::place(&project), damaged).await;
    let ended = rig.run(&["rotate"]).await;
    assert!(ended.code == 1 && rig.emulator.authenticates(&old), "{ended:?}");
    assert!(ended.stderr.contains("no key was found in them"), "{ended:?}");
    let metadata = format!("{}/metadata/{}", rig.corner.mount, Rig::place(&project));
    rig.corner.bao.root("DELETE", &metadata, Value::Null).await;
    rig.rotate().await;
    assert!(!rig.emulator.authenticates(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_in_an_old_secret_that_has_lost_its_project_is_kept() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let place = format!("{FOLDER}/project-1");
    let mut damaged = rig.corner.get_raw(&place).await;
    damaged.as_object_mut().unwrap().remove("project_id");
    let old = damaged["api_key"].as_str().unwrap().to_owned();
    rig.corner.put_raw(&place, damaged).await;
    rig.emulator.rename_project(&project, "Renamed");
    rig.json(&["rotate", "--all"]).await;
    overlaps_are_over(&rig).await;
    rig.rotate().await;
    assert!(rig.emulator.authenticates(&old), "the secret at {place} has a dead key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_person_has_put_into_the_secret_of_another_project_is_kept_there() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    let [one, other] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let old = rig.key(&one).await;
    rig.json(&["rotate", "--project", &one]).await;
    overlaps_are_over(&rig).await;
    let mut theirs = rig.secret(&other).await;
    theirs["api_key"] = json!(old);
    rig.corner.put_raw(&Rig::place(&other), theirs).await;
    let ended = rig.run(&["rotate"]).await;
    assert!(ended.code == 1 && rig.emulator.authenticates(&old), "another secret has a dead key: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_an_old_secret_that_a_person_deletes_while_it_waits_is_kept_for_its_last_readers() {
    let (mut rig, _) = renamed().await;
    rig.set("rotation", "overlap", "\"6s\"");
    let place = format!("{FOLDER}/project-1");
    rig.json(&["rotate", "--all"]).await;
    let noted = rig.corner.metadata(&place).await;
    let marks = &noted["custom_metadata"];
    assert_eq!((&marks["moved_to"], marks.get("moved_at")), (&json!(format!("{FOLDER}/renamed")), None));
    rig.rotate().await;
    assert_eq!(rig.corner.metadata(&place).await, noted, "it is noted once");

    let old = rig.corner.get_raw(&place).await["api_key"].as_str().unwrap().to_owned();
    let read = Utc::now();
    let data = format!("{}/data/{place}", rig.corner.mount);
    rig.corner.bao.root("DELETE", &data, Value::Null).await;
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("its key is revoked", revoked).await;
    let revocation = rig.emulator.revocations().into_iter().find(|one| one.key.id == old).unwrap();
    assert!(revocation.at >= read + TimeDelta::seconds(6), "{} is too early for {read}", revocation.at);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_that_is_kept_is_marked_once() {
    let (mut rig, project) = renamed().await;
    rig.set("rotation", "on_vanished", "\"keep\"");
    // Longer than an entry of the metadata may be.
    let name = ["renamed"; 70].join("-");
    rig.emulator.rename_project(&project, &name);
    rig.json(&["rotate", "--all"]).await;
    let place = format!("{FOLDER}/project-1");
    let mark = async || rig.corner.metadata(&place).await["custom_metadata"].take();
    rig.rotate_until("it is marked", async || mark().await["moved_at"].is_string()).await;
    assert_eq!(mark().await["moved_to"], format!("{FOLDER}/{name}")[..512]);
    let middle = format!("{FOLDER}/renamed");
    let mark = async || rig.corner.metadata(&middle).await["custom_metadata"].take();
    rig.rotate_until("so is the one between", async || mark().await["moved_at"].is_string()).await;
    let events = rig.rotate().await.events();
    assert!(!events.contains(&"project.moved".to_owned()), "{events:?}");
    let key = rig.corner.get_raw(&place).await["api_key"].take();
    assert!(rig.emulator.authenticates(key.as_str().unwrap()));
    let planned = rig.run(&["plan"]).await;
    assert!(planned.stdout.lines().count() > 1 && !planned.stdout.contains("lives elsewhere"), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_created_after_the_listing_has_not_vanished() {
    let mut rig = Rig::sized(10).await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.rotate().await;
    let listed = 4;
    let (projects, keys) = ("organizations/{id}/projects", "organizations/{id}/tokens");
    rig.emulator.reset_requests();
    let late_answer = Kind::Slow(Duration::from_secs(4));
    rig.emulator.add_fault(Fault::new("GET", projects, late_answer).applied());
    let mut pass = rig.start(&["rotate"]);
    // A request is counted when its answer is made: the login, the user, the organizations, the projects.
    rig.emulator.until(|state| (state.requests().counted == listed).then_some(())).await;

    let organization = rig.emulator.organizations().remove(0).id;
    let late = rig.emulator.add_project(&organization, "Late").id;
    assert_eq!(rig.json(&["rotate", "--project", "Late"]).await["published"], 1);
    assert_eq!(rig.emulator.requests().count("GET", keys), 1, "too late for this test");
    assert_eq!(pass.ended().await, 0, "{}", pass.text());
    let finished = pass.lines().into_iter().find(|line| line["event"] == "pass.finished").unwrap();
    assert_eq!(finished["projects"], 10, "it must not have listed the late project");
    assert_eq!(pass.count("project.vanished"), 0, "{}", pass.text());
    assert!(rig.emulator.authenticates(&rig.key(&late).await));
    assert_eq!(rig.custom_metadata(&late).await["vanished_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_mark_in_a_strangers_secret_or_in_a_field_that_is_wanted_stops_no_revocation() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.set("secret.fields", "copied_managed_by", "\"{managed_by}\"");
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let old = rig.key(&project).await;
    let quotation = json!({"copied_managed_by": "exceptionless-rotator/1 instance=default"});
    rig.corner.put_raw(&format!("{FOLDER}/notes"), quotation).await;
    rig.json(&["rotate", "--all"]).await;
    assert_eq!(rig.secret(&project).await["copied_managed_by"], "exceptionless-rotator/1 instance=default");
    let revoked = async || !rig.emulator.authenticates(&old);
    rig.rotate_until("it is revoked", revoked).await;
    assert_eq!(rig.run(&["rotate"]).await.code, 0);
}
