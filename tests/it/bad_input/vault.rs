//! A Vault that does not let us in, is not fit for the work, or is none.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    CONFIGURATION, NOT_PERMITTED, SOME_FAILED, UNAVAILABLE, keeps_secrets, nobody, nothing_was_written,
    quoted, refused, secrets_in_vault, set_policy,
};
use crate::support::bao::{Bao, FOLDER};
use crate::support::rig::Rig;
use crate::support::stand_in::{Reply, StandIn};

/// Gives the rotator a token in place of a role.
fn use_token(rig: &mut Rig, token: &str) {
    std::fs::write(rig.path("vault-token"), token).unwrap();
    let lines = "method = \"token\"\ntoken_file = \"vault-token\"";
    rig.config.insert("vault.auth".to_owned(), lines.to_owned());
}

fn point_to(rig: &mut Rig, address: &str) {
    rig.set("vault", "address", &quoted(address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens() {
    let mut rig = Rig::new().await;
    let nobody = nobody();
    point_to(&mut rig, &nobody);
    refused(&rig, UNAVAILABLE, &[&nobody, "refuses connections", "check vault.address"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_exist() {
    let mut rig = Rig::new().await;
    point_to(&mut rig, "http://vault.invalid:8200");
    let words = ["http://vault.invalid:8200", "cannot be resolved", "check vault.address"];
    refused(&rig, UNAVAILABLE, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_vault() {
    let bao = Bao::own().await;
    bao.root("POST", "sys/seal", json!({})).await;
    let mut rig = Rig::new().await;
    point_to(&mut rig, &bao.address);
    refused(&rig, UNAVAILABLE, &[&bao.address, "sealed", "unseal it"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_does_not_pass_requests_on() {
    for status in ["429 Too Many Requests", "472 DR Secondary", "473 Performance Standby"] {
        let standby = StandIn::start(move |_| Reply::Answer(status, "", "{\"errors\":[]}".to_owned()));
        let mut rig = Rig::new().await;
        point_to(&mut rig, &standby.address);
        refused(&rig, UNAVAILABLE, &[&standby.address, "standby", "active node"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_redirects_is_not_followed() {
    let active = StandIn::start(|_| Reply::HangUp);
    let location: &'static str = format!("Location: {}/v1/\r\n", active.address).leak();
    let standby = StandIn::start(move |_| Reply::Answer("307 Temporary Redirect", location, String::new()));
    let mut rig = Rig::new().await;
    point_to(&mut rig, &standby.address);
    let words = [&standby.address, "redirect", "307", "set vault.address", "active node"];
    refused(&rig, UNAVAILABLE, &words).await;
    assert_eq!(active.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_not_taken_for_vault() {
    for status in ["200 OK", "403 Forbidden", "404 Not Found"] {
        let page = "<html><title>Please sign in</title></html>";
        let portal =
            StandIn::start(move |_| Reply::Answer(status, "Content-Type: text/html\r\n", page.to_owned()));
        let mut rig = Rig::new().await;
        point_to(&mut rig, &portal.address);
        refused(&rig, UNAVAILABLE, &[&portal.address, "is not Vault's", "check that vault.address"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_not_taken_for_vault() {
    let empty = StandIn::start(|_| Reply::Answer("200 OK", "", "{}".to_owned()));
    let mut rig = Rig::new().await;
    for address in [rig.emulator.url(), empty.address.clone()] {
        point_to(&mut rig, &address);
        refused(&rig, UNAVAILABLE, &[&address, "is not Vault's", "check that vault.address"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_mounted_elsewhere() {
    let mut rig = Rig::new().await;
    rig.set("vault.auth", "mount", "\"elsewhere\"");
    refused(&rig, NOT_PERMITTED, &["auth/elsewhere", "permission denied", "check vault.auth.mount"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_nobody_knows_is_not_trusted() {
    let bao = Bao::own_with_tls().await;
    let mut rig = Rig::new().await;
    point_to(&mut rig, &bao.address);
    let words = [&bao.address, "authority", "set vault.ca_file", "UnknownIssuer"];
    refused(&rig, UNAVAILABLE, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_id_is_named_with_its_file() {
    let rig = Rig::new().await;
    std::fs::write(rig.path("secret-id"), "00000000-0000-0000-0000-000000000000").unwrap();
    let login = format!("auth/{}", rig.corner.mount);
    refused(&rig, NOT_PERMITTED, &[&login, "/secret-id", "secret id", "vault.auth.mount"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_named_with_its_file() {
    let mut rig = Rig::new().await;
    let token = rig.corner.token("1h").await;
    rig.corner.bao.root("POST", "auth/token/revoke", json!({"token": token})).await;
    use_token(&mut rig, &token);
    refused(&rig, NOT_PERMITTED, &["/vault-token", "expired, revoked", "put a new one there"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_named_with_its_file() {
    let mut rig = Rig::new().await;
    let token = rig.corner.token("1s").await;
    let patience = Instant::now() + Duration::from_secs(20);
    let body = json!({"token": token});
    while rig.corner.bao.any("POST", "auth/token/lookup", body.clone()).await.0.is_success() {
        assert!(Instant::now() < patience, "the token does not expire");
        sleep(Duration::from_millis(50)).await;
    }
    use_token(&mut rig, &token);
    refused(&rig, NOT_PERMITTED, &["/vault-token", "expired, revoked", "put a new one there"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_the_path_is_told_the_line_to_add() {
    let rig = Rig::new().await;
    let mount = rig.corner.mount.clone();
    set_policy(&rig, &format!("path \"{mount}/data/elsewhere/*\" {{ capabilities = [\"read\"] }}")).await;
    let line = format!("path \"{mount}/data/{FOLDER}/");
    refused(&rig, NOT_PERMITTED, &["not permitted to read", &line, "policy"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_anything_is_told_what_to_check() {
    let rig = Rig::new().await;
    set_policy(&rig, "path \"elsewhere/*\" { capabilities = [\"read\"] }").await;
    let words = [&format!("{}/", rig.corner.mount), "vault.mount", "vault.namespace", "policy"];
    refused(&rig, CONFIGURATION, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_let_us_write_is_found_before_a_key_is_minted() {
    let rig = Rig::new().await;
    let mount = &rig.corner.mount;
    let policy = format!(
        "path \"{mount}/data/{FOLDER}/*\" {{ capabilities = [\"read\"] }}
         path \"{mount}/metadata/{FOLDER}/*\" {{ capabilities = [\"list\"] }}
         path \"sys/capabilities-self\" {{ capabilities = [\"update\"] }}"
    );
    set_policy(&rig, &policy).await;
    let ended = rig.run(&["rotate", "--output", "json"]).await;
    let document = ended.document();
    let problem = document["projects"][0]["problem"].as_str().unwrap().to_owned();
    println!("{} | {problem}", ended.code);
    assert_eq!((ended.code, &document["failed"]), (NOT_PERMITTED, &json!(7)), "{ended:?}");
    for word in ["\"create\"", &format!("{mount}/data/{FOLDER}/"), "policy", "no key was minted"] {
        assert!(problem.contains(word), "{word} is not in: {problem}");
    }
    let failures = ended.events().into_iter().filter(|event| event == "project.failed");
    assert_eq!(failures.count(), 7, "{ended:?}");
    keeps_secrets(&rig, &ended);
    nothing_was_written(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_does_not_exist() {
    let mut rig = Rig::new().await;
    rig.set("vault", "mount", "\"nowhere\"");
    refused(&rig, CONFIGURATION, &["no secrets engine at nowhere/", "vault.mount"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_without_versions() {
    let mut rig = Rig::new().await;
    let mount = format!("{}-v1", rig.corner.mount);
    rig.corner.bao.mount(&mount, "1").await;
    set_policy(&rig, &format!("path \"{mount}/*\" {{ capabilities = [\"create\", \"update\", \"read\"] }}"))
        .await;
    rig.set("vault", "mount", &quoted(&mount));
    let words = [&format!("{mount}/"), "KV version 1", "vault.mount", "vault kv enable-versioning"];
    refused(&rig, CONFIGURATION, &words).await;
}

/// A pass that serves all projects but those that wait for a person.
async fn partly_done(rig: &Rig, problems: &[(String, Vec<String>)]) {
    let ended = rig.run(&["rotate", "--output", "json"]).await;
    let document = ended.document();
    let published = rig.projects().len() - problems.len();
    assert_eq!((ended.code, &document["published"]), (SOME_FAILED, &json!(published)), "{ended:?}");
    for (project, words) in problems {
        let row = document["projects"].as_array().unwrap();
        let row = row.iter().find(|row| row["project_id"] == json!(project)).unwrap();
        let problem = row["problem"].as_str().unwrap();
        println!("{} | {problem}", ended.code);
        for word in words {
            assert!(problem.contains(word), "{word} is not in: {problem}");
        }
        assert_eq!(rig.own_keys(project), Vec::<String>::new());
    }
    let held = ended.events().into_iter().filter(|event| event == "project.held");
    assert_eq!(held.count(), problems.len(), "{ended:?}");
    assert_eq!(rig.emulator.requests().tokens_created, published as u64);
    keeps_secrets(rig, &ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_somebody_else_stays_and_the_others_go_on() {
    let rig = Rig::new().await;
    let project = rig.projects().remove(2);
    let foreign = json!({"password": "of another owner"});
    rig.corner.put_raw(&format!("{FOLDER}/{project}"), foreign.clone()).await;
    let words = ["did not write", "move it away", "vault.path", "vault.adopt_paths"].map(str::to_owned);
    partly_done(&rig, &[(project.clone(), words.to_vec())]).await;
    assert_eq!(rig.secret(&project).await, foreign);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_on_one_path_are_both_left_alone() {
    let mut rig = Rig::new().await;
    rig.set("vault", "path", &quoted(&format!("{FOLDER}/{{project_name}}")));
    let twins = [rig.projects().remove(1), rig.projects().remove(4)];
    for twin in &twins {
        rig.emulator.rename_project(twin, "Checkout");
    }
    let words = [&format!("{FOLDER}/checkout"), "would be shared by", "{project_id}", "[[override]]"];
    let words: Vec<_> = words.map(str::to_owned).into();
    partly_done(&rig, &twins.map(|twin| (twin, words.clone()))).await;
    assert!(!secrets_in_vault(&rig).await.contains(&"checkout".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_vault_that_is_down_is_still_one_document() {
    let mut rig = Rig::new().await;
    point_to(&mut rig, &nobody());
    let ended = rig.run(&["check", "--output", "json"]).await;
    assert_eq!(ended.code, UNAVAILABLE, "{ended:?}");
    let findings = ended.document()["findings"].take();
    let finding = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "vault").unwrap();
    assert_eq!(finding["result"], "problem");
    assert!(finding["detail"].as_str().unwrap().contains("check vault.address"), "{finding}");
    assert_eq!(findings[1]["result"], Value::from("ok"), "Exceptionless was looked at all the same");
    keeps_secrets(&rig, &ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_what_is_wrong_at_both_servers() {
    let rig = Rig::new().await;
    std::fs::write(rig.path("password"), "battery staple").unwrap();
    std::fs::write(rig.path("secret-id"), "00000000-0000-0000-0000-000000000000").unwrap();
    let ended = rig.run(&["check"]).await;
    println!("{} | {}", ended.code, ended.stdout);
    assert_eq!(ended.code, NOT_PERMITTED, "{ended:?}");
    for word in ["problem  exceptionless", "check /", "/password", "problem  vault", "/secret-id"] {
        assert!(ended.stdout.contains(word), "{word} is not in: {}", ended.stdout);
    }
    keeps_secrets(&rig, &ended);
    nothing_was_written(&rig).await;
}
