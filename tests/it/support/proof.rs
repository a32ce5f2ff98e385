//! Proofs: tests whose findings are kept in `docs/reliability.md`, a part of it each.
//!
//! `RELIABILITY` names the document. A test that finds it set does its whole proof and writes down what it found;
//! without it, as in `make test`, the same test is short and only prints.

use super::document;

pub use super::document::table;

/// Whether this is the whole proof, which is written down.
pub fn is_whole() -> bool {
    std::env::var_os("RELIABILITY").is_some()
}

/// How often to repeat: the long number in the whole proof.
pub fn rounds(short: usize, long: usize) -> usize {
    if is_whole() { long } else { short }
}

/// Prints what was found, and in the whole proof puts it in its part of the document.
pub fn record(part: &str, findings: &str) {
    println!("{findings}");
    let Ok(file) = std::env::var("RELIABILITY") else { return };
    document::write_part(file.as_ref(), part, findings);
}

/// How often, for a cell of a table.
pub fn times(times: usize) -> String {
    if times == 0 { "-".to_owned() } else { times.to_string() }
}
