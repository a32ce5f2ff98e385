//! Which endpoint a request means (contract 6.3).
//!
//! The server has one catch-all route that swallows every miss: a malformed id, a wrong method and a missing content
//! type all end as [`Route::Unknown`], a plain 404. Nothing here answers 405 or 415.

use hyper::Method;

/// The endpoints, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Route {
    Login,
    Logout,
    ChangePassword,
    Me,
    Organizations,
    Organization,
    Projects,
    OrganizationProjects,
    Project,
    OrganizationTokens,
    ProjectTokens,
    DefaultToken,
    Tokens,
    Token,
    Config,
    ProjectConfig,
    SubmitEvent,
    Events,
    ProjectEvents,
    Heartbeat,
    About,
    SystemNotification,
    Health,
    Ready,
    Unknown,
}

/// Who may pass (contract 1.2); the handlers look closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Anonymous,
    Client,
    User,
}

const PREFIX: &str = "/api/v2/";

impl Route {
    const ALL: [Self; 25] = [
        Self::Login,
        Self::Logout,
        Self::ChangePassword,
        Self::Me,
        Self::Organizations,
        Self::Organization,
        Self::Projects,
        Self::OrganizationProjects,
        Self::Project,
        Self::OrganizationTokens,
        Self::ProjectTokens,
        Self::DefaultToken,
        Self::Tokens,
        Self::Token,
        Self::Config,
        Self::ProjectConfig,
        Self::SubmitEvent,
        Self::Events,
        Self::ProjectEvents,
        Self::Heartbeat,
        Self::About,
        Self::SystemNotification,
        Self::Health,
        Self::Ready,
        Self::Unknown,
    ];

    /// The name in counts and faults: the path below `/api/v2/`, ids as `{id}`.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Login => "auth/login",
            Self::Logout => "auth/logout",
            Self::ChangePassword => "auth/change-password",
            Self::Me => "users/me",
            Self::Organizations => "organizations",
            Self::Organization => "organizations/{id}",
            Self::Projects => "projects",
            Self::OrganizationProjects => "organizations/{id}/projects",
            Self::Project => "projects/{id}",
            Self::OrganizationTokens => "organizations/{id}/tokens",
            Self::ProjectTokens => "projects/{id}/tokens",
            Self::DefaultToken => "projects/{id}/tokens/default",
            Self::Tokens => "tokens",
            Self::Token => "tokens/{ids}",
            Self::Config => "projects/config",
            Self::ProjectConfig => "projects/{id}/config",
            Self::SubmitEvent => "projects/{id}/events/submit",
            Self::Events => "events",
            Self::ProjectEvents => "projects/{id}/events",
            Self::Heartbeat => "events/session/heartbeat",
            Self::About => "about",
            Self::SystemNotification => "notifications/system",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn from_template(template: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.template() == template)
    }

    pub(crate) fn policy(self) -> Policy {
        match self {
            Self::Login | Self::About | Self::Health | Self::Ready | Self::Unknown => Policy::Anonymous,
            Self::Config
            | Self::ProjectConfig
            | Self::SubmitEvent
            | Self::Events
            | Self::ProjectEvents
            | Self::Heartbeat => Policy::Client,
            Self::Logout
            | Self::ChangePassword
            | Self::Me
            | Self::Organizations
            | Self::Organization
            | Self::Projects
            | Self::OrganizationProjects
            | Self::Project
            | Self::OrganizationTokens
            | Self::ProjectTokens
            | Self::DefaultToken
            | Self::Tokens
            | Self::Token
            | Self::SystemNotification => Policy::User,
        }
    }

    pub(crate) fn is_token_route(self) -> bool {
        matches!(
            self,
            Self::OrganizationTokens | Self::ProjectTokens | Self::DefaultToken | Self::Tokens | Self::Token
        )
    }

    pub(crate) fn is_event_post(self) -> bool {
        matches!(self, Self::Events | Self::ProjectEvents)
    }

    fn declares_json(self, method: &Method) -> bool {
        (matches!(self, Self::Login | Self::ChangePassword) || self.is_token_route())
            && (method == Method::POST || method == Method::PUT || method == Method::PATCH)
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Unknown => true,
            Self::Login | Self::ChangePassword | Self::Tokens | Self::Events => method == Method::POST,
            Self::OrganizationTokens | Self::ProjectTokens => method == Method::GET || method == Method::POST,
            Self::ProjectEvents => method == Method::POST,
            Self::Token => [Method::GET, Method::PATCH, Method::PUT, Method::DELETE].contains(method),
            Self::Logout
            | Self::Me
            | Self::Organizations
            | Self::Organization
            | Self::Projects
            | Self::OrganizationProjects
            | Self::Project
            | Self::DefaultToken
            | Self::Config
            | Self::ProjectConfig
            | Self::SubmitEvent
            | Self::Heartbeat
            | Self::About
            | Self::SystemNotification
            | Self::Health
            | Self::Ready => method == Method::GET,
        }
    }
}

/// The route and the id (or comma list of token ids) in the path.
pub(crate) fn find<'p>(method: &Method, path: &'p str, content_type: Option<&str>) -> (Route, &'p str) {
    let (route, id) = by_path(path).unwrap_or((Route::Unknown, ""));
    let reachable =
        route.allows(method) && (!route.declares_json(method) || content_type.is_some_and(is_json));
    if reachable { (route, id) } else { (Route::Unknown, "") }
}

fn by_path(path: &str) -> Option<(Route, &str)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.eq_ignore_ascii_case("/health") {
        return Some((Route::Health, ""));
    }
    if path.eq_ignore_ascii_case("/ready") {
        return Some((Route::Ready, ""));
    }
    let (prefix, rest) = path.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let mut parts = rest.split('/');
    let segments = [parts.next(), parts.next(), parts.next(), parts.next()];
    if parts.next().is_some() {
        return None;
    }
    by_segments(segments)
}

fn by_segments(segments: [Option<&str>; 4]) -> Option<(Route, &str)> {
    let is = |at: usize, word: &str| segments[at].is_some_and(|segment| segment.eq_ignore_ascii_case(word));
    let length = segments.iter().flatten().count();
    let fixed = match length {
        1 if is(0, "organizations") => Some(Route::Organizations),
        1 if is(0, "projects") => Some(Route::Projects),
        1 if is(0, "tokens") => Some(Route::Tokens),
        1 if is(0, "events") => Some(Route::Events),
        1 if is(0, "about") => Some(Route::About),
        2 if is(0, "auth") && is(1, "login") => Some(Route::Login),
        2 if is(0, "auth") && is(1, "logout") => Some(Route::Logout),
        2 if is(0, "auth") && is(1, "change-password") => Some(Route::ChangePassword),
        2 if is(0, "users") && is(1, "me") => Some(Route::Me),
        2 if is(0, "projects") && is(1, "config") => Some(Route::Config),
        2 if is(0, "notifications") && is(1, "system") => Some(Route::SystemNotification),
        3 if is(0, "events") && is(1, "session") && is(2, "heartbeat") => Some(Route::Heartbeat),
        _ => None,
    };
    if let Some(route) = fixed {
        return Some((route, ""));
    }
    let id = segments[1]?;
    if length == 2 && is(0, "tokens") {
        return are_token_ids(id).then_some((Route::Token, id));
    }
    let route = match length {
        2 if is(0, "organizations") => Route::Organization,
        2 if is(0, "projects") => Route::Project,
        3 if is(0, "organizations") && is(2, "projects") => Route::OrganizationProjects,
        3 if is(0, "organizations") && is(2, "tokens") => Route::OrganizationTokens,
        3 if is(0, "projects") && is(2, "tokens") => Route::ProjectTokens,
        3 if is(0, "projects") && is(2, "config") => Route::ProjectConfig,
        3 if is(0, "projects") && is(2, "events") => Route::ProjectEvents,
        4 if is(0, "projects") && is(2, "tokens") && is(3, "default") => Route::DefaultToken,
        4 if is(0, "projects") && is(2, "events") && is(3, "submit") => Route::SubmitEvent,
        _ => return None,
    };
    is_object_id(id).then_some((route, id))
}

/// 24 to 36 letters or digits, not only hexadecimal ones (contract 6.3).
fn is_object_id(id: &str) -> bool {
    (24..=36).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// One bad id fails the whole list, so a trailing comma or a space does too (contract 3.6).
fn are_token_ids(ids: &str) -> bool {
    ids.split(',').all(|id| {
        (24..=40).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
