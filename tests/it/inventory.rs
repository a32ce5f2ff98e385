//! Every key of every project, whosever it is; and the end of those that nobody manages, when a person asks for it.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use exceptionless_emulator::Token;
use serde_json::{Value, json};

use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::terminal::at_a_terminal;

const NOTES: &str = "the importer's; its old password was swordfish-7";

/// So many projects, each with a published key, and with one that a person has just made.
async fn rotated(projects: usize) -> Rig {
    let rig = Rig::sized(projects).await;
    rig.emulator.state(|state| {
        let created = state.now();
        for key in state.tokens() {
            state.put_token(Token { created, updated: created, ..key });
        }
    });
    rig.rotate().await;
    rig
}

/// A key of a project, older than all others, and otherwise as it shall be.
fn plant(rig: &Rig, project: &str, days: i64, change: impl FnOnce(&mut Token)) -> String {
    let mut key = rig.emulator.create_person_key(project, NOTES);
    key.created = Utc::now() - TimeDelta::days(days);
    key.updated = key.created;
    change(&mut key);
    rig.emulator.state(|state| state.put_token(key.clone()));
    key.id
}

fn fingerprint(key: &str) -> String {
    exceptionless_rotator::domain::key::ApiKey::parse(key).unwrap().fingerprint().to_string()
}

fn rows(document: &Value) -> &Vec<Value> {
    document["keys"].as_array().unwrap()
}

fn named(document: &Value) -> BTreeSet<String> {
    rows(document).iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

fn row<'a>(document: &'a Value, key: &str) -> &'a Value {
    rows(document).iter().find(|row| row["key"] == fingerprint(key)).unwrap_or_else(|| panic!("{document}"))
}

async fn retire(rig: &Rig, arguments: &[&str]) -> Ended {
    let fixed = ["retire-unmanaged", "--yes", "--output", "json"];
    rig.run(&[&fixed, arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_tells_of_each_key_whose_it_is_and_how_it_stands() {
    let rig = rotated(2).await;
    let [first, second] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let old = rig.key(&first).await;
    rig.json(&["rotate", "--project", &first]).await;
    let published = rig.key(&first).await;
    let marker = "exceptionless-rotator/1 instance=staging rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
    let foreign = plant(&rig, &second, 3, |key| key.notes = Some(marker.to_owned()));
    let own = marker.replace("staging", "default");
    let lost = plant(&rig, &second, 0, |key| key.notes = Some(own));
    let persons = plant(&rig, &second, 100, |key| key.scopes = vec!["client".to_owned(), "user".to_owned()]);
    let disabled = plant(&rig, &second, 100, |key| key.disabled = true);
    let expired = plant(&rig, &second, 100, |key| key.expires = Some(Utc::now() - TimeDelta::days(1)));
    let of_all = plant(&rig, &second, 100, |key| key.project_id = None);

    let document = rig.json(&["status", "--keys"]).await;
    for (key, owner, state) in [
        (&published, "ours", "published"),
        (&old, "ours", "retiring"),
        (&lost, "ours", "unlisted"),
        (&foreign, "other_instance", "unmanaged"),
        (&persons, "person", "unmanaged"),
        (&disabled, "person", "disabled"),
        (&expired, "person", "expired"),
        (&of_all, "person", "unmanaged"),
    ] {
        let row = row(&document, key);
        assert_eq!((&row["owner"], &row["state"]), (&json!(owner), &json!(state)), "{row}");
    }
    assert_eq!(row(&document, &foreign)["instance"], "staging");
    assert_eq!(row(&document, &persons)["scopes"], json!(["client", "user"]));
    assert_eq!(row(&document, &of_all)["project_id"], Value::Null);
    assert!(row(&document, &persons)["age_seconds"].as_i64().unwrap() >= 100 * 86_400 - 5);
    // Beside these the published key of the second project, and one that a person made in each.
    assert_eq!(rows(&document).len(), 11);
    let names: BTreeSet<&str> = rows(&document)[0].as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "project_id",
        "project",
        "organization",
        "key",
        "owner",
        "instance",
        "state",
        "disabled",
        "minted_at",
        "age_seconds",
        "expires_at",
        "scopes",
    ];
    assert_eq!(names, BTreeSet::from(promised));

    let old_ones = rig.json(&["status", "--unmanaged", "--older-than", "90d"]).await;
    let expected = [&persons, &disabled, &expired, &of_all].map(|key| fingerprint(key));
    assert_eq!(named(&old_ones), BTreeSet::from(expected));
    let ended = rig.run(&["status", "--keys", "--older-than", "2d"]).await;
    assert!(
        ended.stdout.contains("instance staging") && ended.stdout.contains("(the whole organization)"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("5 keys") && !ended.stdout.contains("swordfish"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_keys_that_nobody_manages_only_those_end_that_the_published_key_replaces() {
    let rig = rotated(3).await;
    let [project, strange, _] = <[String; 3]>::try_from(rig.projects()).unwrap();
    let marker = "exceptionless-rotator/1 instance=staging rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
    let chosen = plant(&rig, &project, 100, |_| ());
    let legacy = plant(&rig, &project, 100, |key| key.scopes = Vec::new());
    let spared = [
        plant(&rig, &project, 89, |_| ()),
        plant(&rig, &project, 100, |key| key.notes = Some(marker.to_owned())),
        plant(&rig, &project, 100, |key| key.notes = Some(format!("{marker}, used by the importer"))),
        plant(&rig, &project, 100, |key| key.notes = Some("exceptionless-rotator/2 something".to_owned())),
        plant(&rig, &project, 100, |key| key.scopes = vec!["client".to_owned(), "user".to_owned()]),
        plant(&rig, &project, 100, |key| key.scopes = vec!["source-maps:write".to_owned()]),
        plant(&rig, &project, 100, |key| key.project_id = None),
        plant(&rig, &strange, 100, |_| ()),
    ];
    rig.corner.put_raw(&Rig::place(&strange), json!({"password": "of somebody else"})).await;

    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let document = ended.document();
    assert_eq!(named(&document), BTreeSet::from([fingerprint(&chosen), fingerprint(&legacy)]));
    assert!(rows(&document).iter().all(|row| row["outcome"] == "disabled"), "{document}");
    let records: Vec<_> =
        ended.lines().into_iter().filter(|line| line["event"] == "key.unmanaged_ended").collect();
    assert_eq!(records.len(), 2);
    for record in records {
        let told = (&record["level"], &record["command"], &record["done"], &record["instance"]);
        assert_eq!(told, (&json!("WARN"), &json!("retire-unmanaged"), &json!("disabled"), &json!("default")));
        assert!(record["minted_at"].is_string() && record["project_id"] == project, "{record}");
    }
    assert!(!rig.emulator.authenticates(&chosen) && !rig.emulator.authenticates(&legacy));
    let works = |key: &String| {
        rig.emulator.authenticates(key) || rig.emulator.state(|s| s.token(key)).is_some_and(|t| !t.disabled)
    };
    assert!(spared.iter().all(works));

    // Each of the others says why not, if it is named.
    for key in &spared {
        let ended = retire(&rig, &["--older-than", "90d", "--key", &fingerprint(key)]).await;
        assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
        assert!(ended.document()["keys"][0]["problem"].is_string());
    }
    assert!(spared.iter().all(works));

    let ended = rig.run(&["undo", "--key", &fingerprint(&chosen), "--output", "json"]).await;
    assert_eq!((ended.code, &ended.document()["done"]), (0, &json!(1)), "{ended:?}");
    assert!(rig.emulator.authenticates(&chosen), "a person's key comes back by its name");
    assert_eq!(rig.run(&["undo", "--project", &project]).await.code, 0);
    assert!(!rig.emulator.authenticates(&legacy), "and only by its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_that_are_disabled_already_are_deleted() {
    let rig = rotated(1).await;
    let project = rig.projects().remove(0);
    let [works, asleep] =
        [false, true].map(|disabled| plant(&rig, &project, 100, |key| key.disabled = disabled));
    let document = retire(&rig, &["--older-than", "90d", "--delete"]).await.document();
    assert_eq!(named(&document), BTreeSet::from([fingerprint(&asleep)]));
    assert_eq!(row(&document, &asleep)["outcome"], "deleted");
    assert!(rig.emulator.authenticates(&works) && rig.emulator.state(|state| state.token(&asleep)).is_none());
    let ended = retire(&rig, &["--older-than", "90d", "--delete"]).await;
    assert_eq!((ended.code, &ended.document()["keys"]), (0, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_a_secret_publishes_is_never_one_of_them() {
    let rig = rotated(1).await;
    let project = rig.projects().remove(0);
    let published = rig.key(&project).await;
    rig.emulator.state(|state| {
        let key = state.token(&published).unwrap();
        let created = Utc::now() - TimeDelta::days(100);
        state.put_token(Token { notes: Some("of the importer now".to_owned()), created, ..key });
    });
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!(ended.document()["keys"], json!([]), "{ended:?}");
    assert!(rig.emulator.authenticates(&published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shown_the_keys_and_asked_and_a_program_must_say_yes() {
    let rig = rotated(1).await;
    let project = rig.projects().remove(0);
    let key = plant(&rig, &project, 100, |_| ());
    let command = ["retire-unmanaged", "--older-than", "90d"];
    let ended = rig.run(&command).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(ended.stderr.contains("--yes"), "{ended:?}");

    let ended = at_a_terminal(&rig, &command, "yes").await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains(&fingerprint(&key)) && ended.stdout.contains("not confirmed"), "{ended:?}");
    assert!(rig.emulator.authenticates(&key));
    let ended = at_a_terminal(&rig, &command, "disable").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!rig.emulator.authenticates(&key));
    assert!(!ended.stdout.contains("swordfish"), "{ended:?}");
}
