//! Who keeps a credential that is neither in a file nor in the environment.
//!
//! This client knows no other server, and asks whoever was handed to it.

use std::error::Error;
use std::fmt;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::error::ErrorKind;
use crate::domain::field::SecretField;

/// Reads credentials from another server.
pub trait Keeper: Send + Sync {
    /// What stands there now.
    fn read<'a>(&'a self, field: &'a SecretField) -> BoxFuture<'a, Result<Kept, NotKept>>;

    /// What stood there before, the newest first.
    fn older<'a>(&'a self, field: &'a SecretField) -> BoxFuture<'a, Result<Vec<SecretString>, NotKept>>;
}

/// A credential, and its successor while it is being replaced. Then either may be the one that works.
#[derive(Clone)]
pub struct Kept {
    /// The one in force, as far as its keeper knows.
    pub current: SecretString,
    /// The one that follows it.
    pub next: Option<SecretString>,
}

impl From<SecretString> for Kept {
    fn from(current: SecretString) -> Self {
        Self { current, next: None }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept(next: {})", self.next.is_some())
    }
}

/// A credential that its keeper did not hand out, and why.
#[derive(Debug)]
pub struct NotKept {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What the keeper says.
    pub source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for NotKept {
    /// It says what its keeper said, and so has the source of that.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
