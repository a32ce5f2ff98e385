//! The promise, tried on random histories: the planner decides, everything else is simulated.
//!
//! One project, its keys and its secret, on a virtual clock. One to three rotators of one instance run
//! passes as machines that do one request at a time ([`rotator`]); they are interleaved at random and
//! killed anywhere. Answers get lost, requests arrive after their senders gave up, verifications fail,
//! clocks are up to a minute off and are set anew, the operator shortens the overlap and changes the fields of the
//! secret, perhaps not for all rotators, and people force
//! passes, roll back, disable, delete, create keys, edit notes and delete the secret ([`person`]). In half of the
//! histories revocation has two stages, and people bring keys back, by hand and by `undo`, which is a machine too. The
//! [`universe`] knows the true time and judges the promise at every instant:
//!
//! - the published key works, unless a person killed it;
//! - a key that was published works for the promised overlap after it was replaced;
//! - neither a key that is not ours nor the published one is ever revoked;
//! - a key that was brought back works for another overlap, and none is deleted before it was disabled for as long as
//!   the operator wants;
//! - left alone, with nothing due, one rotator needs two passes until the published key is the only
//!   enabled one of ours.
//!
//! What a late publication could break is guarded twice, by its limit and by the time at which Vault wrote
//! the version; only without both does it break. The last tests each switch a rule off, or drop an
//! assumption, and expect the same search to find a breach, which shows that it can.
//!
//! # What is assumed
//!
//! - One of the two servers' clocks is never set forward. If all clocks leap ahead together, nobody can
//!   tell that an overlap has not passed.
//! - A publication reaches Vault before the `publication_limit` that its `since` allows for, counted from
//!   the moment at which the clocks were read: the request gets the time that is left, not a time of its own.
//! - A person who edits the notes of a key does so before the pass that revokes it lists the keys.
//! - A person does not roll back, nor bring a key back, between the last read of the secret and the revocation that
//!   follows it; and who brings one back by hand, without `undo`, does so before the pass that disables it lists the keys.
//! - Where clocks disagree, a person who has rolled back does not roll *forward* again to a version that calls
//!   a key old which has been published since: by how much the clocks differ, the version could look as if
//!   its list were fresh. And the operator does not shorten the overlap in histories with rollbacks.
//! - The secret is not deleted before its metadata carries our mark.
//!
//! Left out: several projects, organizations, expiry and scopes of keys, listings that end short, paths and
//! their conflicts, vanished projects. The table tests beside this have most of them.

mod dice;
mod person;
mod rotator;
mod universe;

use std::ops::{AddAssign, Range};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::path::PathTemplate;
use crate::domain::policy::{Policy, Revocation, Rule};
use crate::domain::project::Project;
use crate::domain::schedule::Schedule;
use crate::domain::shape::Shape;

use super::Asked;
use super::target::{self, Target};
use super::tests::policy;
use rotator::Rotator;
use universe::Universe;

/// Between two whole passes of the quiet end lies the overlap and this, more than what can add up: a request
/// that arrives two minutes late, clocks two minutes apart, and the publication limit in `since`.
const BREATHER: Duration = Duration::from_secs(300);
/// Histories for each cast. Whoever changes a rule asks for more: `make histories`.
static HISTORIES: LazyLock<u64> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
    let asked = std::env::var("HISTORIES");
    asked.map_or(350, |number| number.parse().unwrap())
});
/// Instants in a history before its quiet end.
const LENGTH: usize = 500;

/// From frenzied to hourly; the last one is the quiet end's, where nothing is due.
static SCHEDULES: LazyLock<[Schedule; 5]> = LazyLock::new(|| {
    ["*/30 * * * * *", "* * * * *", "*/5 * * * *", "0 * * * *", "0 0 1 * *"]
        .map(|cron| Schedule::parse(cron, Tz::UTC, universe::BEGINNING).unwrap())
});

/// A rule that is switched off, or an assumption that is dropped, to see what then breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    NoCheckAndSet,
    OwnClockOnly,
    NoEnrolment,
    NoReadAgain,
    /// A disabled key is deleted without waiting.
    NoSecondWait,
    /// Nobody looks since when a key works that should not.
    NoSecondChance,
    /// Keys are brought back without a word in the secret.
    UndoUnlisted,
    /// Nobody looks when Vault wrote the current version.
    NoVersionTime,
    /// Nor is a publication given up, however long ago its `since` was taken.
    LatePublication,
    /// Nor does the request to publish have only the time that is left of the `publication_limit`.
    LateArrival,
}

/// What happened, to know that something did. Who finds their key published by another, who adopted it,
/// counts a rotation as well.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    publications: usize,
    mints: usize,
    rotations: usize,
    adoptions: usize,
    enrolments: usize,
    revocations: usize,
    disabled: usize,
    brought_back: usize,
    superseded: usize,
    abandoned: usize,
    lost_answers: usize,
    kills: usize,
    rollbacks: usize,
    reshapes: usize,
}

/// Who takes part.
#[derive(Debug, Clone, Copy)]
struct Cast {
    rotators: usize,
    people: bool,
    flaw: Option<Flaw>,
}

fn project() -> Project {
    Project {
        id: ProjectId::parse("64f0c0ffee00000000000001").unwrap(),
        name: "Checkout".to_owned(),
        organization_id: OrganizationId::parse("64f0c0ffee00000000000002").unwrap(),
        organization_name: "Acme".into(),
    }
}

/// Another shape than the standard one.
fn custom_shape() -> Shape {
    let entries = [("KEY", "{api_key}"), ("server_url", "")];
    Shape::new(entries.map(|(name, text)| (name.to_owned(), Shape::check(name, text).unwrap())).into())
        .unwrap()
}

/// What the operator wants.
struct Setup {
    policy: Policy,
    target: Target,
}

fn setup(schedule: &Schedule, overlap: Duration, shape: &Arc<Shape>, universe: &Universe) -> Arc<Setup> {
    let rule = Rule {
        path: PathTemplate::parse("exceptionless/{project_id}").unwrap(),
        schedule: schedule.clone(),
        splay: Duration::from_secs(20),
        overlap,
        revocation: universe.revocation,
    };
    let policy = Policy { shape: Arc::clone(shape), ..policy(universe.instance.clone(), rule) };
    let target = target::targets(&policy, vec![project()]).remove(0);
    Arc::new(Setup { policy, target })
}

/// Lives through one history; an error is a breach of the promise.
fn live(seed: u64, cast: Cast) -> Result<Tally, String> {
    let mut universe = Universe::new(seed, cast.flaw);
    let overlap = Duration::from_secs(universe.dice.pick(&[60, 120, 300, 1200]).unwrap());
    let schedule = &SCHEDULES[universe.dice.below(SCHEDULES.len() - 1)];
    // Some rotators run on with the fields of before, until the quiet end.
    let [before, after] = [Shape::default(), custom_shape()].map(Arc::new);
    let reshaped_at = universe.dice.chance(0.5).then(|| universe.dice.below(LENGTH));
    let (mut shape, mut others_shape) = (&before, &before);
    let mut overlap_now = overlap;
    let shortened_at = (!cast.people && universe.dice.chance(0.5)).then(|| universe.dice.below(LENGTH));
    let judged = |universe: &mut Universe| {
        universe.judge();
        let at = universe.now.format("%dT%T%.3f");
        universe.breach.take().map_or(Ok(()), |breach| Err(format!("seed {seed}, {cast:?}, {at}: {breach}")))
    };

    let mut running: Vec<Option<Rotator>> = (0..cast.rotators).map(|_| None).collect();
    let mut undo: Option<Rotator> = None;
    for instant in 0..LENGTH {
        if shortened_at == Some(instant) {
            overlap_now = overlap / 2;
        }
        if reshaped_at == Some(instant) {
            (shape, others_shape) = (&after, universe.dice.pick(&[&before, &after]).unwrap());
        }
        let idle = running.iter().all(Option::is_none);
        let mean = if idle { overlap.as_secs_f64() / 15.0 } else { 3.0 };
        let time = universe.dice.wait(mean);
        universe.wait(time);
        for (machine, slot) in running.iter_mut().enumerate() {
            match slot {
                None if universe.dice.chance(0.25) => {
                    let asked = if universe.dice.chance(0.05) { Asked::Rotation } else { Asked::Due };
                    let shape = if machine == 0 { shape } else { others_shape };
                    let setup = setup(schedule, overlap_now, shape, &universe);
                    *slot = Some(Rotator::start(&universe, machine, &setup, asked));
                }
                Some(rotator) if universe.dice.chance(0.6) => rotator.act(&mut universe),
                _ => {}
            }
            if slot.as_ref().is_some_and(|_| universe.dice.chance(0.01)) {
                universe.tally.kills += 1;
                *slot = None;
            }
            if slot.as_ref().is_some_and(Rotator::is_done) {
                *slot = None;
            }
            judged(&mut universe)?;
        }
        if cast.people && !running.iter().flatten().any(Rotator::is_revoking) {
            if universe.dice.chance(0.015) {
                person::act(&mut universe);
            }
            match &mut undo {
                None if universe.dice.chance(0.01) => {
                    let setup = setup(schedule, overlap_now, shape, &universe);
                    undo = Some(Rotator::undo(&universe, &setup));
                }
                Some(machine) if universe.dice.chance(0.6) => machine.act(&mut universe),
                _ => {}
            }
            undo = undo.filter(|machine| !machine.is_done() && !universe.dice.chance(0.01));
        }
        if universe.dice.chance(0.01) {
            universe.set_a_clock();
        }
        judged(&mut universe)?;
    }
    end_quietly(&mut universe, overlap, shape);
    judged(&mut universe)?;
    Ok(universe.tally)
}

/// Nobody else acts any more, nothing is due, and time passes between two whole passes.
fn end_quietly(universe: &mut Universe, overlap: Duration, shape: &Arc<Shape>) {
    universe.calm = true;
    let setup = setup(&SCHEDULES[SCHEDULES.len() - 1], overlap, shape, universe);
    for _ in 0..2 {
        universe.wait(TimeDelta::from_std(overlap + BREATHER).unwrap());
        let mut rotator = Rotator::start(universe, 0, &setup, Asked::Due);
        while !rotator.is_done() {
            rotator.act(universe);
            universe.judge();
        }
    }
    let listed = |universe: &Universe| universe.own_keys().iter().any(|own| universe.lists(own.fingerprint));
    if let Revocation::DisableThenDelete { disabled_for } = universe.revocation {
        universe.wait(TimeDelta::from_std(disabled_for + BREATHER).unwrap());
        let mut rotator = Rotator::start(universe, 0, &setup, Asked::Due);
        while !rotator.is_done() {
            rotator.act(universe);
            universe.judge();
        }
        if listed(universe) {
            universe.breaks("did not converge: a disabled key is still there".to_owned());
        }
    }
    let alive: Vec<_> = universe.own_keys().into_iter().filter(|own| own.enabled).collect();
    let works = universe.tokens.iter().any(|t| Some(t.fingerprint) == universe.published() && t.enabled);
    if !works || alive.iter().any(|own| Some(own.fingerprint) != universe.published()) {
        universe.breaks(format!("did not converge: {:?} is published, {alive:?}", universe.published()));
    }
}

/// Many histories on both cores: what happened, and the breaches.
fn search(cast: Cast, seeds: Range<u64>) -> (Tally, Vec<String>) {
    let half = |seeds: Range<u64>| {
        let mut total = Tally::default();
        let mut breaches = Vec::new();
        for seed in seeds {
            match live(seed, cast) {
                Ok(tally) => total += tally,
                Err(breach) => breaches.push(breach),
            }
        }
        (total, breaches)
    };
    let middle = seeds.start.midpoint(seeds.end);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(middle..seeds.end));
        let (mut total, mut breaches) = half(seeds.start..middle);
        let (more, others) = other.join().unwrap();
        total += more;
        breaches.extend(others);
        (total, breaches)
    })
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self {
            publications,
            mints,
            rotations,
            adoptions,
            enrolments,
            revocations,
            disabled,
            brought_back,
            superseded,
            abandoned,
            lost_answers,
            kills,
            rollbacks,
            reshapes,
        } = other;
        self.publications += publications;
        self.mints += mints;
        self.rotations += rotations;
        self.adoptions += adoptions;
        self.enrolments += enrolments;
        self.revocations += revocations;
        self.disabled += disabled;
        self.brought_back += brought_back;
        self.superseded += superseded;
        self.abandoned += abandoned;
        self.lost_answers += lost_answers;
        self.kills += kills;
        self.rollbacks += rollbacks;
        self.reshapes += reshapes;
    }
}

fn assert_kept(rotators: usize, people: bool, seeds: Range<u64>) {
    let histories = usize::try_from(seeds.end - seeds.start).unwrap();
    let (tally, breaches) = search(Cast { rotators, people, flaw: None }, seeds);
    let some = &breaches[..breaches.len().min(5)];
    assert!(breaches.is_empty(), "{} breaches, such as\n{}", breaches.len(), some.join("\n"));
    println!("{histories} histories of {rotators} rotators, people: {people}: {tally:?}");
    // Otherwise this would have shown nothing.
    let Tally { rotations, adoptions, enrolments, revocations, superseded, abandoned, .. } = tally;
    assert!(rotations > 5 * histories && adoptions > histories && enrolments > histories / 4, "{tally:?}");
    assert!(revocations > 5 * histories && abandoned > histories / 4, "{tally:?}");
    assert!(rotators == 1 || superseded > histories, "{tally:?}");
    assert!(tally.kills > histories && tally.lost_answers > histories, "{tally:?}");
    assert!(tally.reshapes > histories / 8, "{tally:?}");
    assert_eq!(tally.rollbacks > histories, people, "{tally:?}");
    assert!(tally.disabled > histories, "{tally:?}");
    assert_eq!(tally.brought_back > histories / 10, people, "{tally:?}");
}

/// Searches until the missing rule shows.
fn assert_broken(flaw: Flaw, breach: &str) {
    let casts = [(1, true), (1, false), (2, true), (2, false), (3, true), (3, false)];
    let found = (0..150).find_map(|seed| {
        let lives =
            casts.iter().map(|&(rotators, people)| live(seed, Cast { rotators, people, flaw: Some(flaw) }));
        lives.filter_map(Result::err).find(|found| found.contains(breach))
    });
    println!("{}", found.unwrap_or_else(|| panic!("{flaw:?} was not found out")));
}

#[test]
fn one_rotator_keeps_the_promise() {
    assert_kept(1, false, 0..*HISTORIES);
}

#[test]
fn two_rotators_keep_the_promise() {
    assert_kept(2, false, 0..*HISTORIES);
}

#[test]
fn three_rotators_keep_the_promise() {
    assert_kept(3, false, 0..*HISTORIES);
}

#[test]
fn one_rotator_among_people_keeps_the_promise() {
    assert_kept(1, true, 0..*HISTORIES);
}

#[test]
fn two_rotators_among_people_keep_the_promise() {
    assert_kept(2, true, 0..*HISTORIES);
}

#[test]
fn three_rotators_among_people_keep_the_promise() {
    assert_kept(3, true, 0..*HISTORIES);
}

#[test]
fn without_check_and_set_the_promise_breaks() {
    assert_broken(Flaw::NoCheckAndSet, "was revoked");
}

#[test]
fn by_our_own_clock_alone_the_promise_breaks() {
    assert_broken(Flaw::OwnClockOnly, "after it was replaced");
}

#[test]
fn without_enrolment_keys_of_lost_attempts_stay_for_ever() {
    assert_broken(Flaw::NoEnrolment, "did not converge");
}

#[test]
fn without_the_last_read_a_rollback_meets_a_revocation() {
    assert_broken(Flaw::NoReadAgain, "while it was published");
}

#[test]
fn a_publication_sent_late_breaks_the_promise() {
    assert_broken(Flaw::LatePublication, "after it was replaced");
}

#[test]
fn a_publication_that_arrives_late_breaks_the_promise() {
    assert_broken(Flaw::LateArrival, "after it was replaced");
}

#[test]
fn without_the_time_of_the_version_rolling_back_and_forward_again_breaks_the_promise() {
    assert_broken(Flaw::NoVersionTime, "after it was replaced");
}

#[test]
fn a_disabled_key_that_is_deleted_without_waiting_is_found_out() {
    assert_broken(Flaw::NoSecondWait, "after it was disabled");
}

#[test]
fn without_the_time_of_its_last_change_a_key_that_a_person_brought_back_ends_at_once() {
    assert_broken(Flaw::NoSecondChance, "after it was brought back");
}

#[test]
fn a_key_that_is_brought_back_without_a_word_in_the_secret_meets_another_rotator() {
    assert_broken(Flaw::UndoUnlisted, "after it was brought back");
}
