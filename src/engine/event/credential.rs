//! What is said about the rotator's own password.

use std::error::Error;

use tracing::field::display;

use super::chain;
use crate::engine::credential::Custody;

pub(in crate::engine) fn credential_prepared(custody: &Custody, version: u64) {
    let (user, path) = (&custody.email, display(&custody.field));
    tracing::info!(
        event = "credential.prepared",
        user,
        path,
        version,
        "wrote the next password of {user} beside the present one, as version {version}"
    );
}

pub(in crate::engine) fn credential_changed(custody: &Custody) {
    let (user, path) = (&custody.email, display(&custody.field));
    tracing::info!(
        event = "credential.changed",
        user,
        path,
        "Exceptionless changed the password of {user}, and ended all sessions of that user"
    );
}

pub(in crate::engine) fn credential_rotated(custody: &Custody, version: u64) {
    let (user, path) = (&custody.email, display(&custody.field));
    tracing::info!(
        event = "credential.rotated",
        user,
        path,
        version,
        "the new password of {user} is in force, and alone in version {version}"
    );
}

pub(in crate::engine) fn credential_recovered(custody: &Custody, version: u64, from: Option<u64>) {
    let (user, path) = (&custody.email, display(&custody.field));
    tracing::warn!(
        event = "credential.recovered",
        user,
        path,
        version,
        from,
        "somebody else wrote {path}, which held no password of {user} that works; put back the one that does, as version \
         {version}"
    );
}

pub(in crate::engine) fn credential_failed(error: &dyn Error) {
    let error = chain(error);
    tracing::error!(event = "credential.failed", error, "the password was not changed: {error}");
}
