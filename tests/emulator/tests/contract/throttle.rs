//! Throttling (contract 5, checklist 1 and 12).

use std::time::Duration;

use crate::server::{Send, Server};

async fn server(limit: u32) -> Server {
    Server::with(|settings| settings.rate_limit = limit).await
}

#[tokio::test]
async fn a_caller_is_told_what_is_left() {
    let server = Server::start().await;
    let reply = server.get("/api/v2/users/me").await;
    assert_eq!(reply.header("x-ratelimit-limit"), Some("3500"));
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("3499"));
}

#[tokio::test]
async fn the_last_request_of_a_window_passes_and_the_next_gets_no_hint() {
    let server = server(3).await;
    for remaining in ["2", "1", "0"] {
        let reply = server.get("/api/v2/users/me").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-remaining"), Some(remaining));
    }
    let reply = server.get("/api/v2/users/me").await;
    assert_eq!((reply.status.as_u16(), reply.title()), (429, "Too Many Requests".to_owned()));
    for absent in ["x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"] {
        assert_eq!(reply.header(absent), None);
    }
    assert_eq!(server.emulator.requests().too_many, 1);
    assert_eq!(server.emulator.requests().counted, 4, "refused ones count too");
}

#[tokio::test]
async fn windows_turn_at_the_quarter_hour_that_the_date_header_shows() {
    let server = server(1).await;
    server.get("/api/v2/users/me").await;
    let refused = server.get("/api/v2/users/me").await;
    assert_eq!(refused.header("date"), Some("Fri, 21 Aug 2026 12:34:04 GMT"));
    server.emulator.advance(Duration::from_secs(10 * 60 + 55));
    assert_eq!(server.get("/api/v2/users/me").await.status, 429);
    server.emulator.advance(Duration::from_secs(1));
    let passed = server.get("/api/v2/users/me").await;
    assert_eq!(passed.status, 200);
    assert_eq!(passed.header("date"), Some("Fri, 21 Aug 2026 12:45:00 GMT"));
}

#[tokio::test]
async fn whatever_the_handler_says_the_request_was_counted() {
    let server = Server::start().await;
    let answers = [
        server.get("/api/v2/tokens/aaaaaaaaaaaaaaaaaaaaaaaaaaaa").await,
        server.get("/api/v2/nowhere").await,
        server.get("/api/v2/projects?limit=1000&page=99").await,
    ];
    let left: Vec<_> = answers
        .iter()
        .map(|reply| (reply.status.as_u16(), reply.header("x-ratelimit-remaining").unwrap().to_owned()))
        .collect();
    let expected = [(404, "3499".to_owned()), (404, "3498".to_owned()), (500, "3497".to_owned())];
    assert_eq!(left, expected);
}

#[tokio::test]
async fn users_organizations_and_addresses_have_budgets_of_their_own() {
    let server = server(1).await;
    let projects = server.emulator.projects();
    let config = |key: &str, project: &str| {
        let path = format!("/api/v2/projects/{project}/config");
        server.bearer(key, "GET", &path).reply()
    };
    let (first, sibling, other) =
        (server.key(&projects[0].id), server.key(&projects[3].id), server.key(&projects[1].id));
    assert_eq!(config(&first, &projects[0].id).await.status, 200);
    assert_eq!(config(&sibling, &projects[3].id).await.status, 429, "one budget per organization");
    assert_eq!(config(&other, &projects[1].id).await.status, 200);
    assert_eq!(server.get("/api/v2/users/me").await.status, 200);
    assert_eq!(server.anonymous("GET", "/api/v2/about").reply().await.status, 200);
    assert_eq!(server.anonymous("GET", "/api/v2/about").reply().await.status, 429);
    let forwarded = server.anonymous("GET", "/api/v2/about").header("x-forwarded-for", "203.0.113.7");
    assert_eq!(forwarded.reply().await.status, 200);
}

#[tokio::test]
async fn a_session_and_basic_share_the_users_budget() {
    let server = Server::start().await;
    let token = server.login().await.json()["token"].as_str().unwrap().to_owned();
    server.get("/api/v2/users/me").await;
    let reply = server.bearer(&token, "GET", "/api/v2/users/me").reply().await;
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("3498"));
}

#[tokio::test]
async fn without_a_limit_there_are_no_headers() {
    let server = server(0).await;
    assert_eq!(server.get("/api/v2/users/me").await.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn a_window_can_be_shorter_for_impatient_tests() {
    let server = Server::with(|settings| {
        settings.rate_limit = 1;
        settings.rate_window = Duration::from_secs(10);
    })
    .await;
    server.get("/api/v2/users/me").await;
    assert_eq!(server.get("/api/v2/users/me").await.status, 429);
    server.emulator.advance(Duration::from_secs(6));
    assert_eq!(server.get("/api/v2/users/me").await.status, 200);
}
