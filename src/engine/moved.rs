//! What becomes of the secrets at paths where projects no longer live.
//!
//! Nothing is written where the metadata says already what it should.

use std::time::Duration;

use crate::domain::path::SecretPath;
use crate::domain::secret::{Moved, SecretState};
use crate::plan::Step;
use crate::plan::moved::{Fate, Former, kept_until};
use crate::plan::world::{Stray, Withdrawn};
use crate::vault::{Secret, VaultError};

use super::report::PassReport;
use super::{Engine, event};

/// Marks or withdraws them, as the plan says, and notes until when the keys of those that are withdrawn are kept.
pub(super) async fn settle(
    engine: &Engine,
    steps: &[Step],
    closing: Vec<Withdrawn>,
    report: &mut PassReport,
) {
    for Withdrawn { path, moved } in closing {
        let targets = || steps.iter().map(|step| &step.observed.target);
        let home =
            targets().find(|target| target.place.as_ref().is_ok_and(|home| Moved::address(home) == moved.to));
        if engine.tenure.stands()
            && let Err(error) = close(engine, &path, moved, home.map(|home| home.rule.overlap)).await
        {
            fail(&path, &error, report);
        }
    }
    for step in steps {
        let Ok(home) = &step.observed.target.place else { continue };
        for former in &step.moved {
            let Former { stray, fate } = former;
            let at = match fate {
                Fate::Kept => continue,
                Fate::Waits if stray.is_forwarded_to(home) => continue,
                Fate::Waits => None,
                Fate::Marked | Fate::Withdrawn => Some(super::clock::now()),
            };
            if !engine.tenure.stands() {
                continue;
            }
            let overlap = stray.overlap.max(Some(step.observed.target.rule.overlap));
            let moved =
                Moved { to: Moved::address(home).to_owned(), at, key: stray.key, overlap, kept_until: None };
            match leave(engine, stray, *fate, moved).await {
                Ok(true) if at.is_some() => event::project_moved(step, former),
                Ok(_) => {}
                Err(error) => fail(&stray.path, &error, report),
            }
        }
    }
}

/// The mark comes first: by it alone a later pass knows whose key a withdrawn secret published. Whether it was done.
async fn leave(engine: &Engine, stray: &Stray, fate: Fate, moved: Moved) -> Result<bool, VaultError> {
    let secret = engine.vault.read(&stray.path).await?;
    let another = |moved: &Moved| moved.key.is_some_and(|key| Some(key) != stray.key);
    let kept = |moved: &Moved| moved.kept_until.is_none_or(|until| until > engine.clocks().earliest());
    // The metadata is still about a key that another project published there.
    if !still(stray, &secret) || secret.moved.as_ref().is_some_and(|moved| another(moved) && kept(moved)) {
        return Ok(false);
    }
    engine.vault.mark_moved(&stray.path, &moved).await?;
    if fate == Fate::Withdrawn {
        engine.vault.withdraw(&stray.path, &secret).await?;
        close(engine, &stray.path, moved, None).await?;
    }
    Ok(true)
}

/// Notes how long the key is kept for who read it last: counted from now, when nobody can read it any more.
async fn close(
    engine: &Engine,
    path: &SecretPath,
    moved: Moved,
    rule: Option<Duration>,
) -> Result<(), VaultError> {
    let kept_until = kept_until(moved.overlap, rule, engine.clocks().latest());
    let at = moved.at.or_else(|| Some(super::clock::now()));
    let moved = Moved { at, kept_until: Some(kept_until), ..moved };
    engine.vault.mark_moved(path, &moved).await
}

/// Whether the secret is still the one that was judged.
fn still(stray: &Stray, secret: &Secret) -> bool {
    matches!(&secret.state, SecretState::Ours(now)
        if now.project_id.as_ref() == Some(&stray.project_id)
            && now.api_key.as_ref().map(|key| key.fingerprint()) == stray.key)
}

fn fail(path: &SecretPath, error: &VaultError, report: &mut PassReport) {
    event::move_failed(path, error);
    report.tidy_failures.push(format!("{path}: {}", event::chain(error)));
}
