//! `check` as a doctor: each thing that can be wrong is found, by its name, with its remedy.

use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use exceptionless_emulator::Settings;
use serde_json::{Value, json};

use crate::support::bao::FOLDER;
use crate::support::process::Ended;
use crate::support::rig::{PASSWORD, Rig};

/// What a check said about one thing, as result and detail.
fn said(ended: &Ended, check: &str) -> Vec<(String, String)> {
    let document = ended.document();
    let findings =
        document["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings.map(|finding| (text(finding, "result"), text(finding, "detail"))).collect()
}

async fn check(rig: &Rig) -> Ended {
    rig.run(&["check", "--output", "json"]).await
}

/// There is exactly one finding of that kind about it, and it has these words.
fn finds(ended: &Ended, check: &str, result: &str, words: &[&str]) {
    let said = said(ended, check);
    let found: Vec<_> = said.iter().filter(|(found, _)| found == result).collect();
    let [(_, detail)] = found[..] else { panic!("no single {result} about {check}: {ended:?}") };
    for word in words {
        assert!(detail.contains(word), "{word} is not in: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_arrangement_is_all_in_order() {
    let rig = Rig::sized(3).await;
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for (name, words) in [
        ("configuration", "valid"),
        ("exceptionless", "member of 1 organizations"),
        ("exceptionless login", "signs in again"),
        ("vault", "answers"),
        ("vault token", "renewable"),
        ("projects", "3 of 3"),
        ("paths", "free or ours"),
        ("vault policy", "asked for 7 paths"),
        ("budget", "rotating all 3 projects"),
    ] {
        finds(&ended, name, "ok", &[words]);
    }
    assert_eq!(said(&ended, "clocks").len(), 2);
    assert!(!ended.stdout.contains("problem") && !ended.stdout.contains("warning"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_login_lasts_is_estimated_and_called_an_estimate() {
    let mut rig = Rig::sized(1).await;
    let login = rig.json(&["check"]).await;
    assert!(login.to_string().contains("signs in again"));
    let token = rig.emulator.state(|state| state.logins()[0].id.clone());
    std::fs::write(rig.path("login"), token).unwrap();
    rig.set("exceptionless", "auth", "\"token\"").set("exceptionless", "token_file", "\"login\"");
    rig.unset("exceptionless", "email").unset("exceptionless", "password_file");
    let age = |days: u64| {
        let file = std::fs::File::options().write(true).open(rig.path("login")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    };
    finds(&check(&rig).await, "exceptionless login", "ok", &["days more at most, an estimate"]);
    age(80);
    let words = ["days more at most, an estimate", "put a fresh one into", "/login", "auth = \"login\""];
    finds(&check(&rig).await, "exceptionless login", "warning", &words);
    age(400);
    finds(
        &check(&rig).await,
        "exceptionless login",
        "warning",
        &["cannot be estimated", "put a fresh one into"],
    );

    let token = std::fs::read_to_string(rig.path("login")).unwrap();
    rig.unset("exceptionless", "token_file");
    rig.environment.insert("ROTATOR__EXCEPTIONLESS__TOKEN".to_owned(), token);
    let words = ["nobody can tell", "$ROTATOR__EXCEPTIONLESS__TOKEN", "auth = \"login\""];
    finds(&check(&rig).await, "exceptionless login", "warning", &words);

    rig.set("exceptionless", "auth", "\"basic\"").set("exceptionless", "email", "\"rotator@example.test\"");
    rig.environment.clear();
    rig.set("exceptionless", "password_file", "\"password\"");
    std::fs::write(rig.path("password"), PASSWORD).unwrap();
    finds(&check(&rig).await, "exceptionless login", "ok", &["nothing ends"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_token_that_will_end_is_announced() {
    let mut rig = Rig::sized(1).await;
    let mount = rig.corner.mount.clone();
    let make = async |more: Value| {
        let mut body = json!({"policies": [&mount], "no_default_policy": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = rig.corner.bao.root("POST", "auth/token/create", body).await;
        std::fs::write(rig.path("vault-token"), answer["auth"]["client_token"].as_str().unwrap()).unwrap();
    };
    make(json!({"ttl": "1h", "renewable": false})).await;
    let with_token = "method = \"token\"\ntoken_file = \"vault-token\"".to_owned();
    let approle = rig.config.insert("vault.auth".to_owned(), with_token.clone()).unwrap();
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "a warning is no failure: {ended:?}");
    finds(&ended, "vault token", "warning", &["cannot be renewed", "vault-token", "approle"]);
    rig.config.insert("vault.auth".to_owned(), approle);
    let token = json!({"token_num_uses": 500});
    rig.corner.bao.root("POST", &format!("auth/{mount}/role/{mount}"), token).await;
    finds(&check(&rig).await, "vault token", "warning", &["times more", "token_num_uses = 0"]);

    rig.config.insert("vault.auth".to_owned(), with_token);
    let root = rig.corner.bao.root("POST", "auth/token/create", json!({"policies": ["root"]})).await;
    std::fs::write(rig.path("vault-token"), root["auth"]["client_token"].as_str().unwrap()).unwrap();
    finds(&check(&rig).await, "vault token", "warning", &["root token", "config/vault-policy.hcl"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_token_that_no_renewal_keeps_alive_is_announced() {
    let mut rig = Rig::sized(1).await;
    let with_token = "method = \"token\"\ntoken_file = \"vault-token\"".to_owned();
    rig.config.insert("vault.auth".to_owned(), with_token);
    for (longest, warnings) in [("2m", 1), ("48h", 0)] {
        let policies = [&rig.corner.mount];
        let body = json!({"policies": policies, "ttl": "2m", "explicit_max_ttl": longest});
        let answer = rig.corner.bao.root("POST", "auth/token/create", body).await;
        std::fs::write(rig.path("vault-token"), answer["auth"]["client_token"].as_str().unwrap()).unwrap();
        let said = said(&check(&rig).await, "vault token");
        let warned = |(result, detail): &&(String, String)| {
            result == "warning"
                && detail.contains("however often it is renewed")
                && detail.contains("vault-token")
        };
        assert_eq!(said.iter().filter(warned).count(), warnings, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gap_in_the_policy_is_found_at_every_path_that_would_be_written_with_the_line_that_closes_it() {
    let mut rig = Rig::sized(3).await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.config.insert("[override]".to_owned(), "match = \"Project 2\"\npath = \"teams/two\"".to_owned());
    let mount = rig.corner.mount.clone();
    let ended = check(&rig).await;
    assert_eq!(ended.code, 77, "{ended:?}");
    let problems: Vec<_> =
        said(&ended, "vault policy").into_iter().filter(|(result, _)| result == "problem").collect();
    for (what, missing, rule) in [
        (
            "data/teams/two",
            "create, read, update",
            "data/teams/*\" { capabilities = [\"create\", \"read\", \"update\"] }",
        ),
        ("metadata/teams/two", "patch", "metadata/teams/*\" { capabilities = [\"list\", \"patch\"] }"),
        ("delete/teams/two", "update", "delete/teams/*\" { capabilities = [\"update\"] }"),
        ("metadata/teams/", "list", "metadata/teams/*\" { capabilities = [\"list\", \"patch\"] }"),
    ] {
        let gap = format!("{mount}/{what} lacks {missing}; add path \"{mount}/{rule} to the policy");
        assert!(problems.iter().any(|(_, detail)| detail.contains(&gap)), "{gap} is not in {problems:#?}");
    }
    assert_eq!(problems.len(), 4, "{problems:#?}");

    let teams = format!(
        "path \"{mount}/data/teams/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n\
         path \"{mount}/metadata/teams/*\" {{ capabilities = [\"patch\", \"list\"] }}\n\
         path \"{mount}/delete/teams/*\" {{ capabilities = [\"update\"] }}\n"
    );
    rig.corner.amend_policy(|policy| format!("{policy}\n{teams}")).await;
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "with the lines that were told: {ended:?}");
    rig.corner.amend_policy(|policy| policy.replace("\"patch\"", "\"read\"")).await;
    let ended = check(&rig).await;
    assert!(ended.stdout.contains("2 paths lack patch, such as"), "one finding for each folder: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_everywhere_is_asked_for_by_its_folder() {
    let mut rig = Rig::sized(5).await;
    rig.set("vault", "path", "\"elsewhere/{project_id}\"");
    let (mount, project) = (rig.corner.mount.clone(), rig.projects().remove(0));
    let ended = check(&rig).await;
    assert_eq!(ended.code, 77, "{ended:?}");
    let policy = said(&ended, "vault policy");
    let line = format!(
        "5 paths lack create, read, update, such as {mount}/data/elsewhere/{project}; \
         add path \"{mount}/data/elsewhere/*\""
    );
    assert!(policy.iter().any(|(_, detail)| detail.contains(&line)), "{line} is not in {policy:#?}");
    finds(&ended, "budget", "ok", &["rotating all 5 projects"]);
    assert!(said(&ended, "projects").iter().any(|(_, detail)| detail.starts_with("2 more")), "{ended:?}");

    let story = rig.run(&["explain", &project]).await;
    assert_eq!(story.code, 1, "{story:?}");
    for words in
        ["selected   yes", "[rotation]", &format!("path       elsewhere/{project}"), "blocked    its secret"]
    {
        assert!(story.stdout.contains(words), "{words} is not in {story:?}");
    }
    assert_eq!(rig.run(&["rotate"]).await.code, 77, "a pass ends before it decides anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_cannot_be_read_is_not_called_free() {
    let mut rig = Rig::sized(2).await;
    rig.config.insert("[override]".to_owned(), "match = \"Project 2\"\npath = \"teams/two\"".to_owned());
    let ended = check(&rig).await;
    assert_eq!(ended.code, 77, "{ended:?}");
    assert!(said(&ended, "paths").is_empty(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_renew_itself_or_ask_is_told_apart_from_a_gap() {
    let rig = Rig::sized(1).await;
    rig.corner.amend_policy(|policy| policy.replace("auth/token/renew-self", "auth/token/renew")).await;
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    finds(
        &ended,
        "vault policy",
        "warning",
        &["auth/token/renew-self lacks update", "kept alive", "add path"],
    );
    rig.corner.amend_policy(|policy| policy.replace("sys/capabilities-self", "sys/capabilities")).await;
    finds(&check(&rig).await, "vault policy", "warning", &["cannot be asked for", "found out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_disagree_are_named_with_their_distance() {
    let rig = Rig::sized(1).await;
    rig.emulator.set_date_offset(TimeDelta::minutes(2));
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    finds(
        &ended,
        "clocks",
        "warning",
        &["Exceptionless is 1", "ahead of this machine", "time synchronisation"],
    );
    finds(&ended, "clocks", "ok", &["Vault agrees"]);
    rig.emulator.set_date_offset(TimeDelta::days(-2));
    let ended = check(&rig).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    finds(&ended, "clocks", "warning", &["behind this machine"]);
    finds(&ended, "clocks", "problem", &["nothing is published", "set the one that is wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_others_and_suspended_organizations_are_found() {
    let mut rig = Rig::new().await;
    let [foreign, anothers] = [0, 1].map(|place| Rig::place(&rig.projects()[place]));
    rig.corner.put_raw(&foreign, json!({"password": "of somebody else"})).await;
    let mark = json!({"api_key": "k", "managed_by": "exceptionless-rotator/1 instance=staging"});
    rig.corner.put_raw(&anothers, mark).await;
    rig.config.insert(
        "[override]".to_owned(),
        format!("match = [\"Project 3\", \"Project 4\"]\npath = \"{FOLDER}/shared\""),
    );
    let organization = rig.emulator.organizations().remove(2).id;
    rig.emulator.suspend_organization(&organization, true);
    let ended = check(&rig).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let paths = said(&ended, "paths");
    for words in ["vault.adopt_paths = true", "rotator instance \"staging\"", "would be shared by"] {
        assert!(
            paths.iter().any(|(result, detail)| result == "problem" && detail.contains(words)),
            "{paths:#?}"
        );
    }
    let suspended = said(&ended, "projects");
    let lifted =
        |(result, detail): &(String, String)| result == "warning" && detail.contains("suspension is lifted");
    assert!(suspended.iter().any(lifted), "{suspended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_too_small_is_found_with_what_it_would_take() {
    let settings = Settings { organizations: 1, projects: 30, rate_limit: 40, ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.set("rotation", "reconcile_every", "\"1m\"").set("rotation", "schedule", "\"*/10 * * * *\"");
    let ended = check(&rig).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    finds(
        &ended,
        "budget",
        "ok",
        &["of 40 requests", "8 of them reserved", "2 windows", "takes at least 15m"],
    );
    let warnings: Vec<_> =
        said(&ended, "budget").into_iter().filter(|(result, _)| result == "warning").collect();
    for words in ["set rotation.reconcile_every to", "schedule less often"] {
        assert!(warnings.iter().any(|(_, detail)| detail.contains(words)), "{warnings:#?}");
    }
}
