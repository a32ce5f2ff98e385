//! What can go wrong, said so that the reader knows what to do next.
//!
//! A variant names what was attempted, at which server, and the remedy. Nothing here carries a body, a
//! URL or a key: bodies and URLs of this server contain keys. Sources are kept, not repeated.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;

use super::keeper::NotKept;
use super::operation::Operation;
use super::refusal::{CredentialForm, LoginRefusal, Unreadable};
use crate::config::SecretUnreadable;
use crate::domain::clocks::time_text;
use crate::domain::field::SecretField;
use crate::domain::ids::{OrganizationId, ProjectId};
use crate::domain::key::Fingerprint;

/// A request to Exceptionless that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ExceptionlessError {
    /// The client cannot be built.
    #[error("cannot set up TLS; install the system's certificate authorities (the package ca-certificates)")]
    Setup {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The password or the token cannot be read.
    #[error("cannot read the credential for Exceptionless")]
    Secret {
        /// Why.
        #[source]
        source: SecretUnreadable,
    },
    /// The password or the token is kept elsewhere, and cannot be had.
    #[error("cannot read the credential for Exceptionless from Vault's {field}")]
    Kept {
        /// Where it is kept.
        field: SecretField,
        /// Why.
        #[source]
        source: NotKept,
    },
    /// The server's parser of HTTP Basic splits at every colon (`HttpExtensions.cs`).
    #[error(
        "Exceptionless accepts no colon in e-mail or password with auth = \"basic\"; \
         change the password of {email} or use auth = \"login\""
    )]
    Colon {
        /// The user.
        email: String,
    },
    /// No connection, or a lost one.
    #[error(
        "cannot {operation}: no answer from Exceptionless at {server}; check exceptionless.url and the network"
    )]
    Unreachable {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time.
    #[error(
        "cannot {operation}: Exceptionless at {server} did not answer within {timeout}; if that is \
         its usual pace, raise exceptionless.timeout",
        timeout = humantime::format_duration(*timeout)
    )]
    TimedOut {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// How long it may take.
        timeout: Duration,
    },
    /// The server is not who it should be, or does not speak TLS.
    #[error(
        "cannot {operation}: no trusted TLS connection to Exceptionless at {server}; install its \
         authority among those of the system, or correct exceptionless.url"
    )]
    Untrusted {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// 5xx, after the repetitions that are allowed.
    #[error("cannot {operation}: Exceptionless at {server} is {}; see its log", trouble(*.status))]
    Trouble {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The status.
        status: StatusCode,
    },
    /// A redirect, which is never followed.
    #[error(
        "cannot {operation}: {server} redirects ({status}) and redirects are not followed; \
         set exceptionless.url to the final address (https?)"
    )]
    Redirected {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The status.
        status: StatusCode,
    },
    /// An answer that is not what the API sends.
    #[error("cannot {operation}: {route} at {server} answered with {problem}; check that exceptionless.url is the API's address, and any proxy in between",
        route = operation.route())]
    Unreadable {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// What is wrong with the answer.
        problem: Unreadable,
    },
    /// The login failed.
    #[error("Exceptionless at {server} refused {refusal}; {}", patience(.refusal, *.until))]
    LoginRefused {
        /// Host and port.
        server: String,
        /// Why.
        refusal: LoginRefusal,
        /// Until when the refusal is remembered, by the server's clock.
        until: Option<DateTime<Utc>>,
    },
    /// The login was tried too often without success.
    #[error(
        "the login at {server} failed {attempts} times for reasons of the server; see its log; not asked again before \
         {until}, because 5 attempts in a quarter hour lock the account",
        until = clock(*until)
    )]
    LoginWithheld {
        /// Host and port.
        server: String,
        /// How often it was tried.
        attempts: u32,
        /// Until when nothing is tried, by the server's clock.
        until: Option<DateTime<Utc>>,
    },
    /// 401 to a password that may be right.
    #[error(
        "cannot {operation}: Exceptionless at {server} refused e-mail or password of {email}{}; tried again later",
        doubt(.place, *.sick)
    )]
    DoubtfulRefusal {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The user.
        email: String,
        /// Where the password comes from.
        place: String,
        /// Whether the server itself says that something is wrong with it. Otherwise the same password was accepted
        /// before.
        sick: bool,
    },
    /// 401 with a credential that should work.
    #[error("cannot {operation}: Exceptionless at {server} refused {credential}")]
    CredentialRefused {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The credential, by its origin.
        credential: CredentialForm,
    },
    /// An API key where a user is needed.
    #[error(
        "cannot {operation}: {credential} is {found}, and Exceptionless at {server} manages keys only for a \
         user; put a login token from POST /api/v2/auth/login there, or let auth = \"login\" get one with \
         e-mail and password"
    )]
    ApiKeyCredential {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The credential, by its origin.
        credential: String,
        /// What the credential seems to be.
        found: &'static str,
    },
    /// 403.
    #[error(
        "cannot {operation}: Exceptionless at {server} does not permit it to this user; check the user's roles"
    )]
    Forbidden {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
    },
    /// The project is gone, or no longer ours to see: the server does not tell the difference.
    #[error(
        "cannot {operation}: there is no project {project} for this user; it was deleted, or the user left its \
         organization"
    )]
    ProjectGone {
        /// What was attempted.
        operation: Operation,
        /// The project.
        project: ProjectId,
    },
    /// 404.
    #[error("cannot {operation}: {server} knows no {route}, or what it names is not this user's; check exceptionless.url",
        route = operation.route())]
    NotFound {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
    },
    /// Another refusal.
    #[error("cannot {operation}: Exceptionless at {server} rejected the request ({status})")]
    Rejected {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// The status.
        status: StatusCode,
    },
    /// 429 again and again.
    #[error(
        "cannot {operation}: Exceptionless at {server} refused it {times} times because the request budget is \
         spent; who else uses this user? Raise exceptionless.rate_reserve, or give the rotator its own user"
    )]
    Throttled {
        /// What was attempted.
        operation: Operation,
        /// Host and port.
        server: String,
        /// How often.
        times: u32,
    },
    /// A listing ended before the number that the server had announced.
    #[error("cannot {operation}: the listing ended after {seen} of {announced}; the next pass tries again")]
    ListingIncomplete {
        /// What was attempted.
        operation: Operation,
        /// How many different items came.
        seen: u64,
        /// How many were announced.
        announced: u64,
    },
    /// A listing that is longer than the server can page through.
    #[error("cannot {operation}: {count} are more than the 9900 that Exceptionless can list")]
    TooMany {
        /// What was attempted.
        operation: Operation,
        /// How many there are.
        count: u64,
    },
    /// The organization's projects cannot all be listed.
    #[error(
        "organization {organization} has {count} projects, more than the 9900 that Exceptionless can list; \
         spread them over several organizations"
    )]
    TooManyProjects {
        /// The organization.
        organization: OrganizationId,
        /// How many there are.
        count: u64,
    },
    /// A key that fits no URL of the server; asking would delete none of its batch.
    #[error(
        "cannot change or delete key {key}: Exceptionless only takes keys of 24 to 40 characters there; do it by hand"
    )]
    Undeletable {
        /// The key.
        key: Fingerprint,
    },
    /// Some keys are not this user's to delete.
    #[error("cannot delete {denied} of {asked} keys: Exceptionless at {server} says they are another user's")]
    DeletionDenied {
        /// Host and port.
        server: String,
        /// How many keys the server refused to delete. The others are gone.
        denied: usize,
        /// How many were to be deleted.
        asked: usize,
    },
}

/// What to do about an error, in the few ways that matter above the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server cannot be reached, cannot answer, or does not answer as Exceptionless does.
    Unreachable,
    /// The credential is wrong or not enough.
    NotPermitted,
    /// The configuration is wrong.
    Misconfigured,
    /// What was asked for does not exist.
    NotFound,
    /// The request budget is spent.
    Throttled,
    /// Anything else.
    Other,
}

impl ExceptionlessError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Kept { source, .. } => source.kind,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Untrusted { .. }
            | Self::Trouble { .. }
            | Self::Redirected { .. }
            | Self::Unreadable { .. }
            | Self::LoginWithheld { .. } => ErrorKind::Unreachable,
            Self::DoubtfulRefusal { sick: true, .. } => ErrorKind::Unreachable,
            Self::LoginRefused { .. }
            | Self::DoubtfulRefusal { sick: false, .. }
            | Self::CredentialRefused { .. }
            | Self::ApiKeyCredential { .. }
            | Self::Forbidden { .. }
            | Self::DeletionDenied { .. } => ErrorKind::NotPermitted,
            Self::Setup { .. } | Self::Secret { .. } | Self::Colon { .. } => ErrorKind::Misconfigured,
            Self::ProjectGone { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::Rejected { .. }
            | Self::ListingIncomplete { .. }
            | Self::TooMany { .. }
            | Self::TooManyProjects { .. }
            | Self::Undeletable { .. } => ErrorKind::Other,
        }
    }

    /// Trouble that may be over in a moment, met by a request that can be repeated.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Trouble { .. })
    }

    /// Whether another machine may fare better. Not where an attempt to log in may have been counted: there are five for all.
    pub fn is_of_the_way(&self) -> bool {
        match self {
            Self::Unreachable { operation, .. }
            | Self::TimedOut { operation, .. }
            | Self::Untrusted { operation, .. }
            | Self::Trouble { operation, .. }
            | Self::Redirected { operation, .. }
            | Self::Unreadable { operation, .. } => {
                self.was_not_sent() || !matches!(operation, Operation::LogIn | Operation::TryPassword)
            }
            _ => false,
        }
    }

    /// Whether a login failed for its password.
    pub(super) fn is_about_the_password(&self) -> bool {
        match self {
            Self::LoginRefused { refusal, .. } => refusal.is_about_the_password(),
            _ => false,
        }
    }

    /// Nothing was sent: there was no connection to send it on.
    pub(super) fn was_not_sent(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } | Self::Untrusted { source, .. } => source.is_connect(),
            _ => false,
        }
    }
}

/// Why no key came back from an attempt to create one.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No key was created.
    #[error(transparent)]
    Refused(ExceptionlessError),
    /// A key may have been created: look for its marker before trying again.
    #[error(transparent)]
    Ambiguous(ExceptionlessError),
}

impl CreateError {
    /// The error, whatever it means for the key.
    pub fn error(&self) -> &ExceptionlessError {
        match self {
            Self::Refused(error) | Self::Ambiguous(error) => error,
        }
    }
}

impl From<ExceptionlessError> for CreateError {
    /// Errs on the side of looking: only what proves that no key was created counts as refused.
    fn from(error: ExceptionlessError) -> Self {
        let open = match &error {
            ExceptionlessError::Unreachable { operation, .. }
            | ExceptionlessError::TimedOut { operation, .. }
            | ExceptionlessError::Untrusted { operation, .. }
            | ExceptionlessError::Trouble { operation, .. }
            | ExceptionlessError::Unreadable { operation, .. } => {
                // Any other operation failed before the create was sent, or after it was answered 401.
                matches!(operation, Operation::CreateKey(_)) && !error.was_not_sent()
            }
            _ => false,
        };
        if open { Self::Ambiguous(error) } else { Self::Refused(error) }
    }
}

/// While the server starts, it answers 503 to everything.
fn trouble(status: StatusCode) -> String {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => format!("still starting, or overloaded ({status})"),
        _ => format!("in trouble itself ({status})"),
    }
}

fn doubt(place: &str, sick: bool) -> String {
    if sick {
        ", and /health there says that something is wrong with the server: without its database it refuses right ones \
         too; see its log"
            .to_owned()
    } else {
        format!(
            ", which it had accepted before: put the new password into {place} if it was changed there; otherwise the \
             server's database is in trouble, see its log"
        )
    }
}

/// The server counts logins by the quarter hour, and the daemon leaves what remains to people.
fn patience(refusal: &LoginRefusal, until: Option<DateTime<Utc>>) -> String {
    let until = clock(until);
    match refusal {
        LoginRefusal::LockedOut { .. } => format!("wait until {until}"),
        LoginRefusal::WrongPassword { .. } | LoginRefusal::Malformed { .. } => {
            format!(
                "5 attempts in a quarter hour lock the account, and each command is one; a daemon tries again at {until}, or \
                 as soon as another password is there"
            )
        }
    }
}

fn clock(time: Option<DateTime<Utc>>) -> String {
    match time {
        Some(time) => time_text(time),
        None => "the next quarter hour".to_owned(),
    }
}
