//! One value: is it of the type that its key wants?
//!
//! A file has types, and a value of the wrong one is refused rather than guessed at. A variable is always
//! text; numbers, switches and lists are read from it here, by the keys that want them, so that text such
//! as `000123` is never taken for a number by the way.

use std::time::Duration;

use config::{Value, ValueKind};
use humantime::DurationError;

use super::effective::quoted;
use super::error::Complaint;
use super::sources::Layer;

/// Date arithmetic with longer durations could leave the calendar.
const LONGEST: Duration = Duration::from_secs(10 * 31_557_600);

/// The value that was given for a key.
pub(super) struct Given<'a> {
    value: &'a Value,
    /// Who gave it.
    pub(super) layer: Layer,
    /// How it looks in TOML, once its type is known.
    pub(super) shown: String,
}

impl<'a> Given<'a> {
    pub(super) fn new(value: &'a Value, layer: Layer) -> Self {
        Self { value, layer, shown: String::new() }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Complaint> {
        let ValueKind::String(text) = &self.value.kind else {
            return Err(self.not("text", "put it in quotes"));
        };
        self.shown = quoted(text);
        Ok(text)
    }

    /// The text in a table that has this member and no other.
    pub(super) fn only_member(&mut self, name: &str) -> Result<&'a str, Complaint> {
        let wanted = || {
            Complaint::new(format!("has other keys than {name:?}"), format!("write {{ {name} = \"...\" }}"))
        };
        let ValueKind::Table(table) = &self.value.kind else { return Err(wanted()) };
        let (Some(member), 1) = (table.get(name), table.len()) else { return Err(wanted()) };
        let ValueKind::String(text) = &member.kind else {
            return Err(Complaint::new(format!("has a {name:?} that is no text"), "put it in quotes"));
        };
        self.shown = format!("{{ {name} = {} }}", quoted(text));
        Ok(text)
    }

    /// Text that is not empty.
    pub(super) fn filled(&mut self) -> Result<&'a str, Complaint> {
        match self.text()?.trim() {
            "" => Err(Complaint::new("is empty", "write a value, or leave the key out")),
            text => Ok(text),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&mut self, known: &[(&str, T)]) -> Result<T, Complaint> {
        let text = self.text()?;
        known.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = known.iter().map(|(word, _)| quoted(word)).collect();
            Complaint::new("is none of the known words", format!("write one of {}", words.join(", ")))
        })
    }

    pub(super) fn switch(&mut self) -> Result<bool, Complaint> {
        let switch = match &self.value.kind {
            ValueKind::Boolean(switch) => Some(*switch),
            ValueKind::String(text) if self.is_variable() => text.to_lowercase().parse().ok(),
            _ => None,
        };
        let switch =
            switch.ok_or_else(|| self.not("true or false", "write true or false, without quotes"))?;
        self.shown = switch.to_string();
        Ok(switch)
    }

    pub(super) fn integer(&mut self) -> Result<i128, Complaint> {
        let number = match &self.value.kind {
            ValueKind::I64(number) => Some(i128::from(*number)),
            ValueKind::U64(number) => Some(i128::from(*number)),
            ValueKind::I128(number) => Some(*number),
            ValueKind::String(text) if self.is_variable() => text.trim().parse().ok(),
            _ => None,
        };
        let number =
            number.ok_or_else(|| self.not("a whole number", "write a whole number, without quotes"))?;
        self.shown = number.to_string();
        Ok(number)
    }

    pub(super) fn number(&mut self) -> Result<f64, Complaint> {
        let number = match &self.value.kind {
            ValueKind::Float(number) => Some(*number),
            ValueKind::String(text) if self.is_variable() => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => {
                self.shown = format!("{number:?}");
                Ok(number)
            }
            // Small whole numbers are exact as they are; larger ones are out of any range here.
            None => match self.integer().ok().and_then(|number| i32::try_from(number).ok()) {
                Some(number) => Ok(f64::from(number)),
                None => Err(self.not("a number", "write a number such as 0.2, without quotes")),
            },
        }
    }

    /// A duration with units, at most ten years.
    pub(super) fn duration(&mut self) -> Result<Duration, Complaint> {
        let text = match &self.value.kind {
            ValueKind::String(_) => self.text()?,
            _ => return Err(self.not("a duration", "write text with a unit, such as \"30s\" or \"1h 30m\"")),
        };
        let duration = humantime::parse_duration(text).map_err(|error| {
            let problem = match error {
                // The parser would list all units that it knows.
                DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
                    format!("there is no unit {unit:?}")
                }
                DurationError::UnknownUnit { .. } => "the unit is missing".to_owned(),
                other => other.to_string(),
            };
            Complaint::new(
                format!("is not a duration: {problem}"),
                "write numbers with units, such as \"30s\" or \"1h 30m\"",
            )
        })?;
        if duration > LONGEST {
            return Err(Complaint::new("is longer than 10 years", "write a shorter duration"));
        }
        Ok(duration)
    }

    /// A duration above 0.
    pub(super) fn positive(&mut self) -> Result<Duration, Complaint> {
        let duration = self.duration()?;
        if duration.is_zero() {
            return Err(Complaint::new("is 0", "write a longer duration"));
        }
        Ok(duration)
    }

    /// A list of texts. A single text is a list of one; in a variable commas divide it.
    pub(super) fn list(&mut self) -> Result<Vec<String>, Complaint> {
        let list: Vec<String> = match &self.value.kind {
            ValueKind::String(text) if self.is_variable() => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            ValueKind::String(text) => vec![text.clone()],
            ValueKind::Array(entries) => entries
                .iter()
                .map(|entry| match &entry.kind {
                    ValueKind::String(text) => Ok(text.clone()),
                    other => Err(Complaint::new(
                        format!("holds {}, and wants text only", name_of(other)),
                        "put each entry in quotes",
                    )),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(self.not("a list of text", "write a list such as [\"one\", \"two\"]")),
        };
        let shown: Vec<String> = list.iter().map(|text| quoted(text)).collect();
        self.shown = format!("[{}]", shown.join(", "));
        Ok(list)
    }

    fn is_variable(&self) -> bool {
        matches!(self.layer, Layer::Variable | Layer::VaultVariable)
    }

    /// Names the types, never the value.
    fn not(&self, wanted: &str, remedy: &str) -> Complaint {
        let problem = if self.is_variable() {
            format!("is not {wanted}")
        } else {
            format!("is {}, not {wanted}", name_of(&self.value.kind))
        };
        Complaint::new(problem, remedy)
    }
}

fn name_of(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}
