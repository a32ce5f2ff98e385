use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use crate::domain::key::ApiKey;
use crate::domain::project::Project;
use crate::domain::retiring::Retiring;
use crate::exceptionless::{ExceptionlessError, Operation};
use crate::plan::reason::{Conflict, Due};

fn publication() -> Box<Publication> {
    Box::new(Publication {
        api_key: ApiKey::parse("K1").expect("a key"),
        server_url: "https://api.exceptionless.com".to_owned(),
        project: project(),
        rotation: RotationId::fresh(DateTime::UNIX_EPOCH),
        rotated_at: DateTime::UNIX_EPOCH,
        next_rotation_at: None,
        overlap: Duration::from_secs(3600),
        retiring: Retiring::default(),
        shape: Arc::default(),
        shaped_at: None,
        instance: Instance::parse("default").expect("a name"),
    })
}

fn project() -> Arc<Project> {
    Arc::new(Project {
        id: ProjectId::parse("p1").expect("an id"),
        name: "Checkout".to_owned(),
        organization_id: OrganizationId::parse("o1").expect("an id"),
        organization_name: "Acme".into(),
    })
}

fn one(outcome: Outcome) -> ProjectReport {
    let decision = Decision::Hold(Hold::UpToDate);
    let standing = Standing {
        project: project(),
        path: None,
        key: None,
        version: None,
        rotated_at: None,
        next_rotation_at: None,
        due_at: None,
        overlap: Duration::ZERO,
        waiting: Vec::new(),
        decision: decision.label(),
        reason: decision.reason(),
        problem: None,
        wanting: false,
        unseen: false,
    };
    ProjectReport { standing, decision, outcome, unstamped: None, out_of_reach: Vec::new() }
}

fn failed(failure: Failure) -> ProjectReport {
    one(Outcome::Failed(failure))
}

fn held(hold: Hold) -> ProjectReport {
    ProjectReport { decision: Decision::Hold(hold), ..one(Outcome::Held) }
}

fn refused() -> ProjectReport {
    failed(Failure::NotPermitted { path: "secret/data/a".to_owned(), missing: "create" })
}

fn misconfigured() -> VaultError {
    VaultError::Namespace { name: "n".to_owned() }
}

fn of(projects: Vec<ProjectReport>) -> PassReport {
    PassReport { projects, ..PassReport::default() }
}

#[test]
fn what_failed_or_was_not_seen_is_tried_again_soon_and_what_waits_for_a_person_is_not() {
    assert!(of(vec![]).is_clean() && !of(vec![]).wants_retry());
    let conflict = of(vec![held(Hold::Conflict(Conflict::Unmarked))]);
    assert!(!conflict.wants_retry() && !conflict.is_clean());
    assert!(of(vec![held(Hold::Unseen("no listing".to_owned()))]).wants_retry());
    assert!(of(vec![one(Outcome::Held), failed(Failure::ProjectGone)]).wants_retry());
    assert!(of(vec![ProjectReport { unstamped: Some(misconfigured()), ..one(Outcome::Held) }]).wants_retry());
    let trouble = || vec!["trouble".to_owned()];
    for report in [
        PassReport { blind: trouble(), ..PassReport::default() },
        PassReport { retire_failures: trouble(), ..PassReport::default() },
        PassReport { tidy_failures: trouble(), ..PassReport::default() },
    ] {
        assert!(report.wants_retry() && !report.is_clean(), "{report:?}");
    }
    assert!(!PassReport { interrupted: true, ..PassReport::default() }.is_clean());
}

#[test]
fn a_credential_is_the_trouble_when_every_attempt_was_refused() {
    assert!(of(vec![refused(), one(Outcome::Held), refused()]).is_refused());
    assert!(!of(vec![refused(), failed(Failure::ProjectGone)]).is_refused());
    assert!(!of(vec![refused(), one(Outcome::Published(publication(), 1))]).is_refused());
    let forbidden = || ExceptionlessError::Forbidden { operation: Operation::WhoAmI, server: String::new() };
    let gone = || ExceptionlessError::NotFound { operation: Operation::WhoAmI, server: String::new() };
    assert!(of(vec![failed(Failure::Mint(forbidden())), refused()]).is_refused());
    assert!(!of(vec![failed(Failure::Mint(gone()))]).is_refused());
    assert!(!of(vec![failed(Failure::VerifyLost(forbidden()))]).is_refused());
    let dead = || VaultError::TokenDead { place: "VAULT_TOKEN".to_owned() };
    assert!(of(vec![failed(Failure::Publish(dead()))]).is_refused());
    assert!(!of(vec![failed(Failure::Publish(misconfigured()))]).is_refused());
    assert!(!of(vec![one(Outcome::Held)]).is_refused() && !of(vec![]).is_refused());
}

#[test]
fn an_emergency_counts_every_project_without_a_fresh_key() {
    let due = |outcome| ProjectReport { decision: Decision::Rotate(Due::Asked), ..one(outcome) };
    let report = of(vec![
        due(Outcome::Published(publication(), 2)),
        due(Outcome::NotBegun),
        due(Outcome::Superseded),
        // Its key is younger than what has leaked.
        one(Outcome::Held),
    ]);
    assert_eq!((report.published(), report.not_published(), report.failed()), (1, 2, 0));
}

#[test]
fn the_next_pass_is_brought_forward_and_never_put_off() {
    let at = |seconds| DateTime::from_timestamp(seconds, 0);
    let mut report = PassReport::default();
    for (time, then) in [(None, None), (at(20), at(20)), (at(30), at(20)), (at(10), at(10)), (None, at(10))] {
        report.wake_no_later_than(time);
        assert_eq!(report.wake_at, then);
    }
}

#[test]
fn only_a_publication_and_an_enrolment_have_written() {
    let outcomes = [
        Outcome::Published(publication(), 1),
        Outcome::Enrolled(publication(), 1),
        Outcome::Held,
        Outcome::Superseded,
        Outcome::NotBegun,
        Outcome::Failed(Failure::ProjectGone),
    ];
    let written: Vec<_> = outcomes.iter().map(|outcome| outcome.written().is_some()).collect();
    assert_eq!(written, [true, true, false, false, false, false]);
    assert_eq!(outcomes.iter().map(Outcome::label).collect::<BTreeSet<_>>().len(), outcomes.len());
}

#[test]
fn progress_counts_within_its_phase() {
    assert_eq!((Progress::listing().phase, Progress::listing().total), (Phase::Listing, 0));
    assert_eq!((Progress::reading(7).phase, Progress::reading(7).total), (Phase::Reading, 7));
    let mut progress = Progress::executing(3);
    progress.one_done(false);
    progress.one_done(true);
    assert_eq!(progress, Progress { phase: Phase::Executing, total: 3, done: 2, failed: 1 });
}
