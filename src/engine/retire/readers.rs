//! Which keys the readers of a secret may still hold: those that it published less than an overlap ago.
//!
//! For our own keys the list in the secret says that. It says nothing of a key whose notes a person has edited, nor of one
//! that applications had before there was a secret. The versions of the secret do, and so all that Vault keeps are asked:
//! an earlier one may have promised more than those that followed it. What they do not tell is not assumed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::clocks::time_text;
use crate::domain::key::Fingerprint;
use crate::domain::path::SecretPath;
use crate::domain::policy::Rule;
use crate::domain::secret::{Published, SecretState};
use crate::plan::{promise, span};

use super::{Engine, event};

/// The keys that readers may hold besides the published one, each with the time until then; or why that is not known.
pub(super) type Held = Result<HashMap<Fingerprint, DateTime<Utc>>, String>;

pub(super) async fn held(engine: &Engine, path: &SecretPath, rule: &Rule, published: &Published) -> Held {
    let earliest = engine.clocks().earliest();
    let mut held = HashMap::new();
    let mut later = published.clone();
    let mut since = began(engine, &later)?;
    for version in (1..published.version).rev() {
        let secret = engine.vault.read_version(path, version).await.map_err(|error| event::chain(&error))?;
        let before = match secret.state {
            SecretState::Ours(before) => before,
            SecretState::Absent => break,
            SecretState::Deleted { .. } | SecretState::Unclaimed { .. } | SecretState::Foreign { .. } => {
                has_settled(rule, &later, since, earliest)?;
                continue;
            }
        };
        // A person who brings an old version back brings its time back too. What does not say when it began, began before
        // what followed it did.
        let began = began(engine, &before).unwrap_or(since);
        let until = since.max(began)
            + promise(later.overlap, rule.overlap).max(promise(before.overlap, rule.overlap));
        if let Some(key) = before.api_key.as_ref().filter(|_| until > earliest) {
            let held = held.entry(key.fingerprint()).or_insert(until);
            *held = until.max(*held);
        }
        (later, since) = (*before, began);
    }
    has_settled(rule, &later, since, earliest)?;
    Ok(held)
}

/// What is before a version, and cannot be read, readers may hold for another overlap.
fn has_settled(
    rule: &Rule,
    version: &Published,
    since: DateTime<Utc>,
    earliest: DateTime<Utc>,
) -> Result<(), String> {
    let until = since + promise(version.overlap, rule.overlap);
    if until <= earliest {
        return Ok(());
    }
    Err(format!(
        "its project's secret has not been there for the overlap that it has promised, so that applications may not have \
         read it yet; repeat the command after {}",
        time_text(until)
    ))
}

/// The latest time at which readers may have got something older. Vault's time is that of this very version, where
/// others make no versions.
fn began(engine: &Engine, version: &Published) -> Result<DateTime<Utc>, String> {
    let rotated = version.rotated_at.ok_or(
        "a version of its project's secret does not say when it was published; rotate the project, and repeat the \
         command when an overlap has passed",
    )?;
    let sent = rotated + span(engine.policy.publication_limit);
    Ok(version.written_at.map_or(sent, |written| written.max(sent)))
}
