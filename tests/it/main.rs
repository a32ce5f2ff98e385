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
mod floors;
mod hostile;
#[cfg(feature = "kill-points")]
mod kill;
mod races;
mod recovery;
mod rotation;
mod scale;
mod secrecy;
mod support;
mod vault;
