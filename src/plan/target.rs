//! Which projects are ours to rotate, and where each one's secret lives.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::path::SecretPath;
use crate::domain::policy::{Policy, Rule, Verdict};
use crate::domain::project::Project;

use super::reason::Conflict;

/// A selected project.
#[derive(Debug, Clone)]
pub struct Target {
    /// The project.
    pub project: Arc<Project>,
    /// Its rule, shared with all projects that have the same one.
    pub rule: Arc<Rule>,
    /// Where its secret lives, or why it cannot have a place.
    pub place: Result<SecretPath, Conflict>,
}

/// Selects projects and gives each its rule and its path. Two projects on one path are both in conflict:
/// whichever wrote first would be overwritten by the other at its next rotation.
pub fn targets(policy: &Policy, projects: impl IntoIterator<Item = impl Into<Arc<Project>>>) -> Vec<Target> {
    let mut rules: HashMap<*const Rule, Arc<Rule>> = HashMap::new();
    let mut targets: Vec<Target> = projects
        .into_iter()
        .map(Into::into)
        .filter(|project: &Arc<Project>| matches!(policy.selection.judge(project), Verdict::Included(_)))
        .map(|project| {
            let rule = policy.rule_for(&project);
            let rule =
                Arc::clone(rules.entry(std::ptr::from_ref(rule)).or_insert_with(|| Arc::new(rule.clone())));
            let place = rule.path.path_for(&project).map_err(|error| Conflict::NoPath(error.to_string()));
            Target { project, rule, place }
        })
        .collect();

    let mut residents: HashMap<SecretPath, Vec<usize>> = HashMap::new();
    for (index, target) in targets.iter().enumerate() {
        if let Ok(path) = &target.place {
            residents.entry(path.clone()).or_default().push(index);
        }
    }
    for (path, indices) in residents.into_iter().filter(|(_, indices)| indices.len() > 1) {
        // With their ids, since it may be their names that are the same.
        let name = |project: &Project| format!("{} ({})", project.full_name(), project.id);
        let names: Vec<String> = indices.iter().map(|index| name(&targets[*index].project)).collect();
        for index in indices {
            targets[index].place = Err(Conflict::SharedPath { path: path.clone(), projects: names.clone() });
        }
    }
    targets
}
