//! Where the credential for Exceptionless comes from: a file or a variable as other secrets do, or Vault itself, so that
//! Vault's own login is the only secret that has to be put on the machine. It is read when it is needed, never kept.

use std::fmt;

use super::error::Complaint;
use super::reader::{Choice, Section};
use super::secret_source::SecretSource;
use super::value::Given;
use crate::domain::field::SecretField;

/// A place that holds the credential for Exceptionless.
#[derive(Debug, Clone)]
pub enum CredentialSource {
    /// A file or a variable.
    Here(SecretSource),
    /// A field of a secret in Vault.
    Vault(SecretField),
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(source) => source.fmt(f),
            Self::Vault(field) => write!(f, "Vault's {field}"),
        }
    }
}

/// A credential: `key` as a table names its place in Vault; otherwise it is a secret like every other.
pub(super) fn credential(
    section: &mut Section<'_>,
    [key, file_key]: [&'static str; 2],
    choice: Option<&Choice>,
    used: bool,
    fits: impl FnOnce(&str) -> Result<(), Complaint>,
) -> Option<CredentialSource> {
    if !section.is_table(key) {
        return section.secret([key, file_key], choice, used, fits).map(CredentialSource::Here);
    }
    let others = section.other_places(key, file_key);
    let field = section.chosen(
        key,
        choice,
        used,
        "{ vault = \"secret/data/exceptionless-rotator/user#password\" }",
        vault_field,
    )?;
    for (other, place) in others {
        let complaint = Complaint::new(format!("excludes {other} ({place})"), "keep one of the two");
        section.complain(key, complaint);
    }
    Some(CredentialSource::Vault(field))
}

fn vault_field(given: &mut Given<'_>) -> Result<SecretField, Complaint> {
    let text = given.only_member("vault")?;
    SecretField::parse(text).map_err(|error| {
        Complaint::new(
            error.to_string(),
            "write it like { vault = \"secret/data/exceptionless-rotator/user#password\" }",
        )
    })
}
