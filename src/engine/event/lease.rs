//! What is said of the lease, which decides who of several rotators runs the passes.

use tracing::field::display;

use crate::domain::lease::Holder;
use crate::domain::path::SecretPath;

pub(in crate::engine) fn lease_acquired(holder: &Holder, version: u64) {
    tracing::info!(event = "lease.acquired", %holder, version, "holds the lease as {holder}, and runs the passes");
}

pub(in crate::engine) fn lease_taken_over(holder: &Holder, version: u64, from: &Holder) {
    tracing::info!(
        event = "lease.taken_over", %holder, version, %from,
        "{from} did not renew the lease; {holder} has taken it over, and runs the passes"
    );
}

pub(in crate::engine) fn lease_lost(holder: &Holder, reason: &'static str, by: Option<&Holder>) {
    let by = by.map(display);
    tracing::warn!(
        event = "lease.lost", %holder, reason, by,
        "{holder} has lost the lease ({reason}), and begins nothing before it holds it again"
    );
}

pub(in crate::engine) fn lease_renounced(holder: &Holder, version: u64) {
    tracing::info!(event = "lease.renounced", %holder, version, "{holder} gave up the lease");
}

pub(in crate::engine) fn lease_conflict(path: &SecretPath, conflict: &str) {
    tracing::error!(event = "lease.conflict", %path, "no pass can run here: {conflict}");
}

pub(in crate::engine) fn lease_failed(error: &str) {
    tracing::warn!(event = "lease.failed", error, "the lease could not be read or written: {error}");
}
