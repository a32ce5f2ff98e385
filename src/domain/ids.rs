//! A type for each identifier, so that a project is never asked for by the id of its organization.
//!
//! Exceptionless ids are 24 to 36 alphanumerics; we accept a little more and refuse what could change
//! the meaning of a URL or of a Vault path.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Text that is not an identifier of the kind that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl InvalidId {
    fn new(text: &str, expected: &'static str) -> Self {
        let text = text.chars().take(80).collect();
        Self { text, expected }
    }
}

macro_rules! server_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks that `text` can stand in a URL and in a path as it is.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let fits = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                if fits { Ok(Self(text.into())) } else { Err(InvalidId::new(text, $expected)) }
            }

            /// The id as the server writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

server_id!(
    /// A project at Exceptionless.
    ProjectId,
    "a project id (letters, digits and dashes)"
);
server_id!(
    /// An organization at Exceptionless.
    OrganizationId,
    "an organization id (letters, digits and dashes)"
);

/// The name of one deployment of the rotator. It stands in every marker, and a key or a secret whose
/// marker names another instance is never touched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance(Box<str>);

impl Instance {
    /// Accepts 1 to 64 letters, digits, `.`, `_` and `-`: no space, because markers are split at spaces.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId::new(text, "an instance name (1 to 64 letters, digits, '.', '_', '-')"))
        }
    }

    /// The name as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One attempt to give a project a fresh key. It is written into the key's notes when the key is
/// minted, which is how an attempt whose answer was lost finds its key again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RotationId(Uuid);

impl RotationId {
    /// A fresh id: a UUID version 7, so that ids sort by the time of their attempt.
    pub fn fresh(now: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
        Self(Uuid::new_v7(time))
    }

    /// Reads the hyphenated form that markers and secrets carry.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId::new(text, "a rotation id (a UUID)"))
    }
}

impl fmt::Display for RotationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
