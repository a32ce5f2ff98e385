//! Every key of every project, whosever it is; and the end of those that nobody manages, when a person asks for it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Settings, Token};
use serde_json::{Value, json};

use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::terminal::at_a_terminal;
use crate::support::{fingerprint, until};

const NOTES: &str = "the importer's; its old password was swordfish-7";

/// So many projects, each with a published key, and with one that a person has just made.
async fn rotated(projects: usize) -> Rig {
    rotated_with(Rig::sized(projects).await).await
}

async fn rotated_with(rig: Rig) -> Rig {
    rig.emulator.state(|state| {
        let created = state.now();
        for key in state.tokens() {
            state.put_token(Token { created, updated: created, ..key });
        }
    });
    rig.rotate().await;
    rig
}

/// The same when everybody has read the published keys.
async fn settled(projects: usize) -> Rig {
    let mut rig = Rig::sized(projects).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let rig = rotated_with(rig).await;
    everybody_has_read(&rig, TimeDelta::seconds(1)).await;
    rig
}

/// Waits until the last publication lies so far back, and as long as a publication may take.
async fn everybody_has_read(rig: &Rig, overlap: TimeDelta) {
    for project in rig.projects() {
        let secret = rig.secret(&project).await;
        let rotated: DateTime<Utc> = secret["rotated_at"].as_str().unwrap().parse().unwrap();
        until(rotated + TimeDelta::seconds(2) + overlap).await;
    }
}

/// A person edits the notes of a key.
fn take_over(rig: &Rig, key: &str) {
    rig.emulator.state(|state| {
        let token = state.token(key).unwrap();
        let created = Utc::now() - TimeDelta::days(100);
        state.put_token(Token { notes: Some("of the importer now".to_owned()), created, ..token });
    });
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
        (&foreign, "other_instance", "active"),
        (&persons, "person", "active"),
        (&disabled, "person", "disabled"),
        (&expired, "person", "expired"),
        (&of_all, "person", "active"),
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
    let rank = |row: &Value| match row["project_id"].as_str() {
        Some(project) => u8::from(project != first),
        None => 2,
    };
    let ranked = rows(&document).iter().map(|row| (rank(row), -row["age_seconds"].as_i64().unwrap()));
    assert!(ranked.is_sorted(), "by project, the oldest first: {document}");
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
    let rig = settled(3).await;
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
        let row = ended.document()["keys"][0].take();
        let home = rig.emulator.state(|state| state.token(key)).unwrap().project_id;
        assert!(row["problem"].is_string() && row["project_id"] == json!(home), "{row}");
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
    let rig = settled(1).await;
    let project = rig.projects().remove(0);
    let [works, disabled_key] =
        [false, true].map(|disabled| plant(&rig, &project, 100, |key| key.disabled = disabled));
    let document = retire(&rig, &["--older-than", "90d", "--delete"]).await.document();
    assert_eq!(named(&document), BTreeSet::from([fingerprint(&disabled_key)]));
    assert_eq!(row(&document, &disabled_key)["outcome"], "deleted");
    assert!(
        rig.emulator.authenticates(&works)
            && rig.emulator.state(|state| state.token(&disabled_key)).is_none()
    );
    let ended = retire(&rig, &["--older-than", "90d", "--delete"]).await;
    assert_eq!((ended.code, &ended.document()["keys"]), (0, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_a_secret_publishes_is_never_one_of_them() {
    let rig = rotated(1).await;
    let project = rig.projects().remove(0);
    let published = rig.key(&project).await;
    take_over(&rig, &published);
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!(ended.document()["keys"], json!([]), "{ended:?}");
    assert!(rig.emulator.authenticates(&published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shown_the_keys_and_asked_and_a_program_must_say_yes() {
    let rig = settled(1).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_the_question_is_shown_with_it_and_told_after_it() {
    let rig = settled(1).await;
    let project = rig.projects().remove(0);
    let [old, young] = [100, 89].map(|days| plant(&rig, &project, days, |_| ()));
    let [one, other] = [&old, &young].map(|key| fingerprint(key));
    let command = ["retire-unmanaged", "--older-than", "90d", "--key", &one, "--key", &other];
    let ended = at_a_terminal(&rig, &command, "disable").await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let screen = &ended.stdout;
    for told in [format!("key {other} stays: it is not older"), format!("key {other}: it is not older")] {
        assert!(screen.contains(&told), "{screen}");
    }
    assert!(screen.contains("1 keys done, 1 with problems"), "{screen}");
    assert!(!rig.emulator.authenticates(&old) && rig.emulator.authenticates(&young));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_ends_that_readers_may_hold_be_it_older_than_the_secret_or_published_before() {
    let overlap = TimeDelta::seconds(6);
    let mut rig = Rig::sized(1).await;
    rig.set_overlap(overlap);
    let rig = rotated_with(rig).await;
    let project = rig.projects().remove(0);
    let by_hand = plant(&rig, &project, 100, |_| ());
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let problem = ended.document()["keys"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("may not have read it yet; repeat the command after 2"), "{problem}");
    assert!(rig.emulator.authenticates(&by_hand));

    everybody_has_read(&rig, overlap).await;
    let replaced = rig.key(&project).await;
    take_over(&rig, &replaced);
    rig.json(&["rotate", "--all"]).await;
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let document = ended.document();
    assert_eq!(row(&document, &by_hand)["outcome"], "disabled", "it was replaced by the first publication");
    let problem = row(&document, &replaced)["problem"].as_str().unwrap();
    assert!(problem.contains("readers may hold it; repeat the command after 2"), "{problem}");
    assert!(rig.emulator.authenticates(&replaced));

    everybody_has_read(&rig, overlap).await;
    let document = retire(&rig, &["--older-than", "90d"]).await.document();
    assert_eq!(row(&document, &replaced)["outcome"], "disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_does_not_say_since_when_ends_no_key() {
    let rig = settled(1).await;
    let project = rig.projects().remove(0);
    let key = plant(&rig, &project, 100, |_| ());
    let mut secret = rig.secret(&project).await;
    secret["rotated_at"] = json!("lately");
    rig.corner.put_raw(&Rig::place(&project), secret).await;
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    assert!(rig.emulator.authenticates(&key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_was_longer_is_kept_though_later_versions_promised_less() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"10m\"");
    let mut rig = rotated_with(rig).await;
    let project = rig.projects().remove(0);
    let replaced = rig.key(&project).await;
    take_over(&rig, &replaced);
    rig.set("rotation", "overlap", "\"1s\"");
    for _ in 0..2 {
        rig.json(&["rotate", "--all"]).await;
        everybody_has_read(&rig, TimeDelta::seconds(1)).await;
    }
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    assert_eq!((ended.code, &ended.document()["failed"]), (1, &json!(1)), "{ended:?}");
    assert_eq!(row(&ended.document(), &replaced)["outcome"], "failed");
    assert!(rig.emulator.authenticates(&replaced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_secret_of_another_project_publishes_stays_whichever_projects_are_named() {
    let rig = settled(2).await;
    let [project, other] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let lent = plant(&rig, &project, 100, |_| ());
    let free = plant(&rig, &project, 100, |_| ());
    let foreign = plant(&rig, &other, 100, |_| ());
    let mut secret = rig.secret(&other).await;
    secret["api_key"] = json!(lent);
    rig.corner.put_raw(&Rig::place(&other), secret).await;
    let document = retire(&rig, &["--older-than", "90d", "--project", &project]).await.document();
    assert_eq!(named(&document), BTreeSet::from([fingerprint(&free)]), "{document}");
    let ended =
        retire(&rig, &["--older-than", "90d", "--project", &project, "--key", &fingerprint(&lent)]).await;
    assert!(ended.document()["keys"][0]["problem"].as_str().unwrap().contains("publishes it"), "{ended:?}");
    assert!(rig.emulator.authenticates(&lent) && rig.emulator.authenticates(&foreign));
    let ended = retire(&rig, &["--older-than", "90d", "--project", "no such project"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_this_user_may_not_change_is_not_left_to_a_cache() {
    let rig = settled(1).await;
    let project = rig.projects().remove(0);
    let works = plant(&rig, &project, 100, |_| ());
    rig.emulator.add_fault(Fault::new("PATCH", "tokens/{ids}", Kind::Status(404)).always());
    let ended = retire(&rig, &["--older-than", "90d"]).await;
    let row = row(&ended.document(), &works).clone();
    assert_eq!((ended.code, &row["project_id"]), (1, &json!(project)), "{ended:?}");
    let problem = row["problem"].as_str().unwrap();
    assert!(problem.contains("whoever made it must end it") && !problem.contains("cache"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_whole_organizations_come_in_the_order_of_their_names() {
    let rig = Rig::with(Settings { organizations: 5, projects: 5, ..Settings::default() }).await;
    for (days, project) in (100..).zip(rig.projects()) {
        plant(&rig, &project, days, |key| key.project_id = None);
    }
    let document = rig.json(&["status", "--keys"]).await;
    let homeless = rows(&document).iter().filter(|row| row["project_id"].is_null());
    let names: Vec<_> = homeless.map(|row| row["organization"].as_str().unwrap()).collect();
    assert!(names.len() == 5 && names.is_sorted(), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_secret_cannot_be_read_that_may_publish_it_no_key_ends_and_that_is_said() {
    let rig = settled(2).await;
    let [first, second] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let by_hand = plant(&rig, &first, 100, |_| {});
    let denied = format!("{}/data/{}", rig.corner.mount, Rig::place(&second));
    rig.corner
        .amend_policy(|policy| format!("{policy}\npath \"{denied}\" {{\n  capabilities = [\"deny\"]\n}}\n"))
        .await;
    let ended = retire(&rig, &["--older-than", "90d", "--project", &first]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.document()["problems"].to_string().contains("could not be read"), "{ended:?}");
    assert!(rig.emulator.authenticates(&by_hand));
}
