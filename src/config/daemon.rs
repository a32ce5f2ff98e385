//! `[ha]`, `[admin]` and `[log]`: the process itself.
//!
//! The first is reserved: its keys are known and checked, so that a file written today is not refused by a later version.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::error::Complaint;
use super::reader::{Report, Section};
use super::sources::Sources;
use super::value::Given;
use super::{Log, LogFormat};
use crate::domain::path::SecretPath;

pub(super) fn ha(sources: &Sources, report: &mut Report) {
    let mut section = Section::open(sources, "ha");
    section.required("enabled", "false", |given| match given.switch()? {
        false => Ok(()),
        true => Err(Complaint::new(
            "is not supported by this version",
            "replicas are safe without it: every publication is check-and-set; leave it false",
        )),
    });
    section.required("lease_path", "\"exceptionless-rotator/leader\"", |given| {
        SecretPath::parse(given.text()?).map_err(|_| {
            Complaint::new(
                "is not a path: it has an empty, '.' or '..' segment, or a control character",
                "write it like \"exceptionless-rotator/leader\"",
            )
        })
    });
    section.required("lease_ttl", "\"30s\"", Given::positive);
    section.finish(report);
}

/// Where to show what the daemon does; `None` for nowhere.
pub(super) fn admin(sources: &Sources, report: &mut Report) -> Option<Option<SocketAddr>> {
    let mut section = Section::open(sources, "admin");
    let listen = section.required("listen", "\"127.0.0.1:9184\"", |given| {
        let text = given.text()?;
        let address =
            |_| Complaint::new("is not an IP address and a port", "write it like \"127.0.0.1:9184\"");
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(address) }
    });
    section.finish(report);
    listen
}

pub(super) fn log(sources: &Sources, report: &mut Report) -> Option<Log> {
    let mut section = Section::open(sources, "log");
    let words = [("json", LogFormat::Json), ("text", LogFormat::Text), ("journald", LogFormat::Journald)];
    let format = section.required("format", "\"json\"", |given| given.word(&words));
    let level = section.required("level", "\"info\"", |given| {
        let text = given.filled()?;
        if EnvFilter::try_new(text).is_ok() && levels_are_levels(text) {
            return Ok(text.to_owned());
        }
        Err(Complaint::new(
            "is not a log filter",
            "write a level (off, error, warn, info, debug, trace) or directives such as \"info,exceptionless_rotator=debug\"",
        ))
    });
    section.finish(report);
    Some(Log { format: format?, level: level? })
}

/// A filter takes a word that is no level for the name of a module, and would be silent about a slip such
/// as `inof`. So a module must be written with its level.
fn levels_are_levels(text: &str) -> bool {
    let bare = |directive: &&str| !directive.contains(['=', '[']);
    text.contains('[') || text.split(',').filter(bare).all(|word| word.trim().parse::<LevelFilter>().is_ok())
}
