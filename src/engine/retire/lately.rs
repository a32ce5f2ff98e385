//! Whether a shared secret has published a key within the overlap, whatever its list says.
//!
//! The list says since when a key is old, and can be older than the version that has it: a write reached Vault long after it
//! was sent, or a person has brought an old version back. Where the secret is ours alone, the time of the version tells
//! ([`Published::old_since`](crate::domain::secret::Published::old_since)). In a shared one that time is mostly of another owner's write, and so the versions are asked,
//! from the latest back to the first that has been there for an overlap; mostly that is the latest. What Vault no longer
//! keeps cannot be asked: then the list stands, because others may write so often that no key would ever go.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::key::ApiKey;
use crate::domain::path::SecretPath;
use crate::domain::policy::Rule;
use crate::domain::secret::SecretState;
use crate::plan::promise;
use crate::vault::VaultError;

use super::Engine;

/// The latest version, if this key was not the published one for so long before this time as readers were promised.
pub(super) async fn replaced_for_long(
    engine: &Engine,
    path: &SecretPath,
    rule: &Rule,
    key: &ApiKey,
    earliest: DateTime<Utc>,
) -> Result<Option<u64>, VaultError> {
    let mut secret = engine.vault.read(path).await?;
    let latest = secret.state.version();
    let mut promised = TimeDelta::zero();
    for version in (0..latest).rev() {
        if let SecretState::Ours(ours) = &secret.state {
            if ours.publishes(key) {
                return Ok(None);
            }
            promised = promised.max(promise(ours.overlap, rule.overlap));
        }
        // Until this version was written, one before it may have published the key.
        if secret.created_at.is_some_and(|created| created + promised <= earliest) {
            break;
        }
        let before = engine.vault.read_version(path, version).await?;
        match before.state {
            SecretState::Absent => break,
            SecretState::Ours(_)
            | SecretState::Deleted { .. }
            | SecretState::Unclaimed { .. }
            | SecretState::Foreign { .. } => secret = before,
        }
    }
    Ok(Some(latest))
}
