//! Where requests wait for their turn.
//!
//! One gate for the process. It joins the arithmetic of the budget with the clock that the answers
//! carry, and does the sleeping. A permit belongs to one request; dropping it unsettled, as a cancelled
//! future does, counts the request as sent and its answer as lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::ServerClock;
use super::limiter::{Budget, Outcome, Verdict, Window};
use crate::domain::clocks::time_text;
use crate::jitter;
use crate::traffic::Traffic;

/// How often whoever waits for another window says so, as a sign of life.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The gate, and the server's clock.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    settled: Notify,
    sent: AtomicU64,
    refused: AtomicU64,
    traffic: Traffic,
}

#[derive(Debug)]
struct State {
    window: Window,
    clock: ServerClock,
    born: Instant,
}

impl State {
    /// The server's time, or, until it is known, a time line of our own. Its windows turn at the wrong
    /// moments, which costs a server without a `Date` a refused request now and then.
    fn time(&self, at: Instant) -> DateTime<Utc> {
        self.clock.earliest(at).unwrap_or_else(|| {
            let since = TimeDelta::from_std(at.saturating_duration_since(self.born));
            DateTime::UNIX_EPOCH + since.unwrap_or_default()
        })
    }
}

/// Leave to send one request.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    sent: Instant,
    outcome: Outcome,
}

impl Gate {
    /// A gate that knows nothing yet.
    pub(super) fn new(window: Duration, reserve_share: f64, traffic: Traffic) -> Self {
        let window = Window::new(window, reserve_share);
        let state = State { window, clock: ServerClock::default(), born: Instant::now() };
        Self {
            state: Mutex::new(state),
            settled: Notify::new(),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            traffic,
        }
    }

    /// Waits until one more request fits the budget.
    pub(super) async fn permit(&self) -> Permit<'_> {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // From here on no answer is missed, so none can arrive between the verdict and the wait.
            settled.as_mut().enable();
            let (verdict, wait) = self.ask();
            match verdict {
                Verdict::Go => {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    return Permit { gate: self, sent: Instant::now(), outcome: Outcome::Lost };
                }
                Verdict::AwaitAnswer => settled.await,
                Verdict::AwaitTurn { .. } => {
                    // An answer that is still out may correct the clock.
                    let _ = tokio::time::timeout(wait.min(LONGEST_SILENCE), settled).await;
                    self.traffic.alive();
                }
            }
        }
    }

    fn ask(&self) -> (Verdict, Duration) {
        let mut state = self.lock();
        let now = state.time(Instant::now());
        let verdict = state.window.ask(now, jitter::share());
        let Verdict::AwaitTurn { until, begins } = verdict else { return (verdict, Duration::ZERO) };
        if begins {
            let remaining = state.window.budget(now).map(|budget| budget.remaining);
            drop(state);
            let until = time_text(until);
            tracing::info!(
                event = "budget.waiting",
                until,
                remaining,
                "the request budget is spent but for the reserve; waiting for the next window"
            );
        }
        // A timer of tokio ends at a whole millisecond, at the earliest.
        (verdict, (until - now).to_std().unwrap_or_default() + Duration::from_millis(1))
    }

    /// Learns from the `Date` of any answer.
    pub(super) fn observe(&self, date: DateTime<Utc>, sent: Instant) {
        self.lock().clock.observe(date, sent, Instant::now());
    }

    /// The server's time, as a lower bound.
    pub(super) fn server_time(&self) -> Option<DateTime<Utc>> {
        self.lock().clock.earliest(Instant::now())
    }

    /// The budget as last seen.
    pub(super) fn budget(&self) -> Option<Budget> {
        let mut state = self.lock();
        let now = state.time(Instant::now());
        state.window.budget(now)
    }

    /// How many requests were let through.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many of them the server refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Says what became of the request.
    pub(super) fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.outcome == Outcome::Refused {
            self.gate.refused.fetch_add(1, Ordering::Relaxed);
        }
        let mut state = self.gate.lock();
        let (now, sent) = (state.time(Instant::now()), state.time(self.sent));
        state.window.settle(now, sent, self.outcome);
        drop(state);
        self.gate.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
