//! The planner: decisions over 10,000 projects.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may panic, and nothing is public")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use exceptionless_rotator::domain::clocks::Clocks;
use exceptionless_rotator::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use exceptionless_rotator::domain::key::ApiKey;
use exceptionless_rotator::domain::path::PathTemplate;
use exceptionless_rotator::domain::policy::{OnVanished, Pattern, Policy, Revocation, Rule, Selection};
use exceptionless_rotator::domain::project::Project;
use exceptionless_rotator::domain::retiring::Retiring;
use exceptionless_rotator::domain::schedule::Schedule;
use exceptionless_rotator::domain::secret::{Published, SecretState};
use exceptionless_rotator::plan::target::targets;
use exceptionless_rotator::plan::world::{Observed, OwnKey, PublishedKey, Sight, State, Strays, World};
use exceptionless_rotator::plan::{self, Asked};

const PROJECTS: usize = 10_000;

fn planner(criterion: &mut Criterion) {
    let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let policy = policy();
    let mut group = criterion.benchmark_group("plan of 10,000 projects");
    // One pass finds nothing to do; in the other every project is due and has a key that waits for its end.
    for (name, rotated_at) in [("up to date", now), ("all due", now - TimeDelta::days(8))] {
        group.bench_function(name, |bencher| {
            let world = || world(&policy, now, rotated_at);
            bencher.iter_batched(
                world,
                |world| plan::plan(&policy, world, Asked::Due),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn policy() -> Policy {
    Policy {
        instance: Instance::parse("default").unwrap(),
        server_url: "https://api.exceptionless.com".to_owned(),
        selection: Selection { include: vec![Pattern::parse("*").unwrap()], exclude: Vec::new() },
        rule: Rule {
            revocation: Revocation::Delete,
            path: PathTemplate::parse("exceptionless/{project_id}").unwrap(),
            schedule: Schedule::parse("0 3 * * 1", Tz::UTC, DateTime::UNIX_EPOCH).unwrap(),
            splay: Duration::from_secs(3600),
            overlap: Duration::from_secs(86_400),
        },
        overrides: Vec::new(),
        shape: Default::default(),
        adopt_paths: false,
        on_vanished: OnVanished::Keep,
        publication_limit: Duration::from_secs(15),
    }
}

fn world(policy: &Policy, now: DateTime<Utc>, rotated_at: DateTime<Utc>) -> World {
    let organization = OrganizationId::parse("64f0c0ffee00000000000010").unwrap();
    let project = |number: usize| Project {
        id: ProjectId::parse(&format!("64f0c0ffee{number:014}")).unwrap(),
        name: format!("Project {number}"),
        organization_id: organization.clone(),
        organization_name: Arc::from("Acme"),
    };
    let targets = targets(policy, (0..PROJECTS).map(project));
    let projects = targets.into_iter().enumerate().map(|(number, target)| {
        let key = |kind: &str, created| {
            let key = ApiKey::parse(&format!("{kind}{number:036}")).unwrap();
            let (rotation, fingerprint) = (RotationId::fresh(created), key.fingerprint());
            OwnKey {
                key,
                fingerprint,
                rotation,
                created,
                updated: created,
                enabled: true,
                disabled: false,
                publishable: true,
            }
        };
        let (new, old) = (key("new", rotated_at), key("old", rotated_at - TimeDelta::days(7)));
        let mut retiring = Retiring::default();
        retiring.insert(old.fingerprint, rotated_at);
        let published = Published {
            version: 2,
            api_key: Some(new.key.clone()),
            project_id: Some(target.project.id.clone()),
            organization_id: Some(target.project.organization_id.clone()),
            rotation: Some(new.rotation),
            rotated_at: Some(rotated_at),
            next_rotation_at: None,
            overlap: Some(Duration::from_secs(86_400)),
            retiring,
            shape: None,
            taken: None,
            written_at: Some(rotated_at),
            stamped: true,
        };
        let sight = Sight {
            secret: SecretState::Ours(Box::new(published)),
            published: PublishedKey::Alive { created: rotated_at },
            keys: vec![new, old],
        };
        Observed { target, state: State::Seen(sight) }
    });
    World {
        clocks: Clocks { ours: now, exceptionless: Some(now), vault: Some(now) },
        projects: projects.collect(),
        strays: Some(Strays::default()),
    }
}

criterion_group!(benches, planner);
criterion_main!(benches);
