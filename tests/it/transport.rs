//! The ways to Vault, each with a whole rotation over it.

mod certificates;
