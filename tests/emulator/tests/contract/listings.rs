//! Token listings: order, pages and where they end (contract 2.1, 3.2 and 7, checklist 5 and 6).

use std::time::Duration;

use crate::server::Server;

async fn page(server: &Server, query: &str) -> crate::server::Reply {
    let organization = server.organization();
    server.get(&format!("/api/v2/organizations/{organization}/tokens{query}")).await
}

#[tokio::test]
async fn keys_come_oldest_first_and_new_ones_at_the_end() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for _ in 0..4 {
        server.emulator.advance(Duration::from_millis(1));
        made.push(server.create_key().await);
    }
    let listed = page(&server, "").await.ids();
    assert_eq!(listed[listed.len() - 4..], made[..]);
}

#[tokio::test]
async fn keys_of_one_moment_come_by_id() {
    let server = Server::start().await;
    for _ in 0..5 {
        server.create_key().await;
    }
    let listed = page(&server, "").await.ids();
    assert!(listed[listed.len() - 5..].is_sorted());
}

#[tokio::test]
async fn a_listing_sees_every_write_that_was_answered() {
    let server = Server::start().await;
    let key = server.create_key().await;
    assert!(page(&server, "?limit=100").await.ids().contains(&key));
    server.delete(&[&key]).await;
    assert!(!page(&server, "?limit=100").await.ids().contains(&key));
}

#[tokio::test]
async fn limits_are_clamped_to_ten_and_one_hundred() {
    let server = Server::start().await;
    server.emulator.add_tokens(&server.organization(), 150);
    for (query, length) in
        [("", 10), ("?limit=0", 10), ("?limit=-3", 10), ("?limit=7", 7), ("?limit=500", 100)]
    {
        assert_eq!(page(&server, query).await.ids().len(), length, "{query}");
    }
    assert_eq!(page(&server, "?page=0&limit=5").await.ids(), page(&server, "?limit=5").await.ids());
    assert_eq!(page(&server, "?limit=ten").await.status, 400);
    assert_eq!(page(&server, "?page=99999999999").await.status, 400);
}

#[tokio::test]
async fn links_are_one_line_each_and_keep_the_callers_query() {
    let server = Server::start().await;
    server.emulator.add_tokens(&server.organization(), 50);
    let reply = page(&server, "?limit=10&page=2&x=a%20b").await;
    let links: Vec<_> = reply.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    let base = format!("{}/api/v2/organizations/{}/tokens", server.emulator.url(), server.organization());
    assert_eq!(
        links,
        [
            format!("<{base}?limit=10&page=1&x=a+b>; rel=\"previous\""),
            format!("<{base}?limit=10&page=3&x=a+b>; rel=\"next\""),
        ]
    );
    let first = page(&server, "?limit=10").await;
    assert!(first.header("link").unwrap().ends_with("?limit=10&page=2>; rel=\"next\""));
    assert_eq!(page(&server, "?limit=100").await.header("link"), None);
}

#[tokio::test]
async fn next_links_stop_before_a_thousand_though_pages_go_on() {
    let server = Server::start().await;
    server.emulator.add_tokens(&server.organization(), 1500);
    let eighth = page(&server, "?limit=100&page=8").await;
    assert_eq!(eighth.headers.get_all("link").iter().count(), 2);
    let ninth = page(&server, "?limit=100&page=9").await;
    assert!(ninth.header("link").unwrap().contains("previous"));
    assert_eq!(ninth.headers.get_all("link").iter().count(), 1);
    assert_eq!(page(&server, "?limit=100&page=10").await.ids().len(), 100);
}

#[tokio::test]
async fn past_the_end_there_is_an_empty_page_with_the_true_count() {
    let server = Server::start().await;
    let reply = page(&server, "?page=50").await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "[]"));
    assert_eq!(reply.header("x-result-count"), Some("3"));
}

#[tokio::test]
async fn the_search_window_ends_in_an_internal_error() {
    let server = Server::start().await;
    server.emulator.add_tokens(&server.organization(), 10_500);
    let last = page(&server, "?limit=100&page=99").await;
    assert_eq!(last.ids().len(), 100);
    assert_eq!(last.header("x-result-count"), Some("10503"), "the count knows about the unreachable");
    let beyond = page(&server, "?limit=100&page=100").await;
    assert_eq!(beyond.status, 500);
    assert_eq!(beyond.header("cache-control"), Some("no-cache,no-store"));
    assert_eq!(page(&server, "?limit=99&page=101").await.status, 200);
    assert_eq!(server.get("/api/v2/projects?limit=1000&page=10").await.status, 500);
    assert_eq!(server.get("/api/v2/projects?limit=1000&page=9").await.status, 200);
}

#[tokio::test]
async fn strange_projects_and_organizations_are_not_found() {
    let server = Server::start().await;
    let strange = "64f0c0ffee00000000000000";
    let reply = server.get(&format!("/api/v2/projects/{strange}/tokens")).await;
    assert_eq!((reply.status.as_u16(), reply.title()), (404, "Project not found.".to_owned()));
    let path = format!("/api/v2/organizations/{strange}/tokens");
    assert_eq!(server.get(&path).await.title(), "Organization not found.");
    server.emulator.state(|state| state.users[0].global_admin = true);
    assert_eq!(server.get(&path).await.text, "[]", "a global admin sees nothing instead");
}
