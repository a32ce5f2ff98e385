//! The arithmetic of the request budget, without a clock and without waiting.
//!
//! The server counts the requests of one user in fixed windows, aligned to UTC, and tells after each
//! request how many are left (`ThrottlingMiddleware.cs`). The account is shared: with the browser of a
//! person, with another rotator. So the lowest number that was seen in a window is believed, requests
//! whose answer is still out are counted as spent, and a share stays untouched.
//!
//! ```text
//!             first answer                 lowest - in flight <= reserve
//!   unknown ----------------> counting ---------------------------------> await an answer
//!      ^  few at once             |  lowest <= reserve, or 429
//!      |                          v
//!      +------------------- await the turn (server's time, then a jitter)
//! ```
//!
//! Time is the server's, as a lower bound ([`ServerClock`](super::clock::ServerClock)): what looks like a
//! new window is one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How many requests may be out while nothing is known of a window. Its first answers correct a wrong
/// belief; until then this many could be refused.
const SCOUTS: u64 = 4;

/// The longest jitter after a turn. It also is at most a twentieth of the window.
const MAX_JITTER: TimeDelta = TimeDelta::seconds(1);

/// The request budget as last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The requests that the server allows in a window.
    pub limit: u64,
    /// How many were left when it was last told.
    pub remaining: u64,
    /// How many are left to people.
    pub reserve: u64,
    /// When the window turns, by the server's clock.
    pub window_ends: DateTime<Utc>,
}

/// One window of the budget after another.
#[derive(Debug)]
pub(super) struct Window {
    seconds: i64,
    reserve_share: f64,
    /// The windows since the epoch: the name of the current one.
    number: i64,
    limit: Option<u64>,
    /// The lowest seen in this window.
    remaining: Option<u64>,
    /// The server does not count: it answers without the headers.
    unlimited: bool,
    /// The server refused a request of this window.
    closed: bool,
    in_flight: u64,
    paused_until: Option<DateTime<Utc>>,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Now. It is counted as in flight.
    Go,
    /// The next answer may tell that there is more than it seems.
    AwaitAnswer,
    /// Not in this window.
    AwaitTurn {
        /// The server's time from which on to ask again.
        until: DateTime<Utc>,
        /// This verdict begins the pause.
        begins: bool,
    },
}

/// What became of a request, as far as the budget is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was counted, and the answer told the state of the budget.
    Told {
        /// `X-RateLimit-Limit`
        limit: u64,
        /// `X-RateLimit-Remaining`
        remaining: u64,
    },
    /// It succeeded and the answer told nothing: throttling is off.
    Silent,
    /// It was not counted: it never arrived, or authorization came first.
    Uncounted,
    /// Nobody knows whether it was counted.
    Lost,
    /// 429.
    Refused,
}

impl Window {
    /// A budget of which nothing is known yet.
    pub(super) fn new(length: Duration, reserve_share: f64) -> Self {
        let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).clamp(1, 366 * 86_400);
        Self {
            seconds,
            reserve_share,
            number: i64::MIN,
            limit: None,
            remaining: None,
            unlimited: false,
            closed: false,
            in_flight: 0,
            paused_until: None,
        }
    }

    /// Asks for leave to send one request. `jitter` is a random share, from 0 to below 1.
    pub(super) fn ask(&mut self, now: DateTime<Utc>, jitter: f64) -> Verdict {
        self.turn(now);
        if let Some(until) = self.paused_until {
            if now < until {
                return Verdict::AwaitTurn { until, begins: false };
            }
            self.paused_until = None;
        }
        let reserve = self.reserve();
        let spent = self.remaining.is_some_and(|remaining| remaining <= reserve);
        if self.closed || spent {
            let until = self.ends() + self.longest_jitter() * thousandths(jitter) / 1000;
            self.paused_until = Some(until);
            return Verdict::AwaitTurn { until, begins: true };
        }
        let free = match self.remaining {
            _ if self.unlimited => true,
            Some(remaining) => remaining.saturating_sub(self.in_flight) > reserve,
            None => self.in_flight < self.scouts(),
        };
        if !free {
            return Verdict::AwaitAnswer;
        }
        self.in_flight += 1;
        Verdict::Go
    }

    /// Learns what became of a request that was sent at the server's time `sent`.
    ///
    /// Only an answer to a request of this window speaks of this window. The time of sending decides, not
    /// that of the answer: a request that was counted just before the turn is answered after it, with what
    /// was left of the old window.
    pub(super) fn settle(&mut self, now: DateTime<Utc>, sent: DateTime<Utc>, outcome: Outcome) {
        self.turn(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        let of_this_window = self.number_of(sent) == self.number;
        match outcome {
            Outcome::Told { limit, remaining } => {
                self.limit = Some(limit);
                self.unlimited = false;
                if of_this_window {
                    self.remaining = Some(self.remaining.map_or(remaining, |lowest| lowest.min(remaining)));
                }
            }
            Outcome::Silent if self.remaining.is_none() => {
                self.limit = None;
                self.unlimited = true;
            }
            Outcome::Silent | Outcome::Lost => {
                self.remaining = self.remaining.map(|lowest| lowest.saturating_sub(1));
            }
            Outcome::Uncounted => {}
            Outcome::Refused => {
                self.unlimited = false;
                self.closed |= of_this_window;
            }
        }
    }

    /// The budget as last seen; `None` before the first answer and while the server does not count.
    pub(super) fn budget(&mut self, now: DateTime<Utc>) -> Option<Budget> {
        self.turn(now);
        let limit = self.limit?;
        let remaining = if self.closed { 0 } else { self.remaining.unwrap_or(limit) };
        Some(Budget { limit, remaining, reserve: self.reserve(), window_ends: self.ends() })
    }

    fn turn(&mut self, now: DateTime<Utc>) {
        let number = self.number_of(now);
        if number != self.number {
            self.number = number;
            self.remaining = None;
            self.closed = false;
        }
        // The server's clock may be set back; a pause is never longer than a window.
        let longest = TimeDelta::seconds(self.seconds) + self.longest_jitter();
        self.paused_until = self.paused_until.filter(|until| *until - now <= longest);
    }

    fn number_of(&self, time: DateTime<Utc>) -> i64 {
        time.timestamp().div_euclid(self.seconds)
    }

    fn ends(&self) -> DateTime<Utc> {
        let seconds = self.number.saturating_add(1).saturating_mul(self.seconds);
        DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn longest_jitter(&self) -> TimeDelta {
        MAX_JITTER.min(TimeDelta::seconds(self.seconds) / 20)
    }

    /// Never the whole limit: a reserve that leaves nothing would wait for ever.
    fn reserve(&self) -> u64 {
        let Some(limit) = self.limit else { return 0 };
        let share = (limit as f64 * self.reserve_share).ceil() as u64;
        share.min(limit.saturating_sub(1))
    }

    fn scouts(&self) -> u64 {
        let free = self.limit.map_or(SCOUTS, |limit| limit.saturating_sub(self.reserve()));
        free.clamp(1, SCOUTS)
    }
}

fn thousandths(share: f64) -> i32 {
    (share.clamp(0.0, 1.0) * 1000.0) as i32
}

#[cfg(test)]
mod tests;
