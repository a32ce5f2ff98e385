//! When a request is sent again, and after which pause.
//!
//! - What only asks is repeated when the failure may pass: a node that restarts or has lost its leader, a quota.
//! - What writes is repeated only when it is certain that nothing was applied, because Vault has not heard it: no
//!   connection, a spent quota (429), a node that lags behind (412). Everything else is read back by the caller.
//! - A login is repeated after a spent quota alone. It may use up a secret id, and its failures are paced elsewhere.
//!
//! Each within its deadline, and none for long: what takes longer is left to the next pass.

use std::time::Duration;

use tokio::time::Instant;

use crate::jitter;
use crate::vault::attempt::Operation;
use crate::vault::error::VaultError;

/// Enough for a restarting node or a change of leader that is nearly over.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// A quota is counted anew each second, unless it says otherwise, and others wait for it as well.
const QUOTA: Duration = Duration::from_secs(1);

/// How often a request that meets a spent quota is repeated.
const QUOTA_ATTEMPTS: usize = 5;

/// What is left of the repetitions of one request.
pub(super) struct Patience {
    operation: Operation,
    /// No repetition begins later,
    deadline: Option<Instant>,
    /// nor later than this where Vault was not heard, does not want to hear, or names a time itself.
    end: Instant,
    failed: usize,
    throttled: usize,
}

impl Patience {
    pub(super) fn new(operation: Operation, timeout: Duration, deadline: Option<Instant>) -> Self {
        Self { operation, deadline, end: Instant::now() + timeout, failed: 0, throttled: 0 }
    }

    /// The pause before the next attempt; `None` when there is none.
    pub(super) fn pause(&mut self, error: &VaultError) -> Option<Duration> {
        let quota = matches!(error, VaultError::Throttled { unheard: true, .. });
        let harmless = if self.operation.writes() {
            error.was_unheard()
        } else if self.operation.is_repeatable() {
            error.is_passing()
        } else {
            quota
        };
        if !harmless {
            return None;
        }
        let pause = if quota {
            self.throttled += 1;
            if self.throttled > QUOTA_ATTEMPTS {
                return None;
            }
            // Not all who wait come back at once.
            error.retry_after().unwrap_or_default() + jitter::below(QUOTA)
        } else {
            self.failed += 1;
            let pause = *PAUSES.get(self.failed - 1)?;
            error.retry_after().map_or(pause, |wanted| wanted.max(pause))
        };
        let next = Instant::now().checked_add(pause)?;
        let in_time = self.deadline.is_none_or(|deadline| next < deadline);
        let short = error.retry_after().is_none() && !(quota || self.operation.writes());
        let patient = short || next < self.end;
        (in_time && patient).then_some(pause)
    }
}

#[cfg(test)]
mod tests;
