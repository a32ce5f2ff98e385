//! A Vault that loses its leader in the middle of a pass, again and again, in three ways.
//!
//! The daemon has one address, behind which each connection goes to another node: standbys forward what it writes and
//! may answer reads from what they have, which after a fault can be old. Whatever the nodes answer while they have no
//! leader, the daemon must go on by itself, and the books must show that nothing was lost and nothing revoked early.
//!
//! It is the part `cluster` of `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::audit::{Audit, audit};
use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::{patience, proof};

/// Longer than the caution of the rotator (two seconds for Vault, one for the servers' clocks), which would hide from the
/// audit that an overlap is ignored.
const OVERLAP: TimeDelta = TimeDelta::seconds(6);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed,
    CutOff,
    SteppedDown,
}

const FAULTS: [Fault; 3] = [Fault::Killed, Fault::CutOff, Fault::SteppedDown];

impl Fault {
    fn title(self) -> &'static str {
        match self {
            Self::Killed => "killed with `kill -9`, started again later",
            Self::CutOff => "cut off from the other nodes, reachable for clients",
            Self::SteppedDown => "told to step down",
        }
    }
}

/// What one kind of fault came to.
#[derive(Default)]
struct Finding {
    times: usize,
    /// How long until every project had a key that was published after the fault.
    longest: TimeDelta,
    /// How often the old leader still said that it led.
    believed: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_lost_in_mid_pass_stops_no_rotation_and_costs_no_key() {
    let mut cluster = Cluster::start().await;
    let mut rig = cluster.rig(Duration::from_millis(20)).await;
    rig.set("rotation", "schedule", "\"*/2 * * * * *\"").set_overlap(OVERLAP);
    let mut daemon = rig.daemon();
    let (projects, persons) = (rig.projects(), rig.peoples_keys());
    all_published(&daemon, &projects, DateTime::UNIX_EPOCH).await;

    let mut findings: BTreeMap<Fault, Finding> = BTreeMap::new();
    for round in 0..proof::rounds(3, 20) {
        let fault = FAULTS[round % FAULTS.len()];
        cluster.is_whole().await;
        // So many of a pass's keys are minted.
        let minted = rig.emulator.requests().tokens_created + 1 + round as u64 % 4;
        rig.emulator.until(|state| (state.requests().tokens_created >= minted).then_some(())).await;
        let leader = cluster.is_whole().await;
        let at = Utc::now();
        match fault {
            Fault::Killed => cluster.kill(leader),
            Fault::CutOff => cluster.isolate(leader),
            Fault::SteppedDown => cluster.step_down(leader).await,
        }
        let finding = findings.entry(fault).or_default();
        finding.times += 1;
        finding.believed += usize::from(fault == Fault::CutOff && cluster.leads(leader).await);
        let last = all_published(&daemon, &projects, at).await;
        finding.longest = finding.longest.max(last - at);
        match fault {
            Fault::Killed => cluster.restart(leader).await,
            Fault::CutOff => cluster.heal(),
            Fault::SteppedDown => {}
        }
        println!("{fault:?} in round {round}: {} ms", (last - at).num_milliseconds());
    }
    cluster.is_whole().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);

    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    patience("one live key of ours in each project", async || {
        rig.run(&["rotate"]).await;
        rig.has_converged().await
    })
    .await;
    let audit = audit(&rig, OVERLAP).await;
    proof::record("cluster", &report(&findings, &daemon, &audit));
    assert!(audit.breaches.is_empty(), "{:#?}", audit.breaches);
    assert!(persons.len() >= projects.len(), "there were keys of people");
    assert_eq!(rig.peoples_keys(), persons, "keys of people are gone");
    let cut_off = &findings[&Fault::CutOff];
    assert!(cut_off.believed > 0, "no old leader ever believed that it still led");
}

/// Waits until each project has a key that was published after this moment. When the last of them was.
async fn all_published(daemon: &Process, projects: &[String], after: DateTime<Utc>) -> DateTime<Utc> {
    let mut last = None;
    patience("a fresh key for every project", async || {
        let mut first: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for line in daemon.lines().iter().filter(|line| line["event"] == "key.published") {
            let at: DateTime<Utc> = line["timestamp"].as_str().unwrap().parse().unwrap();
            if at > after {
                first.entry(line["project_id"].as_str().unwrap().to_owned()).or_insert(at);
            }
        }
        last = first.values().max().copied();
        projects.iter().all(|project| first.contains_key(project))
    })
    .await;
    last.unwrap()
}

fn report(findings: &BTreeMap<Fault, Finding>, daemon: &Process, audit: &Audit) -> String {
    let header = ["the leader is", "times", "longest time until every project had a further key"];
    let rows = findings.iter().map(|(fault, Finding { times, longest, .. })| {
        [fault.title().to_owned(), times.to_string(), format!("{:.1} s", longest.as_seconds_f64())]
    });
    let mut text = proof::table(header, rows);
    let believed: usize = findings.values().map(|finding| finding.believed).sum();
    let events = ["pass.failed", "project.failed", "project.superseded", "key.adopted", "key.enrolled"];
    let counts: Vec<_> = events.iter().map(|event| format!("{} `{event}`", daemon.count(event))).collect();
    let Audit { publications, revocations, breaches, .. } = audit;
    write!(
        text,
        "\n{believed} times the leader that was cut off still said that it led. The daemon logged {}. {publications} \
         publications, {revocations} revocations, {} breaches.\n",
        counts.join(", "),
        breaches.len()
    )
    .unwrap();
    text
}
