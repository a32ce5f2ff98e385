//! What is in force, and who said so: the text of the `config` command.
//!
//! It is a configuration file again, so that it can be kept, compared and used. Secrets stand in it only
//! as a comment, and so does what has no value.

use std::borrow::Cow;
use std::fmt;

/// Every key with its value and where it comes from. `Display` writes it as TOML.
#[derive(Debug, Clone)]
pub struct Effective {
    sections: Vec<Lines>,
}

/// One section.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// With its brackets: `[vault.auth]`.
    pub(super) header: String,
    pub(super) lines: Vec<Line>,
}

/// One key.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) key: Cow<'static, str>,
    pub(super) value: Shown,
    pub(super) origin: String,
}

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// As TOML.
    Toml(String),
    /// There is one, and it stays unseen.
    Secret,
    /// There is none.
    Unset,
}

impl Effective {
    pub(super) fn new(sections: Vec<Lines>) -> Self {
        Self { sections }
    }

    pub(super) fn sections(&self) -> &[Lines] {
        &self.sections
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Lines { header, lines }) in self.sections.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{header}")?;
            for Line { key, value, origin } in lines {
                // A line break in the name of a file would end the comment.
                let origin = origin.replace(char::is_control, "?");
                match value {
                    Shown::Toml(text) => writeln!(f, "{key} = {text}  # {origin}")?,
                    Shown::Secret => writeln!(f, "# {key} = \"[redacted]\"  # {origin}")?,
                    Shown::Unset => writeln!(f, "# {key} is not set")?,
                }
            }
        }
        Ok(())
    }
}

/// Text as a TOML string. JSON's escapes are also TOML's, except that TOML wants DEL escaped as well.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
