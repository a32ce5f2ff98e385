//! Rotations per second, against a generator that sends the same requests and does nothing else.

use std::time::Duration;

use crate::generator::Load;
use crate::measure::{Cost, median};
use crate::stage::Stage;
use crate::support::rig::Rig;

/// One size of fleet at one distance; each figure is the median of the rounds.
pub struct Rate {
    pub projects: usize,
    pub latency: Duration,
    pub rounds: usize,
    /// Rotations per second.
    pub rotator: f64,
    pub generator: f64,
    pub client: f64,
    /// The rotator's to that of the generator on bare sockets, and on the rotator's HTTP client, round by round.
    pub ratio: f64,
    pub client_ratio: f64,
    /// Of the rotator's whole run, in seconds.
    pub seconds: f64,
    /// In bytes.
    pub peak: f64,
    /// That count against the budget.
    pub requests: f64,
}

struct Round {
    rotator: Cost,
    generator: Duration,
    client: Duration,
    requests: u64,
}

/// The rotator and both kinds of the generator take turns.
pub async fn measure(projects: usize, latency: Duration, rounds: usize) -> Rate {
    let (mut ours, mut theirs) = (Stage::new(projects).await, Stage::new(projects).await);
    // The first publication is another thing: it reads no secret, and it marks the new one. And only what was replaced
    // can be revoked.
    for _ in 0..2 {
        ours.rotate().await;
    }
    let mut load = prepared(&theirs).await;
    load.follow(load.run().await.keys);
    ours.move_away(latency).await;
    theirs.move_away(latency).await;
    theirs.lead(&mut load);
    let mut figures = Vec::new();
    for _ in 0..rounds {
        ours.ripen().await;
        ours.counted();
        let (rotator, document) = ours.rotate().await;
        assert_eq!(document["published"], projects, "{}", document["problems"]);
        assert_eq!(document["retired"], projects, "{}", document["problems"]);
        let requests = ours.counted();
        load.client = None;
        let generated = load.run().await;
        load.follow(generated.keys);
        load.client = Some(reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap());
        let by_client = load.run().await;
        load.follow(by_client.keys);
        figures.push(Round { rotator, generator: generated.wall, client: by_client.wall, requests });
    }
    let per_second = |time: Duration| projects as f64 / time.as_secs_f64();
    let of = |figure: &dyn Fn(&Round) -> f64| median(figures.iter().map(figure).collect());
    Rate {
        projects,
        latency,
        rounds,
        rotator: of(&|round| per_second(round.rotator.wall)),
        generator: of(&|round| per_second(round.generator)),
        client: of(&|round| per_second(round.client)),
        client_ratio: of(&|round| round.client.as_secs_f64() / round.rotator.wall.as_secs_f64()),
        ratio: of(&|round| round.generator.as_secs_f64() / round.rotator.wall.as_secs_f64()),
        seconds: of(&|round| round.rotator.wall.as_secs_f64()),
        peak: of(&|round| round.rotator.peak as f64),
        requests: of(&|round| round.requests as f64),
    }
}

/// The load for a fleet like the rotator's: each project has a secret.
async fn prepared(stage: &Stage) -> Load {
    let mut load = stage.load().await;
    for project in &load.projects {
        stage.rig.corner.put_raw(&Rig::place(project), serde_json::json!({})).await;
    }
    load.version = 1;
    // A person's key, the published one, and the replaced one.
    load.key_pages = (load.projects.len() * 3 / load.organizations.len()).div_ceil(100);
    load
}
