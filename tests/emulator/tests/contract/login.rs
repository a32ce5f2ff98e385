//! Login sessions: the same token, a fixed life, and the counters (contract 1.5, checklist 3).

use std::time::Duration;

use exceptionless_emulator::{EMAIL, PASSWORD};
use serde_json::json;

use crate::server::{Send, Server};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn token(server: &Server) -> String {
    let reply = server.login().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["token"].as_str().unwrap().to_owned()
}

async fn is_in(server: &Server, token: &str) -> bool {
    server.bearer(token, "GET", "/api/v2/users/me").reply().await.status == 200
}

#[tokio::test]
async fn logging_in_again_returns_the_same_token_until_it_expires() {
    let server = Server::start().await;
    let first = token(&server).await;
    assert_eq!(first.len(), 40);
    server.emulator.advance(80 * DAY);
    assert_eq!(token(&server).await, first, "not sliding, not renewed");
    server.emulator.advance(11 * DAY);
    assert!(is_in(&server, &first).await, "three calendar months end on 21 November");
    server.emulator.advance(2 * DAY);
    assert!(!is_in(&server, &first).await);
    assert_ne!(token(&server).await, first);
}

#[tokio::test]
async fn ten_expired_sessions_hide_every_younger_one() {
    let server = Server::start().await;
    for _ in 0..10 {
        token(&server).await;
        server.emulator.advance(100 * DAY);
    }
    assert_ne!(token(&server).await, token(&server).await);
}

#[tokio::test]
async fn a_session_appears_in_no_listing_and_under_no_id() {
    let server = Server::start().await;
    let session = token(&server).await;
    let listing = server.get(&format!("/api/v2/organizations/{}/tokens", server.organization())).await;
    assert!(!listing.text.contains(&session));
    assert_eq!(server.get(&format!("/api/v2/tokens/{session}")).await.status, 404);
    assert_eq!(server.delete(&[&session]).await.status, 404);
    assert!(is_in(&server, &session).await);
}

#[tokio::test]
async fn five_bad_attempts_lock_the_account_until_the_quarter_hour() {
    let server = Server::start().await;
    for _ in 0..5 {
        let reply = server.login_as(EMAIL, "wrong horse").await;
        assert_eq!((reply.status.as_u16(), reply.title()), (401, "Login failed.".to_owned()));
    }
    let right = server.login().await;
    assert_eq!((right.status.as_u16(), right.title()), (401, "Login denied.".to_owned()));
    let basic = server.get("/api/v2/users/me").await;
    assert_eq!(basic.status, 200, "Basic has no counter");
    server.emulator.advance(Duration::from_secs(10 * 60 + 55));
    assert_eq!(server.login().await.status, 401, "12:44:59");
    server.emulator.advance(Duration::from_secs(1));
    assert_eq!(server.login().await.status, 200, "12:45:00");
}

#[tokio::test]
async fn a_success_forgets_the_bad_attempts() {
    let server = Server::start().await;
    for _ in 0..3 {
        for _ in 0..4 {
            server.login_as(EMAIL, "wrong horse").await;
        }
        assert_eq!(server.login().await.status, 200);
    }
}

#[tokio::test]
async fn fifteen_attempts_lock_an_address_whatever_the_accounts() {
    let server = Server::start().await;
    for number in 0..15 {
        server.login_as(&format!("nobody{number}@example.test"), "wrong horse").await;
    }
    assert_eq!(server.login().await.title(), "Login denied.");
    let elsewhere = server
        .anonymous("POST", "/api/v2/auth/login")
        .header("x-forwarded-for", "203.0.113.7")
        .json(&json!({ "email": EMAIL, "password": PASSWORD }))
        .reply()
        .await;
    assert_eq!(elsewhere.status, 200);
}

#[tokio::test]
async fn a_burst_of_good_logins_can_lock_itself_out() {
    let server = Server::with(|settings| settings.switches.login_gap = Duration::from_millis(300)).await;
    let replies = tokio::join!(
        server.login(),
        server.login(),
        server.login(),
        server.login(),
        server.login(),
        server.login()
    );
    let (a, b, c, d, e, f) = replies;
    let denied = [a, b, c, d, e, f].iter().filter(|reply| reply.status == 401).count();
    assert_eq!(denied, 1);
}

#[tokio::test]
async fn credentials_out_of_shape_are_told_apart_from_wrong_ones() {
    let server = Server::start().await;
    let cases = [
        (json!({ "email": EMAIL }), 422, "password"),
        (json!({ "email": "", "password": PASSWORD }), 422, "email"),
        (json!({ "email": EMAIL, "password": "short" }), 422, "password"),
        (json!({ "email": EMAIL, "password": "x".repeat(101) }), 422, "password"),
    ];
    for (body, status, field) in cases {
        let reply = server.anonymous("POST", "/api/v2/auth/login").json(&body).reply().await;
        assert_eq!(reply.status, status, "{body}");
        assert!(reply.json()["errors"][field].is_array(), "{body}");
    }
    let null = json!({ "email": null, "password": PASSWORD });
    let reply = server.anonymous("POST", "/api/v2/auth/login").json(&null).reply().await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_spares_project_keys() {
    let server = Server::start().await;
    let session = token(&server).await;
    let key = server.create_key().await;
    server.emulator.change_password(EMAIL, "battery staple");
    assert!(!is_in(&server, &session).await);
    assert_eq!(server.verify(&key).await, 200);
    assert_eq!(server.login().await.title(), "Login failed.");
}

#[tokio::test]
async fn logout_ends_the_session_for_everyone_who_shares_it() {
    let server = Server::start().await;
    let session = token(&server).await;
    let logout = "/api/v2/auth/logout";
    assert_eq!(server.user("GET", logout).reply().await.title(), "Logout not supported");
    let key = server.key(&server.project());
    assert_eq!(server.bearer(&key, "GET", logout).reply().await.title(), "Forbidden");
    let reply = server.bearer(&session, "GET", logout).reply().await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""));
    assert!(!is_in(&server, &session).await);
}

#[tokio::test]
async fn me_names_the_organizations() {
    let server = Server::start().await;
    let me = server.get("/api/v2/users/me").await.json();
    let ids: Vec<_> = server.emulator.organizations().into_iter().map(|one| one.id).collect();
    assert_eq!(me["organization_ids"], json!(ids));
    assert_eq!(me["roles"], json!(["client", "user"]));
}

async fn change(server: &Server, current: &str, new: &str) -> crate::server::Reply {
    let body = json!({ "current_password": current, "password": new });
    server.user("POST", "/api/v2/auth/change-password").json(&body).reply().await
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_that_ends_every_session() {
    let server = Server::start().await;
    let session = token(&server).await;
    for _ in 0..4 {
        server.login_as(EMAIL, "wrong horse").await;
    }
    let reply = change(&server, PASSWORD, "battery staple").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let fresh = reply.json()["token"].as_str().unwrap().to_owned();
    assert!(!is_in(&server, &session).await);
    assert!(is_in(&server, &fresh).await);
    for _ in 0..4 {
        server.login_as(EMAIL, "wrong horse").await;
    }
    assert_eq!(server.login_as(EMAIL, "battery staple").await.status, 200, "the attempts are forgotten");
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_changes_nothing() {
    let server = Server::start().await;
    for (current, new, field) in [
        ("wrong horse", "battery staple", "current_password"),
        (PASSWORD, PASSWORD, "password"),
        (PASSWORD, "short", "password"),
        (PASSWORD, &"x".repeat(101), "password"),
        ("", "battery staple", "current_password"),
    ] {
        let reply = change(&server, current, new).await;
        assert_eq!(reply.status, 422, "{current} {new}");
        assert!(reply.json()["errors"][field].is_array(), "{reply:?}");
    }
    assert_eq!(server.login().await.status, 200);
    let body = json!({ "current_password": PASSWORD, "password": "battery staple" });
    let path = "/api/v2/auth/change-password";
    assert_eq!(server.anonymous("POST", path).json(&body).reply().await.status, 401);
    let key = server.key(&server.project());
    assert_eq!(server.bearer(&key, "POST", path).json(&body).reply().await.status, 403);
}

#[tokio::test]
async fn a_server_without_its_database_is_not_healthy() {
    let server = Server::start().await;
    let health = async || server.anonymous("GET", "/health").reply().await;
    assert_eq!((health().await.status.as_u16(), health().await.text.as_str()), (200, "Healthy"));
    server.emulator.switch(|switches| switches.elasticsearch_down = true);
    assert_eq!((health().await.status.as_u16(), health().await.text.as_str()), (503, "Unhealthy"));
}
