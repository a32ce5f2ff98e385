//! One field of a secret, by its place: where the rotator's own password is kept.

use std::fmt;

use super::path::SecretPath;

/// A field of a KV version 2 secret, as policies and the API name its path: `secret/data/rotator#password`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretField {
    /// The mount, which need not be that of the projects' secrets.
    pub mount: Box<str>,
    /// The secret inside of it.
    pub path: SecretPath,
    /// The field.
    pub name: Box<str>,
}

/// Why text is not a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// Nothing says which field of the secret it is.
    #[error("names no field of the secret; add one, such as #password")]
    NoField,
    /// The field's name has something that is hard to read, to type or to tell apart.
    #[error("names a field with other characters than letters, digits, '.', '_' and '-'")]
    Name,
    /// The path is not that of the API.
    #[error("has no /data/ between the mount and the path, as the API of KV version 2 writes it")]
    NoData,
    /// The mount or the path is not well-formed.
    #[error("has an empty, '.' or '..' segment, or a control character")]
    Segment,
}

impl SecretField {
    /// Reads `mount/data/path#field`. A mount may have several segments; the first `data` ends it.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let (place, name) = text.split_once('#').ok_or(InvalidField::NoField)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name {
            "" => return Err(InvalidField::NoField),
            name if !name.chars().all(fits) => return Err(InvalidField::Name),
            _ => {}
        }
        let (mount, path) = place.split_once("/data/").ok_or(InvalidField::NoData)?;
        let well_formed = |text: &str| SecretPath::parse(text).map_err(|_| InvalidField::Segment);
        well_formed(mount)?;
        Ok(Self { mount: mount.into(), path: well_formed(path)?, name: name.into() })
    }

    /// The field beside it that holds the next value until it is in force.
    pub fn next(&self) -> String {
        format!("{}_next", self.name)
    }

    /// Both fields that may hold the value that is in force.
    pub fn names(&self) -> [String; 2] {
        [self.name.to_string(), self.next()]
    }

    /// The field beside it that says since when the value is in force.
    pub fn changed_at(&self) -> String {
        format!("{}_changed_at", self.name)
    }

    /// The secret's path as policies name it.
    pub fn data_path(&self) -> String {
        format!("{}/data/{}", self.mount, self.path)
    }
}

impl fmt::Display for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.data_path(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_written_as_the_api_writes_its_path() {
        for text in ["secret/data/rotator#password", "team/kv/data/a/data/b#pass.word-1_x"] {
            assert_eq!(SecretField::parse(text).expect("a field").to_string(), text);
        }
        let field = SecretField::parse("team/kv/data/a/data/b#p").expect("a field");
        assert_eq!((&*field.mount, field.path.as_str()), ("team/kv", "a/data/b"));
        assert_eq!((field.next(), field.changed_at()), ("p_next".to_owned(), "p_changed_at".to_owned()));
    }

    #[test]
    fn what_is_no_field_is_refused_by_what_is_wrong_with_it() {
        for (text, why) in [
            ("secret/data/rotator", InvalidField::NoField),
            ("secret/data/rotator#", InvalidField::NoField),
            ("secret/data/rotator#a#b", InvalidField::Name),
            ("secret/data/rotator#a b", InvalidField::Name),
            ("secret/rotator#password", InvalidField::NoData),
            ("data/rotator#password", InvalidField::NoData),
            ("secret/data/#password", InvalidField::Segment),
            ("/secret/data/rotator#password", InvalidField::Segment),
            ("secret/data/../rotator#password", InvalidField::Segment),
            ("secret/data/ro\ttator#password", InvalidField::Segment),
        ] {
            assert_eq!(SecretField::parse(text), Err(why), "{text}");
        }
    }
}
