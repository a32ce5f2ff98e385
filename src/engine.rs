//! One pass: observe, plan, execute. Always this code, whatever started it: the schedule, the start of
//! the daemon, a signal, a person.
//!
//! A pass takes no hints. It looks at everything, it is safe to repeat, and what it could not finish the
//! next one finds again, because the state lives at the two servers and nowhere else. That is why
//! retries are few here: most of them are the next pass.
//!
//! Walk it as a key does: `attempt` mints, verifies and publishes it, one pass later `observe` sees
//! it, and when its time is over `retire` revokes it. `attempt`, `retire`, `undo`, `tidy` and `moved`
//! are the only places in the program that write to a server, but for the `lease` by which replicas agree who runs
//! passes, and `credential`, which changes our own password.

pub mod clock;
pub mod credential;
pub mod deed;
pub mod event;
pub mod inventory;
pub mod lease;
pub mod report;
pub mod standing;

mod attempt;
mod moved;
mod observe;
mod permit;
mod retire;
mod tidy;
mod undo;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{Config, Ha};
use crate::domain::clocks::Clocks;
use crate::domain::key::Fingerprint;
use crate::domain::path::SecretPath;
use crate::domain::policy::Policy;
use crate::exceptionless::{ExceptionlessClient, ExceptionlessError};
use crate::plan::moved::Fate;
use crate::plan::selection::{LeftOut, Only};
use crate::plan::{self, Asked, Plan, Step};
use crate::traffic::Traffic;
use crate::vault::{VaultError, VaultStore};

use attempt::Attempt;
use credential::Custody;
use deed::Deeds;
use lease::{LeaseView, Tenure};
use report::{Failure, Outcome, PassReport, Progress, ProjectReport};

pub use attempt::WIDEST_SPREAD;
pub use observe::{Survey, Unreadable};
pub use retire::unmanaged::{Found, Refused, Unmanaged, Wish};

/// Both servers, and what the operator wants of them.
#[derive(Clone)]
pub struct Engine {
    /// The Exceptionless server.
    pub exceptionless: ExceptionlessClient,
    /// The Vault server.
    pub vault: VaultStore,
    /// Our own password, if it is kept in Vault.
    pub custody: Option<Custody>,
    /// What the operator wants.
    pub policy: Arc<Policy>,
    /// How many projects are worked on at the same time.
    pub concurrency: usize,
    /// What was sent to both.
    pub traffic: Traffic,
    /// How far the pass has come, for whoever watches.
    pub progress: watch::Sender<Progress>,
    /// Which secrets it may not read, as far as that was told.
    pub unreadable: Unreadable,
    /// Where replicas keep their lease, if there may be some.
    pub ha: Option<Ha>,
    /// The right to run passes. Only a [`Candidate`](lease::Candidate) limits it, and so only the daemon's.
    pub tenure: Tenure,
}

/// What a pass is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only these projects.
    pub only: Only,
    /// What to do with them.
    pub asked: Asked,
    /// Keep every key that is listed, whosever it is.
    pub inventory: bool,
    /// Go on though no secret at all may be read, for whoever looks for the reason.
    pub lenient: bool,
    /// The command by which a person asked for it.
    pub command: &'static str,
}

/// Why a pass could not begin, or could not see enough to go on.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Exceptionless did not let us.
    #[error(transparent)]
    Exceptionless(#[from] ExceptionlessError),
    /// Vault did not let us.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// There is nothing to do.
    #[error(
        "the Exceptionless user {user} sees no project; make it a member of each organization whose projects it shall \
         rotate"
    )]
    NoProject {
        /// The Exceptionless user's e-mail address.
        user: String,
    },
    /// The configuration leaves nothing to do.
    #[error(
        "projects.include and projects.exclude leave none of the {existing} projects; patterns match an id, a name, or \
         \"organization/name\""
    )]
    NoneSelected {
        /// How many projects the user sees.
        existing: usize,
    },
    /// What the command line asked for does not exist.
    #[error(
        "no selected project matches {patterns}; `exceptionless-rotator status` lists them all, and a pattern matches an \
         id, a name, or \"organization/name\"{}",
        if *.of_organizations { ", and with --organization the id or the name of one" } else { "" }
    )]
    NoneMatches {
        /// What was asked for.
        patterns: String,
        /// Whether an organization was among it.
        of_organizations: bool,
    },
    /// What the command line asked for exists, and the configuration leaves it out.
    #[error("{}; change [projects], or ask for another", .projects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    LeftOut {
        /// The projects.
        projects: Vec<LeftOut>,
    },
    /// A mistake in this program. What it did until then is found again by the next pass, as after a crash.
    #[error(
        "an error in the rotator itself ended the pass; the log says where (process.panicked): please report it; the next \
         pass goes on, and an emergency must be repeated"
    )]
    Panicked,
    /// Too many secrets in a row could not be read.
    #[error("Vault stopped answering while the secrets were read; nothing was changed")]
    VaultLost(#[source] VaultError),
}

impl PassError {
    /// Whether Exceptionless did not answer, which it may for a replica elsewhere.
    pub fn is_of_the_way(&self) -> bool {
        matches!(self, Self::Exceptionless(error) if error.is_of_the_way())
    }
}

impl Engine {
    /// Both clients and the policy, as the configuration says; connects to nothing yet.
    pub fn new(config: &Config, traffic: &Traffic) -> Result<Self, PassError> {
        let vault = VaultStore::new(&config.vault, config.policy.instance.clone(), traffic)?;
        let keeper = Arc::new(vault.clone());
        Ok(Self {
            exceptionless: ExceptionlessClient::new(&config.exceptionless, keeper, traffic)?,
            vault,
            custody: Custody::of(config),
            policy: Arc::new(config.policy.clone()),
            concurrency: config.pace.concurrency,
            traffic: traffic.clone(),
            progress: watch::Sender::default(),
            unreadable: Unreadable::default(),
            ha: config.ha.clone(),
            tenure: Tenure::unlimited(),
        })
    }

    /// Looks at both servers and decides; changes nothing.
    pub async fn survey(&self, request: &Request) -> Result<Survey, PassError> {
        observe::survey(self, request).await
    }

    /// One pass. When `stop` is cancelled, no further project is begun, and those that are under way
    /// reach their end, which their time limits bound.
    pub async fn pass(&self, request: &Request, stop: &CancellationToken) -> Result<PassReport, PassError> {
        let before = (self.exceptionless.throttled_requests(), self.exceptionless.refused_requests());
        self.run(request, None, before, stop).await
    }

    /// The second half of a pass: does what a survey has found, which a person has looked at.
    pub async fn carry_out(
        &self,
        request: &Request,
        survey: Survey,
        stop: &CancellationToken,
    ) -> Result<PassReport, PassError> {
        self.run(request, Some(survey), (0, 0), stop).await
    }

    /// Brings back disabled keys of the projects that are asked for; of these only `keys`, if any are named.
    pub async fn undo(
        &self,
        request: &Request,
        keys: &[Fingerprint],
        stop: &CancellationToken,
    ) -> Result<Deeds, PassError> {
        undo::undo(self, request, keys, stop).await
    }

    /// Looks for keys that nobody manages; changes nothing.
    pub async fn find_unmanaged(&self, request: &Request, wish: &Wish) -> Result<Found, PassError> {
        retire::unmanaged::find(self, request, wish).await
    }

    /// Ends keys that nobody manages, as they were found.
    pub async fn end_unmanaged(
        &self,
        request: &Request,
        found: Found,
        wish: &Wish,
        stop: &CancellationToken,
    ) -> Deeds {
        retire::unmanaged::end(self, request, found, wish, stop).await
    }

    async fn run(
        &self,
        request: &Request,
        survey: Option<Survey>,
        (requests_before, refused_before): (u64, u64),
        stop: &CancellationToken,
    ) -> Result<PassReport, PassError> {
        let started = Instant::now();
        event::pass_started();
        let mut report = PassReport::default();
        let work = async {
            let survey = match survey {
                Some(survey) => Some(Ok(survey)),
                // Until something is decided, nothing is lost by stopping at once.
                None => stop.run_until_cancelled(self.survey(request)).await,
            };
            if let Some(survey) = survey {
                self.execute(request, survey?, stop, &mut report).await;
            }
            Ok(())
        };
        let work = AssertUnwindSafe(work).catch_unwind().instrument(event::pass());
        work.await.unwrap_or(Err(PassError::Panicked))?;
        report.interrupted = stop.is_cancelled() || !self.tenure.stands();
        report.requests = self.exceptionless.throttled_requests() - requests_before;
        report.refused = self.exceptionless.refused_requests() - refused_before;
        report.duration = started.elapsed();
        event::pass_finished(&report);
        Ok(report)
    }

    async fn execute(
        &self,
        request: &Request,
        survey: Survey,
        stop: &CancellationToken,
        report: &mut PassReport,
    ) {
        let Survey { plan, blind, existing, inventory, .. } = survey;
        let Plan { steps, vanished, closing, elsewhere: _, wake_at } = plan;
        (report.blind, report.wake_at) = (blind, wake_at);
        let forbidden = permit::missing(self, &steps).await;
        report.projects = self.act(&steps, forbidden, stop).await;
        if let Some(cut) = request.asked.cut() {
            for (project, step) in report.projects.iter_mut().zip(&steps) {
                project.out_of_reach = inventory::out_of_reach(step, cut, &inventory);
                event::keys_out_of_reach(&step.observed.target, &project.out_of_reach);
            }
        }
        let clocks = self.clocks();
        let written = report.projects.iter().filter_map(|project| project.outcome.written());
        let replaced = written.filter_map(|publication| plan::wake_after(publication, &clocks)).min();
        report.wake_no_later_than(replaced);
        if !stop.is_cancelled() {
            retire::retire(self, request, &steps, (&existing, &inventory), report).await;
            tidy::tidy(self, vanished, report).await;
            moved::settle(self, &steps, closing, report).await;
        }
    }

    /// Lets each project that needs a publication have one.
    async fn act(
        &self,
        steps: &[Step],
        mut forbidden: HashMap<SecretPath, Failure>,
        stop: &CancellationToken,
    ) -> Vec<ProjectReport> {
        let active = steps.iter().filter(|step| step.acts()).count();
        self.progress.send_replace(Progress::executing(active));
        let mut reports: Vec<(usize, ProjectReport)> = Vec::with_capacity(steps.len());
        let mut acted = futures_util::stream::iter(steps.iter().enumerate())
            .map(|(index, step)| {
                let place = step.observed.target.place.as_ref().ok();
                let forbidden = place.and_then(|path| forbidden.remove(path));
                async move {
                    let (outcome, unstamped) = self.act_on(step, forbidden, stop).await;
                    if step.acts() {
                        self.progress.send_modify(|progress| progress.one_done(outcome.is_failure()));
                    }
                    (index, ProjectReport::new(step, outcome, unstamped))
                }
            })
            .buffer_unordered(self.concurrency);
        // Not collected: as it grows, a list of so many would be there twice.
        while let Some(report) = acted.next().await {
            reports.push(report);
        }
        reports.sort_unstable_by_key(|(index, _)| *index);
        reports.into_iter().map(|(_, report)| report).collect()
    }

    async fn act_on(
        &self,
        step: &Step,
        forbidden: Option<Failure>,
        stop: &CancellationToken,
    ) -> (Outcome, Option<VaultError>) {
        if let plan::Decision::Hold(hold) = &step.decision
            && hold.is_problem()
        {
            event::project_held(step, hold);
        }
        for former in step.moved.iter().filter(|former| former.fate == Fate::Waits) {
            event::project_moved(step, former);
        }
        let (Ok(path), Some(sight)) = (&step.observed.target.place, step.observed.sight()) else {
            return (Outcome::Held, None);
        };
        if !step.acts() {
            return (Outcome::Held, None);
        }
        if stop.is_cancelled() || !self.tenure.stands() {
            return (Outcome::NotBegun, None);
        }
        let attempt = Attempt { engine: self, step, path, secret: &sight.secret };
        let work = async {
            let outcome = match forbidden {
                Some(failure) => Outcome::Failed(failure),
                None => attempt.run().await,
            };
            let unstamped = attempt.stamp(&outcome).await.err();
            (outcome, unstamped)
        };
        let told = async {
            // What a mistake of ours does to one project must not end the pass of the others.
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            let (outcome, unstamped) = ended.unwrap_or_else(|_| (Outcome::Failed(Failure::Panicked), None));
            if let Outcome::Failed(failure) = &outcome {
                event::project_failed(failure);
            }
            if let Some(error) = &unstamped {
                event::secret_unstamped(error);
            }
            (outcome, unstamped)
        };
        told.instrument(event::rotation(&step.observed.target)).await
    }

    /// Who holds the lease, as far as this daemon knows; `None` where there is no lease.
    pub fn lease(&self) -> Option<LeaseView> {
        self.tenure.view()
    }

    /// Who holds the lease, as Vault says now; `None` where there is no lease.
    pub async fn read_lease(&self) -> Result<Option<LeaseView>, VaultError> {
        let Some(ha) = &self.ha else { return Ok(None) };
        let read = self.vault.read_lease(&ha.lease_path, None).await?;
        Ok(Some(LeaseView::of(&read.state, &self.policy.server_url)))
    }

    /// The three clocks, now.
    pub fn clocks(&self) -> Clocks {
        Clocks {
            ours: clock::now(),
            exceptionless: self.exceptionless.server_time(),
            vault: self.vault.server_time(),
        }
    }
}
