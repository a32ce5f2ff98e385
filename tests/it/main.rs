//! The rotator against a real OpenBao and an emulated Exceptionless.
//!
//! What the environment may say to these tests; `make` sets what is needed:
//!
//! - `BAO`: the server's program;
//! - `LIBFAKETIME`: the library that shows the rotator another time of day (feature `system`);
//! - `RELIABILITY`: the document in which the whole proofs write what they found; without it they are short;
//! - `SEED`: the seed that a test of chance has printed, to make the same choices again;
//! - `SOAK_MINUTES`: how long the soak takes;
//! - `SYSTEM`: the folder that `make debian` has filled (feature `system`).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and read the environment"
)]
#![allow(missing_docs, unreachable_pub, reason = "test names are sentences, and nothing is public")]

mod admin;
mod bad_input;
mod cluster;
mod credentials;
mod daemon;
mod doctor;
mod documents;
mod emergency;
mod faults;
mod floors;
mod health;
mod hostile;
mod inventory;
#[cfg(feature = "system")]
mod journal;
#[cfg(feature = "kill-points")]
mod kill;
mod lean;
mod logs;
mod manifests;
#[cfg(feature = "system")]
mod memory;
mod monitoring;
#[cfg(feature = "system")]
mod page;
#[cfg(feature = "kill-points")]
mod panics;
mod races;
mod recovery;
mod reload;
mod replicas;
mod rotation;
mod scale;
mod secrecy;
mod selection;
mod service;
mod shapes;
#[cfg(feature = "system")]
mod soak;
mod stages;
mod support;
#[cfg(feature = "system")]
mod system;
#[cfg(feature = "system")]
mod time;
#[cfg(feature = "otlp")]
mod traces;
mod transport;
mod vault;
mod versions;
