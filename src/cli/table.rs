//! What people and programs read.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::exit::Failure;

/// A table that is a list of columns and nothing else: it survives `cut` and `awk`.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    let lines = table.to_string();
    lines.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// Writes to standard output; a reader that has gone away is no error of ours. Names come from other people,
/// so what would steer the terminal is taken out.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let text = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes one JSON document.
pub(super) fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
    text.push('\n');
    print(&text)
}

/// A time for programs.
pub(super) fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A distance in time for people: `3d 4h`, `12m`, `8s`.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long ago, or how soon.
pub(super) fn relative(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if time <= now { format!("{} ago", span(now - time)) } else { format!("in {}", span(time - now)) }
}
