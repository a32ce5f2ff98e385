//! The client of Exceptionless: one method per endpoint, and one door for all that comes back.
//!
//! *What it owns.* The credential (read from where it is kept: another server's is asked through a [`Keeper`]), the
//! request budget and the server's clock of one process. Everything above it deals in keys, projects and
//! [`ExceptionlessError`]s; status codes, headers and JSON end here.
//!
//! *Why it is written by hand.* The id of a token is the key itself, so the usual conveniences of an HTTP
//! client are leaks: errors that print the URL, bodies that land in a log, `Location` and `instance`
//! that repeat the key. Every response therefore passes `door`, which strips the URL off errors, reads
//! the few headers that matter and hands on a body that is wiped after parsing. Redirects are refused,
//! because a 301 would turn a POST into a GET and carry the credential elsewhere; `Link` is ignored,
//! because the server stops sending it before the thousandth item (`Pagination.cs`); `Location` is never
//! read.
//!
//! *Who retries.* Reading can be repeated, and `session` repeats it on transient trouble. So could
//! disabling and deleting; but what licenses these must be asked again each time, so whoever holds the licence does
//! that, in a [`Turn`] of the budget that was waited for before. Creating a key cannot: the server knows no
//! idempotency key, so an answer that was lost is reported as [`CreateError::Ambiguous`] and whoever sent the request
//! looks for its marker. Two answers prove that nothing was done, and are repeated even for a create: 401, after a
//! fresh login, and 429, in the next window.
//!
//! *Who waits.* `limiter` is arithmetic and `gate` is the waiting. They leave a share of the budget to
//! the people who use the same account, and they keep the server's time rather than ours, for a 429 says
//! nothing about when to come back (`ThrottlingMiddleware.cs`).
//!
//! Dropping any future of this client is safe: a permit that is dropped counts its request as sent and
//! its answer as lost, and a login that is dropped leaves nobody waiting.

pub use client::{ExceptionlessClient, MAX_DELETED_AT_ONCE, Turn};
pub use error::{CreateError, ErrorKind, ExceptionlessError};
pub use keeper::{Keeper, Kept, NotKept};
pub use limiter::Budget;
pub use model::{
    Changed, CreatedKey, Deleted, KeyCheck, KeyListing, Keys, ListedKey, Organization, Updated, User,
};
pub use operation::Operation;
pub use refusal::{CredentialForm, LoginRefusal, Unreadable};

mod client;
mod clock;
mod credential;
mod door;
mod error;
mod gate;
mod health;
mod keeper;
mod limiter;
mod listing;
mod model;
mod operation;
mod password;
mod refusal;
mod session;
#[doc(hidden)]
pub mod wire;

#[cfg(test)]
mod tests;
