//! Organizations and projects (contract 2, checklist 5, 6 and 16).

use std::time::Duration;

use serde_json::json;

use crate::server::{Send, Server};

#[tokio::test]
async fn projects_come_ten_a_page_by_name_and_can_be_sorted_by_age() {
    let server = Server::with(|settings| settings.projects = 12).await;
    let page = server.get("/api/v2/projects").await;
    assert_eq!(page.ids().len(), 10);
    assert_eq!(page.header("x-result-count"), Some("12"));
    assert_eq!(page.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(page.json()[1]["name"], "Project 10", "names sort as text");
    let by_age = server.get("/api/v2/projects?sort=created_utc&limit=100").await;
    assert_eq!(by_age.json()[1]["name"], "Project 2");
    let backwards = server.get("/api/v2/projects?sort=-created_utc&limit=1").await;
    assert_eq!(backwards.json()[0]["name"], "Project 12");
}

#[tokio::test]
async fn an_organization_lists_its_own_projects_and_a_strange_one_is_not_found() {
    let server = Server::start().await;
    let organization = server.organization();
    let reply = server.get(&format!("/api/v2/organizations/{organization}/projects")).await;
    assert_eq!(reply.ids().len(), 3, "seven projects, three organizations, round-robin");
    let strange = server.get("/api/v2/organizations/64f0c0ffee00000000000000/projects").await;
    assert_eq!((strange.status.as_u16(), strange.title()), (404, "Project not found.".to_owned()));
    let filtered = server.get(&format!("/api/v2/projects?filter=organization_id:{organization}")).await;
    assert_eq!(filtered.ids(), reply.ids());
}

#[tokio::test]
async fn filters_the_index_does_not_know_find_nothing_and_bad_ones_break() {
    let server = Server::start().await;
    let organization = server.organization();
    let alias = server.get(&format!("/api/v2/projects?filter=organization:{organization}")).await;
    assert_eq!(alias.json(), json!([]));
    let bad = server.get("/api/v2/projects?filter=name:(").await;
    assert_eq!(bad.status, 500);
    assert_eq!(server.get("/api/v2/projects?filter=name:7").await.ids().len(), 1);
}

#[tokio::test]
async fn a_deleted_project_is_gone_at_once_but_a_new_one_appears_a_second_later() {
    let server = Server::with(|settings| settings.switches.project_list_delay = Duration::from_secs(1)).await;
    let made = server.emulator.add_project(&server.organization(), "Newcomer");
    let listed = async || server.get("/api/v2/projects?limit=100").await.ids();
    assert_eq!(server.get(&format!("/api/v2/projects/{}", made.id)).await.status, 200);
    assert!(!listed().await.contains(&made.id));
    server.emulator.advance(Duration::from_secs(1));
    assert!(listed().await.contains(&made.id));
    server.emulator.delete_project(&made.id);
    assert!(!listed().await.contains(&made.id));
}

#[tokio::test]
async fn a_rename_reaches_listings_a_second_later() {
    let server = Server::with(|settings| settings.switches.project_list_delay = Duration::from_secs(1)).await;
    let project = server.project();
    server.emulator.rename_project(&project, "Renamed");
    let path = format!("/api/v2/projects?filter=id:{project}");
    assert_eq!(server.get(&path).await.json()[0]["name"], "Project 1");
    server.emulator.advance(Duration::from_secs(1));
    assert_eq!(server.get(&path).await.json()[0]["name"], "Renamed");
}

#[tokio::test]
async fn a_project_with_history_is_a_large_document() {
    let server = Server::start().await;
    let path = format!("/api/v2/projects/{}", server.project());
    let small = server.get(&path).await;
    assert!(small.text.len() < 1500, "{}", small.text.len());
    server.emulator.switch(|switches| switches.big_bodies = true);
    let big = server.get(&path).await;
    assert!(big.text.len() > 15_000, "{}", big.text.len());
    assert_eq!(big.json()["usage"].as_array().unwrap().len(), 13);
    assert_eq!(big.json()["usage_hours"].as_array().unwrap().len(), 168);
    assert_eq!(big.json()["usage"][0]["date"], "2026-08-01T00:00:00Z");
}

#[tokio::test]
async fn organizations_come_in_one_piece_without_pages() {
    let server = Server::with(|settings| settings.organizations = 25).await;
    let reply = server.get("/api/v2/organizations?limit=2").await;
    assert_eq!(reply.ids().len(), 25);
    assert_eq!(reply.header("x-result-count"), None);
    assert_eq!(reply.header("link"), None);
    assert_eq!(reply.json()[0]["name"], "Acme");
    assert_eq!(reply.json()[0]["is_suspended"], false);
    let strange = server.get("/api/v2/organizations/64f0c0ffee00000000000000").await;
    assert_eq!(strange.title(), "Organization not found.");
}

#[tokio::test]
async fn an_organization_tells_when_its_keys_have_used_up_their_budget() {
    let server = Server::with(|settings| settings.rate_limit = 2).await;
    let organization = server.emulator.projects()[0].organization_id.clone();
    let key = server.key(&server.project());
    for _ in 0..2 {
        server.bearer(&key, "GET", &format!("/api/v2/projects/{}/config", server.project())).reply().await;
    }
    let reply = server.get(&format!("/api/v2/organizations/{organization}")).await;
    assert_eq!(reply.json()["is_over_request_limit"], true);
}

#[tokio::test]
async fn a_member_who_was_removed_no_longer_finds_the_organization() {
    let server = Server::start().await;
    let organization = server.organization();
    server.emulator.state(|state| state.users[0].organization_ids.remove(0));
    let path = format!("/api/v2/organizations/{organization}/tokens");
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(server.get("/api/v2/organizations").await.ids().len(), 2);
}
