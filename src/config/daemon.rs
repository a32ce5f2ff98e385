//! `[ha]`, `[admin]` and `[log]`: the process itself.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::error::Complaint;
use super::projects::whole_seconds;
use super::reader::{Report, Section};
use super::sources::Sources;
use super::value::Given;
use super::{Ha, Log, LogFormat};
use crate::domain::lease::LONGEST_LEASE;
use crate::domain::path::{PathTemplate, SecretPath};

/// A lease is renewed three times in its time, and a slow renewal must leave time for another.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// `templates` are those of all secrets: none of them may ever lie where the lease does.
pub(super) fn ha(sources: &Sources, report: &mut Report, templates: &[&PathTemplate]) -> Option<Option<Ha>> {
    let mut section = Section::open(sources, "ha");
    let enabled = section.required("enabled", "false", Given::switch);
    let lease_path = section.required("lease_path", "\"exceptionless-rotator/leader\"", |given| {
        SecretPath::parse(given.text()?).map_err(|_| {
            Complaint::new(
                "is not a path: it has an empty, '.' or '..' segment, or a control character",
                "write it like \"exceptionless-rotator/leader\"",
            )
        })
    });
    let lease_ttl = section.required("lease_ttl", "\"30s\"", |given| match whole_seconds(given)? {
        ttl if ttl < SHORTEST_LEASE => Err(Complaint::new(
            "is too short to be renewed in time",
            "write at least \"3s\", and better \"30s\"",
        )),
        ttl if ttl > LONGEST_LEASE => Err(Complaint::new(
            "is longer than an hour, for which nothing is rotated when its holder dies",
            "write a shorter duration, such as \"30s\"",
        )),
        ttl => Ok(ttl),
    });
    if enabled == Some(true)
        && let Some(path) = &lease_path
        && let Some(template) = templates.iter().find(|template| template.may_be(path))
    {
        let complaint = Complaint::new(
            format!("may be the path of a project's secret, by {:?}", template.to_string()),
            "write a path that no project can have, such as one with more segments",
        );
        section.complain_of_pair("lease_path", complaint);
    }
    section.finish(report);
    let (lease_path, lease_ttl) = (lease_path?, lease_ttl?);
    Some(enabled?.then_some(Ha { lease_path, lease_ttl }))
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
