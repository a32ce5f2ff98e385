//! One configuration file, from bytes to a tree of values.
//!
//! The file is read here and only parsed by the `config` crate, for two reasons: a file that is missing,
//! unreadable or not text deserves its own message, and the parsers' errors quote the line they stumble
//! over, which may be the very line where somebody wrote a password. Of such an error only its position
//! passes, and its text where the parser is known not to quote.

use std::error::Error;
use std::io;
use std::path::Path;

use config::{FileFormat, Format, Map, Value};

use super::bounds;
use super::error::Complaint;

/// Why there is no tree.
pub(super) enum Unreadable {
    /// There is no such file.
    Absent,
    /// Anything else.
    Broken(Complaint),
}

/// Reads a file; its name as it was given becomes the origin of each value.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, Unreadable> {
    let format = format_of(path).map_err(Unreadable::Broken)?;
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Absent,
        _ => Unreadable::Broken(Complaint::new(
            format!("cannot be read: {error}"),
            "check that it is a file and that this user may read it",
        )),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        Unreadable::Broken(Complaint::new(
            format!("is not UTF-8 text (byte {position})"),
            "save it in the encoding UTF-8",
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if format == FileFormat::Yaml && !bounds::are_kept(text) {
        return Err(Unreadable::Broken(Complaint::new(
            "repeats parts of itself, or nests them, beyond measure",
            "write out what its aliases (*name) stand for, and no more levels than the keys have",
        )));
    }
    parse(format, text, &path.display().to_string()).map_err(Unreadable::Broken)
}

/// Parses text whose values come from `origin`.
pub(super) fn parse(format: FileFormat, text: &str, origin: &str) -> Result<Map<String, Value>, Complaint> {
    format.parse(Some(&origin.to_owned()), text).map_err(|error| {
        let name = match format {
            FileFormat::Toml => "TOML",
            FileFormat::Json => "JSON",
            _ => "YAML",
        };
        let (position, message) = without_quotation(error.as_ref(), text);
        let position = position.map(|(line, column)| format!(" at line {line}, column {column}"));
        let message = message.map(|message| format!(": {message}"));
        let remedy = match position {
            Some(_) => "correct it there (the line is not repeated here, in case it holds a secret)",
            None => "look for several documents, a list in place of sections, or a number out of range",
        };
        let (position, message) = (position.unwrap_or_default(), message.unwrap_or_default());
        Complaint::new(format!("is not a configuration in {name}{position}{message}"), remedy)
    })
}

fn format_of(path: &Path) -> Result<FileFormat, Complaint> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        Some("json") => Ok(FileFormat::Json),
        Some(other) => Err(Complaint::new(
            format!("has the unsupported extension {other:?}"),
            "name it .toml, .yaml, .yml or .json",
        )),
        None => Err(Complaint::new("has no extension", "name it .toml, .yaml, .yml or .json")),
    }
}

type Position = Option<(usize, usize)>;

fn without_quotation(error: &(dyn Error + Send + Sync + 'static), text: &str) -> (Position, Option<String>) {
    if let Some(error) = error.downcast_ref::<toml::de::Error>() {
        let position = error.span().and_then(|span| position(text, span.start));
        (position, Some(error.message().to_owned()))
    } else if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        (Some((error.line(), error.column())), None)
    } else {
        // The YAML parser's error type is not at hand; of its text only the digits pass.
        let text = error.to_string();
        let number = |after: &str| {
            let (_, rest) = text.rsplit_once(after)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
        };
        (number("line ").zip(number("column ").map(|column| column + 1)), None)
    }
}

fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some((line, column))
}
