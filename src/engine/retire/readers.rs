//! Which keys the readers of a secret may still hold: those that it published less than an overlap ago.
//!
//! For our own keys the list in the secret says that. It says nothing of a key whose notes a person has edited, nor of one
//! that applications had before there was a secret. The versions of the secret do, and so they are asked, from the latest
//! back to one that has been replaced for longer than its readers were promised. What they do not tell is not assumed.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clocks::time_text;
use crate::domain::key::Fingerprint;
use crate::domain::path::SecretPath;
use crate::domain::policy::Rule;
use crate::domain::secret::{Published, SecretState};
use crate::plan::span;

use super::{Engine, event};

/// The keys that readers may hold besides the published one, each with the time until then; or why that is not known.
pub(super) type Held = Result<HashMap<Fingerprint, DateTime<Utc>>, String>;

pub(super) async fn held(engine: &Engine, path: &SecretPath, rule: &Rule, published: &Published) -> Held {
    let earliest = engine.clocks().earliest();
    let mut held = HashMap::new();
    let mut later = published.clone();
    loop {
        let ended = began(engine, &later)?;
        let until = ended + promise(rule, &later);
        let Some(version) = later.version.checked_sub(1).filter(|version| *version > 0) else {
            return known(held, until, earliest);
        };
        let secret = engine.vault.read_version(path, version).await.map_err(|error| event::chain(&error))?;
        let SecretState::Ours(before) = secret.state else {
            return known(held, until, earliest);
        };
        // A person who brings an old version back brings its time back too.
        let ended = began(engine, &before).map_or(ended, |began| began.max(ended));
        let until = ended + promise(rule, &later).max(promise(rule, &before));
        if until <= earliest {
            return Ok(held);
        }
        if let Some(key) = &before.api_key {
            held.entry(key.fingerprint()).or_insert(until);
        }
        later = *before;
    }
}

/// What is before the oldest version that can be read, readers may hold for another overlap.
fn known(held: HashMap<Fingerprint, DateTime<Utc>>, until: DateTime<Utc>, earliest: DateTime<Utc>) -> Held {
    if until <= earliest {
        return Ok(held);
    }
    Err(format!(
        "no version of its project's secret has been there for an overlap, so that applications may not have read it yet; \
         repeat the command after {}",
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

fn promise(rule: &Rule, version: &Published) -> TimeDelta {
    span(version.overlap.unwrap_or_default().max(rule.overlap))
}
