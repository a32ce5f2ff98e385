//! What happens to keys without anybody touching them (contract 3.7 and 7, checklist 13, 14 and 15).

use std::time::Duration;

use serde_json::json;

use crate::server::{Send, Server};

#[tokio::test]
async fn deleting_a_project_takes_its_keys_but_not_organization_level_ones() {
    let server = Server::start().await;
    let (organization, project) = (server.organization(), server.project());
    let key = server.key(&project);
    let path = format!("/api/v2/organizations/{organization}/tokens");
    let wide = server.post(&path, json!({ "default_project_id": project })).await.json();
    let wide = wide["id"].as_str().unwrap();
    server.emulator.delete_project(&project);
    assert_eq!(server.verify(&key).await, 401);
    assert_eq!(server.verify(wide).await, 404, "alive, but its project is gone");
    assert!(server.emulator.authenticates(wide));
    assert_eq!(server.get(&format!("/api/v2/projects/{project}")).await.status, 404);
}

#[tokio::test]
async fn an_orphan_lists_and_authenticates_but_cannot_be_touched_until_the_job_runs() {
    let server = Server::start().await;
    let organization = server.organization();
    let gone = "64f0c0ffee00000000000000";
    let orphan = server.emulator.state(|state| state.create_person_key(&organization, gone, "orphan")).id;
    let path = format!("/api/v2/organizations/{organization}/tokens?limit=100");
    assert!(server.get(&path).await.ids().contains(&orphan));
    assert!(server.emulator.authenticates(&orphan));
    assert_eq!(server.get(&format!("/api/v2/tokens/{orphan}")).await.status, 404);
    assert_eq!(server.delete(&[&orphan]).await.status, 404);
    server.emulator.run_cleanup_job();
    assert!(!server.get(&path).await.ids().contains(&orphan));
}

#[tokio::test]
async fn a_suspended_organization_has_dead_keys_and_living_administration() {
    let server = Server::start().await;
    let organization = server.organization();
    let old = server.key(&server.project());
    server.emulator.suspend_organization(&organization, true);
    assert_eq!(server.verify(&old).await, 401);
    let shown = server.get(&format!("/api/v2/organizations/{organization}")).await.json();
    assert_eq!(shown["is_suspended"], true);
    let listed = server.get(&format!("/api/v2/projects/{}/tokens", server.project())).await.json();
    assert_eq!(listed[0]["is_suspended"], true);

    let new = server.create_key().await;
    assert_eq!(server.verify(&new).await, 200, "until the job flags it");
    server.emulator.run_cleanup_job();
    assert_eq!(server.verify(&new).await, 401);
    server.emulator.suspend_organization(&organization, false);
    assert_eq!((server.verify(&new).await, server.verify(&old).await), (200, 200));
}

#[tokio::test]
async fn a_person_cannot_post_events_into_a_suspended_organization() {
    let server = Server::start().await;
    server.emulator.suspend_organization(&server.organization(), true);
    let path = format!("/api/v2/projects/{}/events", server.project());
    assert_eq!(server.post(&path, json!({})).await.status, 402);
}

#[tokio::test]
async fn a_key_dies_when_it_expires_and_stays_listed() {
    let server = Server::start().await;
    let path = format!("/api/v2/projects/{}/tokens", server.project());
    let key = server.post(&path, json!({ "expires_utc": "2026-08-21T12:35:00Z" })).await.json();
    let id = key["id"].as_str().unwrap().to_owned();
    server.emulator.advance(Duration::from_secs(56));
    assert_eq!(server.verify(&id).await, 200, "at the very moment");
    server.emulator.advance(Duration::from_secs(1));
    assert_eq!(server.verify(&id).await, 401);
    assert!(server.get(&path).await.ids().contains(&id));
}

#[tokio::test]
async fn a_deleted_key_can_linger_in_a_cache_for_five_minutes() {
    let server = Server::start().await;
    server.emulator.switch(|switches| switches.stale_authentication = true);
    let key = server.create_key().await;
    assert_eq!(server.delete(&[&key]).await.status, 202);
    assert_eq!(server.verify(&key).await, 200);
    assert_eq!(server.get(&format!("/api/v2/tokens/{key}")).await.status, 404);
    server.emulator.advance(Duration::from_secs(299));
    assert_eq!(server.verify(&key).await, 200);
    server.emulator.advance(Duration::from_secs(1));
    assert_eq!(server.verify(&key).await, 401);
}

#[tokio::test]
async fn every_secret_that_ever_existed_is_remembered() {
    let server = Server::start().await;
    let made = server.create_key().await;
    let session = server.login().await.json()["token"].as_str().unwrap().to_owned();
    server.delete(&[&made]).await;
    let secrets = server.emulator.issued_secrets();
    for secret in [&made, &session, exceptionless_emulator::PASSWORD] {
        assert!(secrets.iter().any(|known| known == secret), "{secret}");
    }
    assert!(secrets.len() >= 7 + 3);
}

#[tokio::test]
async fn a_skewed_clock_shows_in_the_date_and_in_what_is_stored() {
    let server = Server::start().await;
    server.emulator.set_date_offset(chrono::TimeDelta::hours(-2));
    let reply = server.user("GET", "/api/v2/users/me").reply().await;
    assert_eq!(reply.header("date"), Some("Fri, 21 Aug 2026 10:34:04 GMT"));
    let key = server.create_key().await;
    let token = server.emulator.state(|state| state.token(&key)).unwrap();
    assert_eq!(token.created.to_rfc3339(), "2026-08-21T10:34:04+00:00");
}
