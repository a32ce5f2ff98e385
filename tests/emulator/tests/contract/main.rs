//! The contract, as tests over HTTP: one module per part of it, each test a sentence the real server is said to fulfil.
//!
//! The clock stands still unless a test moves it, so windows, lifetimes and orders do not depend on when this runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

mod clients;
mod control;
mod create;
mod delete;
mod errors;
mod faults;
mod identity;
mod legacy;
mod life_cycle;
mod listings;
mod login;
mod program;
mod projects;
mod relay;
mod server;
mod throttle;
mod update;
