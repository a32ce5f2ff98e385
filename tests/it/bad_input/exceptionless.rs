//! An Exceptionless that does not let us in, or is none.

use chrono::Utc;
use exceptionless_emulator::{Fault, Kind, Token};
use serde_json::json;

use super::{NOT_PERMITTED, UNAVAILABLE, nobody, quoted, refused};
use crate::support::bao::Bao;
use crate::support::rig::Rig;
use crate::support::stand_in::{Reply, StandIn};

/// Gives the rotator a token in place of e-mail and password.
fn use_token(rig: &mut Rig, token: &str) {
    std::fs::write(rig.path("token"), token).unwrap();
    rig.unset("exceptionless", "email").unset("exceptionless", "password_file");
    rig.set("exceptionless", "auth", "\"token\"").set("exceptionless", "token_file", "\"token\"");
}

/// A key with scope `user`, which belongs to a person or to none.
fn user_key(rig: &Rig, owner: Option<String>) -> String {
    let project = rig.emulator.projects().remove(0);
    rig.emulator.state(|state| {
        let key = "userscopedkey".repeat(4)[..40].to_owned();
        let mut token = Token::client(key, &project.organization_id, &project.id, state.now());
        token.scopes = vec!["client".to_owned(), "user".to_owned()];
        token.user_id = owner;
        state.put_token(token.clone());
        token.id
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_with_its_file_and_tried_once() {
    let rig = Rig::new().await;
    std::fs::write(rig.path("password"), "battery staple").unwrap();
    let words = ["refused e-mail or password of rotator@example.test", "/password", "the account is active"];
    refused(&rig, NOT_PERMITTED, &words).await;
    assert_eq!(rig.emulator.requests().count("POST", "auth/login"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_with_basic_too() {
    let mut rig = Rig::new().await;
    rig.set("exceptionless", "auth", "\"basic\"");
    std::fs::write(rig.path("password"), "battery staple").unwrap();
    refused(&rig, NOT_PERMITTED, &["refused e-mail or password of rotator@example.test", "/password"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_login_says_so_and_until_when() {
    let rig = Rig::new().await;
    rig.emulator.freeze_clock("2026-11-21T12:07:00Z".parse::<chrono::DateTime<Utc>>().unwrap());
    let login = format!("{}/api/v2/auth/login", rig.emulator.url());
    let guess = json!({"email": "rotator@example.test", "password": "battery staple"});
    for _ in 0..5 {
        reqwest::Client::new().post(&login).json(&guess).send().await.unwrap();
    }
    let words = ["rotator@example.test", "too many attempts", "wait until 2026-11-21T12:15:00Z"];
    refused(&rig, NOT_PERMITTED, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_token_that_has_ended_is_named_with_its_file() {
    let mut rig = Rig::new().await;
    use_token(&mut rig, &"n0t-a-token-of-this-server".repeat(2)[..40]);
    refused(&rig, NOT_PERMITTED, &["the token in /", "/token", "expired", "auth = \"login\""]).await;
}

const WHAT_WORKS: [&str; 4] = ["/token", "login token", "POST /api/v2/auth/login", "auth = \"login\""];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_key_in_place_of_a_user_is_told_what_works() {
    let mut rig = Rig::new().await;
    let key = rig.emulator.keys(&rig.projects()[0]).remove(0).id;
    use_token(&mut rig, &key);
    refused(&rig, NOT_PERMITTED, &[&["an API key"], &WHAT_WORKS[..]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_scope_user_in_place_of_a_user_is_told_what_works() {
    let mut rig = Rig::new().await;
    let key = user_key(&rig, None);
    use_token(&mut rig, &key);
    refused(&rig, NOT_PERMITTED, &[&["API key with scope user"], &WHAT_WORKS[..]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_that_belongs_to_a_user_is_told_what_works() {
    let mut rig = Rig::new().await;
    let owner = rig.emulator.state(|state| state.users[0].id.clone());
    let key = user_key(&rig, Some(owner));
    use_token(&mut rig, &key);
    refused(&rig, NOT_PERMITTED, &[&["API key"], &WHAT_WORKS[..]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens() {
    let mut rig = Rig::new().await;
    let nobody = nobody();
    rig.set("exceptionless", "url", &quoted(&nobody));
    let place = nobody.trim_start_matches("http://");
    let words = ["cannot log in", place, "check exceptionless.url", "(Connection refused"];
    refused(&rig, UNAVAILABLE, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_exist() {
    let mut rig = Rig::new().await;
    rig.set("exceptionless", "url", "\"http://exceptionless.invalid\"");
    let words =
        ["cannot log in", "exceptionless.invalid", "check exceptionless.url", "(failed to lookup address"];
    refused(&rig, UNAVAILABLE, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_not_taken_for_an_answer() {
    for fault in [Fault::everywhere(Kind::Html), Fault::new("GET", "users/me", Kind::Html).always()] {
        let rig = Rig::new().await;
        rig.emulator.add_fault(fault);
        refused(&rig, UNAVAILABLE, &["answered with a web page", "/api/v2/", "exceptionless.url"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_not_taken_for_exceptionless() {
    let missing =
        StandIn::start(|_| Reply::Answer("404 Not Found", "", "{\"message\":\"no such page\"}".to_owned()));
    let refusing = StandIn::start(|_| Reply::Answer("405 Method Not Allowed", "", String::new()));
    let vault = Bao::shared().await.address.clone();
    for address in [&vault, &missing.address, &refusing.address] {
        let mut rig = Rig::new().await;
        rig.set("exceptionless", "url", &quoted(address));
        let words = ["cannot log in", address.trim_start_matches("http://"), "check that exceptionless.url"];
        refused(&rig, UNAVAILABLE, &words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_document_is_not_taken_for_an_answer() {
    for route in ["users/me", "organizations", "organizations/{id}/projects", "organizations/{id}/tokens"] {
        let rig = Rig::new().await;
        rig.emulator.add_fault(Fault::new("GET", route, Kind::CutJson).always());
        refused(&rig, UNAVAILABLE, &["broken JSON", route, "exceptionless.url"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_nobody_knows_is_not_trusted() {
    let server = Bao::own_with_tls().await;
    let mut rig = Rig::new().await;
    rig.set("exceptionless", "url", &quoted(&server.address));
    let words = ["cannot log in", "127.0.0.1:", "trusted", "UnknownIssuer", "exceptionless.url"];
    refused(&rig, UNAVAILABLE, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = StandIn::start(|_| Reply::HangUp);
    let rig = Rig::new().await;
    rig.emulator.add_fault(Fault::everywhere(Kind::Redirect(elsewhere.address.clone())));
    refused(&rig, UNAVAILABLE, &["cannot log in", "redirects", "307", "set exceptionless.url"]).await;
    assert_eq!(elsewhere.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_for_ever_is_not_waited_for() {
    let rig = Rig::new().await;
    rig.emulator.add_fault(Fault::everywhere(Kind::Starting));
    refused(&rig, UNAVAILABLE, &["cannot log in", "127.0.0.1:", "503", "starting"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_more_patience_than_the_timeout_is_not_waited_for() {
    let mut rig = Rig::new().await;
    rig.set("exceptionless", "auth", "\"basic\"").set("exceptionless", "timeout", "\"2s\"");
    rig.emulator.add_fault(Fault::everywhere(Kind::Starting));
    let begun = std::time::Instant::now();
    refused(&rig, UNAVAILABLE, &["127.0.0.1:", "503", "starting"]).await;
    assert!(begun.elapsed().as_secs() < 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_given_up() {
    let mut rig = Rig::new().await;
    rig.set("exceptionless", "timeout", "\"300ms\"");
    rig.emulator.add_fault(Fault::everywhere(Kind::Hang(std::time::Duration::from_secs(60))));
    refused(&rig, UNAVAILABLE, &["cannot log in", "within 300ms", "exceptionless.timeout"]).await;
}
