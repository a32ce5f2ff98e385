//! One method per endpoint.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use super::door::{Answer, Call};
use super::error::{CreateError, ExceptionlessError};
use super::gate::Permit;
use super::keeper::Keeper;
use super::limiter::Budget;
use super::listing::{Listing, PAGE, Step};
use super::model::{CreatedKey, Deleted, KeyCheck, KeyListing, Keys, ListedKey, Organization, Updated, User};
use super::operation::Operation;
use super::refusal::Unreadable;
use super::session::Session;
use super::wire;
use crate::config;
use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::ApiKey;
use crate::domain::marker::Marker;
use crate::domain::project::Project;
use crate::traffic::Traffic;

/// The keys of one deletion: their ids stand in the URL, and proxies allow 4 KB where the server would
/// allow 8.
pub const MAX_DELETED_AT_ONCE: usize = 90;

/// What the server's route for deletions matches (`TokenRouteConstraint.cs`). One id outside of it makes
/// the whole batch a 404, which would read as "all gone".
const DELETABLE: std::ops::RangeInclusive<usize> = 24..=40;

/// Leave to send one request that changes something. It counts as sent when it is dropped.
#[derive(Debug)]
pub struct Turn<'a>(pub(super) Permit<'a>);

/// Exceptionless, as one user sees it. Clones share connections, credential and budget.
#[derive(Clone)]
pub struct ExceptionlessClient {
    session: Arc<Session>,
}

impl ExceptionlessClient {
    /// Prepares a client; nothing is sent. `keeper` is asked for a credential that is kept in Vault.
    pub fn new(
        settings: &config::Exceptionless,
        keeper: Arc<dyn Keeper>,
        traffic: &Traffic,
    ) -> Result<Self, ExceptionlessError> {
        Ok(Self { session: Arc::new(Session::new(settings, keeper, traffic)?) })
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the password is one that its keeper held before, because the latest is refused.
    pub fn has_an_outdated_keeper(&self) -> bool {
        self.session.credential().is_outdated()
    }

    /// Called when the keeper holds the right one again.
    pub fn note_mended_keeper(&self) {
        self.session.credential().note_mended();
    }

    /// Remembers the refused logins of a client whose place this one takes: the server counts them on.
    pub async fn inherit(&self, former: &Self) {
        self.session.inherit(&former.session).await;
    }

    /// `GET users/me`: the user whose credential ours is.
    pub async fn who_am_i(&self) -> Result<User, ExceptionlessError> {
        let call = Call::get(Operation::WhoAmI, "users/me");
        let answer = self.session.ask(&call).await?;
        if !answer.status.is_success() {
            return Err(self.session.refusal_of_user(&call, &answer).await);
        }
        self.read(&call, answer.json().and_then(wire::CurrentUser::read))
    }

    /// `GET organizations`: all that the user belongs to. This listing has no pages.
    pub async fn organizations(&self) -> Result<Vec<Organization>, ExceptionlessError> {
        let call = Call::get(Operation::Organizations, "organizations");
        let answer = self.succeed(&call).await?;
        let organizations = answer.json::<Vec<wire::ViewOrganization>>();
        let organizations =
            organizations.and_then(|list| list.into_iter().map(wire::ViewOrganization::read).collect());
        self.read(&call, organizations)
    }

    /// `GET organizations/{id}/projects`: all of them, oldest first.
    pub async fn projects(&self, organization: &Organization) -> Result<Vec<Project>, ExceptionlessError> {
        let id = &organization.id;
        let mut listing = Listing::new();
        loop {
            let mut call = Call::get(Operation::Projects(id.clone()), format!("organizations/{id}/projects"));
            call.query.push(("sort", "created_utc".to_owned()));
            let (answer, announced) = self.page(&mut call, listing.page()).await?;
            let page = answer.json::<Vec<wire::ViewProject<'_>>>().and_then(|page| {
                let named = |project: Project| (project.id.clone(), Some(project));
                page.into_iter().map(|project| project.read(organization).map(named)).collect()
            });
            match listing.take::<ProjectId>(self.read(&call, page)?, announced) {
                Step::Continue => {}
                Step::Complete => return Ok(listing.into_items()),
                Step::Incomplete => return Err(incomplete(call, &listing)),
                Step::TooMany => {
                    let organization = id.clone();
                    return Err(ExceptionlessError::TooManyProjects { organization, count: announced });
                }
            }
        }
    }

    /// `GET organizations/{id}/tokens`: of the keys of all projects, and those of the organization itself, the ones
    /// to keep. An organization can have thousands, and each that is dropped at once takes no memory.
    pub async fn organization_keys(
        &self,
        id: &OrganizationId,
        keep: impl Fn(&ListedKey) -> bool,
    ) -> Result<KeyListing, ExceptionlessError> {
        let operation = Operation::OrganizationKeys(id.clone());
        self.keys(operation, &format!("organizations/{id}/tokens"), keep).await
    }

    /// `GET projects/{id}/tokens`: of the keys of one project, the ones to keep. The server adds keys of the
    /// organization that merely default to the project; they are left out.
    pub async fn project_keys(
        &self,
        id: &ProjectId,
        keep: impl Fn(&ListedKey) -> bool,
    ) -> Result<Keys, ExceptionlessError> {
        let operation = Operation::ProjectKeys(id.clone());
        let keep = |key: &ListedKey| key.project_id.as_ref() == Some(id) && keep(key);
        match self.keys(operation.clone(), &format!("projects/{id}/tokens"), keep).await? {
            KeyListing::Complete(keys) => Ok(keys),
            KeyListing::TooMany { count } => Err(ExceptionlessError::TooMany { operation, count }),
        }
    }

    /// `POST projects/{id}/tokens`: a client key. It is sent once; see [`CreateError`].
    pub async fn create_key(&self, project: &ProjectId, marker: &Marker) -> Result<CreatedKey, CreateError> {
        let notes = marker.to_string();
        let body = wire::NewToken { scopes: ["client"], notes: &notes };
        let call = Call {
            method: Method::POST,
            body: Some(wire::encode(&body)),
            ..Call::get(Operation::CreateKey(project.clone()), format!("projects/{project}/tokens"))
        };
        let answer = self.succeed(&call).await?;
        let created = answer.json::<wire::ViewToken<'_>>().and_then(|token| token.created());
        Ok(self.read(&call, created)?)
    }

    /// `GET projects/config` under the key itself, which costs nothing of the budget.
    pub async fn key_works(&self, key: &ApiKey) -> Result<KeyCheck, ExceptionlessError> {
        // The path is compared with its case, and any other spelling is counted (`ProjectConfigMiddleware.cs`).
        let call = Call { throttled: false, ..Call::get(Operation::CheckKey, "projects/config") };
        let answer = self.session.ask_as(key, &call).await?;
        match answer.status {
            StatusCode::OK => self.read(&call, answer.json::<wire::ProjectConfig>()).map(|_| KeyCheck::Works),
            _ if answer.is_html() => Err(self.session.refusal(&call, &answer)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(KeyCheck::Refused),
            StatusCode::NOT_FOUND => Ok(KeyCheck::ProjectGone),
            _ => Err(self.session.refusal(&call, &answer)),
        }
    }

    /// `GET projects/{id}`: whether a project exists, as far as this user may see.
    pub async fn project_exists(&self, id: &ProjectId) -> Result<bool, ExceptionlessError> {
        let call = Call::get(Operation::FindProject(id.clone()), format!("projects/{id}"));
        let answer = self.session.ask(&call).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND if !answer.is_html() => Ok(false),
            _ => Err(self.session.refusal(&call, &answer)),
        }
    }

    /// Waits until the budget allows a request that changes something. What licenses it is to be asked after this
    /// and not before: the wait may be a quarter of an hour.
    pub async fn turn(&self) -> Turn<'_> {
        Turn(self.session.door.gate.permit().await)
    }

    /// `DELETE tokens/{ids}`, sent once. At most [`MAX_DELETED_AT_ONCE`] keys, each one
    /// [deletable](Self::is_deletable).
    pub async fn delete_keys(&self, turn: Turn<'_>, keys: &[ApiKey]) -> Result<Deleted, ExceptionlessError> {
        assert!(keys.len() <= MAX_DELETED_AT_ONCE, "a batch of {} keys does not fit in a URL", keys.len());
        if let Some(key) = keys.iter().find(|key| !Self::is_deletable(key)) {
            return Err(ExceptionlessError::Undeletable { key: key.fingerprint() });
        }
        let mut path = Zeroizing::new(String::with_capacity(keys.len() * 41 + 7));
        for key in keys {
            let separator = if path.is_empty() { "tokens/" } else { "," };
            path.push_str(separator);
            path.push_str(key.expose());
        }
        let operation = Operation::DeleteKeys { count: keys.len() };
        let call = Call { method: Method::DELETE, path, ..Call::get(operation, "") };
        let answer = self.session.ask_in_turn(turn.0, &call).await?;
        match answer.status {
            status if status.is_success() => Ok(Deleted::All),
            StatusCode::NOT_FOUND if !answer.is_html() => Ok(Deleted::Unfound),
            StatusCode::BAD_REQUEST => {
                // A refusal of the request itself has a body of another shape, without `failure`.
                match answer.json::<wire::WorkResults>().ok().and_then(|results| results.denied()) {
                    Some(0) => Ok(Deleted::Unfound),
                    Some(denied) => {
                        let server = self.session.door.server.clone();
                        Err(ExceptionlessError::DeletionDenied { server, denied, asked: keys.len() })
                    }
                    None => Err(self.session.refusal(&call, &answer)),
                }
            }
            _ => Err(self.session.refusal(&call, &answer)),
        }
    }

    /// `PATCH tokens/{id}`, sent once: the key stops working, or works again. Nothing else of it changes.
    pub async fn set_disabled(
        &self,
        turn: Turn<'_>,
        key: &ApiKey,
        disabled: bool,
    ) -> Result<Updated, ExceptionlessError> {
        if !Self::is_deletable(key) {
            return Err(ExceptionlessError::Undeletable { key: key.fingerprint() });
        }
        let path = Zeroizing::new(format!("tokens/{}", key.expose()));
        let body = Some(wire::encode(&wire::UpdateToken { is_disabled: disabled }));
        let operation = Operation::UpdateKey { disabled };
        let call = Call { method: Method::PATCH, path, body, ..Call::get(operation, "") };
        let answer = self.session.ask_in_turn(turn.0, &call).await?;
        match answer.status {
            status if status.is_success() => {
                let updated = answer.json::<wire::ViewToken<'_>>().and_then(|token| token.updated(disabled));
                self.read(&call, updated).map(|()| Updated::Done)
            }
            StatusCode::NOT_FOUND if !answer.is_html() => Ok(Updated::Unfound),
            _ => Err(self.session.refusal(&call, &answer)),
        }
    }

    /// Whether the server's routes for changes and deletions take this key. All that Exceptionless makes are of that form.
    pub fn is_deletable(key: &ApiKey) -> bool {
        DELETABLE.contains(&key.expose().len())
    }

    /// Whether this is the token that was given to us as our credential.
    pub fn is_own_credential(&self, key: &ApiKey) -> bool {
        self.session.presents(key)
    }

    /// The server's clock: no later than its true time, and within about a second of it. `None` before its
    /// first answer.
    pub fn server_time(&self) -> Option<DateTime<Utc>> {
        self.session.door.gate.server_time()
    }

    /// The request budget as last seen. `None` before the first answer, and while the server does not count.
    pub fn budget(&self) -> Option<Budget> {
        self.session.door.gate.budget()
    }

    /// How many requests were sent that the server counts, since the client was built.
    pub fn throttled_requests(&self) -> u64 {
        self.session.door.gate.sent()
    }

    /// How many of them were refused because the budget was spent.
    pub fn refused_requests(&self) -> u64 {
        self.session.door.gate.refused()
    }

    async fn keys(
        &self,
        operation: Operation,
        path: &str,
        keep: impl Fn(&ListedKey) -> bool,
    ) -> Result<KeyListing, ExceptionlessError> {
        let mut listing = Listing::new();
        loop {
            let mut call = Call::get(operation.clone(), path);
            let (answer, announced) = self.page(&mut call, listing.page()).await?;
            let page = answer.json::<Vec<wire::ViewToken<'_>>>().and_then(|page| {
                page.into_iter().map(|token| token.listed().map(|key| (token.id, key))).collect()
            });
            let mut page: Vec<_> = self.read(&call, page)?;
            let foreign = page.iter().filter(|(_, key)| key.is_none()).count();
            if foreign > 0 {
                tracing::debug!(
                    event = "listing.skipped",
                    operation = %operation,
                    tokens = foreign,
                    "tokens whose ids cannot be keys of ours were left out"
                );
            }
            page.iter_mut().for_each(|(_, key)| *key = key.take().filter(&keep));
            match listing.take(page, announced) {
                Step::Continue => {}
                Step::Complete => {
                    let seen = listing.seen();
                    return Ok(KeyListing::Complete(Keys { kept: listing.into_items(), seen }));
                }
                Step::Incomplete => return Err(incomplete(call, &listing)),
                Step::TooMany => return Ok(KeyListing::TooMany { count: announced }),
            }
        }
    }

    /// One page, and how many items there are in all.
    async fn page(&self, call: &mut Call, page: u64) -> Result<(Answer, u64), ExceptionlessError> {
        call.query.extend([("limit", PAGE.to_string()), ("page", page.to_string())]);
        let answer = self.succeed(call).await?;
        let count = answer.count.ok_or_else(|| {
            // A web page lacks the header too, and says more.
            answer
                .json::<serde::de::IgnoredAny>()
                .err()
                .unwrap_or(Unreadable::Header { name: "X-Result-Count" })
        });
        let count = self.read(call, count)?;
        Ok((answer, count))
    }

    async fn succeed(&self, call: &Call) -> Result<Answer, ExceptionlessError> {
        let answer = self.session.ask(call).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.session.refusal(call, &answer)) }
    }

    fn read<T>(&self, call: &Call, result: Result<T, Unreadable>) -> Result<T, ExceptionlessError> {
        result.map_err(|problem| self.session.door.unreadable(&call.operation, problem))
    }
}

impl fmt::Debug for ExceptionlessClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session } = self;
        write!(f, "ExceptionlessClient({})", session.door.server)
    }
}

fn incomplete<T>(call: Call, listing: &Listing<T>) -> ExceptionlessError {
    let (seen, announced) = (listing.seen(), listing.announced());
    ExceptionlessError::ListingIncomplete { operation: call.operation, seen, announced }
}
