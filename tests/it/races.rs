//! Several rotators of one instance at once, without a lease, while a person works at both servers.
//!
//! Half of the passes are runs that start together, the other half those of daemons; every fourth second a rotation is
//! due. The story has no script: the dice choose, and what must be true is judged from the books of both servers
//! afterwards (`support/audit.rs`, and [`books`] for the check-and-set). Three things are looked at while it goes on:
//! that the first whole pass after a person's deeds repairs them, how many keys of ours live, and how long a pass takes.
//!
//! It is the part `races` of `docs/reliability.md`.

mod books;
mod instances;
mod person;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use exceptionless_emulator::Settings;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::audit::{Audit, audit_among};
use crate::support::dice::Dice;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::{patience, proof};
use books::Books;
use person::Person;

/// Longer than the caution of the rotator (two seconds for Vault, one for the servers' clocks), which would hide from the
/// audit that an overlap is ignored.
const OVERLAP: TimeDelta = TimeDelta::seconds(6);
/// How many keys of ours may live at once in a project: each rotator mints one every four seconds, more where a person
/// has killed the published one, and each lives for two overlaps at most before it is listed and over.
const MOST_KEYS: usize = 60;
/// Rotators begin a pass at most this often, so that a number of keys can be computed from the time that they live.
const EVERY: Duration = Duration::from_secs(1);

/// One story: so many rotators, one person.
struct Story {
    rig: Rig,
    rotators: usize,
    /// Held by whoever needs the person to keep still.
    person: Mutex<Person>,
    config: PathBuf,
}

/// What one story came to.
struct Finding {
    rotators: usize,
    passes: usize,
    longest_pass: TimeDelta,
    most_keys: usize,
    books: Books,
    audit: Audit,
    person: Person,
    breaches: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_rotators_and_whatever_a_person_does_meanwhile_the_promise_is_kept() {
    let mut dice = Dice::of_this_run("the person, not their moments");
    let (two, three) = tokio::join!(Story::live(2, dice.another()), Story::live(3, dice.another()));
    let findings = [two, three];
    proof::record("races", &report(&findings));
    for finding in &findings {
        assert!(finding.breaches.is_empty(), "{:#?}", finding.breaches);
        // Otherwise this would have shown nothing.
        assert!(finding.books.superseded > 0, "nobody ever lost a race");
        assert!(finding.person.deeds.len() > 5, "{:?}", finding.person.deeds);
    }
}

impl Story {
    async fn live(rotators: usize, mut dice: Dice) -> Finding {
        let latency = Duration::from_millis(10);
        let settings =
            Settings { organizations: 1, projects: 4, latency, rate_limit: 0, ..Settings::default() };
        let mut rig = Rig::with(settings).await;
        rig.corner.keep_versions().await;
        rig.set_overlap(OVERLAP).set("rotation", "schedule", "\"*/4 * * * * *\"");
        rig.set("rotation", "reconcile_every", "\"1s\"").set("vault", "timeout", "\"2s\"");
        rig.set("log", "level", "\"info\"");
        let person = Mutex::new(Person::new(&rig, dice.another()));
        let config = rig.write_config();
        let story = Self { rig, rotators, person, config };
        let passes = proof::rounds(16, 200);
        let mut breaches = Vec::new();
        let mut most_keys = 0;
        tokio::select! {
            () = story.race(passes, &mut dice, &mut breaches) => {}
            () = story.meddle() => unreachable!("a person works for ever"),
            () = story.count_keys(&mut most_keys) => unreachable!("counting has no end"),
        }
        story.end(most_keys, breaches).await
    }

    /// The passes: runs that begin together, then daemons.
    async fn race(&self, passes: usize, dice: &mut Dice, breaches: &mut Vec<String>) {
        for round in 0..(passes / 2).div_ceil(self.rotators) {
            let begun = Instant::now();
            let mut runs: Vec<Process> = (0..self.rotators)
                .map(|rotator| {
                    let asked: &[_] = if dice.below(2) == 0 { &["rotate", "--all"] } else { &["rotate"] };
                    self.start(rotator, asked)
                })
                .collect();
            for run in &mut runs {
                // 1 is said of a project that vanished in mid-pass, or of too many that did.
                let code = run.ended().await;
                assert!(code == 0 || code == 1, "a run ended with {code}: {}", run.text());
            }
            if round % 3 == 2 {
                let _still = self.person.lock().await;
                self.start(0, &["rotate"]).ended().await;
                self.check_repair(breaches).await;
            }
            sleep_until(begun + EVERY).await;
        }
        let mut daemons: Vec<Process> =
            (0..self.rotators).map(|rotator| self.start(rotator, &["run"])).collect();
        let enough = self.passes() + passes / 2;
        while self.passes() < enough {
            let some = self.passes() + 3 * self.rotators;
            patience("passes", async || self.passes() >= some).await;
            let _still = self.person.lock().await;
            // The second that ends from now on is one that began when the person kept still.
            for daemon in &daemons {
                let before = passes_in(&daemon.text());
                patience("two passes", async || passes_in(&daemon.text()) >= before + 2).await;
            }
            self.check_repair(breaches).await;
        }
        for daemon in &mut daemons {
            daemon.signal("TERM");
        }
        for daemon in &mut daemons {
            assert_eq!(daemon.ended().await, 0);
        }
        // What a person has begun is finished, and remembered.
        let _still = self.person.lock().await;
    }

    /// A person at work, who keeps still while somebody else holds the lock.
    async fn meddle(&self) {
        loop {
            let pause = {
                let mut person = self.person.lock().await;
                person.act(&self.rig).await;
                person.pause()
            };
            sleep(pause).await;
        }
    }

    async fn count_keys(&self, most: &mut usize) {
        loop {
            for project in self.rig.projects() {
                *most = (*most).max(self.rig.own_keys(&project).len());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// A whole pass has begun and ended since the person last did something.
    async fn check_repair(&self, breaches: &mut Vec<String>) {
        for project in self.rig.projects() {
            match self.rig.published(&project).await {
                None => breaches.push(format!("{project} has no published key after a pass")),
                Some(key) if !self.rig.emulator.authenticates(&key) => {
                    breaches.push(format!("the published key of {project} is dead after a pass"));
                }
                Some(_) => {}
            }
        }
    }

    /// Nobody acts any more and nothing is due: it converges. Then the books are read.
    async fn end(self, most_keys: usize, mut breaches: Vec<String>) -> Finding {
        let Self { mut rig, rotators, person, .. } = self;
        let mut person = person.into_inner();
        let logs: Vec<String> =
            (0..rotators).map(|rotator| std::fs::read_to_string(log(&rig, rotator)).unwrap()).collect();
        rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
        patience("one live key of ours in each project", async || {
            let ended = rig.run(&["rotate"]).await;
            assert!(ended.code == 0 || ended.code == 1, "{ended:?}");
            has_converged(&rig, &person).await
        })
        .await;

        let books = Books::read(&rig, &logs, &person, &mut breaches).await;
        person.people.longest_pass = books.longest_pass;
        let lost = person.lost(&rig);
        if lost > 0 {
            breaches.push(format!("{lost} keys of people are gone"));
        }
        if most_keys > MOST_KEYS {
            breaches
                .push(format!("{most_keys} keys of ours lived at once in a project, more than {MOST_KEYS}"));
        }
        let audit = audit_among(&rig, OVERLAP, &person.people).await;
        breaches.extend(audit.breaches.iter().cloned());
        let passes = logs.iter().map(|log| passes_in(log)).sum();
        let longest_pass = books.longest_pass;
        Finding { rotators, passes, longest_pass, most_keys, books, audit, person, breaches }
    }

    fn start(&self, rotator: usize, arguments: &[&str]) -> Process {
        Process::start(self.rig.command_with(&self.config, arguments), log(&self.rig, rotator))
    }

    /// How many passes have come to their end.
    fn passes(&self) -> usize {
        let log = |rotator| std::fs::read_to_string(log(&self.rig, rotator)).unwrap_or_default();
        (0..self.rotators).map(|rotator| passes_in(&log(rotator))).sum()
    }
}

fn log(rig: &Rig, rotator: usize) -> PathBuf {
    rig.path(&format!("rotator-{rotator}.log"))
}

/// Counted without reading the lines, because it is done often.
fn passes_in(log: &str) -> usize {
    log.matches(r#""event":"pass.finished""#).count()
}

/// Every published key works, and no other key of ours lives. A published key that a person has taken over is the
/// person's: nobody asks for another until it is due.
async fn has_converged(rig: &Rig, person: &Person) -> bool {
    for project in rig.projects() {
        let Some(published) = rig.published(&project).await else { return false };
        let ours: BTreeSet<String> = rig.own_keys(&project).into_iter().collect();
        let expected = if person.people.took.contains_key(&published) { 0 } else { 1 };
        if ours.len() != expected
            || !rig.emulator.authenticates(&published)
            || (expected == 1 && !ours.contains(&published))
        {
            return false;
        }
    }
    true
}

fn report(findings: &[Finding]) -> String {
    let header = [
        "rotators",
        "passes",
        "publications",
        "superseded",
        "adopted",
        "enrolled",
        "revocations",
        "overtaken by a person",
        "longest pass",
        "most keys of ours alive in a project",
        "breaches",
    ];
    let rows = findings.iter().map(|finding| {
        let Finding { rotators, passes, longest_pass, most_keys, books, audit, breaches, .. } = finding;
        let Books { superseded, adopted, enrolled, .. } = books;
        [
            rotators.to_string(),
            passes.to_string(),
            audit.publications.to_string(),
            superseded.to_string(),
            adopted.to_string(),
            enrolled.to_string(),
            audit.revocations.to_string(),
            audit.overtaken.to_string(),
            format!("{} ms", longest_pass.num_milliseconds()),
            most_keys.to_string(),
            breaches.len().to_string(),
        ]
    });
    let mut text = proof::table(header, rows);
    for Finding { rotators, person, .. } in findings {
        let deeds: Vec<_> = person.deeds.iter().map(|(deed, times)| format!("{deed} ({times})")).collect();
        writeln!(text, "\nAmong {rotators} rotators a person {}.", deeds.join(", ")).unwrap();
    }
    text
}
