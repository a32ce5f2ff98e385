//! The planner: what should happen to each project, and why.
//!
//! A pure, total, synchronous function of the policy, the observed [`World`] and its clocks. It decides
//! with data and acts nowhere, so that every rule that protects a key can be tried against thousands of
//! histories without a server. The reasons it gives are the words of the log, the status and the metrics.
//!
//! # The life of a key
//!
//! ```text
//!                            +--------------- adopted by a later pass ---------------+
//!                            |                                                       v
//!   (mint) ----> unlisted ---+-- published by its own attempt --------------> published
//!                   |                                                            |
//!                   | older than an attempt may take                             | replaced by
//!                   v                                                            v a publication
//!               enrolled -------------------------------------------------> retiring
//!                                                                                |
//!                         since + overlap has passed by the earliest clock,      |
//!                         and the published key was seen alive in this pass      v
//!                                                                             revoked
//! ```
//!
//! Where revocation has two stages, `disabled` lies before `revoked`: a person brings a key back from there to
//! `retiring` (`undo`, or by hand), and it goes on after `disabled_for`. A disabled key that no list has, as after a
//! rollback, is listed by the next rotation.
//!
//! A key is *ours* when its notes carry our marker and our instance. *Unlisted* means neither published
//! nor in `retiring`. There is no other way into `revoked`: [`retire::may_revoke`] is the licence, and
//! the engine asks for it again, with the secret read anew, directly before the request.
//!
//! **Invariant.** Every publication lists each key of ours that the pass saw, other than the one that it
//! publishes. So a lost race, a failed verification or a crash never needs a clean-up of its own: the key
//! stays, and a later pass adopts or enrols it.

pub mod credential;
pub mod emergency;
pub mod moved;
pub mod occurrences;
pub mod publication;
pub mod reason;
mod reshape;
pub mod retire;
pub mod selection;
pub mod target;
pub mod vanished;
pub mod world;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::path::SecretPath;
use crate::domain::policy::Policy;
use crate::domain::secret::{Publication, SecretState};

use emergency::Cut;
use moved::Former;
use occurrences::Occurrences;
use reason::{Conflict, Due, Hold};
use retire::Waiting;
use target::Target;
use vanished::Vanished;
use world::{Elsewhere, Observed, OwnKey, PublishedKey, Sight, Stray, Strays, Withdrawn, World};

/// The time of a change further ahead than this was written under a broken clock: believing it would keep a key or a
/// password for as long as the clock was wrong. Replicas whose clocks differ by less leave each other alone.
const FURTHEST_FUTURE: TimeDelta = TimeDelta::days(1);

/// What the whole fleet needs.
#[derive(Debug)]
pub struct Plan {
    /// One step per selected project, in the order in which they were observed.
    pub steps: Vec<Step>,
    /// What becomes of the secrets of deleted projects.
    pub vanished: Vanished,
    /// Secrets that were withdrawn from old paths, and of which it is to be noted until when their keys are kept.
    pub closing: Vec<Withdrawn>,
    /// What readers of other secrets than that of the project may hold; `None` when not all of those could be read.
    pub elsewhere: Option<Elsewhere>,
    /// When, by our clock, the next pass has something to do that is known today.
    pub wake_at: Option<DateTime<Utc>>,
}

/// What one project needs.
#[derive(Debug)]
pub struct Step {
    /// The project, as it was observed.
    pub observed: Observed,
    /// The decision.
    pub decision: Decision,
    /// Every key of ours that is listed for retirement, with its deadline.
    pub waiting: Vec<Waiting>,
    /// Secrets of ours at paths where the project no longer lives.
    pub moved: Vec<Former>,
    /// The mark in `custom_metadata` is missing and shall be repaired.
    pub stamp: bool,
    /// The metadata at its path says until when the key is kept that another project published there: it stays for so long.
    pub remembers: bool,
    /// When its secret, which has another shape than is wanted, may be written again.
    pub reshape_at: Option<DateTime<Utc>>,
    /// When the schedule made this project due, if it is for that reason.
    pub due_at: Option<DateTime<Utc>>,
    /// The next time that the schedule makes this project due.
    pub next_rotation_at: Option<DateTime<Utc>>,
}

/// The decision for one project, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Mint a key, verify it and publish it.
    Rotate(Due),
    /// The same with a key that an interrupted attempt left behind.
    Adopt(Due, OwnKey),
    /// Publish the same key again, with the unlisted keys added to `retiring`.
    Enrol,
    /// Publish the same key again, in the shape that is wanted.
    Reshape,
    /// Publish nothing.
    Hold(Hold),
}

impl Decision {
    /// The stable word for logs, status and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Rotate(_) => "rotate",
            Self::Adopt(..) => "adopt",
            Self::Enrol => "enrol",
            Self::Reshape => "reshape",
            Self::Hold(_) => "hold",
        }
    }

    /// Whether the schedule, and nothing else, asks for a key.
    fn is_scheduled(&self) -> bool {
        matches!(self, Self::Rotate(Due::Schedule) | Self::Adopt(Due::Schedule, _))
    }

    /// The stable word for its reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Rotate(due) | Self::Adopt(due, _) => due.label(),
            Self::Enrol => "unlisted_key",
            Self::Reshape => "fields_changed",
            Self::Hold(hold) => hold.label(),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate(due) => write!(f, "a new key is due: {due}"),
            Self::Adopt(due, key) => write!(
                f,
                "a new key is due: {due}; key {} of an interrupted rotation serves",
                key.fingerprint
            ),
            Self::Enrol => f.write_str("a key of an interrupted rotation is listed for retirement"),
            Self::Reshape => f.write_str(
                "the secret is written again with the same key, because [secret.fields] says other fields than it has",
            ),
            Self::Hold(hold) => hold.fmt(f),
        }
    }
}

/// What a person asked for, if a person did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Asked {
    /// What is due.
    #[default]
    Due,
    /// A fresh key for every project in the world.
    Rotation,
    /// The end of these keys at once, and a fresh key where the published one is among them.
    Emergency(Cut),
}

impl Asked {
    /// Which keys shall end at once, if a person has asked for that.
    pub fn cut(self) -> Option<Cut> {
        match self {
            Self::Emergency(cut) => Some(cut),
            Self::Due | Self::Rotation => None,
        }
    }
}

/// Plans a pass.
pub fn plan(policy: &Policy, world: World, asked: Asked) -> Plan {
    let World { clocks, projects, mut strays } = world;
    let elsewhere =
        strays.as_ref().filter(|strays| !strays.unread).map(|strays| strays.elsewhere(clocks.earliest()));
    let withdrawn = strays.as_mut().map(|strays| std::mem::take(&mut strays.withdrawn)).unwrap_or_default();
    let mut moved = strays.as_ref().map(Strays::by_project).unwrap_or_default();
    let vanished = vanished::judge(policy, &projects, strays);
    let mut occurrences = HashMap::new();
    let open = |one: &&Withdrawn| one.moved.kept_until.is_none_or(|until| until > clocks.earliest());
    let remembered: HashSet<SecretPath> = withdrawn.iter().filter(open).map(|one| one.path.clone()).collect();
    let kept =
        withdrawn.iter().filter_map(|one| one.moved.kept_until).filter(|until| *until > clocks.earliest());
    let wake_at = kept.min().map(|until| until + lag(&clocks));
    let closing = withdrawn.into_iter().filter(|one| one.moved.kept_until.is_none()).collect();
    let mut plan = Plan { steps: Vec::with_capacity(projects.len()), vanished, closing, elsewhere, wake_at };
    for observed in projects {
        let rule = &observed.target.rule;
        let ticks = occurrences
            .entry(Arc::as_ptr(rule))
            .or_insert_with(|| Occurrences::around(&rule.schedule, rule.splay, clocks.ours));
        let moved = moved.remove(&observed.target.project.id).unwrap_or_default();
        if asked.cut().is_some_and(|cut| !emergency::concerns(cut, &observed)) {
            continue;
        }
        let mut step = step(policy, observed, moved, &clocks, ticks, asked, plan.elsewhere.as_ref());
        step.remembers = step.observed.target.place.as_ref().is_ok_and(|home| remembered.contains(home));
        step.stamp &= !step.remembers;
        plan.wake_at = plan.wake_at.into_iter().chain(step.wake_at(&clocks)).min();
        plan.steps.push(step);
    }
    plan
}

fn step(
    policy: &Policy,
    observed: Observed,
    strays: Vec<Stray>,
    clocks: &Clocks,
    ticks: &Occurrences,
    asked: Asked,
    elsewhere: Option<&Elsewhere>,
) -> Step {
    let (last_due, next_due) = ticks.due(observed.target.rule.delay(&observed.target.project.id));
    let reshape_at = observed.sight().and_then(|sight| reshape::time(&policy.shape, sight, clocks));
    let decision = match sight(policy, &observed) {
        Err(hold) => Decision::Hold(hold),
        Ok(sight) => decide(&observed.target, sight, clocks, last_due, reshape_at, asked),
    };
    let conflict = matches!(decision, Decision::Hold(Hold::Conflict(_)));
    let ours = observed.ours();
    let waiting = observed.sight().map(|sight| retire::waiting(&observed.target.rule, sight, elsewhere));
    let waiting = waiting.unwrap_or_default();
    let place = observed.target.place.as_ref().ok().filter(|_| !conflict);
    Step {
        moved: moved::judge(
            policy,
            &observed.target.rule,
            place,
            observed.sight(),
            &waiting,
            strays,
            clocks.earliest(),
        ),
        waiting,
        stamp: ours.is_some_and(|published| !published.stamped) && !conflict,
        remembers: false,
        reshape_at,
        due_at: last_due.filter(|_| decision.is_scheduled()),
        next_rotation_at: next_due,
        decision,
        observed,
    }
}

/// What was seen of a project that we may write for.
fn sight<'a>(policy: &Policy, observed: &'a Observed) -> Result<&'a Sight, Hold> {
    let target = &observed.target;
    target.place.as_ref().map_err(|conflict| Hold::Conflict(conflict.clone()))?;
    let sight = match &observed.state {
        world::State::Suspended => return Err(Hold::Suspended),
        world::State::Unseen(problem) => return Err(Hold::Unseen(problem.clone())),
        world::State::Seen(sight) => sight,
    };
    let conflict = match &sight.secret {
        SecretState::Absent | SecretState::Unclaimed { .. } => None,
        SecretState::Deleted { owner: Some(owner), .. } if owner.0 == policy.instance => None,
        SecretState::Deleted { owner: None, .. } => (!policy.adopt_paths).then_some(Conflict::Unmarked),
        SecretState::Foreign { owner: None, taken, .. } => {
            let conflict = taken.clone().map_or(Conflict::Unmarked, Conflict::FieldTaken);
            (!policy.adopt_paths).then_some(conflict)
        }
        SecretState::Deleted { owner: Some(owner), .. } | SecretState::Foreign { owner: Some(owner), .. } => {
            // Were it in the form in which we write now, it would be ours.
            let instance = owner.0.clone();
            Some(if instance == policy.instance {
                Conflict::OtherForm
            } else {
                Conflict::OtherInstance(instance)
            })
        }
        SecretState::Ours(published) => match &published.project_id {
            Some(id) if *id != target.project.id => Some(Conflict::OtherProject(id.clone())),
            _ => published.taken.clone().filter(|_| !policy.adopt_paths).map(Conflict::FieldTaken),
        },
    };
    conflict.map_or(Ok(sight), |conflict| Err(Hold::Conflict(conflict)))
}

fn decide(
    target: &Target,
    sight: &Sight,
    clocks: &Clocks,
    last_due: Option<DateTime<Utc>>,
    reshape_at: Option<DateTime<Utc>>,
    asked: Asked,
) -> Decision {
    if sight.published == PublishedKey::Misplaced {
        return Decision::Hold(Hold::Misplaced);
    }
    match due(sight, clocks, last_due, asked) {
        Some(due) => match adoptable(target, sight, clocks, asked) {
            Some(key) => Decision::Adopt(due, key.clone()),
            None => Decision::Rotate(due),
        },
        // What an emergency finds replaced already needs no list: it is revoked in the same pass.
        None if asked.cut().is_some() => Decision::Hold(Hold::UpToDate),
        None if unlisted(sight).any(|key| enrolment(target, key) <= clocks.earliest()) => Decision::Enrol,
        None if reshape_at.is_some_and(|time| time <= clocks.earliest()) => Decision::Reshape,
        None => Decision::Hold(Hold::UpToDate),
    }
}

/// Why a project needs another key, if it does.
fn due(sight: &Sight, clocks: &Clocks, last_due: Option<DateTime<Utc>>, asked: Asked) -> Option<Due> {
    match asked {
        Asked::Due => {}
        Asked::Rotation => return Some(Due::Asked),
        Asked::Emergency(cut) => return emergency::replaces(cut, sight).then_some(Due::Asked),
    }
    let published = match &sight.secret {
        SecretState::Absent | SecretState::Unclaimed { .. } => return Some(Due::NeverPublished),
        SecretState::Deleted { .. } => return Some(Due::SecretDeleted),
        SecretState::Foreign { .. } => return Some(Due::PathAdopted),
        SecretState::Ours(published) => published,
    };
    match &sight.published {
        PublishedKey::Missing => return Some(Due::SecretDamaged),
        PublishedKey::Dead(reason) => return Some(*reason),
        PublishedKey::Alive { .. } | PublishedKey::Misplaced => {}
    }
    let Some(rotated_at) = published.rotated_at else { return Some(Due::SecretDamaged) };
    if rotated_at > clocks.latest() + FURTHEST_FUTURE {
        return Some(Due::RotatedInTheFuture);
    }
    last_due.filter(|time| rotated_at < *time).map(|_| Due::Schedule)
}

/// The newest key of an interrupted attempt that may be published instead of a new one. A person who
/// asks for a rotation wants a key that nobody has seen.
fn adoptable<'a>(target: &Target, sight: &'a Sight, clocks: &Clocks, asked: Asked) -> Option<&'a OwnKey> {
    let newer = |key: &OwnKey| match sight.published {
        PublishedKey::Alive { created } => key.created > created,
        _ => true,
    };
    let young = |key: &OwnKey| clocks.earliest() < key.created + span(target.rule.overlap);
    unlisted(sight)
        .filter(|key| asked == Asked::Due && key.publishable && newer(key) && young(key))
        .max_by_key(|key| key.created)
}

/// The enabled keys of ours that are neither published nor listed.
fn unlisted(sight: &Sight) -> impl Iterator<Item = &OwnKey> {
    let ours = sight.ours();
    let listed = move |key: &OwnKey| {
        ours.is_some_and(|published| {
            published.retiring.contains(key.fingerprint) || published.publishes(&key.key)
        })
    };
    sight.keys.iter().filter(move |key| key.enabled && !listed(key))
}

/// When an unlisted key is old enough that no attempt can still be about to publish it.
fn enrolment(target: &Target, key: &OwnKey) -> DateTime<Utc> {
    key.created + span(target.rule.enrol_age())
}

/// When, by our clock, the first of the keys that a publication replaced has served its overlap.
pub fn wake_after(publication: &Publication, clocks: &Clocks) -> Option<DateTime<Utc>> {
    let deadlines = publication.retiring.iter().map(|(_, since)| since + span(publication.overlap));
    deadlines.filter(|time| *time > clocks.earliest()).min().map(|time| time + lag(clocks))
}

/// How much later than a deadline our own clock must show, for the earliest clock to have reached it. A
/// server's clock is known to the second only.
fn lag(clocks: &Clocks) -> TimeDelta {
    clocks.ours - clocks.earliest() + TimeDelta::seconds(1)
}

impl Step {
    /// The longest overlap that readers of the project's key were promised, at its path or at one where it has lived.
    pub fn promised(&self) -> Duration {
        let here = self.observed.ours().and_then(|published| published.overlap);
        let elsewhere = self.moved.iter().filter_map(|former| former.stray.overlap);
        here.into_iter().chain(elsewhere).max().unwrap_or_default()
    }

    /// Whether nothing can be done about the project, whatever is asked for.
    pub fn is_blocked(&self) -> bool {
        matches!(&self.decision, Decision::Hold(hold) if *hold != Hold::UpToDate)
    }

    /// Whether something is to be published.
    pub fn publishes(&self) -> bool {
        match self.decision {
            Decision::Rotate(_) | Decision::Adopt(..) | Decision::Enrol | Decision::Reshape => true,
            Decision::Hold(_) => false,
        }
    }

    /// Whether something is to be written to the secret or its metadata.
    pub fn acts(&self) -> bool {
        self.publishes() || self.stamp
    }

    /// When, by our clock, this project next needs a pass, provided that this one succeeds.
    fn wake_at(&self, clocks: &Clocks) -> Option<DateTime<Utc>> {
        if matches!(self.decision, Decision::Hold(Hold::Conflict(_) | Hold::Unseen(_) | Hold::Suspended)) {
            return None;
        }
        let enrolments = self
            .observed
            .sight()
            .into_iter()
            .flat_map(|sight| unlisted(sight).map(|key| enrolment(&self.observed.target, key)));
        // A key that an old path publishes is kept, but when it has served, that secret is dealt with.
        let former = |key| self.moved.iter().any(|former| former.stray.key == Some(key));
        let matters = |waiting: &&Waiting| !waiting.pinned || former(waiting.key);
        let deadlines = self.waiting.iter().filter(matters).map(|waiting| waiting.due);
        let judged = enrolments
            .chain(deadlines)
            .chain(self.reshape_at)
            .filter(|time| *time > clocks.earliest())
            .map(|time| time + lag(clocks));
        judged.chain(self.next_rotation_at).min()
    }
}

/// The longest time that anybody can mean. The overlap in a secret is text that a person may have damaged,
/// and no sum of a time and this leaves the calendar.
const LONGEST: TimeDelta = TimeDelta::days(365_000);

/// A duration in chrono's terms.
pub fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).map_or(LONGEST, |span| span.min(LONGEST))
}

/// For how long the readers of a secret may rely on a replaced key: what it has promised them, and no less than the rule says
/// now.
pub fn promise(promised: Option<Duration>, overlap: Duration) -> TimeDelta {
    span(promised.unwrap_or_default().max(overlap))
}

#[cfg(test)]
mod history;
#[cfg(test)]
mod tests;
