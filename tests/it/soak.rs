//! Real consumers, all the while: what applications see of a rotator that is struck by faults and killed at random.
//!
//! Other proofs ask the servers whether a key works. This one asks the applications: files that `bao agent` renders,
//! the official JavaScript client that reads these, and a reader in Python that holds every key for nearly as long as
//! `overlap_seconds` promises. They post events with keys that change every few seconds, and the emulated
//! Exceptionless counts what it accepts and what it refuses; a client that repeats or drops hides nothing from it.
//! Faults hit the requests of the rotator only, so that a refusal has one possible cause: a key that died too early.
//!
//! It needs more than cargo and pip: `make test-system` runs it for two minutes, `make soak` for twenty, which is the
//! part `soak` of `docs/reliability.md`. `SOAK_MINUTES` and `SEED` change that.

mod consumers;
mod trouble;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use exceptionless_emulator::{Requests, Settings};
use tokio::time::{Instant, sleep, timeout};

use crate::support::audit::{Audit, audit};
use crate::support::dice::Dice;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::{patience, proof, secrets};
use consumers::Program;
use trouble::Tally;

/// The agent and the applications look once a second each, and a machine may be busy.
const OVERLAP: TimeDelta = TimeDelta::seconds(8);

/// A throttle window as short as this lets the rotator out of a 429 in seconds.
const WINDOW: Duration = Duration::from_secs(5);

const PROGRESS: Duration = Duration::from_secs(30);

/// What a minute must bring at least, or little was proven.
const ROTATIONS: usize = 50;
const EVENTS: usize = 500;
const KILLS: usize = 10;

/// How the clients name themselves, or the beginning of it.
const JAVASCRIPT: &str = "exceptionless-js/";
const FRESH: &str = "hvac-reader/fresh";
const HELD: &str = "hvac-reader/held";

#[tokio::test(flavor = "multi_thread")]
async fn applications_never_hold_a_dead_key_whatever_happens_to_the_rotator() {
    let minutes = number("SOAK_MINUTES").unwrap_or_else(|| proof::rounds(2, 20));
    println!("{minutes} minutes");
    let mut dice = Dice::of_this_run("the soak, not their moments");

    let mut rig = rig().await;
    let relay = rig.relay_vault().await;
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.log");
    let _ = std::fs::remove_file(&log);
    println!("the log of the daemon is {}", log.display());
    let mut daemon = Process::start(rig.command(&["run"]), log);
    daemon.until("key.published", rig.projects().len()).await;
    let mut programs = consumers::start(&rig).await;
    let clients = [JAVASCRIPT, FRESH, HELD];
    patience("events of every client", async || {
        clients.iter().all(|client| sum(&rig.emulator.requests().events_by_client, client) > 0)
    })
    .await;

    let (mut kills, mut faults) = (0, Tally::new());
    let over = timeout(Duration::from_secs(60) * u32::try_from(minutes).unwrap(), async {
        tokio::join!(
            trouble::kill(&rig, &mut daemon, &mut kills, dice.another()),
            trouble::strike(&rig, &relay, &mut faults, dice.another()),
            watch(&rig, &mut programs),
        )
    });
    assert!(over.await.is_err(), "kills and faults go on until the time is over");

    // No fault is left over: not at Exceptionless, nor at a relay that is no longer used.
    rig.emulator.clear_faults();
    let direct = format!("\"{}\"", rig.corner.bao.address);
    rig.set("vault", "address", &direct);
    daemon.kill().await;
    kills += 1;
    // The applications go on while the rotator comes to rest.
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    rig.rotate_until("one live key of ours in each project", async || rig.has_converged().await).await;
    assert_silent(&rig, &daemon.text(), &programs);
    drop(programs);

    let audit = audit(&rig, OVERLAP).await;
    let requests = rig.emulator.requests();
    let outcome = Outcome { minutes, kills, faults, audit, requests, keys_used: keys_used(&rig) };
    outcome.audit.breaches.iter().for_each(|breach| println!("{breach}"));
    proof::record("soak", &outcome.table());
    outcome.assert_good();
}

async fn rig() -> Rig {
    let settings = Settings {
        latency: Duration::from_millis(3),
        organizations: 2,
        projects: 5,
        rate_window: WINDOW,
        ..Settings::default()
    };
    let mut rig = Rig::with(settings).await;
    rig.corner.keep_versions().await;
    rig.set_overlap(OVERLAP)
        .set("exceptionless", "timeout", "\"2s\"")
        .set("exceptionless", "rate_window", &format!("\"{}s\"", WINDOW.as_secs()))
        .set("rotation", "schedule", "\"*/2 * * * * *\"")
        .set("rotation", "reconcile_every", "\"2s\"")
        .set("log", "level", "\"info\"");
    rig
}

/// Sees that the programs go on, and tells how it stands. Never returns.
async fn watch(rig: &Rig, programs: &mut [Program]) {
    let begun = Instant::now();
    let mut next = begun + PROGRESS;
    let mut known = 0;
    loop {
        sleep(Duration::from_secs(1)).await;
        for program in &mut *programs {
            let last_words = program.last_words();
            assert_eq!(last_words, None, "the {} ended", program.name);
        }
        let requests = rig.emulator.requests();
        if refused(&requests) > known {
            known = refused(&requests);
            println!("{}: refused until now: {:?}", Utc::now(), requests.refused_by_client);
        }
        if Instant::now() < next {
            continue;
        }
        next += PROGRESS;
        println!(
            "after {} s: {} keys made and {} revoked, {} events, {} refused",
            begun.elapsed().as_secs(),
            requests.tokens_created,
            requests.tokens_deleted,
            requests.events_by_project.values().sum::<u64>(),
            refused(&requests),
        );
    }
}

struct Outcome {
    minutes: usize,
    kills: usize,
    faults: Tally,
    audit: Audit,
    requests: Requests,
    /// How many keys the JavaScript client has used.
    keys_used: usize,
}

impl Outcome {
    fn events(&self, client: &str) -> usize {
        sum(&self.requests.events_by_client, client)
    }

    fn table(&self) -> String {
        let Self { minutes, kills, faults, audit, requests, keys_used } = self;
        let longest = audit.longest_wait.num_seconds();
        let mut rows = vec![
            ("minutes", minutes.to_string()),
            ("rotations", audit.rotations.to_string()),
            ("longest time that a project went without a rotation", format!("{longest} s")),
            ("revocations", audit.revocations.to_string()),
            ("events by the JavaScript client", self.events(JAVASCRIPT).to_string()),
            ("keys that it used", keys_used.to_string()),
            ("events by the reader, with a key just read", self.events(FRESH).to_string()),
            ("events by the reader, at the end of the promised time", self.events(HELD).to_string()),
            ("kills of the daemon", kills.to_string()),
        ];
        rows.extend(faults.iter().map(|(name, times)| (&**name, times.to_string())));
        rows.push(("requests of applications that were refused", refused(requests).to_string()));
        rows.push(("breaches", audit.breaches.len().to_string()));
        proof::table(["", ""], rows.into_iter().map(|(name, value)| [name.to_owned(), value]))
    }

    fn assert_good(&self) {
        let refusals = &self.requests.refused_by_client;
        assert_eq!(refused(&self.requests), 0, "{refusals:?}");
        assert_eq!(self.audit.breaches.len(), 0, "breaches, which are listed above");
        let events: usize = [JAVASCRIPT, FRESH, HELD].map(|client| self.events(client)).iter().sum();
        for (what, times, least) in [
            ("rotations", self.audit.rotations, ROTATIONS),
            ("events", events, EVENTS),
            ("events at the end of the promised time", self.events(HELD), EVENTS / 5),
            ("kills", self.kills, KILLS),
        ] {
            assert!(times >= least * self.minutes, "{times} {what} in {} minutes are too few", self.minutes);
        }
    }
}

/// Requests of applications that did not succeed, for whatever reason. The rotator's own are the faults' business.
fn refused(requests: &Requests) -> u64 {
    let refusals = requests.refused_by_client.iter();
    refusals.filter(|(client, _)| !client.starts_with("exceptionless-rotator/")).map(|(_, times)| times).sum()
}

fn sum(by_client: &BTreeMap<String, u64>, client: &str) -> usize {
    let sum: u64 =
        by_client.iter().filter(|(name, _)| name.starts_with(client)).map(|(_, events)| events).sum();
    usize::try_from(sum).unwrap()
}

fn keys_used(rig: &Rig) -> usize {
    let clients = rig.emulator.requests().events_by_client.into_keys();
    let javascript = clients.filter(|client| client.starts_with(JAVASCRIPT));
    javascript.map(|client| rig.emulator.events_by_key(&client).len()).sum()
}

/// Neither the rotator nor who uses the keys has written one into a log.
fn assert_silent(rig: &Rig, log: &str, programs: &[Program]) {
    let known = secrets::known(rig);
    assert!(!secrets::betrays(log, &known), "a secret in the log of the rotator");
    for program in programs {
        let name = program.name;
        assert!(!secrets::betrays(&program.text(), &known), "a secret in the log of the {name}");
    }
}

fn number(variable: &str) -> Option<usize> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}
