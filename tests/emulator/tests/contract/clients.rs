//! What an application does with a key (contract 4).

use std::collections::BTreeMap;

use serde_json::json;

use crate::server::{Send, Server};

const CONFIG: &str = "/api/v2/projects/config";

#[tokio::test]
async fn a_key_reads_its_configuration_which_does_not_name_the_project() {
    let server = Server::start().await;
    let key = server.key(&server.project());
    let reply = server.bearer(&key, "GET", CONFIG).reply().await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json(), json!({ "version": 3, "settings": { "@@log:*": "warn" } }));
    let known = server.bearer(&key, "GET", &format!("{CONFIG}?v=3")).reply().await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
}

#[tokio::test]
async fn verifying_a_key_is_never_counted_and_never_throttled() {
    let server = Server::with(|settings| settings.rate_limit = 1).await;
    let key = server.key(&server.project());
    for _ in 0..5 {
        let reply = server.bearer(&key, "GET", CONFIG).reply().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-limit"), None);
    }
    let heartbeat = "/api/v2/events/session/heartbeat";
    assert_eq!(server.bearer(&key, "GET", heartbeat).reply().await.status, 200);
    assert_eq!(server.emulator.requests().counted, 0);
    // The exemption compares case; the route does not.
    let counted = server.bearer(&key, "GET", "/api/v2/Projects/Config").reply().await;
    assert_eq!(counted.header("x-ratelimit-remaining"), Some("0"));
}

#[tokio::test]
async fn a_person_and_a_key_without_project_have_no_configuration() {
    let server = Server::start().await;
    let reply = server.get(CONFIG).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("www-authenticate"), None, "the middleware does not challenge");
    let path = format!("/api/v2/organizations/{}/tokens", server.organization());
    let key = server.post(&path, json!({})).await.json();
    assert_eq!(server.verify(key["id"].as_str().unwrap()).await, 401);
    let key = server.post(&path, json!({ "default_project_id": server.project() })).await.json();
    assert_eq!(server.verify(key["id"].as_str().unwrap()).await, 200);
}

#[tokio::test]
async fn the_configuration_by_project_is_no_proof_of_the_project() {
    let server = Server::start().await;
    let projects = server.emulator.projects();
    let key = server.key(&projects[0].id);
    let sibling = format!("/api/v2/projects/{}/config", projects[3].id);
    let reply = server.bearer(&key, "GET", &sibling).reply().await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("x-ratelimit-limit").is_some());
    let strange = format!("/api/v2/projects/{}/config", projects[1].id);
    assert_eq!(server.bearer(&key, "GET", &strange).reply().await.status, 404);
}

#[tokio::test]
async fn submitting_nothing_tells_the_project_and_makes_no_event() {
    let server = Server::start().await;
    let projects = server.emulator.projects();
    let key = server.key(&projects[0].id);
    let own = format!("/api/v2/projects/{}/events/submit", projects[0].id);
    let reply = server.bearer(&key, "GET", &own).reply().await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""));
    assert!(reply.header("x-ratelimit-limit").is_some());
    let by_query = server.anonymous("GET", &format!("{own}?access_token={key}")).reply().await;
    assert_eq!(by_query.status, 200);
    assert!(server.emulator.requests().events_by_project.is_empty());
    let sibling = format!("/api/v2/projects/{}/events/submit", projects[3].id);
    let wrong = server.bearer(&key, "GET", &sibling).reply().await;
    assert_eq!((wrong.status.as_u16(), wrong.title()), (404, "Project not found.".to_owned()));
    server.bearer(&key, "GET", &format!("{own}?type=log")).reply().await;
    assert_eq!(server.emulator.requests().events_by_project[&projects[0].id], 1);
}

#[tokio::test]
async fn events_are_accepted_and_counted_until_the_key_dies() {
    let server = Server::start().await;
    let (organization, project) = (server.organization(), server.project());
    let key = server.key(&project);
    let post = async || {
        let request = server.bearer(&key, "POST", "/api/v2/events");
        request.json(&json!({ "type": "log" })).reply().await.status.as_u16()
    };
    assert_eq!(post().await, 202);
    assert_eq!(post().await, 202);
    server.emulator.delete_key(&key);
    assert_eq!(post().await, 401);
    let requests = server.emulator.requests();
    assert_eq!(requests.events_by_organization[&organization], 2);
    assert_eq!(requests.events_by_project[&project], 2);
    assert_eq!(requests.events_rejected, 1);
}

#[tokio::test]
async fn an_accepted_event_tells_the_version_of_the_settings() {
    let server = Server::start().await;
    let key = server.key(&server.project());
    let header = "x-exceptionless-configversion";
    let accepted = server.bearer(&key, "POST", "/api/v2/events").json(&json!([])).reply().await;
    assert_eq!((accepted.status.as_u16(), accepted.header(header)), (202, Some("3")));
    let by_query = format!("/api/v2/projects/{}/events/submit", server.project());
    let accepted = server.bearer(&key, "GET", &format!("{by_query}?type=log")).reply().await;
    assert_eq!((accepted.status.as_u16(), accepted.header(header)), (200, Some("3")));
    // The server looks for the project only when there is an event to keep.
    let nothing = server.bearer(&key, "GET", &by_query).reply().await;
    assert_eq!((nothing.status.as_u16(), nothing.header(header)), (200, None));
    let heartbeat = "/api/v2/events/session/heartbeat?id=someone&close=false";
    assert_eq!(server.bearer(&key, "GET", heartbeat).reply().await.header(header), None);
    let refused = server.bearer("nobody", "POST", "/api/v2/events").json(&json!([])).reply().await;
    assert_eq!((refused.status.as_u16(), refused.header(header)), (401, None));
}

#[tokio::test]
async fn events_are_counted_by_client_and_key_and_refusals_by_client() {
    let server = Server::start().await;
    let key = server.key(&server.project());
    let post = async |client: &str, key: &str, body: serde_json::Value| {
        let request = server.bearer(key, "POST", "/api/v2/events").header("user-agent", client);
        request.json(&body).reply().await.status.as_u16()
    };
    assert_eq!(post("one", &key, json!([{ "type": "log" }, { "type": "log" }])).await, 202);
    assert_eq!(post("one", &key, json!({ "type": "log" })).await, 202);
    assert_eq!(post("other", "nobody", json!({ "type": "log" })).await, 401);
    let requests = server.emulator.requests();
    assert_eq!(requests.events_by_client, BTreeMap::from([("one".to_owned(), 3)]));
    assert_eq!(requests.refused_by_client, BTreeMap::from([("other".to_owned(), 1)]));
    assert_eq!(server.emulator.events_by_key("one"), BTreeMap::from([(key, 3)]));
    assert!(server.emulator.events_by_key("other").is_empty());
}

#[tokio::test]
async fn events_are_refused_without_length_over_the_plan_and_when_switched_off() {
    let server = Server::start().await;
    let key = server.key(&server.project());
    let post = |body: &'static str| server.bearer(&key, "POST", "/api/v2/events").body(body).reply();
    assert_eq!(post("").await.status, 411);
    server.emulator.state(|state| state.organizations[0].over_monthly_limit = true);
    assert_eq!(post("{}").await.status, 402);
    server.emulator.switch(|switches| switches.event_submission_disabled = true);
    assert_eq!(post("{}").await.status, 503);
}
