//! `rotate-credential`, undisturbed, interrupted by people and servers, and beside others.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use super::{PLACE, breaches, held, in_force, in_vault};
use crate::support::process::Ended;
use crate::support::rig::{PASSWORD, Rig};

const CHANGE: &str = "auth/change-password";

async fn sound(rig: &Rig) {
    assert_eq!(breaches(rig).await, Vec::<String>::new());
    assert_ne!(in_force(rig), PASSWORD);
    rig.rotate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_changed_and_every_other_field_stays() {
    for auth in ["\"login\"", "\"basic\""] {
        let mut rig = in_vault(1).await;
        rig.set("exceptionless", "auth", auth);
        rig.rotate().await;
        let planned = rig.json(&["rotate-credential", "--plan"]).await;
        assert_eq!((&planned["outcome"], &planned["version"]), (&json!("would_change"), &json!(1)));
        assert_eq!(in_force(&rig), PASSWORD);
        let done = rig.json(&["rotate-credential"]).await;
        assert_eq!((&done["outcome"], &done["version"]), (&json!("changed"), &json!(3)));
        assert_eq!(done["user"], "rotator@example.test");
        assert_eq!(done["changed_at"], held(&rig).await["password_changed_at"]);
        assert_eq!(in_force(&rig).len(), 48);
        assert!(in_force(&rig).bytes().all(|byte| byte.is_ascii_alphanumeric()));
        sound(&rig).await;
        let first = in_force(&rig);
        let table = rig.run(&["rotate-credential"]).await;
        assert_eq!(table.code, 0, "{table:?}");
        assert!(table.stdout.contains("changed") && table.stdout.contains(PLACE), "{table:?}");
        assert_ne!(in_force(&rig), first);
        sound(&rig).await;
        let events = table.events();
        for event in ["credential.prepared", "credential.changed", "credential.rotated"] {
            assert!(events.iter().any(|seen| seen == event), "{events:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_before_or_after_the_change_is_found_out() {
    for applied in [false, true] {
        for kind in
            [Kind::Drop, Kind::Status(500), Kind::Html, Kind::CutJson, Kind::Hang(Duration::from_secs(5))]
        {
            let mut rig = in_vault(1).await;
            rig.set("exceptionless", "timeout", "\"1s\"");
            let fault = Fault::new("POST", CHANGE, kind.clone());
            rig.emulator.add_fault(if applied { fault.applied() } else { fault });
            let ended = rig.run(&["rotate-credential"]).await;
            assert_eq!(ended.code, 0, "{kind:?} {applied}: {ended:?}");
            sound(&rig).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_vault_whose_answer_is_lost_is_found_out() {
    for skip in [0, 1] {
        let mut rig = in_vault(1).await;
        let relay = rig.relay_vault().await;
        let path = format!("/v1/{}/data/{PLACE}", rig.corner.mount);
        relay.add_fault(Fault::new("PATCH", &path, Kind::Drop).skip(skip).applied());
        let ended = rig.run(&["rotate-credential"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        sound(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_server_never_takes_leaves_the_present_password_and_is_ended_later() {
    let rig = in_vault(1).await;
    rig.emulator.add_fault(Fault::new("POST", CHANGE, Kind::Status(500)).always());
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert_eq!(in_force(&rig), PASSWORD);
    let next = held(&rig).await["password_next"].clone();
    rig.rotate().await;
    assert_eq!(rig.json(&["rotate-credential", "--plan"]).await["outcome"], "would_finish");
    assert!(rig.run(&["check"]).await.stdout.contains("begun and not ended"));
    rig.emulator.clear_faults();
    assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "finished");
    assert_eq!(in_force(&rig), next.as_str().unwrap(), "with the same successor");
    sound(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waits_for_the_request_budget_ends_when_it_is_told_to() {
    let mut rig = in_vault(1).await;
    rig.set("exceptionless", "rate_reserve", "0");
    rig.emulator.state(|state| state.rate_limit = 1);
    let mut change = rig.start(&["rotate-credential"]);
    change.until("budget.waiting", 1).await;
    assert!(held(&rig).await["password_next"].is_string(), "it is in the midst of it");
    change.signal("TERM");
    assert_eq!(change.ended().await, 1, "{}", change.text());
    assert!(change.text().contains("the next one goes on"), "{}", change.text());
    rig.emulator.state(|state| state.rate_limit = 0);
    assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "finished");
    sound(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_somebody_emptied_is_none() {
    let rig = in_vault(1).await;
    rig.corner
        .put_raw(PLACE, json!({"password": PASSWORD, "password_next": "", "owner": "operations"}))
        .await;
    rig.rotate().await;
    assert_eq!(rig.json(&["rotate-credential", "--plan"]).await["outcome"], "would_change");
    assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "changed");
    sound(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_trouble_changes_nothing_and_is_told_apart() {
    let rig = in_vault(1).await;
    rig.emulator.switch(|switches| switches.elasticsearch_down = true);
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("/health there says"), "{ended:?}");
    assert!(held(&rig).await["password_next"].is_null());
    assert_eq!(rig.emulator.requests().count("POST", "auth/login"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_person_has_changed_is_not_guessed_at() {
    let rig = in_vault(1).await;
    rig.emulator.change_password("rotator@example.test", "battery staple");
    for _ in 0..7 {
        let ended = rig.run(&["rotate-credential"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        assert!(ended.stderr.contains("accepts no password of rotator@example.test"), "{ended:?}");
        assert!(ended.stderr.contains("vault kv get") && ended.stderr.contains("-version=N"), "{ended:?}");
    }
    assert_eq!(held(&rig).await, json!({"password": PASSWORD, "owner": "operations"}));
    let login = json!({"email": "rotator@example.test", "password": "battery staple"});
    let login = reqwest::Client::new().post(format!("{}/api/v2/auth/login", rig.emulator.url())).json(&login);
    assert_eq!(login.send().await.unwrap().status(), 200, "nobody is locked out");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_at_a_time_all_end_with_one_password_that_works() {
    let rig = in_vault(1).await;
    let config = rig.write_config();
    let mut commands: Vec<_> = (0..4).map(|_| rig.command_with(&config, &["rotate-credential"])).collect();
    let outputs = futures_util::future::join_all(commands.iter_mut().map(|command| command.output())).await;
    let ended: Vec<_> = outputs.into_iter().map(|output| Ended::from(output.unwrap())).collect();
    assert!(ended.iter().any(|ended| ended.code == 0), "{ended:?}");
    for loser in ended.iter().filter(|ended| ended.code != 0) {
        assert_eq!(loser.code, 1, "{loser:?}");
        assert!(loser.stderr.contains("somebody else wrote"), "{loser:?}");
    }
    assert_eq!(rig.run(&["rotate-credential"]).await.code, 0);
    sound(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_under_way_logs_in_again_with_what_works_by_then() {
    for (auth, logins) in [("\"login\"", 2), ("\"basic\"", 0)] {
        let mut rig = in_vault(3).await;
        rig.set("exceptionless", "auth", auth).set("rotation", "concurrency", "1");
        // The change is stopped where both passwords stand in Vault and the new one works.
        let slow = Kind::Slow(Duration::from_millis(1500));
        rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", slow).applied());
        let mut pass = rig.start(&["rotate"]);
        rig.emulator.until_called("POST", "projects/{id}/tokens", 1).await;
        rig.corner
            .put_raw(
                PLACE,
                json!({"password": PASSWORD, "password_next": "battery staple", "owner": "operations"}),
            )
            .await;
        rig.emulator.change_password("rotator@example.test", "battery staple");
        assert_eq!(pass.ended().await, 0, "{}", pass.text());
        assert_eq!(rig.emulator.requests().count("POST", "auth/login"), logins);
        assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "finished");
        assert_eq!(in_force(&rig), "battery staple");
        sound(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_to_change_it_is_said_what_to_write() {
    let mut rig = Rig::sized(1).await;
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(
        ended.stderr.contains("/password") && ended.stderr.contains("password = { vault = "),
        "{ended:?}"
    );
    std::fs::write(rig.path("token"), "t".repeat(40)).unwrap();
    rig.unset("exceptionless", "email").unset("exceptionless", "password_file");
    rig.set("exceptionless", "auth", "\"token\"").set("exceptionless", "token_file", "\"token\"");
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.stderr.contains("knows no password"), "{ended:?}");

    let rig = in_vault(1).await;
    rig.corner.put_raw(PLACE, json!({"password": "correct:horse"})).await;
    rig.emulator.change_password("rotator@example.test", "correct:horse");
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.stderr.contains("has a colon"), "{ended:?}");
    rig.rotate().await;
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    assert_eq!(held(&rig).await["password_next"], Value::Null);
}
