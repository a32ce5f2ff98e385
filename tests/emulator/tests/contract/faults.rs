//! Misfortune on order (contract 10.12): what arrives at the client, and what had happened by then.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind, State};
use serde_json::json;

use crate::server::Server;

const ROUTE: &str = "projects/{id}/tokens";

fn path(server: &Server) -> String {
    format!("/api/v2/projects/{}/tokens", server.project())
}

/// How many keys the first project has beyond the one a person made.
fn made(server: &Server) -> usize {
    server.emulator.keys(&server.project()).len() - 1
}

async fn create(server: &Server) -> crate::server::Reply {
    server.post(&path(server), json!({})).await
}

async fn create_lost(server: &Server) -> reqwest::Error {
    let sent = server.user("POST", &path(server)).json(&json!({})).send().await;
    match sent {
        Ok(response) => response.bytes().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_status_strikes_as_often_as_asked_and_before_the_effect() {
    let server = Server::start().await;
    server.emulator.add_fault(Fault::new("POST", ROUTE, Kind::Status(500)).skip(1).times(2));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(create(&server).await.status.as_u16());
    }
    assert_eq!(statuses, [201, 500, 500, 201]);
    assert_eq!(made(&server), 2);
    assert_eq!(server.emulator.requests().faults, 2);
    assert_eq!(server.emulator.requests().counted, 4, "a failing handler is counted");
}

#[tokio::test]
async fn a_500_can_come_after_the_write() {
    let server = Server::start().await;
    server.emulator.add_fault(Fault::new("POST", ROUTE, Kind::Status(500)).applied());
    let reply = create(&server).await;
    assert_eq!(reply.status, 500);
    assert_eq!(made(&server), 1);
}

#[tokio::test]
async fn a_fault_can_wait_for_one_path_only() {
    let server = Server::start().await;
    server.emulator.add_fault(Fault::new("POST", &path(&server), Kind::Status(503)).always());
    assert_eq!(create(&server).await.status, 503);
    assert_eq!(create(&server).await.status, 503);
    let other = format!("/api/v2/projects/{}/tokens", server.emulator.projects()[1].id);
    assert_eq!(server.post(&other, json!({})).await.status, 201);
    server.emulator.clear_faults();
    assert_eq!(create(&server).await.status, 201);
}

#[tokio::test]
async fn a_connection_can_drop_before_and_after_the_write() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", ROUTE, Kind::Drop);
    create_lost(&server).await;
    assert_eq!(made(&server), 0);
    server.emulator.add_fault(Fault::new("POST", ROUTE, Kind::Drop).applied());
    create_lost(&server).await;
    assert_eq!(made(&server), 1);
}

#[tokio::test]
async fn a_hanging_answer_ends_without_one() {
    let server = Server::start().await;
    let hang = Kind::Hang(Duration::from_millis(50));
    server.emulator.add_fault(Fault::new("POST", ROUTE, hang).applied());
    create_lost(&server).await;
    assert_eq!(made(&server), 1);
}

#[tokio::test]
async fn a_slow_write_happens_although_its_client_gave_up() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", ROUTE, Kind::Slow(Duration::from_millis(200)));
    let request = server.user("POST", &path(&server)).json(&json!({}));
    let error = request.timeout(Duration::from_millis(50)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(made(&server), 0);
    let project = server.project();
    let arrived = |state: &mut State| (state.live_keys(&project).len() == 2).then_some(());
    server.emulator.until(arrived).await;
}

#[tokio::test]
async fn a_429_and_a_starting_server_say_no_more_than_the_real_ones() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", ROUTE, Kind::TooManyRequests);
    let reply = create(&server).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, None));
    assert_eq!(reply.header("x-ratelimit-limit"), None);
    server.emulator.add_fault(Fault::everywhere(Kind::Starting));
    let reply = create(&server).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (503, "Service Unavailable"));
    assert_eq!(reply.header("retry-after"), Some("10"));
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(made(&server), 0);
}

#[tokio::test]
async fn a_page_of_html_or_another_content_type_can_come_instead_of_json() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", ROUTE, Kind::Html);
    let reply = create(&server).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with("text/html"));
    server.emulator.fail_next("POST", ROUTE, Kind::ContentType("text/plain".to_owned()));
    let reply = create(&server).await;
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert!(reply.json()["id"].is_string());
}

#[tokio::test]
async fn a_document_can_be_cut_with_and_without_a_true_length() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", ROUTE, Kind::CutJson);
    let reply = create(&server).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("content-length").unwrap(), reply.text.len().to_string());
    assert!(serde_json::from_str::<serde_json::Value>(&reply.text).is_err());
    server.emulator.fail_next("POST", ROUTE, Kind::ShortBody);
    create_lost(&server).await;
    assert_eq!(made(&server), 2);
}

#[tokio::test]
async fn a_body_can_be_huge() {
    let server = Server::start().await;
    server.emulator.fail_next("GET", "projects", Kind::HugeBody(5_000_000));
    let reply = server.get("/api/v2/projects").await;
    assert_eq!(reply.text.len(), 5_000_000);
    assert!(reply.json().is_string());
}

#[tokio::test]
async fn a_body_can_drip() {
    let server = Server::start().await;
    let drip = Kind::Drip(Duration::from_millis(1));
    server.emulator.fail_next("GET", "about", drip);
    let mut response = server.anonymous("GET", "/api/v2/about").send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.len() < 20, "{first:?}");
    while response.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_redirect_can_lead_elsewhere() {
    let server = Server::start().await;
    let elsewhere = "https://elsewhere.example.test/api/v2/tokens";
    server.emulator.fail_next("POST", ROUTE, Kind::Redirect(elsewhere.to_owned()));
    let reply = create(&server).await;
    assert_eq!((reply.status.as_u16(), reply.header("location")), (307, Some(elsewhere)));
}

#[tokio::test]
async fn a_create_can_claim_another_project_than_it_made_a_key_for() {
    let server = Server::start().await;
    let other = server.emulator.projects()[1].id.clone();
    let lie = Kind::WrongProject {
        project_id: Some(other.clone()),
        organization_id: None,
        scopes: Some(vec!["user".to_owned()]),
    };
    server.emulator.fail_next("POST", ROUTE, lie);
    let key = create(&server).await.json();
    assert_eq!(key["project_id"], other);
    assert_eq!(key["scopes"], json!(["user"]));
    let token = server.emulator.state(|state| state.token(key["id"].as_str().unwrap())).unwrap();
    assert_eq!(token.project_id, Some(server.project()));
}

#[tokio::test]
async fn a_login_can_fail_as_if_elasticsearch_had() {
    let server = Server::start().await;
    server.emulator.fail_next("POST", "auth/login", Kind::LoginFailed);
    let reply = server.login().await;
    assert_eq!((reply.status.as_u16(), reply.title()), (401, "Login failed.".to_owned()));
    assert_eq!(server.login().await.status, 200);
}

#[tokio::test]
async fn a_listing_can_end_short_of_its_count() {
    let server = Server::start().await;
    server.emulator.fail_next("GET", "organizations/{id}/tokens", Kind::ShortListing(1));
    let reply = server.get(&format!("/api/v2/organizations/{}/tokens", server.organization())).await;
    assert_eq!(reply.header("x-result-count"), Some("3"));
    assert_eq!(reply.ids().len(), 2);
}

#[tokio::test]
async fn every_answer_has_a_date_even_a_spoiled_one() {
    let server = Server::start().await;
    for kind in [Kind::Html, Kind::Starting, Kind::CutJson, Kind::TooManyRequests] {
        server.emulator.fail_next("POST", ROUTE, kind);
        let reply = create(&server).await;
        assert_eq!(reply.header("date"), Some("Fri, 21 Aug 2026 12:34:04 GMT"));
    }
}

#[tokio::test]
async fn a_server_that_is_down_refuses_and_comes_back_as_it_was() {
    let mut server = Server::start().await;
    let key = server.create_key().await;
    server.emulator.go_down().await;
    let error = server.anonymous("GET", "/health").send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    server.emulator.come_back().await.unwrap();
    assert_eq!(server.verify(&key).await, 200);
}
