//! Rotations per second, against a generator that sends the same requests and does nothing else.

use std::time::Duration;

use crate::generator::Load;
use crate::measure::median;
use crate::stage::Stage;

/// One size of fleet at one distance.
pub struct Rate {
    pub projects: usize,
    pub latency: Duration,
    /// Rotations per second, each the median of the rounds.
    pub rotator: f64,
    pub generator: f64,
    /// The median of the rounds' ratios.
    pub ratio: f64,
    pub rounds: usize,
}

/// Rotator and generator take turns.
pub async fn measure(projects: usize, latency: Duration, rounds: usize) -> Rate {
    let ours = Stage::new(projects, latency).await;
    let theirs = Stage::new(projects, latency).await;
    let mut load = theirs.load().await;
    // The first publication is another thing: it reads no secret, and it marks the new one.
    ours.rotate().await;
    prepare(&mut load, &theirs).await;
    let mut figures = Vec::new();
    for round in 0..=rounds {
        ours.ripen().await;
        let (cost, document) = ours.rotate().await;
        let generated = load.run().await;
        load.follow(generated.keys);
        println!(
            "  cpu {:?} peak {} MiB wall {:?} gen {:?}",
            cost.cpu / projects as u32,
            cost.peak as f64 / 1048576.,
            cost.wall,
            generated.wall
        );
        if round == 0 {
            continue;
        }
        assert_eq!(document["published"], projects, "{}", document["problems"]);
        assert_eq!(document["retired"], projects, "{}", document["problems"]);
        #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
        let per_second = |time: Duration| projects as f64 / time.as_secs_f64();
        figures.push((per_second(cost.wall), per_second(generated.wall)));
    }
    let of = |figure: fn(&(f64, f64)) -> f64| median(figures.iter().map(figure).collect());
    Rate {
        projects,
        latency,
        rotator: of(|(rotator, _)| *rotator),
        generator: of(|(_, generator)| *generator),
        ratio: of(|(rotator, generator)| rotator / generator),
        rounds,
    }
}

/// Brings the generator's fleet where the rotator's is: a secret each, and a replaced key.
async fn prepare(load: &mut Load, stage: &Stage) {
    for project in &load.projects {
        stage.rig.corner.put_raw(&crate::support::rig::Rig::place(project), serde_json::json!({})).await;
    }
    load.version = 1;
    // A person's key, the published one, and the replaced one.
    load.key_pages = (load.projects.len() * 3 / load.organizations.len()).div_ceil(100);
}
