//! What the tests stand on.

pub mod audit;
pub mod authority;
pub mod bao;
pub mod cluster;
pub mod dice;
pub mod document;
pub mod durable;
pub mod guard;
pub mod issuer;
pub mod kubernetes;
pub mod listener;
pub mod login;
pub mod process;
pub mod proof;
pub mod proxy;
pub mod rig;
pub mod secrets;
pub mod stand_in;
pub mod terminal;
#[cfg(feature = "system")]
pub mod times;
pub mod visitor;
pub mod waiting;
pub mod yaml;

pub use waiting::{patience, until};

/// The name by which the rotator speaks of a key.
pub fn fingerprint(key: &str) -> String {
    exceptionless_rotator::domain::key::ApiKey::parse(key).unwrap().fingerprint().to_string()
}
