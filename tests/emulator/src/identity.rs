//! Who is asking (contract 1).
//!
//! There are two kinds of callers and the difference decides everything: a *user* (login session, or e-mail and
//! password by Basic) may manage tokens; an *API key* may not, whatever its scopes are.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::AUTHORIZATION;

use crate::request::Request;
use crate::state::{State, Token, User};

/// A bearer of exactly this length is taken for an OAuth access token, which are not emulated: never valid.
const OAUTH_LENGTH: usize = 64;

#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// Nobody, or somebody with a bad credential: the server does not tell these apart.
    Anonymous,
    User {
        index: usize,
        /// The session; absent with Basic.
        login: Option<String>,
    },
    Key {
        token: Arc<Token>,
        /// The person an old key belongs to.
        owner: Option<usize>,
    },
}

/// The credential handler itself failed: 500, before any policy is looked at (contract 1.1).
#[derive(Debug)]
pub(crate) struct Broken;

impl Identity {
    pub(crate) fn of(state: &State, request: &Request) -> Result<Self, Broken> {
        if let Some(header) = request.headers.get(AUTHORIZATION) {
            let Ok(header) = header.to_str() else {
                return Ok(Self::Anonymous);
            };
            let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
            let value = value.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                return if value.len() == OAUTH_LENGTH {
                    Ok(Self::Anonymous)
                } else {
                    Self::by_token(state, value)
                };
            }
            if scheme.eq_ignore_ascii_case("token") {
                return Self::by_token(state, value);
            }
            if scheme.eq_ignore_ascii_case("basic") {
                return Self::by_basic(state, value);
            }
        }
        for name in ["access_token", "api_key", "apikey"] {
            if let Some(token) = request.parameter(name) {
                return Self::by_token(state, &token);
            }
        }
        Ok(Self::Anonymous)
    }

    fn by_token(state: &State, token: &str) -> Result<Self, Broken> {
        if token.is_empty() {
            return Ok(Self::Anonymous);
        }
        if state.switches.elasticsearch_down {
            return Err(Broken);
        }
        if let Some(login) = state.logins.iter().find(|login| login.id == token) {
            let owner = state.users.iter().position(|user| user.id == login.user_id);
            return Ok(match owner {
                Some(index) if login.expires >= state.now() => {
                    Self::User { index, login: Some(login.id.clone()) }
                }
                Some(_) | None => Self::Anonymous,
            });
        }
        let Some(token) = state.living_token(token) else {
            return Ok(Self::Anonymous);
        };
        let Some(user_id) = &token.user_id else {
            return Ok(Self::Key { token, owner: None });
        };
        match state.users.iter().position(|user| user.id == *user_id) {
            Some(index) => Ok(Self::Key { token, owner: Some(index) }),
            None => Ok(Self::Anonymous),
        }
    }

    /// The decoded text is split at colons and must give exactly two parts, so a password with a colon never works.
    fn by_basic(state: &State, value: &str) -> Result<Self, Broken> {
        if value.is_empty() {
            return Err(Broken);
        }
        let decoded = BASE64_STANDARD.decode(value).map_err(|_| Broken)?;
        let text = String::from_utf8_lossy(&decoded);
        let mut parts = text.split(':').filter(|part| !part.is_empty());
        let (Some(name), Some(password), None) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(Self::Anonymous);
        };
        if name.eq_ignore_ascii_case("client") {
            return Self::by_token(state, password);
        }
        if password.eq_ignore_ascii_case("x-oauth-basic") {
            return Self::by_token(state, name);
        }
        // Unlike on the token path, a failing database ends as a failed authentication here (contract 1.3).
        let known = state
            .users
            .iter()
            .position(|user| user.is_called(name) && user.active && user.password == password);
        Ok(match known {
            Some(index) if !state.switches.elasticsearch_down => Self::User { index, login: None },
            Some(_) | None => Self::Anonymous,
        })
    }

    pub(crate) fn is_client(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User { .. } => true,
            Self::Key { token, .. } => token.acts_as_client(),
        }
    }

    pub(crate) fn is_user(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User { .. } => true,
            Self::Key { token, owner } => {
                token.has_scope("user") || (owner.is_some() && token.scopes.is_empty())
            }
        }
    }

    pub(crate) fn user<'s>(&self, state: &'s State) -> Option<&'s User> {
        match self {
            Self::Anonymous => None,
            Self::User { index, .. } => state.users.get(*index),
            Self::Key { owner, .. } => owner.and_then(|index| state.users.get(index)),
        }
    }

    pub(crate) fn is_global_admin(&self, state: &State) -> bool {
        matches!(self, Self::User { .. }) && self.user(state).is_some_and(|user| user.global_admin)
    }

    /// The organizations the caller may see.
    pub(crate) fn organizations<'s>(&'s self, state: &'s State) -> &'s [String] {
        if let Some(user) = self.user(state) {
            return &user.organization_ids;
        }
        match self {
            Self::Key { token, .. } => std::slice::from_ref(&token.organization_id),
            Self::Anonymous | Self::User { .. } => &[],
        }
    }

    pub(crate) fn is_member(&self, state: &State, organization_id: &str) -> bool {
        self.organizations(state).iter().any(|own| own == organization_id)
    }

    /// What the throttle counts by: user id, organization ids, or address (contract 5).
    pub(crate) fn throttle_key(&self, state: &State, request: &Request) -> String {
        match self {
            Self::Anonymous => request.client_address(),
            Self::User { index, .. } => state.users[*index].id.clone(),
            Self::Key { .. } => self.organizations(state).join(","),
        }
    }
}

impl User {
    pub(crate) fn is_called(&self, email: &str) -> bool {
        self.email.eq_ignore_ascii_case(email.trim())
    }
}
