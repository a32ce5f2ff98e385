//! What becomes of the secrets of deleted projects.

use std::error::Error;

use crate::domain::policy::OnVanished;
use crate::domain::secret::SecretState;
use crate::plan::vanished::Vanished;
use crate::plan::world::Stray;
use crate::vault::{Secret, VaultError};

use super::report::PassReport;
use super::{Engine, event};

/// Marks or deletes them, as the plan says.
pub(super) async fn tidy(engine: &Engine, vanished: Vanished, report: &mut PassReport) {
    let Vanished { mark, delete, held } = vanished;
    if let Some(brake) = held {
        event::vanished_held(&brake);
        report.vanished_held = Some(brake);
    }
    let fate = match engine.policy.on_vanished {
        OnVanished::Keep => "kept",
        // It would have been deleted, were it certain that the project is gone.
        OnVanished::Delete => "held",
    };
    for stray in mark {
        if exists(engine, &stray, report).await || !engine.tenure.stands() {
            continue;
        }
        let done = engine.vault.mark_vanished(&stray.path, super::clock::now()).await;
        record(&stray, fate, done, report);
    }
    for stray in delete {
        if exists(engine, &stray, report).await || !engine.tenure.stands() {
            continue;
        }
        let done = match engine.vault.read(&stray.path).await {
            Ok(secret) if still(&stray, &secret) => engine.vault.withdraw(&stray.path, &secret).await,
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        record(&stray, "deleted", done, report);
    }
}

/// Asks for the project itself, directly before anything is done to its secret: a listing by pages can miss
/// a project, and one that was created during the pass is in no listing.
async fn exists(engine: &Engine, stray: &Stray, report: &mut PassReport) -> bool {
    match engine.exceptionless.project_exists(&stray.project_id).await {
        Ok(exists) => exists,
        Err(error) => {
            fail(stray, &error, report);
            true
        }
    }
}

/// Whether the secret is still the one that was judged.
fn still(stray: &Stray, secret: &Secret) -> bool {
    matches!(&secret.state, SecretState::Ours(now) if now.project_id.as_ref() == Some(&stray.project_id))
}

fn record(stray: &Stray, fate: &'static str, done: Result<(), VaultError>, report: &mut PassReport) {
    match done {
        Ok(()) => {
            event::project_vanished(stray, fate);
            report.vanished.push(stray.path.clone());
        }
        Err(error) => fail(stray, &error, report),
    }
}

fn fail(stray: &Stray, error: &dyn Error, report: &mut PassReport) {
    event::tidy_failed(stray, error);
    report.tidy_failures.push(format!("{}: {}", stray.path, event::chain(error)));
}
