//! What the benchmark shares with the tests: a real OpenBao, and the rotator with a configuration of its own.
#![allow(dead_code, reason = "the tests use the rest")]

#[path = "../../tests/it/support/bao.rs"]
pub mod bao;
#[path = "../../tests/it/support/document.rs"]
pub mod document;
#[path = "../../tests/it/support/guard.rs"]
pub mod guard;
#[path = "../../tests/it/support/process.rs"]
pub mod process;
#[path = "../../tests/it/support/rig.rs"]
pub mod rig;
#[path = "../../tests/it/support/waiting.rs"]
pub mod waiting;

pub use waiting::{patience, until};
