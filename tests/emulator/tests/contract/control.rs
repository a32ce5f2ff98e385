//! The control plane: the emulator's own levers, for a shell.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Reply, Send, Server};

async fn send(server: &Server, method: &str, path: &str, body: Value) -> Reply {
    server.anonymous(method, &format!("/__emulator/{path}")).json(&body).reply().await
}

async fn look(server: &Server, path: &str) -> Value {
    let reply = server.anonymous("GET", &format!("/__emulator/{path}")).reply().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn the_whole_world_can_be_looked_at() {
    let server = Server::start().await;
    let state = look(&server, "state").await;
    assert_eq!(state["projects"].as_array().unwrap().len(), 7);
    assert_eq!(state["organizations"][0]["name"], "Acme");
    assert_eq!(state["tokens"].as_array().unwrap().len(), 7);
    assert_eq!(state["tokens"][0]["notes"], "made by a person");
    assert_eq!(state["users"][0]["email"], "rotator@example.test");
}

#[tokio::test]
async fn requests_are_counted_by_template_and_can_be_forgotten() {
    let server = Server::start().await;
    server.create_key().await;
    let counts = look(&server, "requests").await;
    assert_eq!(counts["by_route"]["POST projects/{id}/tokens"], 1);
    assert_eq!(counts["by_status"]["201"], 1);
    assert_eq!(
        (&counts["total"], &counts["writes"]),
        (&json!(1), &json!(1)),
        "the look itself is not counted"
    );
    assert_eq!(counts["tokens_created"], 1);
    assert_eq!(counts["in_flight"], 0);
    send(&server, "DELETE", "requests", json!({})).await;
    assert_eq!(look(&server, "requests").await["total"], 0);
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let server = Server::start().await;
    let fault = json!({ "route": "projects", "times": null, "kind": { "status": 502 } });
    assert_eq!(send(&server, "POST", "faults", fault).await.status, 200);
    assert_eq!(server.get("/api/v2/projects").await.status, 502);
    assert_eq!(look(&server, "faults").await[0]["kind"], json!({ "status": 502 }));
    let slow = json!({ "kind": { "hang": "30s" }, "skip": 99, "applied": true });
    assert_eq!(send(&server, "POST", "faults", slow).await.status, 200);
    assert_eq!(look(&server, "faults").await[1]["kind"], json!({ "hang": "30s" }));
    send(&server, "DELETE", "faults", json!({})).await;
    assert_eq!(server.get("/api/v2/projects").await.status, 200);
}

#[tokio::test]
async fn nonsense_is_refused_with_a_sentence() {
    let server = Server::start().await;
    let nowhere = send(&server, "POST", "faults", json!({ "route": "nowhere", "kind": "drop" })).await;
    assert_eq!(
        (nowhere.status.as_u16(), &nowhere.json()["error"]),
        (400, &json!("the server has no route \"nowhere\""))
    );
    assert_eq!(send(&server, "POST", "switches", json!({ "big_bodys": true })).await.status, 400);
    assert_eq!(send(&server, "POST", "clock", json!({ "advance": "soon" })).await.status, 400);
    assert_eq!(send(&server, "GET", "nothing", json!({})).await.status, 404);
}

#[tokio::test]
async fn the_clock_the_switches_and_the_limits_can_be_changed() {
    let server = Server::start().await;
    let clock = send(&server, "POST", "clock", json!({ "advance": "1h" })).await;
    assert_eq!(clock.json()["now"], "2026-08-21T13:34:04Z");
    let clock = send(&server, "POST", "clock", json!({ "offset": "-5m" })).await;
    assert_eq!(clock.json()["now"], "2026-08-21T12:29:04Z");
    let switches =
        send(&server, "POST", "switches", json!({ "patch_gap": "200ms", "big_bodies": true })).await;
    assert_eq!(switches.json()["patch_gap"], "200ms");
    assert!(server.emulator.state(|state| state.switches.big_bodies));
    send(&server, "POST", "limits", json!({ "rate_limit": 0, "latency": "1ms" })).await;
    assert_eq!(server.get("/api/v2/users/me").await.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn the_world_can_be_edited() {
    let server = Server::start().await;
    let project = send(&server, "POST", "projects", json!({ "name": "Shop" })).await.json();
    let id = project["id"].as_str().unwrap();
    let key =
        send(&server, "POST", &format!("projects/{id}/keys"), json!({ "notes": "by hand" })).await.json();
    let secret = key["id"].as_str().unwrap();
    assert_eq!(look(&server, &format!("keys/{secret}")).await["authenticates"], true);
    send(&server, "POST", &format!("keys/{secret}/disable"), json!({})).await;
    assert_eq!(look(&server, &format!("keys/{secret}")).await["authenticates"], false);
    send(&server, "PATCH", &format!("projects/{id}"), json!({ "name": "Store" })).await;
    assert_eq!(server.get(&format!("/api/v2/projects/{id}")).await.json()["name"], "Store");
    send(&server, "DELETE", &format!("projects/{id}"), json!({})).await;
    assert_eq!(server.get(&format!("/api/v2/projects/{id}")).await.status, 404);
    let organization = server.organization();
    send(&server, "POST", &format!("organizations/{organization}/suspend"), json!({})).await;
    assert_eq!(server.verify(&server.key(&server.project())).await, 401);
    send(&server, "POST", &format!("organizations/{organization}/tokens"), json!({ "count": 5 })).await;
    assert_eq!(look(&server, "state").await["tokens"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn the_journal_tells_the_order_of_requests() {
    let server = Server::start().await;
    server.emulator.switch(|switches| switches.journal = true);
    server.create_key().await;
    server.get("/api/v2/users/me").await;
    let routes: Vec<_> = server.emulator.journal().iter().map(|seen| seen.route).collect();
    assert_eq!(routes, ["projects/{id}/tokens", "users/me"]);
}

#[tokio::test]
async fn the_peak_of_concurrent_requests_is_remembered() {
    let server = Server::with(|settings| settings.latency = Duration::from_millis(200)).await;
    let me = || server.get("/api/v2/users/me");
    tokio::join!(me(), me(), me());
    let requests = server.emulator.requests();
    assert_eq!((requests.in_flight, requests.peak_in_flight), (0, 3));
    server.emulator.reset_requests();
    assert_eq!(server.emulator.requests().peak_in_flight, 0);
}
