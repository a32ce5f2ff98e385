//! What the operator's patterns make of the projects that exist: for whoever asks why a project is left out, and which
//! pattern is a slip of the pen. The decisions themselves are in [`target`](super::target).

use std::fmt;
use std::sync::Arc;

use crate::domain::key::without_keys;
use crate::domain::policy::{Pattern, Policy, Verdict};
use crate::domain::project::Project;

/// Which of the selected projects a command is for: all, unless it names some. Where it names projects and
/// organizations, these projects of these organizations.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Projects that match one of these.
    pub projects: Vec<Pattern>,
    /// Projects of an organization that matches one of these.
    pub organizations: Vec<Pattern>,
}

impl Only {
    /// Whether none is named.
    pub fn is_all(&self) -> bool {
        self.projects.is_empty() && self.organizations.is_empty()
    }

    /// Whether the command is for this project.
    pub fn wants(&self, project: &Project) -> bool {
        self.is_all() || self.names(project)
    }

    fn names(&self, project: &Project) -> bool {
        let by_name = self.projects.iter().any(|pattern| pattern.matches(project));
        let by_home = self.organizations.iter().any(|pattern| pattern.matches_organization_of(project));
        match (self.projects.is_empty(), self.organizations.is_empty()) {
            (false, false) => by_name && by_home,
            _ => by_name || by_home,
        }
    }

    /// The patterns, for people.
    pub fn named(&self) -> String {
        let patterns = self.projects.iter().chain(&self.organizations);
        let shown = |pattern: &Pattern| format!("{:?}", without_keys(pattern.as_str()));
        patterns.map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// A project that the configuration leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The project.
    pub project: Arc<Project>,
    /// By which pattern, or for want of which.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not selected: {}", self.project.full_name(), self.why)
    }
}

/// The projects that match what is wanted, and that the configuration leaves out.
pub fn left_out(policy: &Policy, existing: &[Arc<Project>], wanted: &Only) -> Vec<LeftOut> {
    let is_wanted = |project: &&Arc<Project>| wanted.names(project);
    existing
        .iter()
        .filter(is_wanted)
        .filter_map(|project| match policy.selection.judge(project) {
            Verdict::Included(_) => None,
            verdict => Some(LeftOut { project: Arc::clone(project), why: verdict.to_string() }),
        })
        .collect()
}

/// The patterns that decide nothing, each with what is wrong with it.
pub fn idle(policy: &Policy, existing: &[Arc<Project>]) -> Vec<String> {
    let selection = &policy.selection;
    let listed = [("projects.include", &selection.include), ("projects.exclude", &selection.exclude)];
    let listed =
        listed.into_iter().flat_map(|(key, patterns)| patterns.iter().map(move |one| (key.to_owned(), one)));
    let matches = policy.overrides.iter().enumerate();
    let matches = matches.flat_map(|(index, special)| {
        special.matches.iter().map(move |one| (format!("override[{index}].match"), one))
    });
    let mut idle: Vec<String> = listed
        .chain(matches)
        .filter(|(_, pattern)| !existing.iter().any(|project| pattern.matches(project)))
        .map(|(key, pattern)| format!("{key} has {:?}, which matches no project", pattern.as_str()))
        .collect();

    let ruled: Vec<_> =
        existing.iter().filter_map(|project| Some((project, policy.override_for(project)?.0))).collect();
    for (index, special) in policy.overrides.iter().enumerate() {
        let mut matched =
            ruled.iter().filter(|(project, _)| special.matches.iter().any(|one| one.matches(project)));
        let Some((_, first)) = matched.next() else { continue };
        if *first != index && matched.all(|(_, ruling)| *ruling != index) {
            idle.push(format!(
                "override[{index}] rules no project: override[{first}] stands before it, and the first that matches \
                 rules"
            ));
        }
    }
    idle
}
