//! The log: one rotation can be followed through it, in each of its forms.

use std::collections::BTreeMap;
use std::fmt;

use exceptionless_emulator::{Fault, Kind};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::support::patience;
use crate::support::process::Ended;
use crate::support::rig::Rig;

/// What is said in the name of each rotation, in order.
fn stories(ended: &Ended) -> BTreeMap<String, Vec<Value>> {
    let mut stories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in ended.lines() {
        if let Some(rotation) = line["rotation_id"].as_str() {
            stories.entry(rotation.to_owned()).or_default().push(line);
        }
    }
    stories
}

/// The only story, as its events; those of single requests only if they were repeated.
fn only_story(ended: &Ended) -> (String, Vec<String>) {
    let mut stories = stories(ended);
    assert_eq!(stories.len(), 1, "{stories:?}");
    let (rotation, lines) = stories.pop_first().unwrap();
    for line in &lines {
        assert!(line["project_id"].is_string() && line["project"].is_string(), "whose is {line}?");
    }
    let events = lines.iter().map(|line| line["event"].as_str().unwrap().to_owned());
    (rotation, events.filter(|event| event != "vault.request").collect())
}

/// The names of the members of an object, as often as they stand there.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_a_rotation_carries_its_id_from_the_first_key_to_its_end() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let ended = rig.rotate().await;
    let (first, events) = only_story(&ended);
    assert_eq!(events, ["key.minted", "key.verified", "key.published"]);
    let project = rig.projects().remove(0);
    assert_eq!(rig.secret(&project).await["rotation_id"], *first);
    let requests = stories(&ended)[&first].iter().filter(|line| line["event"] == "vault.request").count();
    assert!(requests >= 1, "the requests of the rotation are its own");

    let ended = rig.run(&["rotate", "--all"]).await;
    let (second, events) = only_story(&ended);
    assert_ne!(first, second);
    assert_eq!(events, ["key.minted", "key.verified", "key.published"]);
    let mut end = Vec::new();
    patience("the first key is revoked", async || {
        end.extend(stories(&rig.rotate().await).remove(&first).into_iter().flatten());
        rig.own_keys(&project).len() == 1
    })
    .await;
    assert_eq!(end.len(), 1, "{end:?}");
    assert_eq!(end[0]["event"], "key.retired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_fails_and_is_adopted_is_one_story_with_its_retried_requests() {
    let rig = Rig::sized(1).await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", Kind::Status(500)).always());
    let ended = rig.run(&["rotate"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let (failed, events) = only_story(&ended);
    assert_eq!(events, ["key.minted", "exceptionless.retry", "exceptionless.retry", "project.failed"]);

    rig.emulator.clear_faults();
    let (adopted, events) = only_story(&rig.rotate().await);
    assert_eq!(events, ["key.adopted", "key.published"]);
    assert_eq!(adopted, failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mint_and_an_enrolled_key_are_told_under_the_rotation_that_they_are_about() {
    let mut rig = Rig::sized(1).await;
    rig.set("exceptionless", "timeout", "\"1s\"").set("rotation", "overlap", "\"1s\"");
    rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", Kind::Drop).applied());
    let (rotation, events) = only_story(&rig.rotate().await);
    assert_eq!(events[..2], ["key.recovered", "key.verified"]);

    let project = rig.projects().remove(0);
    let id = "01a20096-5dac-780f-b944-fd04127f497a";
    let orphan = format!("exceptionless-rotator/1 instance=default rotation={id}");
    rig.emulator.create_person_key(&project, &orphan);
    let mut told = Vec::new();
    patience("the orphan is revoked", async || {
        told.extend(stories(&rig.rotate().await).remove(id).into_iter().flatten());
        rig.own_keys(&project).len() == 1
    })
    .await;
    let events: Vec<_> = told.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["key.enrolled", "key.retired"]);
    assert_ne!(told[0]["key"], told[0]["listed"], "one stays published, the other is listed");
    assert_eq!(told[0]["listed"], told[1]["key"]);
    assert_ne!(rotation, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_has_two_members_of_one_name() {
    let rig = Rig::sized(2).await;
    rig.emulator.add_fault(Fault::new("GET", "projects/config", Kind::Status(500)));
    rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", Kind::Drop).applied());
    let ended = rig.rotate().await;
    let mut lines = 0;
    for line in ended.stderr.lines() {
        let Names(mut names) = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        lines += 1;
        assert_eq!(names[..2], ["timestamp", "level"], "{line}");
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{line}");
    }
    assert!(lines > 15, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_for_people_and_names_the_rotation_too() {
    let mut rig = Rig::sized(1).await;
    rig.set("log", "format", "\"text\"").set("log", "level", "\"info\"");
    let ended = rig.rotate().await;
    let published = ended.stderr.lines().find(|line| line.contains("published key")).unwrap();
    let rotation = rig.secret(&rig.projects()[0]).await["rotation_id"].as_str().unwrap().to_owned();
    assert!(published.contains(&format!("rotation_id={rotation}")), "{published}");
    assert!(!ended.stderr.contains('\u{1b}'), "colours are for a terminal: {ended:?}");
}
