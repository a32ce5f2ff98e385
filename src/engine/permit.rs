//! Asks Vault what we may do before anything is minted: a key that cannot be published should not be
//! made.

use std::collections::{BTreeMap, HashMap};

use crate::domain::path::SecretPath;
use crate::plan::Step;
use crate::vault::{MAX_ASKED_AT_ONCE, grants};

use super::Engine;
use super::report::Failure;

/// The paths that the plan wants to write and the policy does not let us. Where Vault will not tell, we
/// find out by trying.
pub(super) async fn missing(engine: &Engine, steps: &[Step]) -> HashMap<SecretPath, Failure> {
    let places: BTreeMap<String, (&SecretPath, &'static str)> = steps
        .iter()
        .filter(|step| step.publishes())
        .filter_map(|step| {
            let path = step.observed.target.place.as_ref().ok()?;
            let needed = engine.vault.right_to_publish(&step.observed.sight()?.secret);
            Some((engine.vault.data_path(path), (path, needed)))
        })
        .collect();
    let mut missing = HashMap::new();
    let paths: Vec<String> = places.keys().cloned().collect();
    for question in paths.chunks(MAX_ASKED_AT_ONCE) {
        let Ok(answer) = engine.vault.capabilities(question).await else { continue };
        for (path, granted) in answer {
            let Some((place, needed)) = places.get(&path) else { continue };
            if !grants(&granted, needed) {
                missing.insert((*place).clone(), Failure::NotPermitted { path, missing: needed });
            }
        }
    }
    missing
}
