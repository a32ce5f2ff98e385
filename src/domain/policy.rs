//! What the operator wants, project by project.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::ids::{Instance, ProjectId};
use super::path::PathTemplate;
use super::project::Project;
use super::schedule::Schedule;
use super::shape::Shape;

/// How long an attempt may take before it publishes nothing more, and how old an unlisted key must be
/// before it is enrolled. Ten minutes is far longer than a mint, a verification and a publication take,
/// and short against any sensible overlap.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(600);

/// A request that is not answered by then has waited for the request budget.
const LONGEST_RETURN: Duration = Duration::from_secs(60);

/// The checked wishes of the operator.
#[derive(Debug, Clone)]
pub struct Policy {
    /// This deployment.
    pub instance: Instance,
    /// The Exceptionless server, as it stands in each secret.
    pub server_url: String,
    /// Which projects are ours to rotate.
    pub selection: Selection,
    /// The rule for projects that no override matches.
    pub rule: Rule,
    /// Rules for some projects; the first match wins.
    pub overrides: Vec<Override>,
    /// Which fields a secret has.
    pub shape: Arc<Shape>,
    /// Take over paths that hold a secret without a mark.
    pub adopt_paths: bool,
    /// What becomes of the secret of a deleted project.
    pub on_vanished: OnVanished,
    /// The longest that a publication may take: `vault.timeout`.
    pub publication_limit: Duration,
}

impl Policy {
    /// The rule for one project.
    pub fn rule_for(&self, project: &Project) -> &Rule {
        self.override_for(project).map_or(&self.rule, |(index, _)| &self.overrides[index].rule)
    }

    /// Which override rules a project, by its place in the list, and which of its patterns says so.
    pub fn override_for(&self, project: &Project) -> Option<(usize, &Pattern)> {
        let mut ruling = self.overrides.iter().enumerate();
        ruling.find_map(|(index, special)| Some((index, first_match(&special.matches, project)?)))
    }

    /// The folders below which all secrets of ours lie, whatever project they are for.
    pub fn folders(&self) -> HashSet<&str> {
        let rules = self.overrides.iter().map(|special| &special.rule);
        std::iter::once(&self.rule).chain(rules).map(|rule| rule.path.folder()).collect()
    }
}

/// How one project is rotated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Where its secret lives.
    pub path: PathTemplate,
    /// When its key is due.
    pub schedule: Schedule,
    /// The width over which due times are spread.
    pub splay: Duration,
    /// How long a key keeps working after it was replaced.
    pub overlap: Duration,
    /// What becomes of it then.
    pub revocation: Revocation,
}

/// How a key whose time is over is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It is deleted.
    Delete,
    /// It is disabled, and deleted later.
    DisableThenDelete {
        /// How long it can be brought back.
        disabled_for: Duration,
    },
}

impl Rule {
    /// How much later than the schedule's time this project is due: a stable share of the splay, in whole
    /// seconds, so that projects do not all come at once and a restart changes nothing.
    pub fn delay(&self, project: &ProjectId) -> TimeDelta {
        let digest = Sha256::digest(project.as_str().as_bytes());
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        let seconds = u64::from_be_bytes(head) % self.splay.as_secs().max(1);
        TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0))
    }

    /// How long after it was listed anew a key may still be enabled: the rest of its overlap is what it comes back for.
    pub fn latest_return(&self) -> Duration {
        (self.overlap / 4).min(LONGEST_RETURN)
    }

    /// How old a key of ours must be, when nothing lists it, before it is enrolled for retirement; and
    /// the age past which an attempt publishes nothing more. Being one and the same, the key of a live
    /// attempt is never enrolled by somebody else.
    pub fn enrol_age(&self) -> Duration {
        self.overlap.min(LONGEST_ATTEMPT)
    }
}

/// A rule for the projects that match.
#[derive(Debug, Clone)]
pub struct Override {
    /// Any of these must match.
    pub matches: Vec<Pattern>,
    /// The general rule with this override's changes.
    pub rule: Rule,
}

/// Which projects are rotated: any `include` matches and no `exclude` does.
#[derive(Debug, Clone)]
pub struct Selection {
    /// At least one must match.
    pub include: Vec<Pattern>,
    /// None may match.
    pub exclude: Vec<Pattern>,
}

impl Selection {
    /// Whether a project is ours to rotate, and by which pattern.
    pub fn judge(&self, project: &Project) -> Verdict<'_> {
        match (first_match(&self.include, project), first_match(&self.exclude, project)) {
            (_, Some(pattern)) => Verdict::Excluded(pattern),
            (Some(pattern), None) => Verdict::Included(pattern),
            (None, None) => Verdict::NotIncluded,
        }
    }
}

fn first_match<'a>(patterns: &'a [Pattern], project: &Project) -> Option<&'a Pattern> {
    patterns.iter().find(|pattern| pattern.matches(project))
}

/// What the selection says of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is rotated.
    Included(&'a Pattern),
    /// It is left out, whatever includes it.
    Excluded(&'a Pattern),
    /// Nothing includes it.
    NotIncluded,
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Included(pattern) => write!(f, "projects.include has {:?}", pattern.as_str()),
            Self::Excluded(pattern) => write!(f, "projects.exclude has {:?}", pattern.as_str()),
            Self::NotIncluded => f.write_str("no pattern of projects.include matches it"),
        }
    }
}

/// A glob over a project's id, its name, `organization/name`, and the same with the organization's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(glob::Pattern);

/// A glob that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a glob: {problem}")]
pub struct InvalidPattern {
    text: String,
    problem: String,
}

impl Pattern {
    /// Reads `*`, `?` and `[...]`; everything else stands for itself. Case matters.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = |problem: String| InvalidPattern { text: text.to_owned(), problem };
        if text.is_empty() {
            return Err(invalid("it is empty; \"*\" matches every project".to_owned()));
        }
        glob::Pattern::new(text)
            .map(Self)
            .map_err(|error| invalid(format!("{}; write [[] for a bracket itself", error.msg)))
    }

    /// Whether the project's id, name or full name matches.
    pub fn matches(&self, project: &Project) -> bool {
        self.0.matches(project.id.as_str())
            || self.0.matches(&project.name)
            || self.0.matches(&project.full_name())
            || self.names_an_organization() && self.0.matches(&project.name_by_id())
    }

    /// So that a glob over the ids of projects, such as `64f0*`, says nothing about organizations.
    fn names_an_organization(&self) -> bool {
        self.as_str().contains('/')
    }

    /// Whether the id or the name of the project's organization matches.
    pub fn matches_organization_of(&self, project: &Project) -> bool {
        self.0.matches(project.organization_id.as_str()) || self.0.matches(&project.organization_name)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// What becomes of the secret of a project that no longer exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnVanished {
    /// Mark it, and keep it.
    Keep,
    /// Delete its latest version, which `undelete` brings back.
    Delete,
}
