//! The reconcile loop.
//!
//! Everything that may start a pass (the clockwork, a signal, the start itself) only *activates* the
//! loop, and an activation carries nothing: the loop asks what is due and looks at everything. So passes
//! never overlap, activations that arrive during a pass collapse into one, and a missed tick costs
//! nothing, because due times are compared with `<=` and not waited for by a timer.
//!
//! A reload is read at once, so that the operator hears the verdict, and takes effect between two passes: the one that is
//! under way ends as it began.
//!
//! With `ha.enabled` the same loop runs in every replica, and passes begin only while its tenure stands: at once
//! when it is gained, and what is under way when it is lost reaches a safe point, as at the end of the process.
//!
//! What a server says never ends the daemon: a wrong password or a sealed Vault is logged, loudly, and
//! tried again later. A daemon that gives up over night is found in the morning with every key overdue.

mod admin;
mod board;
pub mod clockwork;
mod metrics;
pub(crate) mod named;
pub mod notify;
mod pulse;
pub mod signals;
pub(crate) mod status;
pub mod telemetry;
pub(crate) mod times;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use crate::config::{Config, Pace};
use crate::domain::clocks::time_text;
use crate::engine::lease::Candidate;
use crate::engine::report::PassReport;
use crate::engine::{Engine, PassError, Request, clock, event};
use crate::traffic::Traffic;

use admin::Shown;
use board::Board;
use clockwork::Clockwork;
use metrics::{Metrics, Unfinished};
use pulse::Pulse;
use signals::Signals;

/// The first pause after a pass in which something failed. It doubles with each further one, up to
/// `reconcile_every`: soon enough to heal a hiccup, and never a hammer.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// How long a pass may go on after the order to stop. What is cut off then is what a crash would cut
/// off, and the next pass finishes it. Kubernetes kills after 30 seconds.
const GRACE: Duration = Duration::from_secs(20);

/// After so many passes in a row that did not reach Exceptionless, another replica may try. Where none has a better way, the
/// lease goes round, ever more slowly, since each tries less and less often.
const PATIENCE_IN_OFFICE: u32 = 3;

/// How often a pass that is under way looks whether the Vault token is due for renewal.
const RENEWAL_CHECK: Duration = Duration::from_secs(5);

/// How long the clockwork may be silent before the loop wakes by itself.
const SILENCE: Duration = Duration::from_secs(10);

/// What a configuration makes of the daemon.
pub struct Setup {
    engine: Engine,
    pace: Pace,
    listen: Option<SocketAddr>,
    longest_silence: Duration,
}

impl Setup {
    /// Connects to nothing yet.
    pub fn new(config: &Config, traffic: &Traffic) -> Result<Self, PassError> {
        Ok(Self {
            engine: Engine::new(config, traffic)?,
            pace: config.pace,
            listen: config.admin,
            longest_silence: pulse::longest_silence(config),
        })
    }
}

/// The parts of the daemon that outlive a configuration.
struct Daemon {
    signals: Signals,
    shown: Arc<Shown>,
}

/// When the next pass is to begin.
struct Wake {
    /// By the clock on the wall, which goes on while the machine sleeps.
    at: DateTime<Utc>,
    /// At the latest, whatever happens to that clock.
    no_later: Instant,
    failures: u32,
    /// How many passes in a row did not reach Exceptionless.
    unreached: u32,
}

/// Runs until it is told to stop. `reload` reads the configuration anew; when it fails, it has said why,
/// and the old one stays.
///
/// # Errors
///
/// Fails only when signals cannot be caught or the clockwork cannot be started.
pub async fn run(mut setup: Setup, mut reload: impl FnMut() -> Option<Setup>) -> std::io::Result<()> {
    let signals = Signals::catch()?;
    let mut candidate = Candidate::stand(&mut setup.engine);
    let daemon = Daemon::new(signals, &setup);
    let mut clockwork = Clockwork::start().await.map_err(std::io::Error::other)?;
    let mut wake = Wake::now();
    let mut reload = || reloaded(&mut reload);
    let mut led = None;
    tracing::info!(event = "daemon.started", version = env!("CARGO_PKG_VERSION"), "started");
    let mut listening = daemon.listen(&setup);
    notify::ready("started");
    daemon.show_term(&setup, setup.engine.tenure.term());

    while !daemon.signals.stop.is_cancelled() {
        daemon.shown.pulse.beat();
        let mut fresh = None;
        let term = setup.engine.tenure.term();
        if term != led {
            daemon.show_term(&setup, term);
            led = term;
            if term.is_some() {
                wake.at_once();
            }
        }
        if term.is_some() && wake.is_due() {
            // Whoever has asked for a pass until now is served by this one.
            let _ = daemon.signals.now.notified().now_or_never();
            fresh = daemon.pass(&setup, &mut wake, &mut reload).await;
            if wake.unreached >= PATIENCE_IN_OFFICE {
                wake.unreached = 0;
                candidate.step_aside();
            }
        } else {
            tokio::select! {
                () = daemon.signals.stop.cancelled() => {}
                () = daemon.signals.now.notified() => wake.at_once(),
                () = daemon.signals.reload.notified() => {
                    fresh = reload();
                    daemon.shown.board.reloaded(fresh.is_some());
                }
                () = setup.engine.tenure.gained(led) => {}
                () = clockwork.tick() => daemon.keep_alive(&setup).await,
                () = tokio::time::sleep(SILENCE) => {
                    tracing::warn!(event = "daemon.clockwork_silent", "the scheduler gave no tick for {SILENCE:?}; going on without it");
                }
            }
        }
        if let Some(mut fresh) = fresh {
            fresh.engine.vault.inherit(&setup.engine.vault);
            fresh.engine.exceptionless.inherit(&setup.engine.exceptionless).await;
            candidate.go_on(&mut fresh.engine).await;
            let moved = fresh.listen != setup.listen;
            let former = std::mem::replace(&mut setup, fresh);
            daemon.shown.board.reconfigure(&setup.engine, setup.pace.reconcile_every);
            if moved {
                // The task that listened is woken first, and so its address is free when the new one is asked for.
                drop(listening);
                listening = daemon.listen(&setup);
            }
            former.engine.vault.log_out().await;
            wake.at_once();
        }
    }
    notify::stopping();
    candidate.renounce().await;
    setup.engine.vault.log_out().await;
    tracing::info!(event = "daemon.stopped", "stopped");
    Ok(())
}

/// Reads the configuration anew, and tells systemd and the log what came of it.
fn reloaded(reload: &mut impl FnMut() -> Option<Setup>) -> Option<Setup> {
    notify::reloading();
    let fresh = reload();
    if fresh.is_some() {
        tracing::info!(
            event = "daemon.reloaded",
            "the configuration was read anew; the log's level is in force now, everything else from the next pass on"
        );
    }
    notify::ready(if fresh.is_some() {
        "configuration read"
    } else {
        "configuration refused, the old one stays"
    });
    fresh
}

impl Daemon {
    fn new(signals: Signals, setup: &Setup) -> Self {
        let board = Board::new(&setup.engine, setup.pace.reconcile_every);
        let pulse = Pulse::new(setup.engine.traffic.clone());
        Self { signals, shown: Arc::new(Shown { board, metrics: Metrics::new(), pulse }) }
    }

    /// Keeps the login alive between passes. A Vault that takes its time keeps the loop neither from stopping nor from
    /// living.
    async fn keep_alive(&self, setup: &Setup) {
        tokio::select! {
            () = keep_alive(&setup.engine) => {}
            () = self.signals.stop.cancelled() => {}
            never = self.shown.pulse.listen(setup.longest_silence) => match never {},
        }
    }

    fn listen(&self, setup: &Setup) -> Option<DropGuard> {
        setup.listen.map(|address| admin::serve(address, Arc::clone(&self.shown)))
    }

    /// One pass, and what it means for the next. Returns the configuration that was read meanwhile.
    async fn pass(
        &self,
        setup: &Setup,
        wake: &mut Wake,
        reload: &mut impl FnMut() -> Option<Setup>,
    ) -> Option<Setup> {
        let request = Request::default();
        let stop = self.signals.stop.child_token();
        // The password first: who has just logged in would have to do it again.
        let mut pass = pin!(async {
            let kept = setup.engine.keep_credential(&stop).await;
            (kept, setup.engine.pass(&request, &stop).await)
        });
        let mut overdue = pin!(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = setup.engine.tenure.ended() => stop.cancel(),
            }
            tokio::time::sleep(GRACE).await;
        });
        // A pass may wait for the request budget longer than a token lives.
        let mut renewals = pin!(async {
            loop {
                keep_alive(&setup.engine).await;
                tokio::time::sleep(RENEWAL_CHECK).await;
            }
        });
        let mut pulse = pin!(self.shown.pulse.listen(setup.longest_silence));
        let mut fresh = None;
        let (kept, ended) = loop {
            tokio::select! {
                ended = &mut pass => break ended,
                never = &mut renewals => never,
                never = &mut pulse => match never {},
                // A later one that is good replaces it.
                () = self.signals.reload.notified() => {
                    let read = reload();
                    self.shown.board.reloaded(read.is_some());
                    fresh = read.or(fresh);
                }
                () = &mut overdue => {
                    tracing::warn!(event = "pass.abandoned", "the pass did not come to its end in {GRACE:?}; the next one goes on");
                    self.shown.metrics.count_unfinished(Unfinished::Abandoned);
                    return fresh;
                }
            }
        };
        let every = setup.pace.reconcile_every;
        self.shown.metrics.show_password(kept.changed_at);
        match ended {
            // What it did is counted; what it did not see is not taken for the fleet.
            Ok(report) if report.interrupted => {
                self.shown.metrics.count(&report);
                return fresh;
            }
            Ok(mut report) => {
                report.password_failure = kept.failure.or_else(|| setup.engine.credential_problem());
                wake.unreached = 0;
                if report.wants_retry() {
                    wake.after_failure(every);
                } else {
                    wake.after_success(every);
                }
                // What is due for the others does not wait for the one that failed.
                wake.no_later_than(report.wake_at);
                wake.no_later_than(kept.due);
                self.show(report);
            }
            Err(error) => {
                self.show_failure(&error);
                wake.after_failure(every);
                wake.unreached = if error.is_of_the_way() { wake.unreached + 1 } else { 0 };
            }
        }
        self.shown.board.sleeps_until(wake.at);
        let next_in = wake.at - clock::now();
        tracing::debug!(event = "daemon.sleeping", next_pass = %wake.at, "next pass in {} s", next_in.num_seconds());
        fresh
    }

    /// Whether this replica works.
    fn show_term(&self, setup: &Setup, term: Option<u64>) {
        if term.is_none() {
            let holder = setup.engine.lease().and_then(|lease| lease.holder);
            notify::status(&format!(
                "standing by; the lease is held by {}",
                holder.as_deref().unwrap_or("another")
            ));
        }
    }

    fn show(&self, report: PassReport) {
        self.shown.metrics.count(&report);
        self.shown.board.saw(report);
        let view = self.shown.board.view();
        let Some(fleet) = view.fleet() else { return };
        let next = fleet.next_rotation_at().map_or_else(|| "none".to_owned(), time_text);
        notify::status(&format!(
            "{} keys, next rotation {next}, {} problems",
            fleet.keys(),
            fleet.problems_in_all()
        ));
    }

    fn show_failure(&self, error: &PassError) {
        let error = event::chain(error);
        self.shown.metrics.count_unfinished(Unfinished::Failed);
        self.shown.board.failed(&error);
        notify::status(&format!("the last pass failed: {error}"));
        tracing::error!(event = "pass.failed", error, "the pass failed: {error}");
    }
}

/// A token that only passes renewed could die between two of them.
async fn keep_alive(engine: &Engine) {
    if let Err(error) = engine.vault.renew_if_due().await {
        let error = event::chain(&error);
        tracing::warn!(
            event = "vault.renewal_failed",
            error,
            "the Vault token could not be renewed: {error}"
        );
    }
}

impl Wake {
    fn now() -> Self {
        Self { at: clock::now(), no_later: Instant::now(), failures: 0, unreached: 0 }
    }

    /// The failures stay counted: who asks for a pass does not heal the server that they are about.
    fn at_once(&mut self) {
        *self = Self { failures: self.failures, unreached: self.unreached, ..Self::now() };
    }

    fn is_due(&self) -> bool {
        clock::now() >= self.at || Instant::now() >= self.no_later
    }

    fn after_success(&mut self, every: Duration) {
        self.failures = 0;
        self.sleep(every);
    }

    fn no_later_than(&mut self, time: Option<DateTime<Utc>>) {
        // Never at once: a deadline that has just passed was seen by this pass already. Schedules name whole
        // seconds, and the next one is not missed because this pass ended in the middle of the last.
        let soonest = (clock::now() + TimeDelta::seconds(1)).trunc_subsecs(0);
        self.at = time.map_or(self.at, |time| self.at.min(time.max(soonest)));
    }

    fn after_failure(&mut self, every: Duration) {
        let pause = FIRST_RETRY.saturating_mul(2u32.saturating_pow(self.failures)).min(every);
        self.failures = self.failures.saturating_add(1);
        self.sleep(pause);
    }

    fn sleep(&mut self, pause: Duration) {
        self.at = clock::now() + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        self.no_later = Instant::now() + pause;
    }
}
