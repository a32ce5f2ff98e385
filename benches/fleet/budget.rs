//! How long it takes to rotate everything when the request budget is what limits.
//!
//! Half an hour of windows goes by in two minutes, because every clock that counts runs faster: the emulator's is
//! moved on by this program, and the rotator's by a library that shows it another time of day.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::Settings;
use tokio::time::sleep;

use crate::support::rig::Rig;

/// How much faster the clocks run.
const SPEED: u32 = 15;
/// What a real server allows, and what is kept for people.
const LIMIT: u32 = 3500;
const RESERVE: f64 = 0.2;
const WINDOW: Duration = Duration::from_secs(15 * 60);

pub struct Budget {
    pub projects: usize,
    pub requests: u64,
    pub refused: u64,
    /// On the fast clocks.
    pub took: Duration,
    /// The windows that must be waited for, and the time that the rest takes in the last one, at the pace of the first.
    pub ideal: Duration,
}

/// Rotates so many projects, beginning with a window.
pub async fn measure(projects: usize) -> Budget {
    let settings = Settings {
        organizations: projects.div_ceil(1000),
        projects,
        rate_limit: LIMIT,
        rate_window: WINDOW,
        ..Settings::default()
    };
    let mut rig = Rig::with(settings).await;
    // On the fast clock.
    rig.set("log", "level", "\"info\"").set("vault", "timeout", "\"60s\"").set(
        "exceptionless",
        "timeout",
        "\"60s\"",
    );
    let library = std::env::var("LIBFAKETIME").expect("`make bench` sets it");
    rig.environment.insert("LD_PRELOAD".to_owned(), library);
    rig.environment.insert("FAKETIME".to_owned(), format!("+0 x{SPEED}"));

    let into = TimeDelta::seconds(rig.emulator.now().timestamp() % WINDOW.as_secs() as i64);
    let whole = TimeDelta::from_std(WINDOW).unwrap();
    rig.emulator.advance((whole - into).to_std().unwrap());
    let begun = rig.emulator.now();
    let mut rotator = rig.start(&["rotate", "--all", "--output", "json"]);
    let mut real = Instant::now();
    // What was sent in the first window, and how long that took.
    let mut first = (Duration::ZERO, 0);
    while rotator.child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(5)).await;
        let passed = real.elapsed();
        real = Instant::now();
        rig.emulator.advance(passed * (SPEED - 1));
        let (elapsed, counted) = (since(&rig, begun), rig.emulator.requests().counted);
        if elapsed < WINDOW && counted > first.1 {
            first = (elapsed, counted);
        }
    }
    let took = since(&rig, begun);
    let requests = rig.emulator.requests();
    assert_eq!(rotator.count("key.published"), projects, "{}", rotator.text());
    let counted = requests.counted;
    let pace = first.0.as_secs_f64() / first.1 as f64;
    let waits = (counted - 1) / allowed();
    let ideal = WINDOW.as_secs_f64() * waits as f64 + pace * (counted - waits * allowed()) as f64;
    Budget {
        projects,
        requests: counted,
        refused: requests.too_many,
        took,
        ideal: Duration::from_secs_f64(ideal),
    }
}

fn since(rig: &Rig, begun: DateTime<Utc>) -> Duration {
    (rig.emulator.now() - begun).to_std().unwrap()
}

/// How many requests of a window are ours.
fn allowed() -> u64 {
    (f64::from(LIMIT) * (1.0 - RESERVE)) as u64
}
