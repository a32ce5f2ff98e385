//! Reads the secrets: those of the selected projects, and those of ours at paths where none of them lives.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt};

use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::ApiKey;
use crate::domain::path::SecretPath;
use crate::domain::secret::SecretState;
use crate::plan::target::Target;
use crate::plan::world::{Stray, Withdrawn};
use crate::vault::{Kind as VaultKind, Secret, VaultError};

use super::{Blind, Engine, PassError, event};

/// How the reading of a project's secret ended.
pub(super) enum Read {
    Suspended,
    NoPath,
    Failed(String),
    Secret(SecretState),
}

/// Reads the secret of each target. One that cannot be read does not stop the others; but if none can,
/// or many in a row find no Vault, the pass ends before it decides anything.
pub(super) async fn read_secrets(
    engine: &Engine,
    targets: &[Target],
    suspended: &HashSet<OrganizationId>,
) -> Result<HashMap<ProjectId, Read>, PassError> {
    let lost_in_a_row = AtomicUsize::new(0);
    let first_error = OnceLock::new();
    let read = |target: &'_ Target| {
        let place = target.place.as_ref().ok().cloned();
        let asleep = suspended.contains(&target.project.organization_id);
        let id = target.project.id.clone();
        let (lost_in_a_row, first_error) = (&lost_in_a_row, &first_error);
        async move {
            if asleep {
                return Ok((id, Read::Suspended));
            }
            let Some(path) = place else { return Ok((id, Read::NoPath)) };
            let outcome = match engine.vault.read(&path).await {
                Ok(secret) => {
                    lost_in_a_row.store(0, Ordering::Relaxed);
                    (id, Read::Secret(secret.state))
                }
                Err(error) => {
                    let lost = error.kind() == VaultKind::Unreachable;
                    if lost && lost_in_a_row.fetch_add(1, Ordering::Relaxed) >= 2 * engine.concurrency {
                        return Err(PassError::VaultLost(error));
                    }
                    let problem = unread(&path, &error);
                    let _ = first_error.set(error);
                    (id, Read::Failed(problem))
                }
            };
            let failed = matches!(outcome.1, Read::Failed(_));
            engine.progress.send_modify(|progress| progress.one_done(failed));
            Ok(outcome)
        }
    };
    let read: Vec<_> = futures_util::stream::iter(targets)
        .map(read)
        .buffer_unordered(engine.concurrency)
        .try_collect()
        .await?;
    let awake = read.iter().any(|(_, outcome)| !matches!(outcome, Read::Suspended));
    if awake
        && !read.iter().any(|(_, outcome)| matches!(outcome, Read::Secret(_)))
        && let Some(error) = first_error.into_inner()
    {
        return Err(PassError::Vault(error));
    }
    Ok(read.into_iter().collect())
}

fn unread(path: &SecretPath, error: &VaultError) -> String {
    format!("its secret at {path} could not be read: {}", event::chain(error))
}

/// Looks for secrets of ours at paths where no selected project lives.
pub(super) async fn find_strays(
    engine: &Engine,
    homes: &HashSet<SecretPath>,
    blind: &mut Blind,
) -> Option<(Vec<Stray>, Vec<Withdrawn>)> {
    let mut strays = HashMap::new();
    let mut gone = HashMap::new();
    for folder in engine.policy.folders() {
        let paths = match engine.vault.list(folder).await {
            Ok(paths) => paths,
            Err(error) => {
                blind.report(format!("the folder {folder:?} of the secrets: {}", event::chain(&error)));
                return None;
            }
        };
        let lease = engine.ha.as_ref().map(|ha| &ha.lease_path);
        let elsewhere = paths.into_iter().filter(|path| !homes.contains(path) && Some(path) != lease);
        let reads: Vec<_> = futures_util::stream::iter(elsewhere)
            .map(|path| async move {
                let read = engine.vault.read(&path).await;
                (path, read)
            })
            .buffer_unordered(engine.concurrency)
            .collect()
            .await;
        for (path, read) in reads {
            match read {
                Ok(secret) => {
                    gone.extend(withdrawn(&path, &secret).map(|one| (path.clone(), one)));
                    strays.extend(stray(path, &secret).map(|stray| (stray.path.clone(), stray)));
                }
                Err(error) if error.kind() == VaultKind::NotPermitted => {}
                Err(error) => {
                    blind.report(unread(&path, &error));
                    return None;
                }
            }
        }
    }
    Some((strays.into_values().collect(), gone.into_values().collect()))
}

fn stray(path: SecretPath, secret: &Secret) -> Option<Stray> {
    let SecretState::Ours(published) = &secret.state else { return None };
    let project_id = published.project_id.clone()?;
    let key = published.api_key.as_ref().map(ApiKey::fingerprint);
    let moved_to = secret.moved.as_ref().map(|moved| moved.to.clone());
    let marked = secret.vanished_at.is_some();
    Some(Stray { path, project_id, key, overlap: published.overlap, marked, moved_to })
}

/// A secret of ours that was there until its project had moved away.
fn withdrawn(path: &SecretPath, secret: &Secret) -> Option<Withdrawn> {
    let moved = secret.moved.clone().filter(|_| !matches!(secret.state, SecretState::Ours(_)))?;
    moved.key.is_some().then(|| Withdrawn { path: path.clone(), moved })
}
