//! How fast and how lean the rotator is, beside what people would use instead: `make bench`.
//!
//! What is compared is measured turn by turn in one run, on one machine, against the same servers: a real OpenBao, and
//! the emulated Exceptionless, which answers far faster than the real one. The findings go into `docs/performance.md`,
//! a part each; `make bench PARTS="rates costs"` makes some of them only.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark may panic, reads the clock, and its numbers are small"
)]
#![allow(missing_docs, unreachable_pub, reason = "nothing is public")]

mod budget;
mod daemon;
mod generator;
mod latency;
mod measure;
mod rates;
mod rivals;
mod stage;
mod support;

use std::time::Duration;

#[tokio::main]
async fn main() {
    for latency in [Duration::ZERO] {
        for projects in [1000, 3000] {
            let rate = rates::measure(projects, latency, 5).await;
            println!(
                "{} {:?}: {:.0} {:.0} {:.3}",
                rate.projects, rate.latency, rate.rotator, rate.generator, rate.ratio
            );
        }
    }
}
