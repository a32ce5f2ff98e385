//! An Exceptionless server for tests, the demo and benchmarks of the key rotator.
//!
//! The real server needs .NET and Elasticsearch. This one keeps its world in memory and reproduces the contract the
//! rotator lives by: the written account of how the real server treats logins, organizations, projects, tokens,
//! throttling and errors. "Contract 3.6" in these files means section 3.6 of that account; where it calls a point
//! uncertain, the likely reading is taken.
//!
//! It is a stateful fake, not a scripted mock: tests act on the world ([`Emulator::delete_key`],
//! [`Emulator::suspend_organization`]), add misfortune ([`Fault`]), move its clock ([`Emulator::advance`]), and then
//! look at what is true on the server rather than at which calls were made.
//!
//! # Where is what
//!
//! A request goes through `server` (sockets), `request` and `route` (what it means), `faults` (whether it goes
//! wrong), `pipeline` (in which order it is looked at), `identity` (who asks), `handlers` (what happens), `views`
//! and `answer` (what the client sees), and `wire` (how the bytes leave). `state` is the world, `clock` its time,
//! `control` the same levers for a shell, under `/__emulator`. `relay` brings the faults to any other server.
//!
//! Invariants: only `clock` reads the time; nothing is serialised under the lock; nothing is logged.

mod answer;
mod clock;
mod control;
mod date;
mod duration;
mod emulator;
mod faults;
mod handlers;
mod identity;
mod json;
mod paging;
mod pipeline;
mod relay;
mod request;
mod route;
mod server;
mod settings;
mod state;
mod views;
mod wire;

pub use clock::Clock;
pub use emulator::Emulator;
pub use faults::{Fault, Kind};
pub use relay::Relay;
pub use settings::{ServerVersion, Settings, Switches};
pub use state::{Login, Organization, Project, Requests, Revocation, Seen, State, Token, User};

/// The user of the rotator: a member of every organization.
pub const EMAIL: &str = "rotator@example.test";

/// That user's password at the start.
pub const PASSWORD: &str = "correct horse";
