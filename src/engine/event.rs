//! The vocabulary of the log: every event that the engine reports, once, with its fields.
//!
//! The field `event` is stable, and so are the others; the message is for people. Keys appear by their
//! fingerprint. An error is logged here, where it is handled, with its whole chain, and nowhere else.
//!
//! What is said inside the span `rotation` does not name the project and the rotation again: the span does, also for
//! what the clients below say.

mod credential;
mod lease;

use std::error::Error;
use std::io;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::Span;
use tracing::field::{Empty, display};

use crate::domain::clocks::time_text;
use crate::domain::ids::{Instance, RotationId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::SecretPath;
use crate::domain::project::Project;
use crate::domain::secret::Publication;
use crate::plan::Step;
use crate::plan::moved::{Fate, Former};
use crate::plan::reason::{Due, Hold, REMOVE_IT};
use crate::plan::target::Target;
use crate::plan::vanished::Brake;
use crate::plan::world::{OwnKey, Stray};

use super::report::{Failure, PassReport};

pub(super) use credential::*;
pub(super) use lease::*;

/// Every value of the field `event` that the engine writes.
pub const EVENTS: [&str; 39] = [
    "emergency.planned",
    "pass.started",
    "pass.finished",
    "pass.blind",
    "key.minted",
    "key.recovered",
    "key.verified",
    "key.published",
    "key.adopted",
    "key.enrolled",
    "key.disabled",
    "key.enabled",
    "key.unmanaged_ended",
    "key.retired",
    "key.misbound",
    "keys.retire_failed",
    "keys.out_of_reach",
    "project.held",
    "project.failed",
    "project.superseded",
    "project.moved",
    "project.move_failed",
    "project.vanished",
    "project.vanish_failed",
    "projects.vanish_held",
    "secret.reshaped",
    "secret.unstamped",
    "secrets.unreadable",
    "credential.prepared",
    "credential.changed",
    "credential.rotated",
    "credential.recovered",
    "credential.failed",
    "lease.acquired",
    "lease.taken_over",
    "lease.lost",
    "lease.renounced",
    "lease.conflict",
    "lease.failed",
];

/// The field by which one rotation is followed through the log.
const ROTATION_ID: &str = "rotation_id";

/// What belongs to one pass. Only traces need it, so it is below what a usual log shows.
pub(super) fn pass() -> Span {
    tracing::debug_span!("pass")
}

/// What belongs to the work on one project. It is an error's span, so that no level hides what an error belongs to.
pub(super) fn rotation(target: &Target) -> Span {
    let project = &target.project;
    tracing::error_span!(
        "rotation",
        project_id = %project.id,
        project = %project.full_name(),
        rotation_id = Empty,
    )
}

/// From now on it is known which rotation it is.
pub(super) fn rotation_is(rotation: RotationId) {
    Span::current().record(ROTATION_ID, display(rotation));
}

/// Logs at a level with the fields that name a project, outside of the span.
macro_rules! project_event {
    ($level:ident, $name:literal, $target:expr, {$($fields:tt)*}, $message:literal $(, $argument:expr)*) => {{
        let project = &$target.project;
        tracing::$level!(
            event = $name,
            project_id = %project.id,
            project = %project.full_name(),
            $($fields)*
            $message
            $(, $argument)*
        )
    }};
}

pub(super) fn pass_started() {
    tracing::debug!(event = "pass.started", "pass started");
}

pub(super) fn pass_finished(report: &PassReport) {
    tracing::info!(
        event = "pass.finished",
        projects = report.projects.len(),
        published = report.published(),
        retired = report.retired.len(),
        disabled = report.disabled.len(),
        failed = report.failed(),
        requests = report.requests,
        refused = report.refused,
        duration_ms = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        interrupted = report.interrupted,
        "pass finished: {} published, {} retired, {} failed",
        report.published(),
        report.retired.len(),
        report.failed(),
    );
}

pub(super) fn pass_blind(what: &str) {
    tracing::error!(event = "pass.blind", problem = what, "not everything could be seen: {what}");
}

/// How many paths a sentence names.
const NAMED: usize = 5;

pub(super) fn secrets_unreadable(paths: &[SecretPath]) {
    let count = paths.len();
    let named: Vec<&str> = paths.iter().take(NAMED).map(SecretPath::as_str).collect();
    let paths = named.join(", ") + if count > NAMED { ", ..." } else { "" };
    tracing::warn!(
        event = "secrets.unreadable",
        count,
        paths,
        "Vault does not let us read {paths}, in a folder of vault.path, so that it counts as other people's; if a project of \
         ours has lived there, allow it, or the key is revoked although applications read it there"
    );
}

pub(super) fn key_minted(key: &ApiKey) {
    let key = key.fingerprint();
    tracing::info!(event = "key.minted", %key, "minted key {key}");
}

pub(super) fn key_recovered(key: &ApiKey) {
    let key = key.fingerprint();
    tracing::warn!(
        event = "key.recovered", %key,
        "the answer to the mint was lost; found key {key} by its marker"
    );
}

pub(super) fn key_misbound(key: &ApiKey) {
    let key = key.fingerprint();
    tracing::error!(
        event = "key.misbound", %key,
        "revoked key {key}, which Exceptionless bound to something else than asked for"
    );
}

pub(super) fn key_verified(key: &ApiKey) {
    let key = key.fingerprint();
    tracing::info!(event = "key.verified", %key, "key {key} works");
}

pub(super) fn key_adopted(key: &ApiKey) {
    let key = key.fingerprint();
    tracing::info!(
        event = "key.adopted", %key,
        "key {key} of an interrupted rotation works and is adopted"
    );
}

pub(super) fn key_published(publication: &Publication, version: u64, due: Due) {
    let key = publication.api_key.fingerprint();
    tracing::info!(
        event = "key.published", %key, version, reason = due.label(),
        "published key {key} as version {version}: {due}"
    );
}

/// The rotation is the one that ended without a publication, whose key is listed now.
pub(super) fn key_enrolled(
    publication: &Publication,
    version: u64,
    listed: Fingerprint,
    rotation: RotationId,
) {
    let key = publication.api_key.fingerprint();
    tracing::info!(
        event = "key.enrolled", rotation_id = %rotation, %key, version, %listed,
        "listed key {listed}, which was never published, for retirement; key {key} stays published"
    );
}

pub(super) fn key_retired(target: &Target, key: &OwnKey) {
    let (rotation, key) = (key.rotation, key.fingerprint);
    project_event!(
        info, "key.retired", target, {rotation_id = %rotation, key = %key, emergency = false,},
        "revoked key {key}"
    );
}

pub(super) fn key_disabled(target: &Target, key: &OwnKey) {
    let (rotation, key) = (key.rotation, key.fingerprint);
    project_event!(
        info, "key.disabled", target, {rotation_id = %rotation, key = %key,},
        "disabled key {key}, which is deleted later"
    );
}

/// A person has brought it back.
pub(super) fn key_enabled(
    instance: &Instance,
    project: &Project,
    key: Fingerprint,
    created: DateTime<Utc>,
    command: &'static str,
) {
    let minted_at = time_text(created);
    tracing::info!(
        event = "key.enabled", project_id = %project.id, project = %project.full_name(), %key, %instance, minted_at, command,
        "enabled key {key} again, as `{command}` asked for"
    );
}

/// The end of a key that the rotator did not create: the record of who did that.
pub(super) fn unmanaged_ended(
    instance: &Instance,
    project: &Project,
    key: Fingerprint,
    created: DateTime<Utc>,
    command: &'static str,
    done: &'static str,
) {
    let minted_at = time_text(created);
    tracing::warn!(
        event = "key.unmanaged_ended", project_id = %project.id, project = %project.full_name(), %key, %instance, minted_at,
        command, done,
        "{done} key {key}, which nobody manages, as `{command}` asked for"
    );
}

/// A person has asked for its end. That is a warning, so that no quiet log lacks it: it is the record of who did what.
pub(super) fn key_retired_at_once(instance: &Instance, target: &Target, key: &OwnKey, command: &'static str) {
    let OwnKey { rotation, fingerprint, created, .. } = key;
    let minted_at = time_text(*created);
    project_event!(
        warn, "key.retired", target,
        {
            rotation_id = %rotation, key = %fingerprint, emergency = true,
            %instance, minted_at, command,
        },
        "revoked key {fingerprint} without an overlap, as `{command}` asked for"
    );
}

/// What an emergency is about to do, with the time by which the same command finds what is left of it.
pub fn emergency_planned(command: &'static str, projects: usize, mint: u64, revoke: u64, cut: DateTime<Utc>) {
    // To the last digit: an earlier time would miss keys.
    let minted_before = cut.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    tracing::warn!(
        event = "emergency.planned",
        command,
        projects,
        mint,
        revoke,
        minted_before,
        "an emergency for {projects} projects: {mint} keys to mint, {revoke} to revoke; if it is interrupted, repeat it \
         with --minted-before {minted_before}"
    );
}

pub(super) fn keys_out_of_reach(target: &Target, keys: &[Fingerprint]) {
    if keys.is_empty() {
        return;
    }
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    let keys = keys.join(",");
    project_event!(
        error,
        "keys.out_of_reach",
        target,
        { keys, },
        "not revoked, because nothing can be done about the project: {keys}"
    );
}

pub(super) fn retire_failed(keys: usize, error: &dyn Error) {
    let error = chain(error);
    tracing::error!(
        event = "keys.retire_failed",
        keys,
        error,
        "{keys} keys could not be revoked; the next pass tries again: {error}"
    );
}

pub(super) fn project_held(step: &Step, hold: &Hold) {
    let target = &step.observed.target;
    let path = target.place.as_ref().ok().map(display);
    project_event!(warn, "project.held", target, {reason = hold.label(), path,}, "held: {hold}");
}

/// What waits may wait for weeks, in every pass, and is told by `status`, `explain` and `plan`; so only the change of it
/// is a warning.
pub(super) fn project_moved(step: &Step, former: &Former) {
    let Former { stray, fate } = former;
    let (path, key, target) = (&stray.path, stray.key.map(display), &step.observed.target);
    match fate {
        Fate::Waits => project_event!(
            debug, "project.moved", target, { path = %path, key, fate = fate.label(), },
            "its older secret at {path} stays until the key in it has served its overlap"
        ),
        Fate::Marked => project_event!(
            warn, "project.moved", target, { path = %path, key, fate = fate.label(), },
            "its older secret at {path} is marked: it stays, and the key in it; once nobody reads it, {REMOVE_IT}"
        ),
        Fate::Withdrawn => project_event!(
            warn, "project.moved", target, { path = %path, key, fate = fate.label(), },
            "its older secret at {path} is withdrawn: the key in it is kept for one more overlap"
        ),
        // It was told when it got its mark.
        Fate::Kept => {}
    }
}

pub(super) fn move_failed(path: &SecretPath, error: &dyn Error) {
    let error = chain(error);
    tracing::error!(
        event = "project.move_failed", %path, error,
        "the secret at an old path of a project, {path}, could not be changed: {error}"
    );
}

pub(super) fn project_failed(failure: &Failure) {
    let error = chain(failure);
    tracing::error!(event = "project.failed", error, "failed: {error}");
}

pub(super) fn project_superseded(publication: &Publication) {
    let key = publication.api_key.fingerprint();
    tracing::warn!(
        event = "project.superseded", %key,
        "the secret changed meanwhile; key {key} stays for a later pass"
    );
}

/// A warning, because it comes again and again where two rotators are configured differently.
pub(super) fn secret_reshaped(publication: &Publication, version: u64) {
    let key = publication.api_key.fingerprint();
    tracing::warn!(
        event = "secret.reshaped", %key, version,
        "written again as version {version}, with the same key {key} and the fields of [secret.fields]; if this comes \
         again, another rotator of this instance runs with other fields"
    );
}

pub(super) fn secret_unstamped(error: &dyn Error) {
    let error = chain(error);
    tracing::warn!(
        event = "secret.unstamped",
        error,
        "the secret's custom_metadata could not be written; the next pass repairs it: {error}"
    );
}

pub(super) fn project_vanished(stray: &Stray, fate: &'static str) {
    let why = match fate {
        "held" => {
            ", because the user does not see its organization either; give its membership back, or delete the secret once \
             no application reads it"
        }
        _ => "",
    };
    tracing::warn!(
        event = "project.vanished", project_id = %stray.project_id, path = %stray.path, fate,
        "project {} no longer exists; its secret is {fate}{why}", stray.project_id
    );
}

pub(super) fn tidy_failed(stray: &Stray, error: &dyn Error) {
    let error = chain(error);
    tracing::error!(
        event = "project.vanish_failed", project_id = %stray.project_id, path = %stray.path, error,
        "the secret of the vanished project {} could not be changed: {error}", stray.project_id
    );
}

pub(super) fn vanished_held(brake: &Brake) {
    tracing::error!(
        event = "projects.vanish_held",
        vanished = brake.vanished.len(),
        known = brake.known,
        "{brake}"
    );
}

/// An error and everything that it came from, in one line.
///
/// Our own errors say what to do, so what the HTTP client or the operating system says stands behind them
/// in brackets, where it is not read as a part of the remedy. Of the client's many layers only the
/// innermost says something new.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        if is_foreign(cause) {
            let mut innermost = cause;
            while let Some(deeper) = innermost.source() {
                innermost = deeper;
            }
            return format!("{text} ({innermost})");
        }
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn is_foreign(error: &(dyn Error + 'static)) -> bool {
    error.is::<reqwest::Error>()
        || error.is::<Arc<reqwest::Error>>()
        || error.is::<io::Error>()
        || error.is::<Arc<io::Error>>()
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Ours(&'static str, #[source] Box<dyn Error>);

    #[test]
    fn our_own_words_come_first_and_of_foreign_ones_only_the_innermost() {
        let refused = io::Error::other(io::Error::other("refused"));
        let error =
            Ours("no key could be minted", Box::new(Ours("the server is down; start it", Box::new(refused))));
        assert_eq!(chain(&error), "no key could be minted: the server is down; start it (refused)");
        let shared = Ours("no answer", Box::new(Arc::new(io::Error::other("reset"))));
        assert_eq!(chain(&shared), "no answer (reset)");
        let ours = Ours("a", Box::new(Ours("b", Box::new(fmt::Error))));
        assert_eq!(chain(&ours), format!("a: b: {}", fmt::Error));
    }

    #[test]
    fn of_the_http_clients_many_layers_only_the_innermost_is_told() {
        crate::tls::install_provider();
        let foreign = || reqwest::Client::new().get("http://").build().expect_err("no host");
        let innermost = foreign().source().expect("why").to_string();
        for cause in [Box::new(foreign()) as Box<dyn Error>, Box::new(Arc::new(foreign()))] {
            assert_eq!(chain(&Ours("cannot ask", cause)), format!("cannot ask ({innermost})"));
        }
    }
}
