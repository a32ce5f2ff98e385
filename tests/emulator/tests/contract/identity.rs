//! Credentials and who may do what (contract 1.1 to 1.4, checklist 1, 2 and 4).

use exceptionless_emulator::{EMAIL, PASSWORD, ServerVersion, Token};
use serde_json::json;

use crate::server::{Send, Server};

#[tokio::test]
async fn a_token_is_accepted_in_every_form_the_server_knows() {
    let server = Server::start().await;
    let key = server.key(&server.project());
    let config = "/api/v2/projects/config";
    let forms = [
        server.anonymous("GET", config).bearer_auth(&key),
        server.anonymous("GET", config).header("authorization", format!("bEARER {key}")),
        server.anonymous("GET", config).header("authorization", format!("Token {key}")),
        server.anonymous("GET", config).basic_auth("CLIENT", Some(&key)),
        server.anonymous("GET", config).basic_auth(&key, Some("x-oauth-basic")),
        server.anonymous("GET", &format!("{config}?access_token={key}")),
        server.anonymous("GET", &format!("{config}?api_key={key}")),
        server.anonymous("GET", &format!("{config}?apikey={key}")),
        server.anonymous("GET", &format!("{config}?apikey={key}")).header("authorization", "Unknown scheme"),
    ];
    for form in forms {
        let reply = form.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let empty_bearer = server
        .anonymous("GET", &format!("{config}?apikey={key}"))
        .header("authorization", "Bearer ")
        .reply()
        .await;
    assert_eq!(empty_bearer.status, 401);
}

#[tokio::test]
async fn a_bearer_of_64_characters_is_never_taken_for_an_api_key() {
    let server = Server::start().await;
    let project = server.project();
    let long = "a".repeat(64);
    let token = Token::client(long.clone(), &server.organization(), &project, server.emulator.now());
    server.emulator.state(|state| state.put_token(token));
    assert_eq!(server.verify(&long).await, 401);
}

#[tokio::test]
async fn email_and_password_by_basic_are_a_user() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v2/users/me").await.json()["email_address"], EMAIL);
    let wrong = server.anonymous("GET", "/api/v2/users/me").basic_auth(EMAIL, Some("wrong")).reply().await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn a_password_with_a_colon_works_at_login_but_not_by_basic() {
    let server = Server::start().await;
    server.emulator.change_password(EMAIL, "correct:horse");
    let basic =
        server.anonymous("GET", "/api/v2/users/me").basic_auth(EMAIL, Some("correct:horse")).reply().await;
    assert_eq!(basic.status, 401);
    assert_eq!(server.login_as(EMAIL, "correct:horse").await.status, 200);
}

#[tokio::test]
async fn an_undecodable_basic_credential_breaks_the_server() {
    let server = Server::start().await;
    for header in ["Basic %%%", "Basic"] {
        let reply = server.anonymous("GET", "/api/v2/users/me").header("authorization", header).reply().await;
        assert_eq!(reply.status, 500, "{header}");
    }
}

#[tokio::test]
async fn the_reasons_why_a_key_is_dead_are_indistinguishable_and_cost_nothing() {
    let server = Server::start().await;
    let (organization, project) = (server.organization(), server.project());
    let dead = |change: fn(&mut Token)| {
        let mut token = server.emulator.create_person_key(&project, "dead");
        change(&mut token);
        server.emulator.state(|state| state.put_token(token.clone()));
        token.id
    };
    let keys = [
        "a".repeat(40),
        dead(|token| token.disabled = true),
        dead(|token| token.suspended = true),
        dead(|token| token.expires = Some(token.created - chrono::TimeDelta::seconds(1))),
        dead(|token| token.user_id = Some("a person who left".to_owned())),
    ];
    let mut answers = Vec::new();
    for key in keys {
        let path = format!("/api/v2/organizations/{organization}/tokens");
        let reply = server.bearer(&key, "GET", &path).reply().await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.title(), "Unauthorized");
        assert_eq!(reply.header("x-ratelimit-limit"), None);
        answers.push(reply.header("www-authenticate").unwrap().to_owned());
    }
    assert!(answers[0].ends_with("/.well-known/oauth-protected-resource/api/v2\""));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(server.emulator.requests().counted, 0);
}

#[tokio::test]
async fn a_client_key_is_refused_by_policy_and_a_user_key_by_the_token_handlers() {
    let server = Server::start().await;
    let project = server.project();
    let tokens = format!("/api/v2/projects/{project}/tokens");
    let client = server.key(&project);
    let by_policy = server.bearer(&client, "GET", &tokens).reply().await;
    assert_eq!((by_policy.status.as_u16(), by_policy.title()), (403, "Forbidden".to_owned()));
    assert_eq!(by_policy.header("x-ratelimit-limit"), None);

    let created = server.post(&tokens, json!({ "scopes": ["user"] })).await.json();
    let user_key = created["id"].as_str().unwrap();
    assert_eq!(server.bearer(user_key, "GET", "/api/v2/projects").reply().await.status, 200);
    let one = format!("/api/v2/tokens/{client}");
    let refused = [
        (server.bearer(user_key, "GET", &tokens), "access"),
        (server.bearer(user_key, "GET", &one), "access"),
        (server.bearer(user_key, "GET", &format!("{tokens}/default")), "access"),
        (server.bearer(user_key, "POST", &tokens).json(&json!({})), "create"),
        (server.bearer(user_key, "PATCH", &one).json(&json!({})), "update"),
        (server.bearer(user_key, "DELETE", &one), "delete"),
    ];
    for (request, verb) in refused {
        let reply = request.reply().await;
        assert_eq!(reply.status, 403);
        assert_eq!(reply.title(), format!("Token authentication cannot {verb} tokens."));
        assert!(reply.header("x-ratelimit-remaining").is_some());
    }
    assert!(server.emulator.authenticates(&client));
}

#[tokio::test]
async fn a_user_key_has_no_user_to_show() {
    let server = Server::start().await;
    let tokens = format!("/api/v2/projects/{}/tokens", server.project());
    let created = server.post(&tokens, json!({ "scopes": ["user"] })).await.json();
    let key = created["id"].as_str().unwrap();
    let me = server.bearer(key, "GET", "/api/v2/users/me").reply().await;
    assert_eq!(me.status, 401);
    assert!(me.header("x-ratelimit-limit").is_some());
}

#[tokio::test]
async fn up_to_8_1_a_users_key_manages_tokens_and_one_that_is_nobodys_fails_over_it() {
    let server = Server::start().await;
    let tokens = format!("/api/v2/projects/{}/tokens", server.project());
    let created = server.post(&tokens, json!({ "scopes": ["user"] })).await.json();
    let key = created["id"].as_str().unwrap();
    server.emulator.switch(|switches| switches.server_version = ServerVersion::V8_1);
    assert_eq!(server.bearer(key, "GET", &tokens).reply().await.status, 200);
    assert_eq!(server.bearer(key, "GET", "/api/v2/users/me").reply().await.status, 404);
    let make = async || server.bearer(key, "POST", &tokens).json(&json!({})).reply().await.status;
    assert_eq!(make().await, 500);
    server.emulator.state(|state| {
        let owner = state.users[0].id.clone();
        let mut token = state.token(key).unwrap();
        token.user_id = Some(owner);
        state.put_token(token);
    });
    assert_eq!(make().await, 201);
    assert_eq!(server.bearer(key, "GET", "/api/v2/users/me").reply().await.status, 200);
}

#[tokio::test]
async fn before_8_6_3_a_refusal_has_no_words_of_its_own() {
    let server = Server::start().await;
    server.emulator.switch(|switches| switches.server_version = ServerVersion::V8_6);
    let key = server.key(&server.project());
    let organization = format!("/api/v2/organizations/{}", "0".repeat(24));
    assert_eq!(server.get(&organization).await.title(), "Not Found");
    assert_eq!(server.login_as(EMAIL, "wrong horse").await.title(), "Unauthorized");
    let tokens = format!("/api/v2/projects/{}/tokens", server.project());
    assert_eq!(server.bearer(&key, "GET", &tokens).reply().await.title(), "Forbidden");
}

#[tokio::test]
async fn a_bad_credential_is_ignored_where_none_is_needed() {
    let server = Server::start().await;
    let reply = server.bearer("nonsense", "GET", "/api/v2/about").reply().await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["app_mode"], "Production");
}

#[tokio::test]
async fn a_failing_database_looks_different_for_each_credential() {
    let server = Server::start().await;
    let token = server.login().await.json()["token"].as_str().unwrap().to_owned();
    server.emulator.switch(|switches| switches.elasticsearch_down = true);
    assert_eq!(server.get("/api/v2/users/me").await.status, 401);
    let with_token = server.bearer(&token, "GET", "/api/v2/users/me").reply().await;
    assert_eq!(with_token.status, 500);
    let login = server.login_as(EMAIL, PASSWORD).await;
    assert_eq!((login.status.as_u16(), login.title()), (401, "Login failed.".to_owned()));
}

#[tokio::test]
async fn the_order_of_the_pipeline_decides_what_is_counted() {
    let server = Server::start().await;
    let project = server.project();
    let tokens = format!("/api/v2/projects/{project}/tokens");
    // Routing comes before authentication, so a missing content type hides a missing credential.
    assert_eq!(server.anonymous("POST", &tokens).reply().await.status, 404);
    assert_eq!(server.anonymous("GET", &tokens).reply().await.status, 401);
    let client = server.key(&project);
    assert_eq!(server.bearer(&client, "GET", &tokens).reply().await.status, 403);
    assert_eq!(server.verify(&client).await, 200);
    assert_eq!(server.get(&tokens).await.status, 200);
    assert_eq!(server.emulator.requests().counted, 2, "the 404 and the 200");
}
