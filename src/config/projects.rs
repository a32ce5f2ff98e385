//! `[projects]`, `[rotation]` and `[[override]]`: what to do with which project.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use config::ValueKind;

use super::Pace;
use super::effective::quoted;
use super::error::{Complaint, nearest};
use super::reader::{Report, Section};
use super::sources::Sources;
use super::value::Given;
use crate::domain::ids::Instance;
use crate::domain::path::PathTemplate;
use crate::domain::policy::{OnVanished, Override, Pattern, Revocation, Rule, Selection};
use crate::domain::schedule::Schedule;

pub(super) fn selection(sources: &Sources, report: &mut Report) -> Option<Selection> {
    let mut section = Section::open(sources, "projects");
    let include = section.required("include", "[\"*\"]", some_patterns);
    let exclude = section.required("exclude", "[]", patterns);
    section.finish(report);
    Some(Selection { include: include?, exclude: exclude? })
}

/// What `[rotation]` says.
pub(super) struct Rotation {
    pub(super) instance: Instance,
    pub(super) rule: Rule,
    pub(super) on_vanished: OnVanished,
    pub(super) pace: Pace,
    pub(super) overrides: Vec<Override>,
}

impl Rotation {
    /// All templates of paths.
    pub(super) fn templates(&self) -> Vec<&PathTemplate> {
        let special = self.overrides.iter().map(|special| &special.rule.path);
        std::iter::once(&self.rule.path).chain(special).collect()
    }
}

/// `[rotation]` and the overrides of it. `path` is the general template.
pub(super) fn rotation(
    sources: &Sources,
    report: &mut Report,
    path: Option<PathTemplate>,
    now: DateTime<Utc>,
) -> Option<Rotation> {
    let mut section = Section::open(sources, "rotation");
    let instance = section.required("instance", "\"default\"", |given| {
        Instance::parse(given.text()?).map_err(|error| Complaint::of(&error))
    });
    let schedule = section.required("schedule", "\"0 3 * * *\"", |given| schedule(given, now));
    let zone = section.required("timezone", "\"UTC\"", zone);
    let splay = section.required("splay", "\"30m\"", whole_seconds);
    let overlap = section.required("overlap", "\"24h\"", overlap);
    let stages = section.required("revocation", "\"delete\"", stages);
    let disabled_for = section.required("disabled_for", "\"7d\"", Given::positive);
    let reconcile_every = section.required("reconcile_every", "\"15m\"", Given::positive);
    let concurrency = section.required("concurrency", "8", |given| match usize::try_from(given.integer()?) {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err(Complaint::new("is out of range", "write a number from 1 to 64")),
    });
    let on_vanished = section.required("on_vanished", "\"keep\"", |given| {
        given.word(&[("keep", OnVanished::Keep), ("delete", OnVanished::Delete)])
    });
    let general = Terms { path, schedule, zone, splay, overlap, stages, disabled_for };
    let mut rest = Report::default();
    let overrides = overrides(sources, &mut rest, &general, now);
    // What the overrides do not say is taken from here; and `config` prints the default, to be copied.
    let disables = |one: &Override| matches!(one.rule.revocation, Revocation::DisableThenDelete { .. });
    let is_taken = overrides.as_ref().is_none_or(|overrides| overrides.iter().any(disables));
    if disabled_for.is_some_and(|lasts| lasts != DISABLED_FOR) && !is_taken {
        useful(&mut section, stages);
    }
    section.finish(report);
    report.append(rest);
    Some(Rotation {
        instance: instance?,
        rule: general.rule()?,
        on_vanished: on_vanished?,
        pace: Pace { reconcile_every: reconcile_every?, concurrency: concurrency? },
        overrides: overrides?,
    })
}

/// Whoever writes for how long keys shall be disabled believes that they are.
fn useful(section: &mut Section<'_>, stages: Option<Stages>) {
    if matches!(stages, Some(Stages::Delete)) && section.place("disabled_for").is_some() {
        let complaint = Complaint::new(
            "has no use with revocation = \"delete\"",
            "remove it, or write revocation = \"disable_then_delete\"",
        );
        section.complain_of_pair("disabled_for", complaint);
    }
}

/// As in `config/default.toml`.
const DISABLED_FOR: Duration = Duration::from_secs(7 * 86_400);

/// How a key is revoked; for how long it is disabled stands elsewhere.
#[derive(Clone, Copy)]
enum Stages {
    Delete,
    DisableThenDelete,
}

/// The parts of a rule, as far as they are known.
#[derive(Clone)]
struct Terms {
    path: Option<PathTemplate>,
    schedule: Option<Schedule>,
    zone: Option<Tz>,
    splay: Option<Duration>,
    overlap: Option<Duration>,
    stages: Option<Stages>,
    disabled_for: Option<Duration>,
}

impl Terms {
    fn rule(self) -> Option<Rule> {
        let Self { path, schedule, zone, splay, overlap, stages, disabled_for } = self;
        let schedule = schedule?.in_zone(zone?);
        let disabled_for = disabled_for?;
        let revocation = match stages? {
            Stages::Delete => Revocation::Delete,
            Stages::DisableThenDelete => Revocation::DisableThenDelete { disabled_for },
        };
        Some(Rule { path: path?, schedule, splay: splay?, overlap: overlap?, revocation })
    }
}

fn overrides(
    sources: &Sources,
    report: &mut Report,
    general: &Terms,
    now: DateTime<Utc>,
) -> Option<Vec<Override>> {
    let mut root = Section::open(sources, "");
    root.holds(&["exceptionless", "vault", "secret", "projects", "rotation", "ha", "admin", "log"]);
    let entries = match root.raw("override").map(|value| &value.kind) {
        None => &[],
        Some(ValueKind::Array(entries)) => entries.as_slice(),
        Some(_) => {
            let complaint = Complaint::new(
                "is a list of sections",
                "write each under [[override]], in the file; no variable can set them",
            );
            root.complain("override", complaint);
            &[]
        }
    };
    root.finish(report);

    let mut fixed: Vec<(String, usize)> = Vec::new();
    let mut overrides = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut section = Section::entry(sources, "override", index, entry);
        let matches = section.required("match", "[\"organization/name\"]", some_patterns);
        let path = section.optional("path", |given| {
            PathTemplate::parse_any(given.text()?).map_err(|error| Complaint::of(&error))
        });
        if let Some(text) = path.as_ref().map(PathTemplate::to_string).filter(|text| !text.contains('{')) {
            match fixed.iter().find(|(other, _)| *other == text) {
                Some((_, twin)) => section.complain(
                    "path",
                    Complaint::new(
                        format!("is the path of override[{twin}] as well"),
                        "give each project a path of its own",
                    ),
                ),
                None => fixed.push((text, index)),
            }
        }
        let schedule = section.optional("schedule", |given| schedule(given, now));
        let zone = section.optional("timezone", zone);
        let splay = section.optional("splay", whole_seconds);
        let overlap = section.optional("overlap", overlap);
        let stages = section.optional("revocation", stages);
        let disabled_for = section.optional("disabled_for", Given::positive);
        useful(&mut section, stages.or(general.stages));
        section.finish(report);

        let terms = Terms {
            path: path.or_else(|| general.path.clone()),
            schedule: schedule.or_else(|| general.schedule.clone()),
            zone: zone.or(general.zone),
            splay: splay.or(general.splay),
            overlap: overlap.or(general.overlap),
            stages: stages.or(general.stages),
            disabled_for: disabled_for.or(general.disabled_for),
        };
        overrides.push(matches.zip(terms.rule()).map(|(matches, rule)| Override { matches, rule }));
    }
    overrides.into_iter().collect()
}

fn patterns(given: &mut Given<'_>) -> Result<Vec<Pattern>, Complaint> {
    let texts = given.list()?;
    texts.iter().map(|text| Pattern::parse(text).map_err(|error| Complaint::of(&error))).collect()
}

fn some_patterns(given: &mut Given<'_>) -> Result<Vec<Pattern>, Complaint> {
    match patterns(given)? {
        patterns if patterns.is_empty() => {
            Err(Complaint::new("is empty, so that no project matches", "write [\"*\"] for all"))
        }
        patterns => Ok(patterns),
    }
}

/// A schedule in UTC: its zone stands elsewhere, and may be wrong itself.
pub(super) fn schedule(given: &mut Given<'_>, now: DateTime<Utc>) -> Result<Schedule, Complaint> {
    Schedule::parse(given.text()?, Tz::UTC, now).map_err(|error| {
        Complaint::new(
            error.to_string().trim_end_matches('.'),
            "write one like \"0 3 * * *\", every day at 3",
        )
    })
}

fn zone(given: &mut Given<'_>) -> Result<Tz, Complaint> {
    let text = given.text()?;
    text.parse().map_err(|_| {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let city = |name: &&str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
        let remedy = match names().find(city).or_else(|| nearest(text, names())) {
            Some(name) => format!("did you mean {}?", quoted(name)),
            None => {
                "write a name of the IANA time zone database, such as \"UTC\" or \"Europe/Berlin\"".to_owned()
            }
        };
        Complaint::new("is not a time zone", remedy)
    })
}

/// Vault holds the overlap in seconds, and due times are spread in seconds.
pub(super) fn whole_seconds(given: &mut Given<'_>) -> Result<Duration, Complaint> {
    match given.duration()? {
        duration if duration.subsec_nanos() == 0 => Ok(duration),
        _ => Err(Complaint::new("is not a whole number of seconds", "round it to seconds")),
    }
}

fn stages(given: &mut Given<'_>) -> Result<Stages, Complaint> {
    given.word(&[("delete", Stages::Delete), ("disable_then_delete", Stages::DisableThenDelete)])
}

fn overlap(given: &mut Given<'_>) -> Result<Duration, Complaint> {
    given.positive()?;
    whole_seconds(given)
}
