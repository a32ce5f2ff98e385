//! Problem documents, routing misses and health (contract 6, checklist 10 and 14).

use serde_json::{Value, json};

use crate::server::{Send, Server};

#[tokio::test]
async fn a_problem_repeats_the_path_and_with_it_the_secret() {
    let server = Server::start().await;
    let key = "s".repeat(40);
    let reply = server.get(&format!("/api/v2/tokens/{key}?x=1")).await;
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["instance"], format!("GET /api/v2/tokens/{key}"));
    assert_eq!(problem["type"], "https://tools.ietf.org/html/rfc9110#section-15.5.5");
    assert_eq!(problem["title"], "Token not found.");
    assert_eq!(problem["status"], 404);
    assert!(problem["trace_id"].as_str().unwrap().starts_with("00-"));
}

#[tokio::test]
async fn a_client_that_wants_no_json_gets_the_short_problem() {
    let server = Server::start().await;
    let reply = server.user("GET", "/api/v2/nowhere").header("accept", "text/plain").reply().await;
    assert_eq!(reply.json()["status"], 404);
    assert_eq!(reply.json()["instance"], Value::Null);
}

#[tokio::test]
async fn a_missing_or_wrong_content_type_is_not_found_even_without_credentials() {
    let server = Server::start().await;
    let project = server.project();
    let key = server.key(&project);
    let paths = [
        ("POST", "/api/v2/auth/login".to_owned()),
        ("POST", format!("/api/v2/projects/{project}/tokens")),
        ("POST", format!("/api/v2/organizations/{}/tokens", server.organization())),
        ("POST", "/api/v2/tokens".to_owned()),
        ("PATCH", format!("/api/v2/tokens/{key}")),
        ("PUT", format!("/api/v2/tokens/{key}")),
    ];
    for (method, path) in paths {
        let missing = server.anonymous(method, &path).body("{}").reply().await;
        assert_eq!(
            (missing.status.as_u16(), missing.title()),
            (404, "Not Found".to_owned()),
            "{method} {path}"
        );
        let wrong = server.user(method, &path).header("content-type", "text/plain").body("{}").reply().await;
        assert_eq!(wrong.status, 404, "{method} {path}");
    }
    let with_charset = server
        .user("PATCH", &format!("/api/v2/tokens/{key}"))
        .header("content-type", "Application/JSON; charset=utf-8")
        .body("{}")
        .reply()
        .await;
    assert_eq!(with_charset.status, 200);
}

#[tokio::test]
async fn a_wrong_method_is_not_found() {
    let server = Server::start().await;
    let wrong = [
        ("DELETE", "/api/v2/projects".to_owned()),
        ("POST", "/api/v2/users/me".to_owned()),
        ("GET", "/api/v2/auth/login".to_owned()),
        ("GET", "/api/v2/tokens".to_owned()),
        ("DELETE", format!("/api/v2/projects/{}/tokens", server.project())),
    ];
    for (method, path) in wrong {
        let reply = server.user(method, &path).json(&json!({})).reply().await;
        assert_eq!((reply.status.as_u16(), reply.title()), (404, "Not Found".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_malformed_id_misses_the_route_and_a_strange_one_reaches_the_handler() {
    let server = Server::start().await;
    let titles = async |id: &str| server.get(&format!("/api/v2/projects/{id}")).await.title();
    assert_eq!(titles("short").await, "Not Found");
    assert_eq!(titles("64f0c0ffee0000000000000-").await, "Not Found");
    assert_eq!(titles("zzzzzzzzzzzzzzzzzzzzzzzz").await, "Project not found.");
    assert_eq!(titles(&"z".repeat(37)).await, "Not Found");
}

#[tokio::test]
async fn paths_are_case_insensitive() {
    let server = Server::start().await;
    assert_eq!(server.get("/API/V2/Users/Me").await.status, 200);
}

#[tokio::test]
async fn an_unknown_route_is_counted_for_the_address_of_the_stranger() {
    let server = Server::start().await;
    let reply = server.anonymous("GET", "/api/v2/nowhere").reply().await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("3499"));
    assert_eq!(server.anonymous("GET", "/api").reply().await.status, 404);
}

#[tokio::test]
async fn health_is_plain_text_before_authentication_and_throttle() {
    let server = Server::with(|settings| settings.rate_limit = 1).await;
    for path in ["/health", "/ready", "/health"] {
        let reply = server.anonymous("GET", path).reply().await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "Healthy"));
        assert_eq!(reply.header("x-ratelimit-limit"), None);
    }
}

#[tokio::test]
async fn special_characters_are_escaped_more_than_needed() {
    let server = Server::start().await;
    let notes = "\"quoted\" <tag> & 'more' \u{e9}";
    let path = format!("/api/v2/projects/{}/tokens", server.project());
    let reply = server.post(&path, json!({ "notes": notes })).await;
    let written = r#"\u0022quoted\u0022 \u003Ctag\u003E \u0026 \u0027more\u0027 é"#;
    assert!(reply.text.contains(written), "{}", reply.text);
    assert_eq!(reply.json()["notes"], notes);
}
