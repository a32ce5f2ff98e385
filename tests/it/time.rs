//! Wrong clocks, jumping clocks, summer time, and a machine that slept: nothing is revoked early, nothing is rotated
//! twice, and what was missed is made up for once.
//!
//! While one clock is wrong, the machine's is the true one, by which the audit judges.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::Settings;
use futures_util::StreamExt;

use crate::support::audit::audit;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::times::{CLOCKS, Clock, HOUR, Times};
use crate::support::{patience, proof};

/// Longer than the caution of the rotator (a second for Vault, one for the servers' clocks), which would hide from the
/// audit that an overlap is ignored.
const OVERLAP: TimeDelta = TimeDelta::seconds(4);

/// Two projects, whose requests take long enough to set a clock in the middle of them.
async fn rig(schedule: &str) -> (Rig, Times) {
    let settings =
        Settings { organizations: 1, projects: 2, latency: Duration::from_millis(20), ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.corner.keep_versions().await;
    rig.set_overlap(OVERLAP).set("rotation", "schedule", &format!("\"{schedule}\""));
    rig.set("log", "level", "\"info\"");
    let times = Times::of(&mut rig).await;
    (rig, times)
}

/// How often the secret of each project was written.
async fn versions(rig: &Rig) -> Vec<u64> {
    let mut versions = Vec::new();
    for project in rig.projects() {
        versions.push(rig.version(&project).await);
    }
    versions
}

/// How many keys of ours were ever minted.
fn minted(rig: &Rig) -> u64 {
    rig.emulator.requests().count("POST", "projects/{id}/tokens")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// From the beginning to the end.
    Always,
    /// For the rotation that replaces a key, and right again after it.
    WhileRotating,
    /// From the middle of that rotation on.
    SinceThePass,
    /// From the end of that rotation on.
    Afterwards,
}

const MOMENTS: [When; 4] = [When::Always, When::WhileRotating, When::SinceThePass, When::Afterwards];

impl When {
    fn title(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::WhileRotating => "only while a key is replaced",
            Self::SinceThePass => "from the middle of that pass on",
            Self::Afterwards => "after that pass",
        }
    }
}

/// Two rotations with one clock off, and passes until the old key would long be gone. What is wrong then.
async fn breaches(clock: Clock, offset: TimeDelta, when: When) -> Vec<String> {
    let (rig, times) = rig("0 3 1 1 *").await;
    if when == When::Always {
        times.set(&rig, clock, offset);
    }
    rig.rotate().await;
    if when == When::WhileRotating {
        times.set(&rig, clock, offset);
    }
    let mints = minted(&rig);
    let mut second = rig.start(&["rotate", "--all"]);
    if when == When::SinceThePass {
        patience("a mint", async || minted(&rig) > mints).await;
        times.set(&rig, clock, offset);
    }
    // An attempt that seems to have taken an hour publishes nothing, and says so.
    let code = second.ended().await;
    let mut breaches = Vec::new();
    if !matches!((code, when), (0, _) | (1, When::SinceThePass)) {
        breaches.push(format!("the second rotation ended with {code}"));
    }
    match when {
        When::WhileRotating => times.set(&rig, clock, TimeDelta::zero()),
        When::Afterwards => times.set(&rig, clock, offset),
        When::Always | When::SinceThePass => {}
    }
    let mints = minted(&rig);
    let long_gone = Utc::now() + OVERLAP * 3;
    patience("a time", async || {
        rig.rotate().await;
        Utc::now() > long_gone
    })
    .await;
    if minted(&rig) > mints {
        breaches.push("a pass that had nothing to do minted a key".to_owned());
    }
    // The clocks agree again, and the hour has passed by which some may have been delayed.
    times.set_all(&rig, HOUR * 2);
    rig.rotate_until("convergence", async || rig.has_converged().await).await;
    breaches.extend(audit(&rig, OVERLAP).await.breaches);
    breaches
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_an_hour_off_revokes_nothing_early_and_rotates_nothing_twice() {
    let cases = CLOCKS.into_iter().flat_map(|clock| {
        MOMENTS.into_iter().flat_map(move |when| [(clock, HOUR, when), (clock, -HOUR, when)])
    });
    let results: Vec<_> = futures_util::stream::iter(cases)
        .map(
            |(clock, offset, when)| async move { (clock, offset, when, breaches(clock, offset, when).await) },
        )
        .buffered(6)
        .collect()
        .await;
    proof::record("clocks", &table(&results));
    let broken: Vec<_> = results.iter().filter(|(.., breaches)| !breaches.is_empty()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The cases as a table: a row a clock, a column a moment.
fn table(results: &[(Clock, TimeDelta, When, Vec<String>)]) -> String {
    let header = ["clock"].into_iter().chain(MOMENTS.map(When::title)).chain(["breaches"]);
    let sides = [(HOUR, "ahead"), (-HOUR, "behind")];
    let clocks = CLOCKS.into_iter().flat_map(|clock| sides.map(|(offset, side)| (clock, offset, side)));
    let rows = clocks.map(|(clock, offset, side)| {
        let row: Vec<_> = results.iter().filter(|result| (result.0, result.1) == (clock, offset)).collect();
        let times = MOMENTS.map(|when| proof::times(row.iter().filter(|result| result.2 == when).count()));
        let breaches = row.iter().filter(|result| !result.3.is_empty()).count().to_string();
        [format!("{}, an hour {side}", clock.title())].into_iter().chain(times).chain([breaches])
    });
    proof::table(header, rows)
}

/// A daemon, and the clocks that it goes by.
struct Story {
    rig: Rig,
    times: Times,
    daemon: Process,
}

impl Story {
    /// The daemon starts at this time, and publishes the first keys at once.
    async fn begin(rig: Rig, times: Times, time: &str) -> Self {
        times.set_all(&rig, offset_to(time));
        let daemon = rig.daemon();
        daemon.until("key.published", rig.projects().len()).await;
        Self { rig, times, daemon }
    }

    /// Sets all clocks, and waits until a pass has ended after so many seconds.
    async fn from(&mut self, time: &str, seconds: i64) {
        let offset = offset_to(time);
        let later = Utc::now() + TimeDelta::seconds(seconds);
        self.times.set_all(&self.rig, offset);
        patience("a time", async || Utc::now() > later).await;
        let finished = self.daemon.count("pass.finished");
        self.daemon.signal("USR1");
        self.daemon.until("pass.finished", finished + 1).await;
    }

    async fn end(mut self) {
        self.daemon.signal("TERM");
        assert_eq!(self.daemon.ended().await, 0);
        // The books of the servers are of no use: when all clocks jump, the time that they show is the true one.
        for key in self.rig.keys().await.into_values() {
            assert!(self.rig.emulator.authenticates(&key), "a published key does not work");
        }
    }
}

/// By how much to move the clocks so that they show this time.
fn offset_to(time: &str) -> TimeDelta {
    time.parse::<DateTime<Utc>>().unwrap() - Utc::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_clock_jumps_rotates_once_for_each_due_time() {
    let (rig, times) = rig("0 * * * *").await;
    let mut story = Story::begin(rig, times, "2027-05-01T11:59:30Z").await;
    story.from("2027-05-01T11:59:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [2, 2]);
    // Back before the due time, and over it again.
    story.from("2027-05-01T11:59:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [2, 2]);
    story.from("2027-05-01T13:20:00Z", 0).await;
    assert_eq!(versions(&story.rig).await, [3, 3]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn summer_time_neither_drops_nor_repeats_a_rotation() {
    let (mut rig, times) = rig("30 2 * * *").await;
    rig.set("rotation", "timezone", "\"Europe/Berlin\"");
    let mut story = Story::begin(rig, times, "2026-10-25T00:29:30Z").await;
    story.from("2026-10-25T00:29:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [2, 2], "half past two in summer time");
    story.from("2026-10-25T01:29:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [2, 2], "half past two again, in winter time");
    story.from("2026-10-26T01:29:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [3, 3], "the next day");
    story.from("2027-03-27T02:00:00Z", 0).await;
    assert_eq!(versions(&story.rig).await, [4, 4], "asleep for the winter, made up for once");
    story.from("2027-03-28T00:59:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [5, 5], "half past two does not exist: the end of the gap");
    story.from("2027-03-28T01:29:58Z", 4).await;
    assert_eq!(versions(&story.rig).await, [5, 5], "half an hour later");
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_for_three_days_makes_up_for_it_once_and_within_the_budget() {
    let settings = Settings {
        organizations: 1,
        projects: 30,
        rate_limit: 40,
        rate_window: Duration::from_secs(10),
        ..Settings::default()
    };
    let mut rig = Rig::with(settings).await;
    rig.corner.keep_versions().await;
    rig.set("exceptionless", "rate_window", "\"10s\"").set("rotation", "schedule", "\"0 * * * *\"");
    rig.set_overlap(OVERLAP).set("log", "level", "\"info\"");
    let times = Times::of(&mut rig).await;
    let mut story = Story::begin(rig, times, "2027-05-01T11:05:00Z").await;
    // Nothing but the clocks says so; and the login did not live that long.
    story.rig.corner.revoke_logins().await;
    story.from("2027-05-04T11:05:00Z", 0).await;
    story.daemon.until("key.published", 60).await;
    let rig = &story.rig;
    patience("the old keys are gone", async || rig.has_converged().await).await;
    assert_eq!(versions(rig).await, [2; 30]);
    assert_eq!(rig.emulator.requests().answered(429), 0);
    assert_eq!(story.daemon.count("key.published"), 60);
    story.end().await;
}
