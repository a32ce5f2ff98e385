//! Many projects, many keys, and a small budget.

use std::time::Duration;

use exceptionless_emulator::Settings;

use crate::support::rig::Rig;

const UNLIMITED: u32 = 100_000;

async fn fleet(projects: usize, rate_limit: u32) -> Rig {
    let settings = Settings { organizations: 1, projects, rate_limit, ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.set("log", "level", "\"info\"");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_organization_costs_little_more_than_one_request_a_project_and_nearly_none_when_idle() {
    let rig = fleet(2300, UNLIMITED).await;
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["published"], 2300, "{}", document["problems"]);
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    let each = rig.emulator.requests().counted as f64 / 2300.0;
    println!("{each:.4} throttled requests for each of 2,300 projects, in {} ms", document["duration_ms"]);
    assert!(each <= 1.06, "{each}");
    let published = rig.keys().await;
    assert!(published.values().all(|key| rig.emulator.authenticates(key)));

    rig.emulator.reset_requests();
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["published"], 0);
    let requests = rig.emulator.requests();
    // Who am I, the organizations, 23 pages of projects, and 46 of keys: each project has two.
    assert_eq!(document["requests"], 1 + 1 + 23 + 46);
    assert_eq!(requests.counted, 1 + 1 + 23 + 46 + requests.count("POST", "auth/login"));
    assert_eq!(requests.writes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_budget_is_waited_for_and_hardly_ever_overdrawn() {
    let settings = Settings {
        organizations: 1,
        projects: 60,
        rate_limit: 40,
        rate_window: Duration::from_secs(10),
        ..Settings::default()
    };
    let mut rig = Rig::with(settings).await;
    rig.set("exceptionless", "rate_window", "\"10s\"");
    let ended = rig.rotate().await;
    assert!(ended.events().contains(&"budget.waiting".to_owned()));
    let refused = rig.emulator.requests().too_many;
    println!("{refused} refused requests for 60 projects at 40 requests in 10 s");
    assert!(refused <= 20, "{refused}");
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_keys_than_one_listing_reaches_are_listed_by_project() {
    let rig = fleet(3, UNLIMITED).await;
    let organization = rig.emulator.organizations().remove(0).id;
    rig.emulator.add_tokens(&organization, 9_950);
    assert_eq!(rig.json(&["rotate"]).await["published"], 3);
    assert!(rig.has_converged().await);
    let requests = rig.emulator.requests();
    assert_eq!(requests.count("GET", "projects/{id}/tokens"), 3);
    assert!(requests.count("GET", "organizations/{id}/tokens") <= 2, "it is known after the first page");
    assert_eq!(requests.answered(500), 0, "nothing is asked for beyond the server's reach");
    assert_eq!(rig.json(&["rotate"]).await["published"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_projects_than_the_server_links_to_are_all_seen() {
    let rig = fleet(1100, UNLIMITED).await;
    let plan = rig.json(&["plan"]).await;
    assert_eq!(plan["projects"].as_array().unwrap().len(), 1100);
    assert_eq!(plan["budget"]["mint"], 1100);
    assert_eq!(rig.emulator.requests().count("GET", "organizations/{id}/projects"), 11);
}
