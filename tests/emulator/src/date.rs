//! Dates as the server writes and reads them (contract 8).
//!
//! Written by hand because the .NET form is peculiar: up to seven fraction digits, trailing zeros trimmed, and
//! documents from before a certain release have no zone at all.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use serde::{Serialize, Serializer};

/// A moment on its way into JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) at: DateTime<Utc>,
    /// Without the final `Z`, as in old documents.
    pub(crate) zoneless: bool,
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write(self.at, self.zoneless))
    }
}

pub(crate) fn write(at: DateTime<Utc>, zoneless: bool) -> String {
    let mut text = String::with_capacity(28);
    push(&mut text, at.year().unsigned_abs(), 4);
    text.push('-');
    push(&mut text, at.month(), 2);
    text.push('-');
    push(&mut text, at.day(), 2);
    text.push('T');
    push(&mut text, at.hour(), 2);
    text.push(':');
    push(&mut text, at.minute(), 2);
    text.push(':');
    push(&mut text, at.second(), 2);
    let ticks = at.nanosecond() % 1_000_000_000 / 100;
    if ticks > 0 {
        text.push('.');
        push(&mut text, ticks, 7);
        text.truncate(text.trim_end_matches('0').len());
    }
    if !zoneless {
        text.push('Z');
    }
    text
}

/// Reads what a client sends: with `Z`, with an offset, or without either, which means UTC (contract 3.3). The
/// server converts an offset to its local time; this one lives in UTC.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    text.parse::<NaiveDateTime>()
        .or_else(|_| text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::default())))
        .ok()
        .map(|at| at.and_utc())
}

/// The `Date` header's form.
pub(crate) fn http(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn push(text: &mut String, number: u32, width: u32) {
    for position in (0..width).rev() {
        let digit = number / 10u32.pow(position) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}
