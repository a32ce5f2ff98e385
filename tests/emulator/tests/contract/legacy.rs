//! The remains of old installations (contract 3.1, 3.2 and 8, checklist 16).

use serde_json::{Value, json};

use crate::server::{Send, Server};

async fn old_keys() -> (Server, Vec<Value>) {
    let server = Server::with(|settings| settings.legacy = true).await;
    let path = format!("/api/v2/organizations/{}/tokens?limit=100", server.organization());
    let keys = server.get(&path).await.json().as_array().unwrap().clone();
    (server, keys)
}

fn text<'k>(key: &'k Value, member: &str) -> &'k str {
    key[member].as_str().unwrap()
}

#[tokio::test]
async fn a_short_key_without_scopes_acts_as_client_and_shows_dates_without_zone() {
    let (server, keys) = old_keys().await;
    let short = keys.iter().find(|key| key["scopes"] == json!([])).unwrap();
    assert_eq!(text(short, "id").len(), 24);
    assert!(!text(short, "created_utc").ends_with('Z'));
    assert_eq!(server.verify(text(short, "id")).await, 200);
    assert_eq!(server.get(&format!("/api/v2/tokens/{}", text(short, "id"))).await.status, 200);
    let young = keys.last().unwrap();
    assert!(text(young, "created_utc").ends_with(".1234567Z"), "{young}");
}

#[tokio::test]
async fn keys_without_project_appear_with_and_without_a_default() {
    let (server, keys) = old_keys().await;
    let wide: Vec<_> = keys.iter().filter(|key| key["project_id"].is_null()).collect();
    assert_eq!(wide.len(), 2);
    let defaulting = wide.iter().find(|key| key["default_project_id"].is_string()).unwrap();
    let project = text(defaulting, "default_project_id");
    let listed = server.get(&format!("/api/v2/projects/{project}/tokens?limit=100")).await;
    assert!(listed.ids().iter().any(|id| id == text(defaulting, "id")));
}

#[tokio::test]
async fn another_persons_key_is_listed_but_out_of_reach() {
    let (server, keys) = old_keys().await;
    let me = server.get("/api/v2/users/me").await.json();
    let is_foreign = |key: &&Value| key["user_id"].is_string() && key["user_id"] != me["id"];
    let foreign = text(keys.iter().find(is_foreign).unwrap(), "id");
    let path = format!("/api/v2/tokens/{foreign}");
    assert_eq!(server.get(&path).await.status, 404);
    let patch = server.user("PATCH", &path).json(&json!({ "is_disabled": true })).reply().await;
    assert_eq!(patch.status, 404);
    assert_eq!(server.delete(&[foreign]).await.title(), "Can only delete tokens created by you.");
}

#[tokio::test]
async fn ones_own_old_api_key_is_a_key_and_not_a_user() {
    let (server, keys) = old_keys().await;
    let me = server.get("/api/v2/users/me").await.json();
    let own = text(keys.iter().find(|key| key["user_id"] == me["id"]).unwrap(), "id");
    let shown = server.bearer(own, "GET", "/api/v2/users/me").reply().await;
    assert_eq!(shown.json()["id"], me["id"]);
    let tokens = format!("/api/v2/projects/{}/tokens", server.project());
    let refused = server.bearer(own, "GET", &tokens).reply().await;
    assert_eq!(refused.title(), "Token authentication cannot access tokens.");
    let logout = server.bearer(own, "GET", "/api/v2/auth/logout").reply().await;
    assert_eq!(logout.title(), "Logout not supported for current user access token");
}

#[tokio::test]
async fn dead_keys_stay_in_listings() {
    let (server, keys) = old_keys().await;
    let expired = keys.iter().find(|key| key["expires_utc"].is_string()).unwrap();
    let disabled = keys.iter().find(|key| key["is_disabled"] == true).unwrap();
    for dead in [expired, disabled] {
        assert_eq!(server.verify(text(dead, "id")).await, 401);
    }
}
