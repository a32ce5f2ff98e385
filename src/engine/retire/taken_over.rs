//! In an emergency: the keys that a secret has published, and that a person has taken over by editing their notes.
//!
//! They are not ours to revoke, and they may be the very ones that have leaked. The secret that published them is replaced
//! by then, and its list has only keys that are ours, so that only its earlier versions know of them. They are asked each
//! time, also when nothing else is left to do: who repeats an emergency until it says that all is done must not be told so
//! before they are gone.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;

use crate::domain::ids::ProjectId;
use crate::domain::path::SecretPath;
use crate::domain::project::Project;
use crate::domain::secret::SecretState;
use crate::engine::inventory::{Condition, Entry, KeyOwner};
use crate::exceptionless::KeyCheck;
use crate::plan::emergency::Cut;
use crate::plan::target::targets;
use crate::vault::VaultError;

use super::{Engine, event};

/// Names those that work, of all keys that were listed.
pub(super) async fn taken_over(
    engine: &Engine,
    existing: &[Arc<Project>],
    inventory: &[Entry],
    cut: Cut,
) -> Vec<String> {
    let mut suspects: HashMap<&ProjectId, Vec<&Entry>> = HashMap::new();
    for entry in inventory {
        // A published key that expires soon is replaced whatever its age.
        let is_meant = cut.covers(entry.created) || entry.condition == Condition::Published;
        let is_meant = is_meant && entry.owner == KeyOwner::Person && !entry.disabled;
        if let Some(project) = entry.project.as_ref().filter(|_| is_meant) {
            suspects.entry(&project.id).or_default().push(entry);
        }
    }
    let targets = targets(&engine.policy, existing.iter().cloned()).into_iter();
    let searches = targets.filter_map(|target| {
        let suspects = suspects.remove(&target.project.id)?;
        Some(search(engine, target.project, target.place.ok()?, suspects))
    });
    let found: Vec<_> =
        futures_util::stream::iter(searches).buffered(engine.concurrency).collect::<Vec<_>>().await;
    found.into_iter().flatten().collect()
}

async fn search(
    engine: &Engine,
    project: Arc<Project>,
    path: SecretPath,
    suspects: Vec<&Entry>,
) -> Vec<String> {
    let name = project.full_name();
    let published = match published(engine, &path, suspects).await {
        Ok(published) => published,
        Err(error) => {
            let error = event::chain(&error);
            return vec![format!(
                "{name}: which keys its secret has published could not be learned: {error}"
            )];
        }
    };
    let mut problems = Vec::new();
    for entry in published {
        let key = entry.key.fingerprint();
        match engine.exceptionless.key_works(&entry.key).await {
            Ok(KeyCheck::Refused | KeyCheck::ProjectGone) => {}
            Ok(KeyCheck::Works) => problems.push(format!(
                "{name}: key {key}, which its secret has published, works and is not ours to revoke, since its notes were \
                 edited; revoke it by hand"
            )),
            Err(error) => problems.push(format!(
                "{name}: key {key}, which its secret has published, is not ours to revoke, since its notes were edited; \
                 whether it works could not be learned: {}",
                event::chain(&error)
            )),
        }
    }
    problems
}

/// Those that a version of the secret has published, and that the latest does not.
async fn published<'a>(
    engine: &Engine,
    path: &SecretPath,
    mut suspects: Vec<&'a Entry>,
) -> Result<Vec<&'a Entry>, VaultError> {
    let latest = engine.vault.read(path).await?.state;
    let SecretState::Ours(now) = &latest else { return Ok(Vec::new()) };
    suspects.retain(|entry| !now.publishes(&entry.key));
    let mut found = Vec::new();
    for version in (1..now.version).rev() {
        if suspects.is_empty() {
            break;
        }
        match engine.vault.read_version(path, version).await?.state {
            SecretState::Ours(before) => {
                let (published, others) =
                    suspects.into_iter().partition(|entry| before.publishes(&entry.key));
                suspects = others;
                found.extend::<Vec<_>>(published);
            }
            SecretState::Absent => break,
            SecretState::Deleted { .. } | SecretState::Unclaimed { .. } | SecretState::Foreign { .. } => {}
        }
    }
    Ok(found)
}
