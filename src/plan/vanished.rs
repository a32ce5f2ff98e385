//! The secrets of projects that no longer exist.
//!
//! Exceptionless says of a project that the user may not see just what it says of one that does not exist. So a secret is
//! deleted only while the user still sees the organization that the project was in.

use std::fmt;

use crate::domain::policy::{OnVanished, Policy};

use super::reason::REMOVE_IT;
use super::world::{Observed, Stray, Strays};

/// What becomes of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Vanished {
    /// To be marked as vanished, and kept.
    pub mark: Vec<Stray>,
    /// To be deleted, as the policy says.
    pub delete: Vec<Stray>,
    /// Too many at once to believe it.
    pub held: Option<Brake>,
}

/// Why nothing is done: when more than a tenth of the projects vanish at once, a lost membership or a
/// broken listing is likelier than that many deletions.
#[derive(Debug, PartialEq, Eq)]
pub struct Brake {
    /// Those that seem to have vanished.
    pub vanished: Vec<Stray>,
    /// How many projects were known, these included.
    pub known: usize,
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&str> = self.vanished.iter().map(|stray| stray.path.as_str()).collect();
        write!(
            f,
            "{} of {} known projects seem to have vanished at once, more than a tenth: nothing is done about \
             their secrets; check that the user is still a member of every organization, or, if the projects \
             were deleted, {REMOVE_IT}: {}",
            self.vanished.len(),
            self.known,
            paths.join(", ")
        )
    }
}

/// Judges the strays. Those that an earlier pass has marked do not count against the tenth again.
pub fn judge(policy: &Policy, projects: &[Observed], strays: Option<Strays>) -> Vanished {
    let Some(Strays { secrets, existing: Some(existing), organizations, .. }) = strays else {
        return Vanished::default();
    };
    let certain = |stray: &Stray| stray.organization_id.as_ref().is_some_and(|id| organizations.contains(id));
    let gone = secrets.into_iter().filter(|stray| !existing.contains(&stray.project_id));
    let (marked, vanished): (Vec<_>, Vec<_>) = gone.partition(|stray| stray.marked);
    let lives = |observed: &&Observed| {
        let writer = observed.ours().map(|published| published.project_id.as_ref());
        writer.is_some_and(|id| id.is_none_or(|id| *id == observed.target.project.id))
    };
    let known = projects.iter().filter(lives).count() + vanished.len();
    let believable = vanished.len() * 10 <= known;
    let mut verdict = Vanished::default();
    if !believable {
        verdict.held = Some(Brake { vanished, known });
    } else if policy.on_vanished == OnVanished::Keep {
        verdict.mark = vanished;
    } else {
        (verdict.delete, verdict.mark) = vanished.into_iter().partition(certain);
    }
    if policy.on_vanished == OnVanished::Delete {
        verdict.delete.extend(marked.into_iter().filter(certain));
    }
    verdict
}
