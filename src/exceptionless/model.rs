//! What Exceptionless answers, in the words of the rotator.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::ApiKey;

/// The user whose credential ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's e-mail address.
    pub email: String,
    /// The organizations that the user belongs to.
    pub organization_ids: Vec<OrganizationId>,
}

/// What became of a change of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was done.
    Done,
    /// The server did not take it: the present password is another, or it has a rule about the new one.
    Refused {
        /// The status by which it said so.
        status: u16,
    },
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, as people see it.
    pub name: Arc<str>,
    /// Whether the server has suspended it, and with it all its keys.
    pub is_suspended: bool,
}

/// The keys of an organization, as far as they can be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyListing {
    /// All of them were seen.
    Complete(Keys),
    /// More than one listing can reach: they must be listed project by project.
    TooMany {
        /// How many there are.
        count: u64,
    },
}

/// What a complete listing has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The keys that were asked for.
    pub kept: Vec<ListedKey>,
    /// How many were listed.
    pub seen: u64,
}

/// A key as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub key: ApiKey,
    /// Its project; a key of a whole organization has none.
    pub project_id: Option<ProjectId>,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// What it may do. Old keys have none, which counts as `client`.
    pub scopes: Vec<String>,
    /// What somebody wrote about it.
    pub notes: Option<String>,
    /// Whether a person has disabled it.
    pub is_disabled: bool,
    /// Whether it is suspended with its organization.
    pub is_suspended: bool,
    /// When it stops working by itself.
    pub expires: Option<DateTime<Utc>>,
    /// When it was created, by the server's clock.
    pub created: DateTime<Utc>,
    /// When it was last changed, by the server's clock.
    pub updated: DateTime<Utc>,
}

/// A key that was just created. It shall be checked before it is used: the server silently replaces what
/// it does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// The key.
    pub key: ApiKey,
    /// The project that it belongs to.
    pub project_id: Option<ProjectId>,
    /// The organization that it belongs to.
    pub organization_id: OrganizationId,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its notes, which should be the marker that was sent.
    pub notes: Option<String>,
    /// When it was created, by the server's clock.
    pub created: DateTime<Utc>,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// All keys were there, and are gone.
    All,
    /// Some or all were not found. Mostly they were gone before; but a key that this user no longer sees is
    /// not found either, and may still work.
    Unfound,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The key is as it shall be.
    Done,
    /// It is gone, or not this user's to see.
    Unfound,
}

/// What Exceptionless says to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCheck {
    /// It works. Which project it belongs to is not said.
    Works,
    /// It is unknown, disabled, suspended or expired, or it is no client key of a project.
    Refused,
    /// Its project does not exist any more.
    ProjectGone,
}
