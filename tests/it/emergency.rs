//! Keys have leaked: what a person asks for ends now, only that, and an interruption costs nothing.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Token};
use serde_json::{Value, json};

use crate::support::bao::FOLDER;
use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::terminal::{at_a_terminal, recorded_at_a_terminal};
use crate::support::{fingerprint, patience};

const EMERGENCY: [&str; 3] = ["rotate", "--all", "--revoke-previous-now"];

/// A time after all keys that exist, and before all that follow.
async fn a_moment(rig: &Rig) -> String {
    let newest = rig.emulator.state(|state| state.tokens().last().unwrap().created);
    patience("the clock goes on", async || Utc::now() > newest).await;
    let now = Utc::now();
    patience("the clock goes on", async || Utc::now() > now).await;
    now.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn killed(ended: &Ended) -> Vec<Value> {
    let killed = |line: &Value| line["event"] == "key.retired" && line["emergency"] == true;
    ended.lines().into_iter().filter(killed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_that_was_killed_in_the_middle_is_repeated_and_does_only_what_is_left() {
    let mut rig = Rig::new().await;
    rig.set("rotation", "concurrency", "1");
    rig.rotate().await;
    let leaked = rig.keys().await;
    let time = a_moment(&rig).await;
    let command = ["rotate", "--revoke-previous-now", "--minted-before", &time];

    let route = "projects/{id}/tokens";
    rig.emulator.add_fault(Fault::new("POST", route, Kind::Hang(Duration::from_secs(600))).skip(3).always());
    rig.emulator.reset_requests();
    let mut run = rig.start(&command);
    rig.emulator.until_called("POST", route, 4).await;
    run.kill().await;
    assert_eq!(rig.emulator.requests().tokens_created, 3);
    assert!(leaked.values().all(|key| rig.emulator.authenticates(key)), "revocations come last");

    rig.emulator.clear_faults();
    rig.emulator.reset_requests();
    let document = rig.json(&command).await;
    assert_eq!((&document["published"], &document["retired"]), (&json!(4), &json!(7)), "{document}");
    assert_eq!(rig.emulator.requests().tokens_created, 4, "what the first run published stays");
    assert!(rig.has_converged().await);
    assert!(!leaked.values().any(|key| rig.emulator.authenticates(key)));

    let document = rig.json(&command).await;
    assert_eq!((&document["published"], &document["retired"]), (&json!(0), &json!(0)), "{document}");
    assert_eq!(document["projects"], json!([]), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_key_that_is_younger_than_the_leak_stays_and_only_the_older_ones_end() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let time = a_moment(&rig).await;
    let [first, second] = <[String; 2]>::try_from(rig.projects()).unwrap();
    rig.json(&["rotate", "--project", &first]).await;
    let (young, leaked) = (rig.key(&first).await, rig.key(&second).await);
    let command = ["--revoke-previous-now", "--minted-before", &time];

    let plan = rig.json(&[&["plan"], &command[..]].concat()).await;
    assert_eq!((&plan["budget"]["mint"], &plan["budget"]["retire"]), (&json!(1), &json!(1)), "{plan}");
    let decisions: Vec<_> = plan["projects"].as_array().unwrap().iter().map(|row| &row["decision"]).collect();
    assert_eq!(decisions, ["hold", "rotate"]);
    assert!(
        plan["projects"].as_array().unwrap().iter().all(|row| row["revoke"].as_array().unwrap().len() == 1)
    );

    let ended = rig.run(&[&["rotate", "--output=json"], &command[..]].concat()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(rig.key(&first).await, young);
    assert_ne!(rig.key(&second).await, leaked);
    assert!(rig.has_converged().await);
    let records = killed(&ended);
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record["level"], "WARN", "{record}");
        assert_eq!(
            (&record["instance"], &record["command"]),
            (&json!("default"), &json!("rotate --revoke-previous-now"))
        );
        assert!(record["key"].as_str().unwrap().len() == 12 && record["minted_at"].is_string(), "{record}");
        assert!(record["project"].is_string() && record["rotation_id"].is_string(), "{record}");
    }
    assert!(ended.events().contains(&"emergency.planned".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_names_the_time_by_which_its_repetition_mints_nothing_twice() {
    let rig = Rig::new().await;
    rig.rotate().await;
    let leaked = rig.keys().await;
    rig.emulator
        .add_fault(Fault::new("DELETE", "tokens/{ids}", Kind::Hang(Duration::from_secs(600))).always());
    let mut run = rig.start(&EMERGENCY);
    rig.emulator.until_called("DELETE", "tokens/{ids}", 1).await;
    run.kill().await;
    rig.emulator.clear_faults();
    let lines = run.lines();
    let planned = lines.iter().find(|line| line["event"] == "emergency.planned").unwrap();
    assert_eq!((&planned["mint"], &planned["revoke"]), (&json!(7), &json!(7)), "{planned}");
    let time = planned["minted_before"].as_str().unwrap();

    let document = rig.json(&[&EMERGENCY[..], &["--minted-before", time]].concat()).await;
    assert_eq!((&document["published"], &document["retired"]), (&json!(0), &json!(7)), "{document}");
    assert!(rig.has_converged().await && !leaked.values().any(|key| rig.emulator.authenticates(key)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_chosen_by_its_id_its_name_or_a_glob() {
    let rig = Rig::new().await;
    rig.rotate().await;
    let organization = rig.emulator.organizations().remove(0);
    for (index, name) in [organization.id.as_str(), "Acme", "Ac*"].into_iter().enumerate() {
        let document = rig.json(&["rotate", "--organization", name, "--revoke-previous-now"]).await;
        assert_eq!((&document["published"], &document["retired"]), (&json!(3), &json!(3)), "{document}");
        assert_eq!(rig.version(&rig.projects()[0]).await, 2 + index as u64);
    }
    assert!(rig.has_converged().await);
    let both = rig.json(&["plan", "--organization", "Acme", "--project", "Project [1-6]"]).await;
    assert_eq!(both["projects"].as_array().unwrap().len(), 2, "these projects of that organization: {both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_terminal_is_recorded_is_asked_all_the_same() {
    let rig = Rig::sized(1).await;
    rig.rotate().await;
    let leaked = rig.keys().await;
    let ended = recorded_at_a_terminal(&rig, &EMERGENCY, "no").await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(leaked.values().all(|key| rig.emulator.authenticates(key)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_reads_the_plan_and_must_type_the_word() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let leaked = rig.keys().await;
    let before = rig.marks().await;
    for answer in ["", "y", "revoke it"] {
        let ended = at_a_terminal(&rig, &EMERGENCY, answer).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        let screen = &ended.stdout;
        let words = ["2 keys to mint, 2 to revoke at once", "budget: ", "--minted-before 2", "not confirmed"];
        assert!(words.iter().all(|word| screen.contains(word)), "{screen}");
    }
    assert_eq!(rig.marks().await, before);

    let ended = at_a_terminal(&rig, &EMERGENCY, "revoke").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!leaked.values().any(|key| rig.emulator.authenticates(key)));
    assert_eq!(ended.stdout.matches("\"key.retired\"").count(), 2, "the record is not left out: {ended:?}");
    assert!(rig.has_converged().await);

    let ended = at_a_terminal(&rig, &[&EMERGENCY[..], &["--yes"]].concat(), "").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stdout.contains("to go on") && ended.stdout.contains("REVOKED AT ONCE"), "{ended:?}");
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_works_and_whose_age_is_not_known_is_replaced_and_named_where_it_cannot_be_revoked() {
    let rig = Rig::sized(1).await;
    rig.rotate().await;
    let project = rig.projects().remove(0);
    let taken = rig.key(&project).await;
    rig.emulator.state(|state| {
        let (key, expires) = (state.token(&taken).unwrap(), Some(state.now() + TimeDelta::hours(1)));
        state.put_token(Token { notes: Some("of the importer now".to_owned()), expires, ..key });
    });
    let command = ["rotate", "--revoke-previous-now", "--minted-before", "2h", "--output", "json"];
    let ended = rig.run(&command).await;
    assert_eq!((ended.code, &ended.document()["published"]), (1, &json!(1)), "{ended:?}");
    let problems = ended.document()["problems"].to_string();
    assert!(problems.contains("not ours to revoke") && problems.contains(&fingerprint(&taken)), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_published_and_taken_over_is_named_until_it_is_gone_however_often_that_is_asked() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let project = rig.projects().remove(0);
    let taken = rig.key(&project).await;
    rig.emulator.state(|state| {
        let key = state.token(&taken).unwrap();
        state.put_token(Token { notes: Some("billing, ask Bob".to_owned()), ..key });
    });
    let time = a_moment(&rig).await;
    let command = ["rotate", "--revoke-previous-now", "--minted-before", &time, "--output", "json"];
    for published in [2, 0, 0] {
        let ended = rig.run(&command).await;
        assert_eq!((ended.code, &ended.document()["published"]), (1, &json!(published)), "{ended:?}");
        let problems = ended.document()["problems"].take();
        assert_eq!(problems.as_array().unwrap().len(), 1, "{problems}");
        let problem = problems[0].as_str().unwrap();
        assert!(
            problem.contains("not ours to revoke") && problem.contains(&fingerprint(&taken)),
            "{problem}"
        );
    }
    patience("a person revokes it", async || rig.emulator.delete_key(&taken)).await;
    let ended = rig.run(&command).await;
    assert_eq!((ended.code, &ended.document()["problems"]), (0, &json!([])), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_path_whose_key_ends_is_named_before_and_after() {
    let mut rig = Rig::sized(1).await;
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    rig.rotate().await;
    let former = format!("{FOLDER}/project-1");
    let old = rig.corner.get_raw(&former).await["api_key"].as_str().unwrap().to_owned();
    rig.emulator.rename_project(&rig.projects()[0], "Renamed");
    rig.rotate().await;
    let plan = rig.json(&["plan", "--all", "--revoke-previous-now"]).await;
    assert_eq!(plan["moved"]["bereft"], json!([former]), "{plan}");
    let told = rig.run(&["plan", "--all", "--revoke-previous-now"]).await;
    assert!(told.stdout.contains(&format!("{former}: its project lives elsewhere now")), "{told:?}");
    let ended = rig.run(&[&EMERGENCY[..], &["--output", "json"]].concat()).await;
    let problems = ended.document()["problems"].to_string();
    assert!(
        ended.code == 1 && problems.contains(&former) && problems.contains(&fingerprint(&old)),
        "{ended:?}"
    );
    assert!(!rig.emulator.authenticates(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_names_the_keys_that_go_on_working_because_nothing_can_be_done_about_their_project() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let [taken, free] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let leaked = rig.key(&taken).await;
    rig.corner.put_raw(&Rig::place(&taken), json!({"password": "of another"})).await;
    let planned = rig.run(&["plan", "--all", "--revoke-previous-now", "--output", "json"]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    let document = planned.document();
    let row = |document: &Value, id: &str| {
        let mut rows = document["projects"].as_array().unwrap().iter();
        rows.find(|row| row["project_id"] == *id).unwrap().clone()
    };
    assert_eq!(row(&document, &taken)["out_of_reach"], json!([fingerprint(&leaked)]), "{document}");
    assert_eq!(row(&document, &free)["out_of_reach"], json!([]), "{document}");
    let words = format!("not revoked until then: {}", fingerprint(&leaked));
    let told = at_a_terminal(&rig, &EMERGENCY, "revoke\n").await;
    assert!(told.stdout.contains(&words) && told.code == 1, "{told:?}");
    let ended = rig.run(&[&EMERGENCY[..], &["--output", "json"]].concat()).await;
    let problem = row(&ended.document(), &taken)["problem"].as_str().unwrap().to_owned();
    assert!(problem.ends_with(&words), "{problem}");
    let logged = ended.lines().into_iter().find(|line| line["event"] == "keys.out_of_reach").unwrap();
    assert_eq!((&logged["keys"], &logged["project_id"]), (&json!(fingerprint(&leaked)), &json!(taken)));
    assert!(rig.emulator.authenticates(&leaked));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_out_of_reach_also_where_the_secret_of_their_project_cannot_be_looked_at() {
    let mut rig = Rig::sized(2).await;
    rig.rotate().await;
    let leaked = rig.keys().await.into_values().map(|key| fingerprint(&key));
    rig.set("vault", "path", &format!("\"{FOLDER}/{{project_name}}\""));
    rig.projects().iter().for_each(|project| rig.emulator.rename_project(project, "Twins"));
    let document = rig.run(&["plan", "--all", "--revoke-previous-now", "--output", "json"]).await.document();
    let rows = document["projects"].as_array().unwrap().iter();
    let named: Vec<_> = rows.map(|row| row["out_of_reach"].clone()).collect();
    assert_eq!(named, leaked.map(|key| json!([key])).collect::<Vec<_>>(), "{document}");
}
