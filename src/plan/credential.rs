//! Changing the rotator's own password: what is to be done next, by what can be seen.
//!
//! The password stands in a field of a secret, and while it is being changed its successor beside it. There are two
//! facts only, which of the two the server accepts, and both can be asked at any time:
//!
//! ```text
//!   the secret holds      the server accepts     next
//!   current               current                Prepare: write a successor beside it
//!   current and next      current                Change: ask the server to take the successor
//!   current and next      next                   Promote: the successor takes its place
//!   either                neither                Recover: look for the right one in older versions
//! ```
//!
//! So a crash between any two steps loses nothing: whoever comes next sees the same, and goes on. At every moment one of
//! the passwords in the secret is the right one, because the successor is there before the server knows it. Every write
//! is check-and-set. The server demands the present password for a change, but compares it with the user as it has loaded it,
//! perhaps from a cache, and saves the user as a whole without a version: it may take a change and lose it again. So what
//! counts is never that it took one, but what it accepts when it is asked.

use chrono::{DateTime, Utc};

use super::FURTHEST_FUTURE;
use crate::domain::clocks::Clocks;
use crate::domain::schedule::Schedule;

/// What the server says to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It lets us in.
    Accepted,
    /// It does not.
    Refused,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write a fresh successor into the secret.
    Prepare,
    /// Change the password at the server from the current one to the successor.
    Change,
    /// Let the successor take the place of the current one in the secret.
    Promote,
    /// Put the right one back, if an older version of the secret holds it: this one holds none that is accepted.
    Recover,
}

/// The next step, by what the server says to the current password and, if there is one, to its successor.
pub fn step(current: Verdict, next: Option<Verdict>) -> Step {
    match (current, next) {
        // First, because both are accepted when they are the same.
        (_, Some(Verdict::Accepted)) => Step::Promote,
        (Verdict::Accepted, Some(Verdict::Refused)) => Step::Change,
        (Verdict::Accepted, None) => Step::Prepare,
        (Verdict::Refused, Some(Verdict::Refused) | None) => Step::Recover,
    }
}

/// When the password is to be changed, if it was changed last at this time. A past time means at once: that time was
/// missed, or nobody knows since when the password is in force, or a change was begun and not ended. The latest clock wrote
/// when it was changed, so it is the latest that says whether that lies ahead.
pub fn due(
    schedule: &Schedule,
    changed_at: Option<DateTime<Utc>>,
    interrupted: bool,
    clocks: &Clocks,
) -> Option<DateTime<Utc>> {
    match changed_at {
        Some(changed) if !interrupted && changed <= clocks.latest() + FURTHEST_FUTURE => {
            schedule.next(changed)
        }
        Some(_) | None => Some(clocks.ours),
    }
}

#[cfg(test)]
mod tests;
