//! What a command did to single keys, because a person asked for it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::key::Fingerprint;
use crate::domain::project::Project;

/// One key, and what was done to it.
#[derive(Debug)]
pub struct Deed {
    /// Its project, if it is known.
    pub project: Option<Arc<Project>>,
    /// The key.
    pub key: Fingerprint,
    /// What was done, in a stable word; or why nothing was, and what to do about that.
    pub outcome: Result<&'static str, String>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Deeds {
    /// The keys.
    pub deeds: Vec<Deed>,
    /// What could not be seen.
    pub blind: Vec<String>,
    /// Requests that counted against the Exceptionless budget.
    pub requests: u64,
}

impl Deeds {
    /// How many keys were done with.
    pub fn done(&self) -> usize {
        self.deeds.iter().filter(|deed| deed.outcome.is_ok()).count()
    }

    /// Whether everything is as it was asked for.
    pub fn is_clean(&self) -> bool {
        self.done() == self.deeds.len() && self.blind.is_empty()
    }

    pub(super) fn add(
        &mut self,
        project: &Arc<Project>,
        key: Fingerprint,
        outcome: Result<&'static str, String>,
    ) {
        self.deeds.push(Deed { project: Some(Arc::clone(project)), key, outcome });
    }

    pub(super) fn refuse(&mut self, project: Option<Arc<Project>>, key: Fingerprint, why: String) {
        self.deeds.push(Deed { project, key, outcome: Err(why) });
    }

    /// Keys that were asked for by name, and are not among what was found; some of their projects are known all the same.
    pub(super) fn miss(
        &mut self,
        wanted: &[Fingerprint],
        projects: &HashMap<Fingerprint, Arc<Project>>,
        why: &str,
    ) {
        for key in wanted {
            if !self.deeds.iter().any(|deed| deed.key == *key) {
                self.refuse(projects.get(key).cloned(), *key, why.to_owned());
            }
        }
    }
}
