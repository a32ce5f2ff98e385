//! The things that exist on the server, as plain data.
//!
//! Fields are public: a test reads them freely. It edits them through [`super::State`], which keeps the indexes true.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Someone who can log in.
#[derive(Debug, Clone)]
pub struct User {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The login name.
    pub email: String,
    /// In clear, so that tests can search their logs for it.
    pub password: String,
    /// The display name.
    pub full_name: String,
    /// The organizations the user is a member of.
    pub organization_ids: Vec<String>,
    /// An inactive user cannot log in, though a login token of his goes on working (contract 1.4).
    pub active: bool,
    /// Holds the role `global`.
    pub global_admin: bool,
}

/// An organization.
#[derive(Debug, Clone)]
pub struct Organization {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The display name.
    pub name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// All its keys were suspended with it (contract 3.7).
    pub suspended: bool,
    /// Event posts answer 402.
    pub over_monthly_limit: bool,
}

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its organization.
    pub organization_id: String,
    /// The display name; can repeat and can change.
    pub name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// What `projects/config` hands to clients.
    pub settings: BTreeMap<String, String>,
    /// The version of those settings.
    pub config_version: u64,
    /// Listings do not show it before this moment.
    pub(crate) listed_from: DateTime<Utc>,
    /// The name that listings show until a moment, after a rename.
    pub(crate) former_name: Option<(String, DateTime<Utc>)>,
}

impl Project {
    /// The name a listing shows: searches lag behind a rename (contract 7).
    pub(crate) fn listed_name(&self, now: DateTime<Utc>) -> &str {
        match &self.former_name {
            Some((name, until)) if now < *until => name,
            Some(_) | None => &self.name,
        }
    }
}

/// An API key ("access token"). Its id is the secret itself.
#[derive(Debug, Clone)]
pub struct Token {
    /// The secret.
    pub id: String,
    /// Always present, also on organization-level keys.
    pub organization_id: String,
    /// Absent on organization-level keys.
    pub project_id: Option<String>,
    /// The project an organization-level key speaks for by default.
    pub default_project_id: Option<String>,
    /// Set on old tokens that belong to a person; the API cannot create them.
    pub user_id: Option<String>,
    /// Empty on old tokens, which then act as `client`.
    pub scopes: Vec<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Past it, the key is dead but stays in listings.
    pub expires: Option<DateTime<Utc>>,
    /// Switched off by a PATCH.
    pub disabled: bool,
    /// Switched off with its organization.
    pub suspended: bool,
    /// The first sort key of listings.
    pub created: DateTime<Utc>,
    /// The last change.
    pub updated: DateTime<Utc>,
    /// Shown with dates that lack the `Z`, as in old documents.
    pub zoneless_dates: bool,
}

impl Token {
    /// A `client` key of a project, as the API makes it from an empty body.
    pub fn client(id: String, organization_id: &str, project_id: &str, created: DateTime<Utc>) -> Self {
        Self {
            id,
            organization_id: organization_id.to_owned(),
            project_id: Some(project_id.to_owned()),
            default_project_id: None,
            user_id: None,
            scopes: vec!["client".to_owned()],
            notes: None,
            expires: None,
            disabled: false,
            suspended: false,
            created,
            updated: created,
            zoneless_dates: false,
        }
    }

    /// Whether the key opens the door at this moment (contract 1.4).
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        !self.disabled && !self.suspended && self.expires.is_none_or(|expires| expires >= now)
    }

    /// The project an event posted with this key goes to.
    pub fn effective_project(&self) -> Option<&str> {
        self.project_id.as_deref().or(self.default_project_id.as_deref())
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    pub(crate) fn acts_as_client(&self) -> bool {
        self.scopes.is_empty() || self.has_scope("client")
    }
}

/// A login session ("authentication token"). It appears in no listing.
#[derive(Debug, Clone)]
pub struct Login {
    /// The secret.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Three calendar months later; never extended.
    pub expires: DateTime<Utc>,
}

/// A key that was deleted through the API.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The key as it was.
    pub key: Token,
    /// When, by the machine's clock, not the server's.
    pub at: DateTime<Utc>,
}
