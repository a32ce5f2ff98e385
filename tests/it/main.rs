//! The rotator against a real OpenBao and an emulated Exceptionless.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and read the environment"
)]
#![allow(missing_docs, unreachable_pub, reason = "test names are sentences, and nothing is public")]

mod bad_input;
mod cluster;
mod daemon;
mod documents;
mod faults;
mod floors;
mod hostile;
#[cfg(feature = "kill-points")]
mod kill;
#[cfg(feature = "system")]
mod memory;
#[cfg(feature = "kill-points")]
mod panics;
mod races;
mod recovery;
mod rotation;
mod scale;
mod secrecy;
#[cfg(feature = "system")]
mod soak;
mod support;
#[cfg(feature = "system")]
mod time;
mod vault;
