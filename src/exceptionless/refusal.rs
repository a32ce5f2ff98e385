//! Why an answer was not the one that was hoped for, in words for the operator.
//!
//! These are parts of [`ExceptionlessError`](super::ExceptionlessError)s. They can be cloned, because a refused
//! login is remembered and reported again without asking.

use std::fmt;

use reqwest::StatusCode;

/// What is wrong with an answer. It never repeats the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// A page for people.
    Html,
    /// A status that the API has no use for there.
    Status(StatusCode),
    /// Longer than any answer of the API.
    TooLarge,
    /// No JSON, or other JSON than expected.
    Json {
        /// Where, if the parser can tell.
        line: usize,
        /// Where in the line.
        column: usize,
        /// Whether it is no JSON at all, or JSON of another shape.
        well_formed: bool,
    },
    /// JSON of the right shape with a value that makes no sense.
    Value {
        /// Which.
        field: &'static str,
    },
    /// A header without which the answer cannot be used.
    Header {
        /// Which.
        name: &'static str,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Html => f.write_str("a web page"),
            Self::Status(status) => status.fmt(f),
            Self::TooLarge => f.write_str("more than 64 MiB"),
            Self::Json { line, column, well_formed: false } => {
                write!(f, "broken JSON (line {line}, column {column})")
            }
            Self::Json { line, column, well_formed: true } => {
                write!(f, "unexpected JSON (line {line}, column {column})")
            }
            Self::Value { field } => write!(f, "an unusable {field}"),
            Self::Header { name } => write!(f, "no {name} header"),
        }
    }
}

/// Why a login was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Wrong, or the server could not look it up, which it does not tell apart.
    WrongPassword {
        /// The user.
        email: String,
        /// Where the password comes from.
        place: String,
    },
    /// Too many attempts, whatever the password.
    LockedOut {
        /// The user.
        email: String,
    },
    /// The server has a rule about the form.
    Malformed {
        /// The user.
        email: String,
        /// Where the password comes from.
        place: String,
    },
}

impl LoginRefusal {
    /// Whether another password may be let in.
    pub(super) fn is_about_the_password(&self) -> bool {
        match self {
            Self::WrongPassword { .. } | Self::Malformed { .. } => true,
            Self::LockedOut { .. } => false,
        }
    }
}

impl fmt::Display for LoginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassword { email, place } => {
                write!(f, "e-mail or password of {email}; check {place} and that the account is active")
            }
            Self::LockedOut { email } => write!(
                f,
                "the login of {email} without a look at the password, after too many attempts (5 for an account, \
                 15 for an address, in a quarter hour)"
            ),
            Self::Malformed { email, place } => write!(
                f,
                "the form of e-mail or password of {email}; a password has 6 to 100 characters; check {place}"
            ),
        }
    }
}

/// A credential by its origin, and what to do when it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialForm {
    /// A login token that we obtained.
    Login {
        /// The user.
        email: String,
    },
    /// E-mail and password.
    Basic {
        /// The user.
        email: String,
        /// Where the password comes from.
        place: String,
    },
    /// A login token that somebody else obtained.
    Token {
        /// Where it comes from.
        place: String,
    },
}

impl fmt::Display for CredentialForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { email } => write!(
                f,
                "the login token of {email} directly after it had issued it; does the server reach its database?"
            ),
            Self::Basic { email, place } => {
                write!(f, "e-mail or password of {email}; check {place} and that the account is active")
            }
            Self::Token { place } => write!(
                f,
                "the token in {place}: it is unknown, expired or disabled; put a fresh login token there, or use \
                 auth = \"login\", which renews it"
            ),
        }
    }
}
