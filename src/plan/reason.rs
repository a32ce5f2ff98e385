//! Why. One word per reason, the same in the log, the status and the metrics, and a sentence for people.

use std::fmt;

use crate::domain::ids::{Instance, ProjectId};
use crate::domain::path::SecretPath;

/// Why a project needs another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing was ever published for it.
    NeverPublished,
    /// The latest version of its secret is deleted or destroyed.
    SecretDeleted,
    /// Its secret is ours but lacks what it needs.
    SecretDamaged,
    /// Its path was taken over from another hand.
    PathAdopted,
    /// The schedule says so.
    Schedule,
    /// The published key no longer exists.
    KeyGone,
    /// The published key was disabled or suspended.
    KeyDisabled,
    /// The published key has expired, or will within the overlap.
    KeyExpiring,
    /// `rotated_at` lies so far ahead that a broken clock must have written it.
    RotatedInTheFuture,
    /// A person asked.
    Asked,
}

impl Due {
    /// The stable word for logs, status and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeverPublished => "never_published",
            Self::SecretDeleted => "secret_deleted",
            Self::SecretDamaged => "secret_damaged",
            Self::PathAdopted => "path_adopted",
            Self::Schedule => "schedule",
            Self::KeyGone => "key_gone",
            Self::KeyDisabled => "key_disabled",
            Self::KeyExpiring => "key_expiring",
            Self::RotatedInTheFuture => "rotated_in_the_future",
            Self::Asked => "asked",
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverPublished => "no key was published yet",
            Self::SecretDeleted => "the latest version of the secret is deleted",
            Self::SecretDamaged => "the secret lacks a key or the time of its rotation",
            Self::PathAdopted => "the path is taken over, as adopt_paths allows",
            Self::Schedule => "the schedule says so",
            Self::KeyGone => "the published key no longer exists at Exceptionless",
            Self::KeyDisabled => "the published key is disabled at Exceptionless",
            Self::KeyExpiring => "the published key has expired, or will within the overlap",
            Self::RotatedInTheFuture => "the secret claims to have been rotated in the future",
            Self::Asked => "asked for by a person",
        })
    }
}

/// Why nothing is published for a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Its key is fresh.
    UpToDate,
    /// Its organization is suspended.
    Suspended,
    /// Its path is not ours to write.
    Conflict(Conflict),
    /// The published key works, but not as a key of this project: a person must look.
    Misplaced,
    /// It could not be observed.
    Unseen(String),
}

impl Hold {
    /// The stable word for logs, status and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::Suspended => "organization_suspended",
            Self::Conflict(_) => "conflict",
            Self::Misplaced => "published_key_misplaced",
            Self::Unseen(_) => "unseen",
        }
    }

    /// Whether somebody must do something before this project can be rotated again.
    pub fn is_problem(&self) -> bool {
        match self {
            Self::UpToDate | Self::Suspended => false,
            Self::Conflict(_) | Self::Misplaced | Self::Unseen(_) => true,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("up to date"),
            Self::Suspended => f.write_str("its organization is suspended, so that no key of it works"),
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Misplaced => f.write_str(
                "the published key works, but Exceptionless does not list it as an enabled key of this project; \
                 if it was put there by hand, delete the secret's latest version and a new key is published",
            ),
            Self::Unseen(problem) => f.write_str(problem),
        }
    }
}

/// How a person takes a secret of ours away. All its versions go with its metadata, and what others have in them.
pub const REMOVE_IT: &str = "delete the secret with its metadata, or, where others have fields in it, only the rotator's \
                             own fields";

/// How many projects a sentence names.
const NAMED: usize = 5;

/// Why a path is not ours to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A secret without our mark.
    Unmarked,
    /// Another deployment's secret.
    OtherInstance(Instance),
    /// Our own secret, written under another `vault.write` or `vault.field_prefix`.
    OtherForm,
    /// Our own secret, written for another project.
    OtherProject(ProjectId),
    /// Several projects map to it.
    SharedPath {
        /// The path.
        path: SecretPath,
        /// All projects that map to it.
        projects: Vec<String>,
    },
    /// Another owner of a shared secret already has a field of this name.
    FieldTaken(String),
    /// The project's name gives no path.
    NoPath(String),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmarked => f.write_str(
                "the path holds a secret that the rotator did not write; move it away, choose another \
                 vault.path, or set vault.adopt_paths = true to take it over",
            ),
            Self::OtherInstance(instance) => write!(
                f,
                "the path belongs to the rotator instance {instance:?}; exclude the project here or there, \
                 or give this instance another vault.path",
                instance = instance.as_str()
            ),
            Self::OtherForm => write!(
                f,
                "the path holds the rotator's own fields in another form, which nobody would keep fresh beside the new ones; \
                 set vault.write and vault.field_prefix as they were, or, once no application reads them, {REMOVE_IT}"
            ),
            Self::OtherProject(id) => write!(
                f,
                "the path holds the key of project {id}; use {{project_id}} in vault.path, or, once no application reads \
                 it, {REMOVE_IT}"
            ),
            Self::SharedPath { path, projects } => write!(
                f,
                "{path} would be shared by {}{}; use {{project_id}} in vault.path or in the path of the [[override]], or \
                 give one of them a path of its own",
                projects[..projects.len().min(NAMED)].join(", "),
                match projects.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} others"),
                }
            ),
            Self::FieldTaken(name) => write!(
                f,
                "another owner of the secret already has the field {name:?}; choose another vault.field_prefix, if it begins with \
                 that, or another name in [secret.fields], or set vault.adopt_paths = true to take it over"
            ),
            Self::NoPath(problem) => write!(f, "no path can be made for it: {problem}"),
        }
    }
}
