//! Making keys (contract 3.1, 3.3 and 3.4, checklist 7 and 11).

use exceptionless_emulator::Token;
use serde_json::{Value, json};

use crate::server::{NOON, Reply, Send, Server};

const STRANGE: &str = "64f0c0ffee00000000000000";

async fn in_project(server: &Server, body: Value) -> Reply {
    server.post(&format!("/api/v2/projects/{}/tokens", server.project()), body).await
}

#[tokio::test]
async fn a_key_is_shown_whole_and_where_it_is() {
    let server = Server::start().await;
    let reply = in_project(&server, json!({ "scopes": ["client"], "notes": "rotator <1>" })).await;
    assert_eq!(reply.status, 201);
    let key = reply.json();
    let id = key["id"].as_str().unwrap();
    assert_eq!(id.len(), 40);
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let location = format!("{}/api/v2/tokens/{id}", server.emulator.url());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert_eq!(
        key,
        json!({
            "id": id,
            "organization_id": server.organization(),
            "project_id": server.project(),
            "scopes": ["client"],
            "notes": "rotator <1>",
            "is_disabled": false,
            "is_suspended": false,
            "created_utc": NOON,
            "updated_utc": NOON,
        })
    );
    assert!(reply.text.contains("rotator \\u003C1\\u003E"), "{}", reply.text);
    assert_eq!(server.get(&format!("/api/v2/tokens/{id}")).await.json(), key);
    assert_eq!(server.verify(id).await, 200);
}

#[tokio::test]
async fn nothing_null_and_an_empty_object_all_mean_a_client_key() {
    let server = Server::start().await;
    let path = format!("/api/v2/projects/{}/tokens", server.project());
    let nothing = server.user("POST", &path).header("content-type", "application/json").reply().await;
    for reply in [nothing, in_project(&server, Value::Null).await, in_project(&server, json!({})).await] {
        assert_eq!(reply.status, 201);
        assert_eq!(reply.json()["scopes"], json!(["client"]));
        assert_eq!(reply.json()["notes"], Value::Null);
    }
}

#[tokio::test]
async fn the_same_request_twice_makes_two_keys() {
    let server = Server::start().await;
    assert_ne!(server.create_key().await, server.create_key().await);
}

#[tokio::test]
async fn the_route_overrules_the_body() {
    let server = Server::start().await;
    let other = &server.emulator.projects()[1];
    let body = json!({ "project_id": other.id, "organization_id": other.organization_id });
    let key = in_project(&server, body).await.json();
    assert_eq!(key["project_id"], server.project());
    assert_eq!(key["organization_id"], server.organization());
}

#[tokio::test]
async fn unknown_members_are_ignored_and_known_ones_found_in_any_case() {
    let server = Server::start().await;
    let body = json!({ "expiresUtc": "2026-12-01T00:00:00Z", "NOTES": "found", "surprise": [1] });
    let key = in_project(&server, body).await.json();
    assert_eq!(key["expires_utc"], Value::Null);
    assert_eq!(key["notes"], "found");
}

#[tokio::test]
async fn scopes_are_lowered_completed_and_checked() {
    let server = Server::start().await;
    let scopes = async |wished: Value| in_project(&server, json!({ "scopes": wished })).await;
    assert_eq!(scopes(json!([])).await.json()["scopes"], json!(["client"]));
    assert_eq!(scopes(json!(["USER"])).await.json()["scopes"], json!(["user", "client"]));
    let maps = scopes(json!(["source-maps:write"])).await.json();
    assert_eq!(maps["scopes"], json!(["source-maps:write"]));
    assert_eq!(server.verify(maps["id"].as_str().unwrap()).await, 403);
    for refused in ["admin", "global"] {
        let reply = scopes(json!([refused])).await;
        assert_eq!(reply.status, 422);
        assert_eq!(reply.json()["errors"]["scopes"], json!(["Invalid token scope requested."]));
    }
    assert_eq!(scopes(json!([null])).await.status, 500);
    server.emulator.state(|state| state.users[0].global_admin = true);
    assert_eq!(scopes(json!(["global"])).await.json()["scopes"], json!(["global", "user", "client"]));
}

#[tokio::test]
async fn nulls_wrong_types_and_wrong_lengths_are_told_apart() {
    let server = Server::start().await;
    for allowed in ["expires_utc", "notes", "default_project_id"] {
        assert_eq!(in_project(&server, json!({ allowed: null })).await.status, 201, "{allowed}");
    }
    for refused in ["organization_id", "project_id", "scopes"] {
        assert_eq!(in_project(&server, json!({ refused: null })).await.status, 400, "{refused}");
    }
    for wrong in
        [json!({ "notes": 1 }), json!({ "scopes": "client" }), json!({ "expires_utc": "soon" }), json!([])]
    {
        assert_eq!(in_project(&server, wrong.clone()).await.status, 400, "{wrong}");
    }
    for id in ["organization_id", "project_id", "default_project_id"] {
        let reply = in_project(&server, json!({ id: "short" })).await;
        assert_eq!(reply.status, 422, "{id}");
        assert!(reply.json()["errors"][id].is_array());
    }
    let malformed = server
        .user("POST", &format!("/api/v2/projects/{}/tokens", server.project()))
        .header("content-type", "application/json")
        .body("{\"notes\":")
        .reply()
        .await;
    assert_eq!(malformed.status, 400);
    assert_eq!(malformed.json()["errors"], Value::Null);
}

#[tokio::test]
async fn each_route_has_its_own_way_to_miss_a_project() {
    let server = Server::start().await;
    let by_project = server.post(&format!("/api/v2/projects/{STRANGE}/tokens"), json!({})).await;
    assert_eq!((by_project.status.as_u16(), by_project.title()), (404, "Project not found.".to_owned()));
    let without = server.post("/api/v2/tokens", json!({})).await;
    assert_eq!(without.status, 400);
    assert!(without.json()["errors"]["project_id"].is_array());
    let unknown = server.post("/api/v2/tokens", json!({ "project_id": STRANGE })).await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.json()["errors"]["project_id"].is_array());
    let organization = server.post(&format!("/api/v2/organizations/{STRANGE}/tokens"), json!({})).await;
    assert_eq!(
        (organization.status.as_u16(), organization.title()),
        (400, "Invalid organization.".to_owned())
    );
}

#[tokio::test]
async fn a_wrong_organization_is_silently_replaced_by_the_projects() {
    let server = Server::start().await;
    let body = json!({ "project_id": server.project(), "organization_id": STRANGE });
    let reply = server.post("/api/v2/tokens", body).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json()["organization_id"], server.organization());
}

#[tokio::test]
async fn an_organization_makes_keys_without_project() {
    let server = Server::start().await;
    let path = format!("/api/v2/organizations/{}/tokens", server.organization());
    let plain = server.post(&path, json!({})).await.json();
    assert_eq!(plain["project_id"], Value::Null);
    let key = server.post(&path, json!({ "default_project_id": server.project() })).await.json();
    let id = key["id"].as_str().unwrap().to_owned();
    let listed = server.get(&format!("/api/v2/projects/{}/tokens", server.project())).await;
    assert!(listed.ids().contains(&id), "an organization-level key in a project's listing");
    let bound = json!({ "default_project_id": server.project(), "project_id": server.project() });
    assert_eq!(server.post(&path, bound).await.json()["default_project_id"], Value::Null);
}

#[tokio::test]
async fn an_expiry_may_lie_in_the_past_and_is_read_as_utc() {
    let server = Server::start().await;
    for (sent, stored, alive) in [
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", 200),
        ("2026-12-01T02:00:00.5000000+02:00", "2026-12-01T00:00:00.5Z", 200),
        ("2026-12-01T00:00:00", "2026-12-01T00:00:00Z", 200),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", 401),
    ] {
        let key = in_project(&server, json!({ "expires_utc": sent })).await.json();
        assert_eq!(key["expires_utc"], stored);
        assert_eq!(server.verify(key["id"].as_str().unwrap()).await, alive, "{sent}");
    }
}

#[tokio::test]
async fn a_body_above_the_global_limit_is_refused() {
    let server = Server::start().await;
    let fits = in_project(&server, json!({ "notes": "x".repeat(200_000) })).await;
    assert_eq!(fits.status, 201);
    let reply = in_project(&server, json!({ "notes": "x".repeat(204_096) })).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn the_default_key_is_the_oldest_even_when_dead() {
    let server = Server::start().await;
    let project = server.project();
    let oldest = server.key(&project);
    server.create_key().await;
    server.emulator.disable_key(&oldest);
    let reply = server.get(&format!("/api/v2/projects/{project}/tokens/default")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["id"], oldest);
    assert_eq!(reply.json()["is_disabled"], true);
}

#[tokio::test]
async fn asking_for_a_default_key_where_there_is_none_makes_one() {
    let server = Server::start().await;
    let project = server.project();
    let only: Token = server.emulator.live_keys(&project).remove(0);
    server.emulator.delete_key(&only.id);
    let path = format!("/api/v2/projects/{project}/tokens/default");
    let made = server.get(&path).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["notes"], Value::Null);
    assert_eq!(server.get(&path).await.status, 200, "and then it is there");
    assert_eq!(server.emulator.live_keys(&project).len(), 1);
}
