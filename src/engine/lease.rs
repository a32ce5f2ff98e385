//! The lease: of several replicas, the one that holds it runs the passes.
//!
//! Safety does not depend on it. What protects keys is the check-and-set on every publication, so the worst that two
//! holders at a time could do is to mint keys in vain. The lease only saves that work, and lets an operator say who
//! works.
//!
//! It is one KV secret, written by check-and-set only. No clock of another machine is trusted: a candidate waits
//! until, by its own clock, the secret has not changed for the time that a lease lasts, and takes over by
//! check-and-set on the version that it saw, so of several candidates one succeeds. The holder counts its tenure
//! from directly *before* it sent the last renewal that succeeded, and stops a margin before the time is over. So
//! at the same pace of all clocks no two tenures overlap, whatever the clocks show.
//!
//! ```text
//!                 the lease is free, or has not changed for its time: written by check-and-set
//!      +----------+ -----------------------------------------------------------------> +---------+ --+ renewed, a
//!      | watching |                                                                    | leading |   | third of the
//!      +----------+ <----------------------------------------------------------------- +---------+ <-+ time after
//!        |      ^          another has taken it, or no renewal came through in time                   the last
//!        +------+ looks, about every third of the time
//! ```
//!
//! A holder that cannot reach Exceptionless steps aside: it renounces, and claims nothing for the time of a lease, so that
//! a replica with a better way may try. If none does, it goes on itself.
//!
//! A write whose answer was lost leaves a doubt, and a look decides: if our name stands there, the version is ours
//! to write upon again. That look prolongs nothing; only an answer to a write does.
//!
//! This is the machine, which knows no server and no clock. `candidate` drives it, and `tenure` is what the engine asks
//! before it publishes.

mod candidate;
mod tenure;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::lease::{Holder, Lease, LeaseState};

pub use candidate::Candidate;
pub use tenure::{LeaseView, Tenure};

/// A moment, as the time since this machine was started: no clock that somebody sets, and one that goes on while the
/// machine sleeps.
pub(super) type Moment = Duration;

/// One replica's part in the game.
#[derive(Debug)]
struct Candidacy {
    me: Holder,
    server_url: String,
    ttl: Duration,
    state: State,
    /// Nothing is asked of Vault before this moment, but for a claim.
    next: Moment,
    /// The last write left a doubt, so that the next step is a look.
    in_doubt: bool,
    /// How many terms we have had.
    terms: u64,
}

#[derive(Debug)]
enum State {
    Watching(Option<Sight>),
    Leading(Term),
}

/// What was seen last.
#[derive(Debug)]
struct Sight {
    state: LeaseState,
    /// Since when it is known to stand there.
    since: Moment,
}

/// What we hold.
#[derive(Debug, Clone, Copy)]
struct Term {
    version: u64,
    /// Which of our terms it is.
    number: u64,
    acquired_at: DateTime<Utc>,
    until: Moment,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    Wait(Moment),
    Look,
    /// Write our name over this version.
    Claim {
        over: u64,
        from: Option<Holder>,
    },
    Renew {
        over: u64,
        acquired_at: DateTime<Utc>,
    },
}

/// What an operator wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Acquired,
    TakenOver(Holder),
    Lost(Loss),
    /// The path holds a secret that is no lease of ours, or that of another deployment.
    Conflict(String),
}

/// How a tenure ends against our will.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loss {
    /// Another name stands there, or none.
    Taken(Option<Holder>),
    /// No renewal came through in time.
    Expired,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// As this version.
    Done(u64),
    /// Somebody else wrote first.
    Refused,
    /// It may have been applied.
    Doubtful,
    /// Nothing was changed.
    Failed,
}

impl Candidacy {
    fn new(me: Holder, server_url: String, ttl: Duration, now: Moment) -> Self {
        Self { me, server_url, ttl, state: State::Watching(None), next: now, in_doubt: false, terms: 0 }
    }

    /// How long a request about the lease may take: a slow one must leave time for another.
    fn patience(&self) -> Duration {
        self.ttl / 4
    }

    fn term(&self) -> Option<&Term> {
        match &self.state {
            State::Leading(term) => Some(term),
            State::Watching(_) => None,
        }
    }

    /// Ends a tenure whose time is over.
    fn expire(&mut self, now: Moment) -> Option<Change> {
        let over = self.term().is_some_and(|term| now >= term.until);
        over.then(|| {
            self.watch(None, now);
            Change::Lost(Loss::Expired)
        })
    }

    fn order(&self, now: Moment) -> Order {
        let may_ask = now >= self.next;
        match &self.state {
            State::Leading(term) => match (may_ask, self.in_doubt) {
                (false, _) => Order::Wait(self.next.min(term.until)),
                (true, true) => Order::Look,
                (true, false) => Order::Renew { over: term.version, acquired_at: term.acquired_at },
            },
            State::Watching(sight) => {
                let sight = sight.as_ref().filter(|_| !self.in_doubt);
                let free = sight.and_then(|sight| Some((sight.state.version(), self.free_at(sight)?)));
                match free {
                    Some((over, (at, from))) if now >= at => Order::Claim { over, from: from.cloned() },
                    _ if may_ask => Order::Look,
                    Some((_, (at, _))) => Order::Wait(at.min(self.next)),
                    None => Order::Wait(self.next),
                }
            }
        }
    }

    /// From when on the lease may be claimed, and whose it is until then.
    fn free_at<'a>(&self, sight: &'a Sight) -> Option<(Moment, Option<&'a Holder>)> {
        match &sight.state {
            LeaseState::Absent | LeaseState::Deleted { .. } => Some((sight.since, None)),
            LeaseState::Written { lease, .. } => match &lease.holder {
                Some(holder) if *holder != self.me => {
                    // Its holder may count by another configuration than ours.
                    let lasts = lease.ttl.map_or(self.ttl, |ttl| ttl.max(self.ttl));
                    Some((sight.since + lasts, Some(holder)))
                }
                // Our own name is there from a write that was in doubt, or from a tenure that is over.
                Some(_) | None => Some((sight.since, None)),
            },
            LeaseState::Foreign { .. } => None,
        }
    }

    /// Takes in what a look has shown.
    fn saw(&mut self, state: LeaseState, now: Moment) -> Option<Change> {
        self.in_doubt = false;
        let pause = self.pause();
        match &mut self.state {
            State::Leading(term) => {
                let holder = match &state {
                    LeaseState::Written { lease, .. } => lease.holder.as_ref(),
                    _ => None,
                };
                // A node that lags behind shows what was before our last write, and tells nothing.
                if state.version() <= term.version || holder == Some(&self.me) {
                    term.version = term.version.max(state.version());
                    self.next = now + pause;
                    None
                } else {
                    let loss = Loss::Taken(holder.cloned());
                    // A conflict is found by the next look, and told then.
                    let sight =
                        state.conflict(&self.server_url).is_none().then_some(Sight { state, since: now });
                    self.watch(sight, now);
                    Some(Change::Lost(loss))
                }
            }
            State::Watching(sight) => {
                // Here the lagging node would begin the wait anew. Should the version really have gone back, because
                // a person removed the lease, then the claim will be refused, and what was seen forgotten.
                let known = sight.as_ref().is_some_and(|sight| {
                    let held = matches!(sight.state, LeaseState::Written { .. });
                    state == sight.state || (held && state.version() < sight.state.version())
                });
                let mut change = None;
                if !known {
                    change = state.conflict(&self.server_url).map(Change::Conflict);
                    *sight = Some(Sight { state, since: now });
                }
                self.next = now + self.interval();
                change
            }
        }
    }

    /// A look that failed shows nothing.
    fn saw_nothing(&mut self, now: Moment) {
        let leading = self.term().is_some();
        self.next = now + if leading { self.pause() } else { self.interval() };
    }

    /// Takes in how the write ended that was begun at `sent`.
    fn wrote(
        &mut self,
        order: &Order,
        [sent, now]: [Moment; 2],
        written: Written,
        at: DateTime<Utc>,
    ) -> Option<Change> {
        let until = sent + self.ttl - self.ttl / 10;
        match written {
            Written::Done(version) if now < until => {
                self.next = sent + self.ttl / 3;
                self.in_doubt = false;
                if let State::Leading(term) = &mut self.state {
                    (term.version, term.until) = (version, until);
                    return None;
                }
                self.terms += 1;
                self.state = State::Leading(Term { version, number: self.terms, acquired_at: at, until });
                Some(match order {
                    Order::Claim { from: Some(from), .. } => Change::TakenOver(from.clone()),
                    _ => Change::Acquired,
                })
            }
            // What was done so long ago may have been taken since.
            Written::Done(_) | Written::Refused | Written::Doubtful => {
                self.in_doubt = true;
                let pause = self.pause();
                match &mut self.state {
                    // There is little time.
                    State::Leading(_) => self.next = sent,
                    State::Watching(sight) => {
                        self.next = sent + pause;
                        // If it was refused, what we saw is no longer true, or was not then.
                        sight.take_if(|_| written == Written::Refused);
                    }
                }
                None
            }
            Written::Failed => {
                self.in_doubt = self.term().is_none();
                self.saw_nothing(sent);
                None
            }
        }
    }

    /// Leaves the lease to others for its whole time.
    fn step_aside(&mut self, now: Moment) {
        self.watch(None, now + self.ttl);
    }

    fn watch(&mut self, sight: Option<Sight>, now: Moment) {
        self.next = if sight.is_some() { now + self.interval() } else { now };
        self.state = State::Watching(sight);
        self.in_doubt = false;
    }

    /// How long a candidate waits from one look to the next.
    fn interval(&self) -> Duration {
        self.ttl / 4 + (self.ttl / 12).mul_f64(self.me.share())
    }

    /// How long a holder waits after a failure.
    fn pause(&self) -> Duration {
        self.ttl / 20 + (self.ttl / 20).mul_f64(self.me.share())
    }

    /// What to write.
    fn lease(&self, acquired_at: DateTime<Utc>, now: DateTime<Utc>) -> Lease {
        Lease {
            holder: Some(self.me.clone()),
            server_url: Some(self.server_url.clone()),
            acquired_at: Some(acquired_at),
            renewed_at: Some(now),
            ttl: Some(self.ttl),
        }
    }
}
