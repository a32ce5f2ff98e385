//! The nouns of the rotator, and nothing that moves.
//!
//! A value that exists here is valid: an [`ApiKey`](key::ApiKey) fits in a URL, a
//! [`SecretPath`](path::SecretPath) cannot climb out of its mount, a
//! [`Schedule`](schedule::Schedule) has a next time. Everything foreign (configuration, the answers
//! of both servers, the notes that people may edit) becomes one of these types at the edge and is
//! not checked again.
//!
//! There is no I/O, no async and no clock below this line; whoever needs the time passes it in.

pub mod clocks;
pub mod field;
pub mod ids;
pub mod key;
pub mod lease;
pub mod marker;
pub mod path;
pub mod policy;
pub mod project;
pub mod retiring;
pub mod schedule;
pub mod secret;
pub mod shape;

#[cfg(test)]
pub(crate) mod fuzz;
