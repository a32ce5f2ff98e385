//! What was attempted, for errors.

use std::fmt;

use crate::domain::ids::{OrganizationId, ProjectId};

/// A request, by what it is for. It names no key: the URLs of keys contain them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Exchange the password for a login token.
    LogIn,
    /// Ask the server whether it is well.
    AskHealth,
    /// Ask whether a password is right.
    TryPassword,
    /// Change the user's password.
    ChangePassword,
    /// Ask whose credential ours is.
    WhoAmI,
    /// List the organizations.
    Organizations,
    /// List the projects of an organization.
    Projects(OrganizationId),
    /// List the keys of an organization.
    OrganizationKeys(OrganizationId),
    /// List the keys of a project.
    ProjectKeys(ProjectId),
    /// Find one project.
    FindProject(ProjectId),
    /// Create a key in a project.
    CreateKey(ProjectId),
    /// Try a key.
    CheckKey,
    /// Disable a key, or enable it again.
    UpdateKey {
        /// Which of the two.
        disabled: bool,
    },
    /// Delete keys.
    DeleteKeys {
        /// How many.
        count: usize,
    },
}

impl Operation {
    /// The route as the server's documentation writes it, without the ids of keys.
    pub fn route(&self) -> &'static str {
        match self {
            Self::LogIn => "POST /api/v2/auth/login",
            Self::AskHealth => "GET /health",
            Self::WhoAmI | Self::TryPassword => "GET /api/v2/users/me",
            Self::ChangePassword => "POST /api/v2/auth/change-password",
            Self::Organizations => "GET /api/v2/organizations",
            Self::Projects(_) => "GET /api/v2/organizations/{id}/projects",
            Self::OrganizationKeys(_) => "GET /api/v2/organizations/{id}/tokens",
            Self::ProjectKeys(_) => "GET /api/v2/projects/{id}/tokens",
            Self::FindProject(_) => "GET /api/v2/projects/{id}",
            Self::CreateKey(_) => "POST /api/v2/projects/{id}/tokens",
            Self::CheckKey => "GET /api/v2/projects/config",
            Self::UpdateKey { .. } => "PATCH /api/v2/tokens/{id}",
            Self::DeleteKeys { .. } => "DELETE /api/v2/tokens/{ids}",
        }
    }

    /// Whether this status answers the question, besides any success: that there is no such thing, or that a key does
    /// not work.
    pub(super) fn is_answered_by(&self, status: u16) -> bool {
        match self {
            Self::CheckKey => matches!(status, 401 | 404),
            Self::TryPassword => status == 401,
            Self::FindProject(_) | Self::UpdateKey { .. } | Self::DeleteKeys { .. } => status == 404,
            _ => false,
        }
    }

    /// The stable word for logs and tests.
    pub fn label(&self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::AskHealth => "ask_health",
            Self::TryPassword => "try_password",
            Self::ChangePassword => "change_password",
            Self::WhoAmI => "who_am_i",
            Self::Organizations => "organizations",
            Self::Projects(_) => "projects",
            Self::OrganizationKeys(_) => "organization_keys",
            Self::ProjectKeys(_) => "project_keys",
            Self::FindProject(_) => "find_project",
            Self::CreateKey(_) => "create_key",
            Self::CheckKey => "check_key",
            Self::UpdateKey { .. } => "update_key",
            Self::DeleteKeys { .. } => "delete_keys",
        }
    }

    /// The project without which there is nothing to do.
    pub(super) fn project(&self) -> Option<&ProjectId> {
        match self {
            Self::ProjectKeys(id) | Self::CreateKey(id) => Some(id),
            Self::LogIn
            | Self::AskHealth
            | Self::TryPassword
            | Self::ChangePassword
            | Self::WhoAmI
            | Self::Organizations
            | Self::Projects(_)
            | Self::OrganizationKeys(_)
            | Self::FindProject(_)
            | Self::CheckKey
            | Self::UpdateKey { .. }
            | Self::DeleteKeys { .. } => None,
        }
    }

    /// Whether every Exceptionless has what was asked for, whoever asks.
    pub(super) fn always_exists(&self) -> bool {
        matches!(
            self,
            Self::LogIn | Self::TryPassword | Self::ChangePassword | Self::WhoAmI | Self::Organizations
        )
    }

    /// The endpoints that refuse API keys of every scope (`TokenHandler.cs`).
    pub(super) fn concerns_keys(&self) -> bool {
        match self {
            Self::OrganizationKeys(_) | Self::ProjectKeys(_) | Self::CreateKey(_) => true,
            Self::UpdateKey { .. } | Self::DeleteKeys { .. } => true,
            Self::LogIn | Self::AskHealth | Self::TryPassword | Self::ChangePassword => false,
            Self::WhoAmI | Self::Organizations | Self::CheckKey => false,
            Self::Projects(_) | Self::FindProject(_) => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn => f.write_str("log in"),
            Self::AskHealth => f.write_str("ask whether the server is well"),
            Self::TryPassword => f.write_str("ask whether a password is right"),
            Self::ChangePassword => f.write_str("change the password"),
            Self::WhoAmI => f.write_str("ask which user we are"),
            Self::Organizations => f.write_str("list the organizations"),
            Self::Projects(id) => write!(f, "list the projects of organization {id}"),
            Self::OrganizationKeys(id) => write!(f, "list the keys of organization {id}"),
            Self::ProjectKeys(id) => write!(f, "list the keys of project {id}"),
            Self::FindProject(id) => write!(f, "find project {id}"),
            Self::CreateKey(id) => write!(f, "create a key in project {id}"),
            Self::CheckKey => f.write_str("try a key"),
            Self::UpdateKey { disabled: true } => f.write_str("disable a key"),
            Self::UpdateKey { disabled: false } => f.write_str("enable a key"),
            Self::DeleteKeys { count: 1 } => f.write_str("delete a key"),
            Self::DeleteKeys { count } => write!(f, "delete {count} keys"),
        }
    }
}
