//! The decision table, a sentence per line of it. What random histories can show is in `history`.

mod decision;
mod emergency;
mod fleet;
mod moved;
mod retirement;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::clocks::Clocks;
use crate::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::{PathTemplate, SecretPath};
use crate::domain::policy::{OnVanished, Pattern, Policy, Revocation, Rule, Selection};
use crate::domain::project::Project;
use crate::domain::retiring::Retiring;
use crate::domain::schedule::Schedule;
use crate::domain::secret::{Publication, Published, SecretState};

use super::publication::{self, Fresh};
use super::reason::{Conflict, Due, Hold};
use super::retire::{self, Stage, Waiting};
use super::target::targets;
use super::vanished::{Brake, Vanished};
use super::world::{Observed, OwnKey, PublishedKey, Sight, State, Stray, Strays, World};
use super::{Asked, Decision, Plan, Step, plan, wake_after};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A day of November 2026 and a time: `at("21 03:00:00")`.
fn at(text: &str) -> DateTime<Utc> {
    let (day, time) = text.split_once(' ').expect("a day and a time");
    DateTime::parse_from_rfc3339(&format!("2026-11-{day}T{time}Z")).expect("a time").to_utc()
}

fn key(name: &str) -> ApiKey {
    ApiKey::parse(name).unwrap()
}

fn fingerprint(name: &str) -> Fingerprint {
    key(name).fingerprint()
}

fn instance(name: &str) -> Instance {
    Instance::parse(name).unwrap()
}

fn rotation() -> RotationId {
    RotationId::parse("0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77").unwrap()
}

fn own(name: &str, created: &str) -> OwnKey {
    OwnKey {
        key: key(name),
        fingerprint: fingerprint(name),
        rotation: rotation(),
        created: at(created),
        updated: at(created),
        enabled: true,
        disabled: false,
        publishable: true,
    }
}

fn project(id: &str, name: &str) -> Project {
    Project {
        id: ProjectId::parse(id).unwrap(),
        name: name.to_owned(),
        organization_id: OrganizationId::parse("org").unwrap(),
        organization_name: "Acme".into(),
    }
}

/// A policy with this rule for all projects, and else as the defaults are.
pub(super) fn policy(instance: Instance, rule: Rule) -> Policy {
    Policy {
        instance,
        server_url: "https://api.exceptionless.com".to_owned(),
        selection: Selection { include: vec![Pattern::parse("*").unwrap()], exclude: Vec::new() },
        rule,
        overrides: Vec::new(),
        shape: Arc::default(),
        adopt_paths: false,
        on_vanished: OnVanished::Keep,
        publication_limit: Duration::from_secs(15),
    }
}

/// One project and its surroundings: due at 03:00 with an overlap of a day, seen on the 21st at noon.
struct Scene {
    policy: Policy,
    clocks: Clocks,
    secret: SecretState,
    published: PublishedKey,
    keys: Vec<OwnKey>,
    asked: Asked,
    strays: Option<Vec<Stray>>,
}

impl Scene {
    fn new() -> Self {
        let rule = Rule {
            path: PathTemplate::parse("exceptionless/{project_id}").unwrap(),
            schedule: Schedule::parse("0 3 * * *", Tz::UTC, at("01 00:00:00")).unwrap(),
            splay: Duration::ZERO,
            overlap: 24 * HOUR,
            revocation: Revocation::Delete,
        };
        Self {
            policy: policy(instance("default"), rule),
            clocks: Clocks { ours: at("21 12:00:00"), exceptionless: None, vault: None },
            secret: SecretState::Absent,
            published: PublishedKey::Missing,
            keys: Vec::new(),
            asked: Asked::Due,
            strays: Some(Vec::new()),
        }
    }

    /// The project had another path before, and its secret there publishes this key.
    fn elsewhere(self, name: &str) -> Self {
        let path = SecretPath::parse("exceptionless/former").unwrap();
        let stray = Stray {
            path,
            project_id: project("p1", "").id,
            organization_id: None,
            key: Some(key(name).fingerprint()),
            overlap: None,
            marked: false,
            moved: None,
        };
        Self { strays: Some(vec![stray]), ..self }
    }

    /// The folder of the secrets could not be listed.
    fn unsure(self) -> Self {
        Self { strays: None, ..self }
    }

    /// A secret of ours with this key, minted and published at `rotated_at`.
    fn published(mut self, name: &str, rotated_at: &str) -> Self {
        self.secret = SecretState::Ours(Box::new(Published {
            written_at: None,
            version: 1,
            api_key: Some(key(name)),
            project_id: Some(project("p1", "Checkout").id),
            organization_id: None,
            rotation: Some(rotation()),
            rotated_at: Some(at(rotated_at)),
            next_rotation_at: None,
            overlap: Some(self.policy.rule.overlap),
            retiring: Retiring::default(),
            shape: None,
            taken: None,
            stamped: true,
        }));
        self.published = PublishedKey::Alive { created: at(rotated_at) };
        self.key(name, rotated_at)
    }

    /// Another key of ours.
    fn key(mut self, name: &str, created: &str) -> Self {
        self.keys.push(own(name, created));
        self
    }

    /// The last key is not as it should be.
    fn but(mut self, change: impl FnOnce(&mut OwnKey)) -> Self {
        change(self.keys.last_mut().expect("a key"));
        self
    }

    /// A key of ours that the secret lists.
    fn retiring(self, name: &str, since: &str) -> Self {
        self.key(name, "10 00:00:00").listing(name, since)
    }

    fn listing(self, name: &str, since: &str) -> Self {
        self.damaged(|published| published.retiring.insert(fingerprint(name), at(since)))
    }

    /// A person changed the secret.
    fn damaged(mut self, change: impl FnOnce(&mut Published)) -> Self {
        let SecretState::Ours(published) = &mut self.secret else { panic!("nothing is published") };
        change(published);
        self
    }

    fn secret(self, secret: SecretState) -> Self {
        Self { secret, ..self }
    }

    fn became(self, published: PublishedKey) -> Self {
        Self { published, ..self }
    }

    fn at(mut self, now: &str) -> Self {
        self.clocks.ours = at(now);
        self
    }

    fn servers(mut self, exceptionless: &str, vault: &str) -> Self {
        self.clocks.exceptionless = Some(at(exceptionless));
        self.clocks.vault = Some(at(vault));
        self
    }

    fn asked(self) -> Self {
        Self { asked: Asked::Rotation, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    fn overlap(self, overlap: Duration) -> Self {
        self.with(|policy| policy.rule.overlap = overlap)
    }

    fn observed(&self) -> Observed {
        let sight = Sight { secret: self.secret.clone(), published: self.published, keys: self.keys.clone() };
        self.seen_as(State::Seen(sight))
    }

    fn seen_as(&self, state: State) -> Observed {
        let target = targets(&self.policy, vec![project("p1", "Checkout")]).remove(0);
        Observed { target, state }
    }

    fn plan_of(&self, observed: Observed) -> Plan {
        let strays =
            self.strays.clone().map(|secrets| Strays { secrets, existing: None, ..Strays::default() });
        let world = World { clocks: self.clocks, projects: vec![observed], strays };
        plan(&self.policy, world, self.asked)
    }

    fn plan(&self) -> Plan {
        self.plan_of(self.observed())
    }

    fn step(&self) -> Step {
        self.plan().steps.remove(0)
    }

    fn decision(&self) -> Decision {
        self.step().decision
    }

    /// The names of the keys that may be revoked now.
    fn retirable(&self) -> Vec<String> {
        let step = self.step();
        retire::ripe(&step, &self.clocks).map(|(own, _)| own.key.expose().to_owned()).collect()
    }

    /// What a rotation to this key would write now.
    fn rotated(&self, name: &str) -> Publication {
        let fresh = Fresh {
            key: &key(name),
            rotation: rotation(),
            rotated_at: self.clocks.ours,
            next_rotation_at: None,
        };
        let promised = self.observed().ours().and_then(|published| published.overlap).unwrap_or_default();
        publication::rotated(&self.policy, &self.observed(), promised, fresh, &self.clocks)
    }
}

/// Since when a key counts as old, as the publication says.
fn since(publication: &Publication, name: &str) -> Option<DateTime<Utc>> {
    publication.retiring.since(fingerprint(name))
}
