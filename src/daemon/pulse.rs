//! Whether the loop lives, said to systemd's watchdog and to the probes.
//!
//! Between two passes each beat of the clockwork shows it. During a pass a beat of a timer would show nothing: what
//! hangs is the pass. There the signs of life are its requests that end, well or badly, and its waiting for the request
//! budget. What keeps the process logged in and in office goes on beside a pass that hangs, and is none. Every request
//! has its time limit, so a pass that gives no sign for longer than two of them will never give one again.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::traffic::Traffic;

use super::notify;

/// What a pass may compute and pause between two requests.
const THOUGHT: Duration = Duration::from_secs(30);

const EVERY: Duration = Duration::from_secs(1);

/// How long the loop may be silent before it is called dead. While it lives it beats every second.
const SILENCE: Duration = Duration::from_secs(30);

/// The pulse of this process.
pub(super) struct Pulse {
    traffic: Traffic,
    last: Mutex<Instant>,
}

impl Pulse {
    pub(super) fn new(traffic: Traffic) -> Self {
        Self { traffic, last: Mutex::new(Instant::now()) }
    }

    /// The loop lives.
    pub(super) fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        notify::alive();
    }

    /// Whether the loop lives.
    pub(super) fn is_felt(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < SILENCE
    }

    /// Beats for a pass as long as it gives signs of life. It does not come to an end.
    pub(super) async fn listen(&self, longest_silence: Duration) -> Infallible {
        let (mut signs, mut since) = (self.traffic.signs_of_life(), Instant::now());
        loop {
            let heard = self.traffic.signs_of_life();
            if heard != signs {
                (signs, since) = (heard, Instant::now());
            }
            if since.elapsed() < longest_silence {
                self.beat();
            }
            sleep(EVERY).await;
        }
    }
}

/// How long a pass may give no sign.
pub(super) fn longest_silence(config: &Config) -> Duration {
    config.exceptionless.timeout.max(config.vault.timeout).saturating_mul(2).saturating_add(THOUGHT)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    async fn listened(pulse: &Pulse, time: Duration) -> bool {
        let _ = timeout(time, pulse.listen(LONGEST)).await;
        pulse.is_felt()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_waits_for_an_answer_lives_and_one_that_waits_for_nothing_does_not() {
        let pulse = Pulse::new(Traffic::default());
        assert!(listened(&pulse, LONGEST).await);
        assert!(!listened(&pulse, LONGEST + SILENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_lives_as_long_as_requests_end_or_somebody_waits_for_the_budget() {
        let traffic = Traffic::default();
        let pulse = Pulse::new(traffic.clone());
        let signs = async {
            loop {
                sleep(LONGEST / 2).await;
                traffic.alive();
            }
        };
        tokio::select! {
            never = signs => never,
            felt = listened(&pulse, 100 * LONGEST) => assert!(felt),
        }
    }
}
