//! What the daemon last saw and did, for whoever asks: the probes, the metrics, the status page.
//!
//! The loop writes it and nobody else does. It shows no key. Whoever asks is answered from here, so that no number of
//! watchers costs either server a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::domain::ids::ProjectId;
use crate::engine::report::PassReport;
use crate::engine::standing::Standing;
use crate::engine::{Engine, clock};

use super::times::span;

/// How many projects a reason names.
const NAMED: usize = 5;

/// The board.
pub(crate) struct Board(Mutex<View>);

/// What stands on it.
#[derive(Clone)]
pub(crate) struct View {
    /// Both servers, of which only what is known without asking is of interest here.
    pub(crate) engine: Engine,
    /// How long a project may be overdue before the daemon is not ready: one pass may fail.
    pub(crate) tolerance: TimeDelta,
    fleet: Option<Arc<Fleet>>,
    /// Why the last pass failed, if it did.
    pub(crate) failure: Option<String>,
    /// The configuration that was read last was refused, and the one before is in force.
    pub(crate) refused: bool,
    /// When the next pass begins, at the latest.
    pub(crate) next_pass_at: Option<DateTime<Utc>>,
}

/// The projects, as the last pass left them.
pub(crate) struct Fleet {
    pub(crate) standings: Vec<Standing>,
    /// What concerns no single project.
    pub(crate) problems: Vec<String>,
    /// When the pass ended.
    pub(crate) seen_at: DateTime<Utc>,
    /// Since when a project needs a key that it has not got.
    wanting: HashMap<ProjectId, DateTime<Utc>>,
}

impl Board {
    pub(crate) fn new(engine: &Engine, every: Duration) -> Self {
        Self(Mutex::new(View {
            engine: engine.clone(),
            tolerance: tolerance(every),
            fleet: None,
            failure: None,
            refused: false,
            next_pass_at: None,
        }))
    }

    /// A new configuration; what was seen under the old one stays until the next pass.
    pub(crate) fn reconfigure(&self, engine: &Engine, every: Duration) {
        let mut view = self.lock();
        (view.engine, view.tolerance) = (engine.clone(), tolerance(every));
    }

    /// The configuration was read anew, and found good or not.
    pub(crate) fn reloaded(&self, good: bool) {
        self.lock().refused = !good;
    }

    /// A pass saw the fleet.
    pub(crate) fn saw(&self, report: PassReport) {
        let now = clock::now();
        let mut view = self.lock();
        let fleet = Fleet::of(report, view.fleet.as_deref(), now);
        (view.fleet, view.failure) = (Some(Arc::new(fleet)), None);
    }

    /// A pass failed. The fleet stays as it was last seen, and becomes overdue where it does.
    pub(crate) fn failed(&self, error: &str) {
        self.lock().failure = Some(error.to_owned());
    }

    /// When the next pass begins.
    pub(crate) fn sleeps_until(&self, time: DateTime<Utc>) {
        self.lock().next_pass_at = Some(time);
    }

    /// What stands here now.
    pub(crate) fn view(&self) -> View {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// What the last pass that saw the fleet made of it. A replica that no longer leads knows only what was.
    pub(crate) fn fleet(&self) -> Option<&Arc<Fleet>> {
        self.fleet.as_ref().filter(|_| self.engine.tenure.stands())
    }

    /// Why the daemon is not doing its work, if it is not.
    pub(crate) fn unready(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut reasons = Vec::new();
        // Who stands by does its work when somebody leads.
        if let Some(lease) = self.engine.lease().filter(|lease| !lease.ours) {
            if let Some(conflict) = lease.conflict {
                reasons.push(format!("no replica can hold the lease: {conflict}"));
            } else if lease.holder.is_none() {
                reasons.push(
                    "no replica is known to hold the lease; the log says why (lease.failed, lease.conflict)"
                        .to_owned(),
                );
            }
            return reasons;
        }
        if let Some(failure) = &self.failure {
            reasons.push(format!("the last pass failed: {failure}"));
        }
        let Some(fleet) = &self.fleet else {
            if reasons.is_empty() {
                reasons.push("no pass has come to its end yet; wait for the first one".to_owned());
            }
            return reasons;
        };
        if self.engine.vault.token_ends().is_some_and(|end| end <= Instant::now()) {
            reasons.push(
                "the Vault token has expired; the log says why there is no other (vault.renewal_failed)"
                    .to_owned(),
            );
        }
        let late = fleet.standings.iter().filter(|standing| fleet.overdue(standing, now) > self.tolerance);
        let names: Vec<String> = late.map(|standing| standing.project.full_name()).collect();
        if !names.is_empty() {
            let shown = names[..names.len().min(NAMED)].join(", ");
            let more = if names.len() > NAMED { ", ..." } else { "" };
            let (many, long) = (names.len(), span(self.tolerance));
            let are = if many == 1 { "project is" } else { "projects are" };
            reasons.push(format!(
                "{many} {are} overdue by more than {long}: {shown}{more}; the log says why (project.failed)"
            ));
        }
        reasons
    }
}

impl Fleet {
    fn of(report: PassReport, before: Option<&Self>, now: DateTime<Utc>) -> Self {
        let problems = report.fleet_problems();
        let mut standings: Vec<Standing> =
            report.projects.into_iter().map(|project| project.standing).collect();
        let known: HashMap<&ProjectId, &Standing> = before
            .into_iter()
            .flat_map(|fleet| &fleet.standings)
            .map(|known| (&known.project.id, known))
            .collect();
        // What cannot be seen now stands as it last did, and becomes overdue like that.
        for standing in standings.iter_mut().filter(|standing| standing.unseen) {
            match known.get(&standing.project.id) {
                Some(known) => {
                    (standing.rotated_at, standing.due_at) = (known.rotated_at, known.due_at);
                    standing.wanting = known.wanting;
                }
                None => standing.wanting = true,
            }
        }
        let wanting = standings
            .iter()
            .filter(|standing| standing.wanting)
            .map(|standing| {
                let id = &standing.project.id;
                (id.clone(), before.and_then(|fleet| fleet.wanting.get(id).copied()).unwrap_or(now))
            })
            .collect();
        Self { standings, problems, seen_at: now, wanting }
    }

    /// For how long a project has had no key that it should have. Zero when it is in time.
    pub(crate) fn overdue(&self, standing: &Standing, now: DateTime<Utc>) -> TimeDelta {
        let since =
            [standing.due_at, self.wanting.get(&standing.project.id).copied()].into_iter().flatten().min();
        since.map_or(TimeDelta::zero(), |since| (now - since).max(TimeDelta::zero()))
    }

    /// How many projects have a published key.
    pub(crate) fn keys(&self) -> usize {
        self.standings.iter().filter(|standing| standing.key.is_some()).count()
    }

    /// How many things somebody must look at.
    pub(crate) fn problems_in_all(&self) -> usize {
        self.standings.iter().filter(|standing| standing.problem.is_some()).count() + self.problems.len()
    }

    /// The next time that the schedule makes a project due.
    pub(crate) fn next_rotation_at(&self) -> Option<DateTime<Utc>> {
        self.standings.iter().filter_map(|standing| standing.next_rotation_at).min()
    }
}

fn tolerance(every: Duration) -> TimeDelta {
    TimeDelta::from_std(every.saturating_mul(2)).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::OrganizationId;
    use crate::domain::project::Project;
    use crate::engine::report::{Outcome, ProjectReport};
    use crate::plan::Decision;
    use crate::plan::reason::Hold;

    fn pass(due_at: Option<DateTime<Utc>>, unseen: bool) -> PassReport {
        let hold = if unseen { Hold::Unseen("denied".to_owned()) } else { Hold::UpToDate };
        let decision = Decision::Hold(hold);
        let standing = Standing {
            project: Arc::new(Project {
                id: ProjectId::parse("p1").expect("an id"),
                name: "Checkout".to_owned(),
                organization_id: OrganizationId::parse("o1").expect("an id"),
                organization_name: "Acme".into(),
            }),
            path: None,
            key: None,
            version: None,
            rotated_at: None,
            next_rotation_at: None,
            due_at,
            overlap: Duration::ZERO,
            waiting: Vec::new(),
            decision: decision.label(),
            reason: decision.reason(),
            problem: None,
            wanting: false,
            unseen,
        };
        let project = ProjectReport {
            standing,
            decision,
            outcome: Outcome::Held,
            unstamped: None,
            out_of_reach: Vec::new(),
        };
        PassReport { projects: vec![project], ..PassReport::default() }
    }

    fn overdue_after(passes: Vec<PassReport>) -> TimeDelta {
        let hour = |hours: usize| DateTime::UNIX_EPOCH + TimeDelta::hours(hours as i64);
        let last = passes.len();
        let fleet = passes.into_iter().enumerate().fold(None, |before: Option<Fleet>, (hours, report)| {
            Some(Fleet::of(report, before.as_ref(), hour(hours)))
        });
        let fleet = fleet.expect("a pass");
        fleet.overdue(&fleet.standings[0], hour(last))
    }

    #[test]
    fn a_project_that_was_never_seen_is_overdue_since_it_was_first_looked_for() {
        let later = Some(DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let passes = (0..3).map(|_| pass(later, true)).collect();
        assert_eq!(overdue_after(passes), TimeDelta::hours(3));
    }

    #[test]
    fn a_project_that_is_seen_no_more_becomes_overdue_when_it_would_have() {
        let due = Some(DateTime::UNIX_EPOCH + TimeDelta::hours(2));
        let later = Some(DateTime::UNIX_EPOCH + TimeDelta::days(1));
        assert_eq!(overdue_after(vec![pass(due, false), pass(later, true)]), TimeDelta::zero());
        let passes = vec![pass(due, false), pass(later, true), pass(later, true), pass(later, true)];
        assert_eq!(overdue_after(passes), TimeDelta::hours(2));
    }
}
