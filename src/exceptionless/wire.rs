//! The JSON of Exceptionless, on its way to and from the types of the rotator.
//!
//! Unknown members are ignored, absent ones have a meaning, and what makes no sense is named without being
//! repeated. Ids are borrowed from the body, which is wiped: the id of a token is the key.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::model::{CreatedKey, ListedKey, Organization, User};
use super::refusal::Unreadable;
use crate::domain::clocks::plausible;
use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::ApiKey;
use crate::domain::marker::Marker;
use crate::domain::project::Project;

/// `POST auth/login`
#[derive(Serialize)]
pub(super) struct Login<'a> {
    pub(super) email: &'a str,
    pub(super) password: &'a str,
}

/// `POST auth/change-password`
#[derive(Serialize)]
pub(super) struct ChangePassword<'a> {
    pub(super) current_password: &'a str,
    pub(super) password: &'a str,
}

/// The answer to a login.
#[derive(Deserialize)]
pub(super) struct LoggedIn<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
}

/// The body of a refusal. Its `instance` contains keys and is not read.
#[derive(Deserialize)]
pub(super) struct Problem<'a> {
    #[serde(borrow, default)]
    pub(super) title: Cow<'a, str>,
}

/// `POST projects/{id}/tokens`
#[derive(Serialize)]
pub(super) struct NewToken<'a> {
    pub(super) scopes: [&'a str; 1],
    pub(super) notes: &'a str,
}

/// `PATCH tokens/{id}`
#[derive(Serialize)]
pub(super) struct UpdateToken {
    pub(super) is_disabled: bool,
}

/// `GET users/me`
#[derive(Deserialize)]
pub(super) struct CurrentUser {
    id: String,
    #[serde(default)]
    email_address: String,
    #[serde(default)]
    organization_ids: Vec<String>,
}

/// An item of `GET organizations`
#[derive(Deserialize)]
pub(super) struct ViewOrganization {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    is_suspended: bool,
}

/// An item of `GET organizations/{id}/projects`
#[derive(Deserialize)]
pub(super) struct ViewProject<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

/// An item of the listings of keys, and the answer to a create.
#[derive(Deserialize)]
pub(super) struct ViewToken<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    organization_id: String,
    project_id: Option<String>,
    scopes: Option<Vec<String>>,
    notes: Option<String>,
    #[serde(default)]
    is_disabled: bool,
    #[serde(default)]
    is_suspended: bool,
    expires_utc: Option<String>,
    created_utc: String,
    updated_utc: Option<String>,
}

/// `GET projects/config`
#[derive(Deserialize)]
pub(super) struct ProjectConfig {
    #[serde(rename = "version")]
    _version: i64,
}

/// The answer to a deletion that was not done in full.
#[derive(Deserialize)]
pub(super) struct WorkResults {
    #[serde(default)]
    failure: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    status_code: u16,
}

impl LoggedIn<'_> {
    /// A token that is empty or fits in no header would be a login that is made anew, and counted, each time.
    pub(super) fn read(&self) -> Result<SecretString, Unreadable> {
        let fits = !self.token.is_empty() && self.token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(self.token.as_ref().into()) } else { Err(Unreadable::Value { field: "token" }) }
    }
}

impl CurrentUser {
    /// Whether it is this user's. Proxies and caches answer too, and with another user's document.
    pub(super) fn is_of(&self, email: &str) -> Result<(), Unreadable> {
        let same = self.email_address.trim().to_lowercase() == email.trim().to_lowercase();
        if same { Ok(()) } else { Err(Unreadable::Value { field: "email_address" }) }
    }

    pub(super) fn read(self) -> Result<User, Unreadable> {
        let organization_ids =
            self.organization_ids.iter().map(|id| organization(id)).collect::<Result<_, _>>()?;
        Ok(User { id: printable(&self.id), email: printable(&self.email_address), organization_ids })
    }
}

impl ViewOrganization {
    pub(super) fn read(self) -> Result<Organization, Unreadable> {
        let id = organization(&self.id)?;
        Ok(Organization { id, name: printable(&self.name).into(), is_suspended: self.is_suspended })
    }
}

impl ViewProject<'_> {
    pub(super) fn read(&self, of: &Organization) -> Result<Project, Unreadable> {
        let id = ProjectId::parse(&self.id).map_err(|_| Unreadable::Value { field: "project id" })?;
        let name = printable(&self.name);
        Ok(Project { id, name, organization_id: of.id.clone(), organization_name: Arc::clone(&of.name) })
    }
}

impl ViewToken<'_> {
    /// `None` for a token that cannot be a key of ours: by its id, or because a field is not what the API
    /// sends and its notes do not carry the rotator's marker. One odd token shall not hide all the others.
    pub(super) fn listed(&self) -> Result<Option<ListedKey>, Unreadable> {
        match self.read() {
            Err(_) if self.notes.as_deref().and_then(Marker::parse).is_none() => Ok(None),
            read => read,
        }
    }

    fn read(&self) -> Result<Option<ListedKey>, Unreadable> {
        let Ok(key) = ApiKey::parse(&self.id) else { return Ok(None) };
        Ok(Some(ListedKey {
            key,
            project_id: self.project()?,
            organization_id: organization(&self.organization_id)?,
            scopes: self.scopes.clone().unwrap_or_default(),
            notes: self.notes.clone(),
            is_disabled: self.is_disabled,
            is_suspended: self.is_suspended,
            expires: self.expires_utc.as_deref().and_then(end),
            created: time(&self.created_utc, "created_utc")?,
            updated: self.changed_at()?,
        }))
    }

    /// When it was last changed. Who leaves that out has never changed it.
    fn changed_at(&self) -> Result<DateTime<Utc>, Unreadable> {
        match self.updated_utc.as_deref() {
            Some(text) => time(text, "updated_utc"),
            None => time(&self.created_utc, "created_utc"),
        }
    }

    /// The answer to a change, which must be what was asked for.
    pub(super) fn updated(&self, disabled: bool) -> Result<(), Unreadable> {
        if self.is_disabled == disabled { Ok(()) } else { Err(Unreadable::Value { field: "is_disabled" }) }
    }

    pub(super) fn created(&self) -> Result<CreatedKey, Unreadable> {
        Ok(CreatedKey {
            key: ApiKey::parse(&self.id).map_err(|_| Unreadable::Value { field: "token id" })?,
            project_id: self.project()?,
            organization_id: organization(&self.organization_id)?,
            scopes: self.scopes.clone().unwrap_or_default(),
            notes: self.notes.as_deref().map(str::to_owned),
            created: time(&self.created_utc, "created_utc")?,
        })
    }

    fn project(&self) -> Result<Option<ProjectId>, Unreadable> {
        match self.project_id.as_deref() {
            None | Some("") => Ok(None),
            Some(id) => ProjectId::parse(id).map(Some).map_err(|_| Unreadable::Value { field: "project_id" }),
        }
    }
}

impl WorkResults {
    /// How many ids were neither deleted nor unknown; `None` if the answer names no failure at all.
    pub(super) fn denied(&self) -> Option<usize> {
        let denied = self.failure.iter().filter(|failure| failure.status_code != 404).count();
        (!self.failure.is_empty()).then_some(denied)
    }
}

/// A page of projects, read as the client reads it; how many there are. For the benchmark.
#[doc(hidden)]
pub fn projects(body: &[u8], of: &Organization) -> Option<usize> {
    let page: Vec<ViewProject<'_>> = serde_json::from_slice(body).ok()?;
    let projects: Vec<Project> =
        page.iter().map(|project| project.read(of)).collect::<Result<_, _>>().ok()?;
    Some(projects.len())
}

/// A page of keys, likewise.
#[doc(hidden)]
pub fn keys(body: &[u8]) -> Option<usize> {
    let page: Vec<ViewToken<'_>> = serde_json::from_slice(body).ok()?;
    let keys: Vec<Option<ListedKey>> = page.iter().map(ViewToken::listed).collect::<Result<_, _>>().ok()?;
    Some(keys.len())
}

/// JSON for a request.
pub(super) fn encode(body: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Structs of strings have no way to fail; an empty body is refused by the server.
    Zeroizing::new(serde_json::to_vec(body).unwrap_or_default())
}

/// A name without what would steer a terminal, or begin a line of its own in a table: names are written by
/// other people, and stand in all that we print.
fn printable(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

fn organization(id: &str) -> Result<OrganizationId, Unreadable> {
    OrganizationId::parse(id).map_err(|_| Unreadable::Value { field: "organization id" })
}

/// When a key stops working, as anybody may set it. A time beyond our arithmetic is no end;
/// what cannot be read is one that has passed, so that the key is not published. It is no error, which would hide all
/// the other keys of the listing.
fn end(text: &str) -> Option<DateTime<Utc>> {
    match parse_time(text) {
        Some(time) if time.year() >= 9000 => None,
        time => Some(time.and_then(plausible).unwrap_or(DateTime::UNIX_EPOCH)),
    }
}

fn time(text: &str, field: &'static str) -> Result<DateTime<Utc>, Unreadable> {
    parse_time(text).and_then(plausible).ok_or(Unreadable::Value { field })
}

/// ISO 8601 with up to seven fraction digits. Data written by old servers lacks the `Z` and means UTC.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc()),
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
