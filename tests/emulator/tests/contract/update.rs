//! Changing keys (contract 3.5, checklist 8).

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Reply, Send, Server};

async fn patch(server: &Server, key: &str, body: Value) -> Reply {
    server.user("PATCH", &format!("/api/v2/tokens/{key}")).json(&body).reply().await
}

#[tokio::test]
async fn a_disabled_key_is_dead_at_once_and_can_be_revived() {
    let server = Server::start().await;
    let key = server.create_key().await;
    server.emulator.advance(Duration::from_secs(1));
    let reply = patch(&server, &key, json!({ "is_disabled": true })).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["is_disabled"], true);
    assert_eq!(reply.json()["updated_utc"], "2026-08-21T12:34:05Z");
    assert_eq!(server.verify(&key).await, 401);
    assert_eq!(server.emulator.revocations().len(), 1, "the books have it as an end");
    patch(&server, &key, json!({ "is_disabled": false })).await;
    assert_eq!(server.verify(&key).await, 200);
}

#[tokio::test]
async fn a_null_note_is_ignored_and_an_empty_one_is_kept() {
    let server = Server::start().await;
    let key = server.create_key().await;
    patch(&server, &key, json!({ "notes": "mine" })).await;
    let ignored = patch(&server, &key, json!({ "notes": null })).await;
    assert_eq!((ignored.status.as_u16(), &ignored.json()["notes"]), (200, &json!("mine")));
    assert_eq!(patch(&server, &key, json!({})).await.json()["notes"], "mine");
    assert_eq!(patch(&server, &key, json!({ "notes": "" })).await.json()["notes"], "");
}

#[tokio::test]
async fn nothing_else_can_be_changed() {
    let server = Server::start().await;
    let key = server.create_key().await;
    let body = json!({ "expires_utc": "2026-12-01T00:00:00Z", "scopes": ["user"] });
    let reply = patch(&server, &key, body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["expires_utc"], Value::Null);
    assert_eq!(reply.json()["scopes"], json!(["client"]));
}

#[tokio::test]
async fn a_missing_body_and_wrong_types_are_bad_requests() {
    let server = Server::start().await;
    let key = server.create_key().await;
    let path = format!("/api/v2/tokens/{key}");
    let empty = server.user("PATCH", &path).header("content-type", "application/json").reply().await;
    assert_eq!(empty.status, 400);
    assert_eq!(empty.json()["errors"][""], json!(["A non-empty request body is required."]));
    for wrong in [json!({ "is_disabled": null }), json!({ "is_disabled": "yes" }), json!({ "notes": 1 })] {
        assert_eq!(patch(&server, &key, wrong).await.status, 400);
    }
}

#[tokio::test]
async fn a_comma_list_is_one_unknown_id() {
    let server = Server::start().await;
    let (a, b) = (server.create_key().await, server.create_key().await);
    let reply = patch(&server, &format!("{a},{b}"), json!({ "is_disabled": true })).await;
    assert_eq!((reply.status.as_u16(), reply.title()), (404, "Token not found.".to_owned()));
}

#[tokio::test]
async fn put_is_as_partial_as_patch() {
    let server = Server::start().await;
    let key = server.create_key().await;
    patch(&server, &key, json!({ "notes": "kept" })).await;
    let path = format!("/api/v2/tokens/{key}");
    let reply = server.user("PUT", &path).json(&json!({ "is_disabled": true })).reply().await;
    assert_eq!(reply.json()["notes"], "kept");
}

#[tokio::test]
async fn a_patch_that_overlaps_a_delete_brings_the_key_back() {
    let server = Server::with(|settings| settings.switches.patch_gap = Duration::from_millis(500)).await;
    let key = server.create_key().await;
    let racing = async {
        server.emulator.until_called("PATCH", "tokens/{ids}", 1).await;
        let deleted = server.delete(&[&key]).await;
        assert_eq!(deleted.status, 202);
        assert!(!server.emulator.authenticates(&key));
    };
    let (patched, ()) = tokio::join!(patch(&server, &key, json!({ "notes": "again" })), racing);
    assert_eq!(patched.status, 200);
    assert!(server.emulator.authenticates(&key), "resurrected");
}
