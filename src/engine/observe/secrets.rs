//! Reads the secrets: those of the selected projects, and those of ours that lie where their projects do not live.
//!
//! The path of a project may be one that another project had before, when names make it: then the other's secret is still
//! there, and applications read it. So a path is passed over only if what stands there is known, or can be nobody else's.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt};

use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::SecretPath;
use crate::domain::secret::{Published, SecretState};
use crate::plan::reason::REMOVE_IT;
use crate::plan::target::Target;
use crate::plan::world::{Listed, Stray, Strays, Withdrawn};
use crate::vault::{Kind as VaultKind, Secret, VaultError};

use super::{Blind, Engine, PassError, event};

/// How the reading of a project's secret ended.
pub(super) enum Read {
    Suspended,
    NoPath,
    Failed(String),
    Secret(Secret),
}

/// Reads the secret of each target. One that cannot be read does not stop the others; but if none can,
/// or many in a row find no Vault, the pass ends before it decides anything. A `lenient` one goes on without
/// the right to read any.
pub(super) async fn read_secrets(
    engine: &Engine,
    targets: &[Target],
    suspended: &HashSet<OrganizationId>,
    lenient: bool,
) -> Result<HashMap<ProjectId, Read>, PassError> {
    let lost_in_a_row = AtomicUsize::new(0);
    let first_error = OnceLock::new();
    let read = |target: &'_ Target| {
        let place = target.place.as_ref().ok().cloned();
        let is_suspended = suspended.contains(&target.project.organization_id);
        let id = target.project.id.clone();
        let (lost_in_a_row, first_error) = (&lost_in_a_row, &first_error);
        async move {
            if is_suspended {
                return Ok((id, Read::Suspended));
            }
            let Some(path) = place else { return Ok((id, Read::NoPath)) };
            let outcome = match engine.vault.read(&path).await {
                Ok(secret) => {
                    lost_in_a_row.store(0, Ordering::Relaxed);
                    (id, Read::Secret(secret))
                }
                Err(error) => {
                    let lost = error.kind() == VaultKind::Unreachable;
                    if lost && lost_in_a_row.fetch_add(1, Ordering::Relaxed) >= 2 * engine.concurrency {
                        return Err(PassError::VaultLost(error));
                    }
                    let problem = unreadable(&path, &error);
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
    let any_active = read.iter().any(|(_, outcome)| !matches!(outcome, Read::Suspended));
    if any_active
        && !read.iter().any(|(_, outcome)| matches!(outcome, Read::Secret(_)))
        && let Some(error) = first_error.into_inner()
        && !(lenient && error.kind() == VaultKind::NotPermitted)
    {
        return Err(PassError::Vault(error));
    }
    Ok(read.into_iter().collect())
}

fn unreadable(path: &SecretPath, error: &VaultError) -> String {
    format!("its secret at {path} could not be read: {}", event::chain(error))
}

/// What the search for strays has to know of a path where a project lives.
enum Home<'a> {
    /// What stands there is known, or can only be that project's.
    Settled,
    /// Its organization is suspended, so that it was not read.
    Asleep(&'a ProjectId),
    /// It could not be read, or it is not for this pass to read.
    Dark,
}

/// Looks for secrets of ours at paths where their projects do not live. `others` are projects that this pass is not about.
pub(super) async fn find_strays(
    engine: &Engine,
    targets: &[Target],
    others: &[Target],
    reads: &HashMap<ProjectId, Read>,
    blind: &mut Blind,
) -> Option<Strays> {
    let mut found = Found::default();
    let mut homes = HashMap::new();
    for target in targets.iter().chain(others) {
        let Ok(path) = &target.place else { continue };
        let id = &target.project.id;
        let home = match reads.get(id) {
            Some(Read::Secret(secret)) => {
                found.note(path, secret, Some(id));
                Home::Settled
            }
            _ if target.rule.path.names_id() => Home::Settled,
            Some(Read::Suspended) => Home::Asleep(id),
            Some(Read::Failed(_) | Read::NoPath) | None => Home::Dark,
        };
        homes.insert(path, home);
    }
    let (mut unread, mut denied) = (false, Vec::new());
    for folder in engine.policy.folders() {
        let paths = match engine.vault.list(folder).await {
            Ok(paths) => paths,
            Err(error) => {
                blind.report(format!("the folder {folder:?} of the secrets: {}", event::chain(&error)));
                return None;
            }
        };
        unread |= paths.iter().any(|path| matches!(homes.get(path), Some(Home::Dark)));
        let lease = engine.ha.as_ref().map(|ha| &ha.lease_path);
        let elsewhere = paths.into_iter().filter(|path| {
            !matches!(homes.get(path), Some(Home::Settled | Home::Dark)) && Some(path) != lease
        });
        let reads: Vec<_> = futures_util::stream::iter(elsewhere)
            .map(|path| async move {
                let read = engine.vault.read(&path).await;
                (path, read)
            })
            .buffer_unordered(engine.concurrency)
            .collect()
            .await;
        for (path, read) in reads {
            let home = homes.get(&path);
            match read {
                Ok(secret) => {
                    let resident = home.and_then(|home| match home {
                        Home::Asleep(id) => Some(*id),
                        Home::Settled | Home::Dark => None,
                    });
                    found.note(&path, &secret, resident);
                }
                // What lies beside ours is not ours; where a project of ours lives, it may be.
                Err(error) if error.kind() == VaultKind::NotPermitted => {
                    unread |= home.is_some();
                    denied.push(path);
                }
                Err(error) => {
                    blind.report(unreadable(&path, &error));
                    return None;
                }
            }
        }
    }
    let denied = engine.unreadable.news(denied);
    if !denied.is_empty() {
        event::secrets_unreadable(&denied);
    }
    let Found { strays, withdrawn, published, listed, illegible } = found;
    for path in &illegible {
        blind.report(format!(
            "the secret at {path} has the rotator's own fields in another form, and no key was found in them, so that none \
             is revoked; once no application reads it, {REMOVE_IT}"
        ));
    }
    unread |= !illegible.is_empty();
    let (secrets, withdrawn) = (strays.into_values().collect(), withdrawn.into_values().collect());
    Some(Strays { secrets, published, listed, withdrawn, unread, ..Strays::default() })
}

/// What was found, by path: a folder may lie in another.
#[derive(Default)]
struct Found {
    strays: HashMap<SecretPath, Stray>,
    withdrawn: HashMap<SecretPath, Withdrawn>,
    published: HashSet<Fingerprint>,
    listed: Vec<Listed>,
    illegible: BTreeSet<SecretPath>,
}

impl Found {
    fn note(&mut self, path: &SecretPath, secret: &Secret, resident: Option<&ProjectId>) {
        self.withdrawn.extend(withdrawn(path, secret).map(|one| (path.clone(), one)));
        if let SecretState::Ours(published) = &secret.state {
            self.published.extend(published.api_key.as_ref().map(ApiKey::fingerprint));
            let writer = published.project_id.as_ref();
            if resident.is_none_or(|resident| writer.is_some_and(|writer| writer != resident)) {
                self.listed.extend(listed(published));
                self.strays.extend(writer.map(|id| (path.clone(), stray(path, secret, published, id))));
            }
        }
        // They are read by applications, and nobody keeps them fresh: so they are left as they are, with their keys.
        for form in &secret.other_forms {
            match &form.api_key {
                Some(key) => drop(self.published.insert(key.fingerprint())),
                // All that we wrote names its attempt. A mark alone is a quotation, and anybody can write that.
                None if form.rotation.is_some() => drop(self.illegible.insert(path.clone())),
                None => {}
            }
            self.listed.extend(listed(form));
        }
    }
}

/// What a secret lists for retirement.
fn listed(published: &Published) -> impl Iterator<Item = Listed> {
    let listed =
        |(key, _)| Some(Listed { key, since: published.old_since(key)?, overlap: published.overlap });
    published.retiring.iter().filter_map(listed)
}

/// A secret of ours that was written for another project than lives there, if one does.
fn stray(path: &SecretPath, secret: &Secret, published: &Published, project_id: &ProjectId) -> Stray {
    let (path, project_id) = (path.clone(), project_id.clone());
    let organization_id = published.organization_id.clone();
    let key = published.api_key.as_ref().map(ApiKey::fingerprint);
    let (marked, moved) = (secret.vanished_at.is_some(), secret.moved.clone());
    Stray { path, project_id, organization_id, key, overlap: published.overlap, marked, moved }
}

/// What was withdrawn because its project had moved away, also if another project publishes there by now.
fn withdrawn(path: &SecretPath, secret: &Secret) -> Option<Withdrawn> {
    let moved = secret.moved.clone()?;
    let key = moved.key?;
    let still = matches!(&secret.state, SecretState::Ours(now)
        if now.api_key.as_ref().is_some_and(|published| published.fingerprint() == key));
    (!still).then(|| Withdrawn { path: path.clone(), moved })
}
