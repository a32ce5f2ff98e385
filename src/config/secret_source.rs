//! Where a secret comes from. The secret itself is read when it is needed, never kept.

use std::fmt;
use std::io;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// A place that holds one secret.
#[derive(Clone)]
pub enum SecretSource {
    /// A file, read anew each time.
    File(PathBuf),
    /// An environment variable, read once at the start.
    Environment {
        /// The variable's name.
        variable: String,
        /// Its value.
        value: SecretString,
    },
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretUnreadable {
    /// The file cannot be read.
    #[error("cannot read {path}; check that it exists and that this user may read it", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{place} is empty; put the secret there")]
    Empty {
        /// The file or the variable.
        place: String,
    },
    /// There is something in it that no header can carry.
    #[error("{place} holds more than one line, or a control character; it must hold the secret alone")]
    NotOneLine {
        /// The file or the variable.
        place: String,
    },
}

impl SecretSource {
    /// Reads the secret, without the line break that editors leave at its end.
    pub fn read(&self) -> Result<SecretString, SecretUnreadable> {
        let text: SecretString = match self {
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|source| SecretUnreadable::File { path: path.clone(), source })?
                .into(),
            Self::Environment { value, .. } => value.clone(),
        };
        one_line(&text, self)
    }
}

/// A secret as it was found at a place: one line, without the line break that editors leave at its end.
pub fn one_line(text: &SecretString, place: &impl fmt::Display) -> Result<SecretString, SecretUnreadable> {
    let secret = text.expose_secret().trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        Err(SecretUnreadable::Empty { place: place.to_string() })
    } else if secret.chars().any(char::is_control) {
        Err(SecretUnreadable::NotOneLine { place: place.to_string() })
    } else {
        Ok(secret.into())
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment { variable, .. } => write!(f, "${variable}"),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({self})")
    }
}
