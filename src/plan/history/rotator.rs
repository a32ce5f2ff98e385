//! A rotator as a machine that does one thing at a time, so that others can act in between and it can be
//! killed anywhere. Every decision in it is the planner's; the machine adds the rules of execution.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::ids::RotationId;
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::Marker;
use crate::domain::secret::{Publication, SecretState};

use super::super::publication::{self, Fresh};
use super::super::reason::Due;
use super::super::retire::Stage;
use super::super::world::{Observed, OwnKey, PublishedKey, Sight, State, Strays, World};
use super::super::{Asked, Decision, Step, plan, retire, span};
use super::universe::{Request, Universe};
use super::{Flaw, Setup};

/// One pass over the one project.
pub(super) struct Rotator {
    machine: usize,
    setup: Arc<Setup>,
    asked: Asked,
    started: DateTime<Utc>,
    /// The plan's step for the project, once there is one.
    step: Option<Step>,
    /// When the keys were listed.
    seen: DateTime<Utc>,
    seen_alive: Vec<ApiKey>,
    /// It is no pass, but the command `undo`.
    is_undo: bool,
    /// What `undo` has written.
    listed: Vec<(Fingerprint, DateTime<Utc>)>,
    next: Effect,
}

/// What a rotator does next: never more than one request.
enum Effect {
    ReadSecret,
    ListKeys(SecretState),
    AskTheKey(SecretState, Vec<OwnKey>, ApiKey, Due),
    Mint(RotationId),
    Search(RotationId),
    Verify(Candidate),
    Publish(Box<Attempt>),
    ReadBack(ApiKey, Kind),
    Stamp,
    ReadAgain,
    Revoke(Vec<(Fingerprint, Stage)>),
    /// These, if the secret still has for them what was written a short while ago.
    Enable(Vec<(Fingerprint, DateTime<Utc>)>),
    Done,
}

struct Candidate {
    key: ApiKey,
    rotation: RotationId,
    kind: Kind,
}

struct Attempt {
    publication: Publication,
    /// When the clocks were read for its `since`.
    dated: DateTime<Utc>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Rotation,
    Adoption,
    Enrolment,
    Undo,
    Reshape,
}

impl Rotator {
    pub(super) fn start(universe: &Universe, machine: usize, setup: &Arc<Setup>, asked: Asked) -> Self {
        Self {
            machine,
            setup: Arc::clone(setup),
            asked,
            started: universe.now,
            step: None,
            seen: universe.now,
            seen_alive: Vec::new(),
            is_undo: false,
            listed: Vec::new(),
            next: Effect::ReadSecret,
        }
    }

    /// The command, on the first rotator's machine.
    pub(super) fn undo(universe: &Universe, setup: &Arc<Setup>) -> Self {
        Self { is_undo: true, ..Self::start(universe, 0, setup, Asked::Due) }
    }

    /// Whether the request to revoke is the next one: it follows its re-read at once.
    pub(super) fn is_revoking(&self) -> bool {
        matches!(self.next, Effect::Revoke(_))
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.next, Effect::Done)
    }

    /// Does the next thing.
    pub(super) fn act(&mut self, universe: &mut Universe) {
        self.next = match std::mem::replace(&mut self.next, Effect::Done) {
            Effect::ReadSecret => Effect::ListKeys(universe.secret()),
            Effect::ListKeys(secret) => self.list_keys(universe, secret),
            Effect::AskTheKey(secret, keys, key, due) => {
                let published =
                    if universe.works(&key) { PublishedKey::Misplaced } else { PublishedKey::Dead(due) };
                self.decide(universe, Sight { secret, published, keys })
            }
            Effect::Mint(rotation) => self.mint(universe, rotation),
            Effect::Search(rotation) => {
                let found = universe.own_keys().into_iter().find(|own| own.rotation == rotation);
                match found {
                    Some(own) => Effect::Verify(Candidate { key: own.key, rotation, kind: Kind::Rotation }),
                    None if self.is_too_old(universe) => self.afterwards(universe),
                    None => Effect::Mint(rotation),
                }
            }
            Effect::Verify(candidate) => self.verify(universe, candidate),
            Effect::Publish(attempt) => self.publish(universe, *attempt),
            Effect::ReadBack(key, kind) => match universe.secret() {
                SecretState::Ours(published) if published.api_key.as_ref() == Some(&key) => {
                    self.published(universe, kind)
                }
                _ => self.afterwards(universe),
            },
            Effect::Stamp => {
                universe.stamped = true;
                self.retire(universe)
            }
            Effect::ReadAgain => self.licence(universe),
            Effect::Revoke(keys) => {
                for (key, stage) in keys {
                    match stage {
                        Stage::Disable => universe.disable(key, self.seen),
                        Stage::Delete => universe.revoke(key, self.seen),
                    }
                }
                Effect::Done
            }
            Effect::Enable(keys) => {
                let SecretState::Ours(now) = universe.secret() else { return };
                let clocks = universe.clocks(self.machine);
                let limit = span(self.setup.target.rule.latest_return());
                for (key, since) in keys {
                    if now.retiring.since(key) >= Some(since) && clocks.latest() - since <= limit {
                        universe.enable(key, false);
                    }
                }
                Effect::Done
            }
            Effect::Done => Effect::Done,
        }
    }

    fn list_keys(&mut self, universe: &mut Universe, secret: SecretState) -> Effect {
        let keys = universe.own_keys();
        self.seen = universe.now;
        let key = match &secret {
            SecretState::Ours(published) => published.api_key.clone(),
            _ => None,
        };
        let Some(key) = key else {
            return self.decide(universe, Sight { secret, published: PublishedKey::Missing, keys });
        };
        match universe.token(&key) {
            Some(token) if token.enabled => {
                let published = PublishedKey::Alive { created: token.created };
                self.decide(universe, Sight { secret, published, keys })
            }
            Some(_) => Effect::AskTheKey(secret, keys, key, Due::KeyDisabled),
            None => Effect::AskTheKey(secret, keys, key, Due::KeyGone),
        }
    }

    /// The planner's turn.
    fn decide(&mut self, universe: &mut Universe, sight: Sight) -> Effect {
        if let (PublishedKey::Alive { .. }, Some(published)) = (sight.published, sight.ours()) {
            self.seen_alive.extend(published.api_key.clone());
        }
        let clocks = universe.clocks(self.machine);
        let observed = Observed { target: self.setup.target.clone(), state: State::Seen(sight) };
        let world = World { clocks, projects: vec![observed], strays: Some(Strays::default()) };
        let step = plan(&self.setup.policy, world, self.asked).steps.remove(0);
        if self.is_undo {
            return self.bring_back(universe, step, &clocks);
        }
        let next = match &step.decision {
            Decision::Rotate(_) => None,
            Decision::Adopt(_, own) => Some(Effect::Verify(Candidate {
                key: own.key.clone(),
                rotation: own.rotation,
                kind: Kind::Adoption,
            })),
            Decision::Enrol if universe.flaw == Some(Flaw::NoEnrolment) => {
                self.step = Some(step);
                return self.afterwards(universe);
            }
            Decision::Enrol | Decision::Reshape => {
                let kind = if step.decision == Decision::Enrol { Kind::Enrolment } else { Kind::Reshape };
                let next_rotation_at = step.next_rotation_at;
                let publication =
                    publication::renewed(&self.setup.policy, &step.observed, &[], next_rotation_at, &clocks);
                publication.map(|publication| {
                    Effect::Publish(Box::new(Attempt { publication, dated: universe.now, kind }))
                })
            }
            Decision::Hold(_) => {
                self.step = Some(step);
                return self.afterwards(universe);
            }
        };
        self.step = Some(step);
        next.unwrap_or_else(|| Effect::Mint(RotationId::fresh(clocks.ours)))
    }

    /// All disabled keys come back: they are listed anew, and then enabled.
    fn bring_back(&mut self, universe: &mut Universe, step: Step, clocks: &Clocks) -> Effect {
        let Some(sight) = step.observed.sight().filter(|_| !step.is_blocked()) else { return Effect::Done };
        let published = |own: &&OwnKey| sight.ours().is_some_and(|ours| ours.publishes(&own.key));
        let disabled = sight.keys.iter().filter(|own| own.disabled && !published(own));
        let chosen: Vec<Fingerprint> = disabled.map(|own| own.fingerprint).collect();
        if chosen.is_empty() {
            return Effect::Done;
        }
        if universe.flaw == Some(Flaw::UndoUnlisted) {
            chosen.into_iter().for_each(|key| universe.enable(key, false));
            return Effect::Done;
        }
        let policy = &self.setup.policy;
        let publication =
            publication::renewed(policy, &step.observed, &chosen, step.next_rotation_at, clocks);
        self.step = Some(step);
        publication.map_or(Effect::Done, |publication| {
            self.listed = publication.retiring.iter().filter(|(key, _)| chosen.contains(key)).collect();
            let dated = universe.now;
            Effect::Publish(Box::new(Attempt { publication, dated, kind: Kind::Undo }))
        })
    }

    fn mint(&self, universe: &mut Universe, rotation: RotationId) -> Effect {
        if self.is_too_old(universe) {
            return self.afterwards(universe);
        }
        let notes = Marker { instance: universe.instance.clone(), rotation }.to_string();
        universe.tally.mints += 1;
        if universe.calm || !universe.dice.chance(0.15) {
            let key = universe.mint(notes);
            return Effect::Verify(Candidate { key, rotation, kind: Kind::Rotation });
        }
        universe.tally.lost_answers += 1;
        match universe.dice.below(3) {
            0 => {}
            1 => drop(universe.mint(notes)),
            _ => {
                let at = universe.now + universe.dice.seconds(0.0, 120.0);
                universe.arrives_later(at, Request::Mint(notes));
            }
        }
        Effect::Search(rotation)
    }

    fn verify(&mut self, universe: &mut Universe, candidate: Candidate) -> Effect {
        let Candidate { key, rotation, kind } = candidate;
        if !universe.works(&key) || (!universe.calm && universe.dice.chance(0.03)) {
            return self.afterwards(universe);
        }
        self.seen_alive.push(key.clone());
        let clocks = universe.clocks(self.machine);
        let step = self.step.as_ref().unwrap();
        let fresh =
            Fresh { key: &key, rotation, rotated_at: clocks.ours, next_rotation_at: step.next_rotation_at };
        let publication =
            publication::rotated(&self.setup.policy, &step.observed, step.promised(), fresh, &clocks);
        Effect::Publish(Box::new(Attempt { publication, dated: universe.now, kind }))
    }

    fn publish(&self, universe: &mut Universe, attempt: Attempt) -> Effect {
        let Attempt { publication, dated, kind } = attempt;
        let expected = match &self.step.as_ref().unwrap().observed.sight().unwrap().secret {
            SecretState::Ours(published) => published.version,
            SecretState::Deleted { version, .. } => *version,
            _ => 0,
        } as usize;
        let limit = span(self.setup.policy.publication_limit);
        let late = universe.now - dated > limit && universe.flaw != Some(Flaw::LatePublication);
        if late || self.is_too_old(universe) {
            universe.tally.abandoned += 1;
            return self.afterwards(universe);
        }
        let (fields, fingerprint) = Universe::sent(&publication);
        let answered = universe.calm || !universe.dice.chance(0.15);
        if !answered {
            universe.tally.lost_answers += 1;
            let arrives = universe.dice.below(3);
            if arrives == 0 {
                return Effect::ReadBack(publication.api_key, kind);
            }
            if arrives == 1 {
                // The request ends with the time that is left for it.
                let slack = if universe.flaw == Some(Flaw::LateArrival) { limit } else { TimeDelta::zero() };
                let left = (dated + limit - universe.now + slack).as_seconds_f64();
                let at = universe.now + universe.dice.seconds(0.0, left);
                universe.arrives_later(at, Request::Publish(fields, fingerprint, expected));
                return Effect::ReadBack(publication.api_key, kind);
            }
        }
        let accepted = universe.publish(fields, fingerprint, expected);
        match (accepted, answered) {
            (true, true) => self.published(universe, kind),
            _ => {
                universe.tally.superseded += usize::from(!accepted);
                Effect::ReadBack(publication.api_key, kind)
            }
        }
    }

    fn published(&self, universe: &mut Universe, kind: Kind) -> Effect {
        match kind {
            Kind::Rotation => universe.tally.rotations += 1,
            Kind::Adoption => universe.tally.adoptions += 1,
            Kind::Enrolment => universe.tally.enrolments += 1,
            Kind::Undo => return Effect::Enable(self.listed.clone()),
            Kind::Reshape => universe.tally.reshapes += 1,
        }
        if universe.stamped { self.retire(universe) } else { Effect::Stamp }
    }

    /// Whatever became of the publication: the mark, and then the retirements.
    fn afterwards(&self, universe: &Universe) -> Effect {
        match &self.step {
            _ if self.is_undo => Effect::Done,
            Some(step) if step.stamp => Effect::Stamp,
            _ => self.retire(universe),
        }
    }

    fn retire(&self, universe: &Universe) -> Effect {
        let ripe = self.ripe(universe);
        match universe.flaw {
            _ if ripe.is_empty() => Effect::Done,
            Some(Flaw::NoReadAgain) => {
                Effect::Revoke(ripe.iter().map(|(own, stage)| (own.fingerprint, *stage)).collect())
            }
            _ => Effect::ReadAgain,
        }
    }

    fn ripe(&self, universe: &Universe) -> Vec<(OwnKey, Stage)> {
        let clocks = universe.clocks(self.machine);
        let steps = self.step.iter();
        let ripe = steps.flat_map(|step| retire::ripe(step, &clocks));
        ripe.map(|(own, stage)| (own.clone(), stage)).collect()
    }

    /// Asks for the licence with the secret as it is now.
    fn licence(&self, universe: &Universe) -> Effect {
        let SecretState::Ours(published) = universe.secret() else { return Effect::Done };
        let clocks = universe.clocks(self.machine);
        let rule = &self.setup.target.rule;
        let seen_alive = published.api_key.as_ref().is_some_and(|key| self.seen_alive.contains(key));
        let licensed = self
            .ripe(universe)
            .into_iter()
            .filter(|(own, _)| retire::may_revoke(rule, &published, own, &clocks, seen_alive, false))
            // A key that was disabled is asked itself.
            .filter(|(own, _)| !(own.disabled && universe.works(&own.key)))
            .map(|(own, stage)| (own.fingerprint, stage));
        Effect::Revoke(licensed.collect())
    }

    /// An attempt of this age publishes nothing more: its key may be enrolled by now.
    fn is_too_old(&self, universe: &Universe) -> bool {
        universe.now - self.started > span(self.setup.target.rule.enrol_age())
    }
}
