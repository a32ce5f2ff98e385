//! How fast and how lean the rotator is, beside what people would use instead: `make bench`.
//!
//! What is compared is measured turn by turn in one run, on one machine, against the same servers: a real OpenBao, and
//! the emulated Exceptionless, which answers far faster than the real one. The findings go into `docs/performance.md`,
//! a part each; `make bench PARTS="rates daemon"` makes some of them only.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a benchmark may panic, reads the clock, and its numbers are small"
)]
#![allow(missing_docs, unreachable_pub, reason = "nothing is public")]

mod budget;
mod daemon;
mod document;
mod generator;
mod latency;
mod measure;
mod plot;
mod rates;
mod rivals;
mod stage;
mod support;

const PARTS: [&str; 5] = ["rates", "costs", "parts", "daemon", "budget"];

#[tokio::main]
async fn main() {
    let wanted = std::env::var("PARTS").unwrap_or_default();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.split_whitespace().any(|one| one == part);
    let unknown = wanted.split_whitespace().find(|part| !PARTS.contains(part));
    assert_eq!(unknown, None, "PARTS may name {PARTS:?}");
    document::machine();
    if is_wanted("rates") {
        document::rates().await;
    }
    if is_wanted("costs") {
        document::costs().await;
    }
    if is_wanted("parts") {
        document::parts_of_a_pass();
    }
    if is_wanted("daemon") {
        document::daemon().await;
    }
    if is_wanted("budget") {
        document::budget().await;
    }
}
