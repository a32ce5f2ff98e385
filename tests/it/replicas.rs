//! Replicas that share a lease, over a real three-node cluster: the holder is killed, paused and cut off in mid-pass,
//! and told to stop. Each time another takes over in time, nothing is published twice for one due time, and who was
//! paused publishes nothing.
//!
//! It is the part `replicas` of `docs/reliability.md`.

mod lease;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Relay};
use serde_json::Value;

use crate::support::audit::{Audit, audit, versions};
use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::{patience, proof};

/// Longer than the caution of the rotator, which would hide from the audit that an overlap is ignored.
const OVERLAP: TimeDelta = TimeDelta::seconds(6);
/// How often a rotation is due.
const EVERY: TimeDelta = TimeDelta::seconds(2);
const TTL: TimeDelta = TimeDelta::seconds(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Killed,
    Paused,
    CutOff,
    Stopped,
}

const FATES: [Fate; 4] = [Fate::Killed, Fate::Paused, Fate::CutOff, Fate::Stopped];

impl Fate {
    fn title(self) -> &'static str {
        match self {
            Self::Killed => "killed with `kill -9`",
            Self::Paused => "paused with `SIGSTOP`, and continued after another led",
            Self::CutOff => "cut off from Vault, which swallows what it sends",
            Self::Stopped => "told to stop with `SIGTERM`",
        }
    }
}

/// One rotator, with its own way to Vault and its own log.
struct Replica {
    process: Process,
    relay: Relay,
    runs: usize,
}

impl Replica {
    async fn start(rig: &mut Rig, cluster: &Cluster, number: usize) -> Self {
        let relay = Relay::to(cluster.address()).await.unwrap();
        let process = Self::process(rig, &relay, number, 0).await;
        Self { process, relay, runs: 1 }
    }

    async fn process(rig: &mut Rig, relay: &Relay, number: usize, run: usize) -> Process {
        rig.set("vault", "address", &format!("\"{}\"", relay.url()));
        let config = rig.path(&format!("replica-{number}.toml"));
        std::fs::copy(rig.write_config(), &config).unwrap();
        let log = rig.path(&format!("replica-{number}-{run}.log"));
        let process = Process::start(rig.command_with(&config, &["run"]), log);
        // Before that it knows no signal.
        process.until("daemon.started", 1).await;
        process
    }

    /// As its supervisor would.
    async fn start_again(&mut self, rig: &mut Rig, number: usize) {
        self.process = Self::process(rig, &self.relay, number, self.runs).await;
        self.runs += 1;
    }

    /// When it gained the lease that it has, by its log.
    fn leads_since(&self) -> Option<DateTime<Utc>> {
        let last = self.process.lines().into_iter().rfind(is_of_lease)?;
        is_gain(&last).then(|| time(&last))
    }
}

fn is_of_lease(line: &Value) -> bool {
    is_gain(line) || line["event"] == "lease.lost" || line["event"] == "lease.renounced"
}

fn is_gain(line: &Value) -> bool {
    line["event"] == "lease.acquired" || line["event"] == "lease.taken_over"
}

fn time(line: &Value) -> DateTime<Utc> {
    line["timestamp"].as_str().unwrap().parse().unwrap()
}

/// What a story came to.
struct Finding {
    replicas: usize,
    takeovers: BTreeMap<Fate, Vec<TimeDelta>>,
    /// Publications of a paused replica that were refused for want of the lease.
    refused: usize,
    audit: Audit,
    breaches: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_holder_another_takes_over_and_nothing_is_published_twice() {
    let cluster = Cluster::start().await;
    let (two, three) = tokio::join!(Story::live(&cluster, 2), Story::live(&cluster, 3));
    let findings = [two, three];
    proof::record("replicas", &report(&findings));
    for finding in &findings {
        assert!(finding.breaches.is_empty(), "{} replicas: {:#?}", finding.replicas, finding.breaches);
    }
    // Otherwise the pause would have shown nothing.
    assert!(findings.iter().any(|finding| finding.refused > 0), "nobody was paused with a key in the hand");
}

struct Story<'a> {
    rig: Rig,
    cluster: &'a Cluster,
    replicas: Vec<Replica>,
    refused: usize,
    breaches: Vec<String>,
}

impl<'a> Story<'a> {
    async fn live(cluster: &'a Cluster, count: usize) -> Finding {
        let mut rig = cluster.rig(Duration::from_millis(100)).await;
        rig.set("rotation", "schedule", &format!("\"*/{} * * * * *\"", EVERY.num_seconds()));
        rig.set_overlap(OVERLAP);
        rig.set("ha", "enabled", "true").set("ha", "lease_ttl", &format!("\"{}s\"", TTL.num_seconds()));
        let mut replicas = Vec::new();
        for number in 0..count {
            replicas.push(Replica::start(&mut rig, cluster, number).await);
        }
        let mut story = Self { rig, cluster, replicas, refused: 0, breaches: Vec::new() };
        let mut takeovers: BTreeMap<Fate, Vec<TimeDelta>> = BTreeMap::new();
        story.all_published(DateTime::UNIX_EPOCH).await;
        for round in 0..FATES.len() * proof::rounds(1, 5) {
            let fate = FATES[round % FATES.len()];
            let took = story.strike(fate).await;
            println!("{count} replicas, {fate:?}: {} ms", took.num_milliseconds());
            takeovers.entry(fate).or_default().push(took);
        }
        story.end(takeovers).await
    }

    /// Something happens to the holder in mid-pass. How long it took until another led.
    async fn strike(&mut self, fate: Fate) -> TimeDelta {
        let struck = self.leader().await;
        // Its key is to be verified, and then to be published.
        let minted = self.rig.emulator.requests().tokens_created + 1;
        self.rig.emulator.until(|state| (state.requests().tokens_created >= minted).then_some(())).await;
        let at = Utc::now();
        let holder = &self.replicas[struck];
        match fate {
            Fate::Killed => self.replicas[struck].process.kill().await,
            Fate::Paused => holder.process.signal("STOP"),
            Fate::CutOff => holder.relay.add_fault(Fault::everywhere(Kind::Hang(Duration::from_secs(60)))),
            Fate::Stopped => holder.process.signal("TERM"),
        }
        let (successor, since) = self.successor(struck).await;
        self.all_published(at.max(since)).await;
        let took = since - at;
        if took > TTL * 2 {
            self.breaches.push(format!("{fate:?}: nobody led for {} ms", took.num_milliseconds()));
        }
        match fate {
            Fate::Killed => {}
            Fate::Paused => self.go_on(struck).await,
            Fate::CutOff => {
                self.replicas[struck].process.until("lease.lost", 1).await;
                self.replicas[struck].relay.clear_faults().await;
            }
            Fate::Stopped => {
                assert_eq!(self.replicas[struck].process.ended().await, 0);
                let process = &self.replicas[struck].process;
                assert_eq!(process.count("lease.renounced"), 1, "{}", process.text());
            }
        }
        if matches!(fate, Fate::Killed | Fate::Stopped) {
            self.replicas[struck].start_again(&mut self.rig, struck).await;
        }
        assert_ne!(successor, struck);
        took
    }

    /// Continues who was paused. What it publishes before it leads again, it must have sent before the pause.
    async fn go_on(&mut self, paused: usize) {
        let process = &self.replicas[paused].process;
        let before = process.lines().len();
        let continued = Utc::now();
        process.signal("CONT");
        let mut said = Vec::new();
        patience("who was paused has found out that it no longer leads", async || {
            said = process.lines().split_off(before);
            // The pass that was under way ends, and the driver notices.
            let ended = |line: &Value| line["event"] == "pass.finished" || line["event"] == "pass.failed";
            said.iter().any(|line| line["event"] == "lease.lost") && said.iter().any(ended)
        })
        .await;
        let unled: Vec<&Value> = said.iter().take_while(|line| !is_gain(line)).collect();
        for line in unled.iter().filter(|line| line["event"] == "key.published") {
            let place = Rig::place(line["project_id"].as_str().unwrap());
            let versions = versions(&self.rig.corner, &place).await;
            let version = versions.iter().find(|version| Some(version.number) == line["version"].as_u64());
            if version.unwrap().written > continued {
                self.breaches.push(format!("it was continued at {continued}, and published: {line}"));
            }
        }
        let kept =
            |line: &&&Value| line["error"].as_str().is_some_and(|error| error.contains("lease was lost"));
        self.refused += unled.iter().filter(kept).count();
    }

    /// Who leads now.
    async fn leader(&self) -> usize {
        let mut leader = None;
        patience("somebody leads", async || {
            leader = self.replicas.iter().position(|replica| replica.leads_since().is_some());
            leader.is_some()
        })
        .await;
        leader.unwrap()
    }

    /// Who leads instead, and since when.
    async fn successor(&self, struck: usize) -> (usize, DateTime<Utc>) {
        let mut successor = None;
        patience("another leads", async || {
            let others = self.replicas.iter().enumerate().filter(|(number, _)| *number != struck);
            successor = others.filter_map(|(number, replica)| Some((number, replica.leads_since()?))).next();
            successor.is_some()
        })
        .await;
        successor.unwrap()
    }

    /// Waits until each project has a key that was published after this moment.
    async fn all_published(&self, after: DateTime<Utc>) {
        let projects: BTreeSet<String> = self.rig.projects().into_iter().collect();
        patience("a fresh key for every project", async || {
            let lines = self.replicas.iter().flat_map(|replica| replica.process.lines());
            let fresh = lines.filter(|line| line["event"] == "key.published" && time(line) > after);
            fresh.filter_map(|line| line["project_id"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
                == projects
        })
        .await;
    }

    async fn end(mut self, takeovers: BTreeMap<Fate, Vec<TimeDelta>>) -> Finding {
        for replica in &mut self.replicas {
            replica.process.signal("TERM");
            assert_eq!(replica.process.ended().await, 0);
        }
        for project in self.rig.projects() {
            self.judge_due_times(&project).await;
        }
        let Self { mut rig, cluster, replicas, refused, mut breaches } = self;
        rig.set("vault", "address", &format!("\"{}\"", cluster.address()));
        rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
        patience("one live key of ours in each project", async || {
            rig.run(&["rotate"]).await;
            rig.has_converged().await
        })
        .await;
        let audit = audit(&rig, OVERLAP).await;
        breaches.extend(audit.breaches.iter().cloned());
        Finding { replicas: replicas.len(), takeovers, refused, audit, breaches }
    }

    /// For each time at which a rotation was due, at most one key was published.
    async fn judge_due_times(&mut self, project: &str) {
        let mut keys: BTreeMap<DateTime<Utc>, BTreeSet<String>> = BTreeMap::new();
        for version in versions(&self.rig.corner, &Rig::place(project)).await {
            let rotated: DateTime<Utc> = version.data["rotated_at"].as_str().unwrap().parse().unwrap();
            let due = rotated.duration_trunc(EVERY).unwrap();
            keys.entry(due).or_default().insert(version.key().unwrap().to_owned());
        }
        let twice = keys.iter().filter(|(_, keys)| keys.len() > 1);
        self.breaches.extend(twice.map(|(due, keys)| format!("{project}: {} keys for {due}", keys.len())));
    }
}

fn report(findings: &[Finding]) -> String {
    let header = ["replicas", "the holder is", "times", "longest time until another led"];
    let rows = findings.iter().flat_map(|Finding { replicas, takeovers, .. }| {
        takeovers.iter().map(move |(fate, took)| {
            let longest = took.iter().max().copied().unwrap_or_default();
            let longest = format!("{:.1} s", longest.as_seconds_f64());
            [replicas.to_string(), fate.title().to_owned(), took.len().to_string(), longest]
        })
    });
    let table = proof::table(header, rows);
    let refused: usize = findings.iter().map(|finding| finding.refused).sum();
    let publications: usize = findings.iter().map(|finding| finding.audit.publications).sum();
    let revocations: usize = findings.iter().map(|finding| finding.audit.revocations).sum();
    let breaches: usize = findings.iter().map(|finding| finding.breaches.len()).sum();
    format!(
        "{table}\n{refused} times a replica that was paused had a key ready when it was continued, and did not \
         publish it. {publications} publications, {revocations} revocations, {breaches} breaches.\n"
    )
}
