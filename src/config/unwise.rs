//! What is legal, and probably not meant.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use humantime::format_duration;

use super::proxy::is_loopback;
use super::{Config, Ha};
use crate::domain::path::{InvalidPath, PathTemplate};
use crate::domain::policy::{Override, Rule};

/// Vault Agent renders static secrets every 5 minutes; twice that survives one missed poll.
const SHORT_OVERLAP: Duration = Duration::from_secs(600);

/// So many keys alive in one project are hard to oversee for people, and each lengthens every listing.
const MANY_KEYS: usize = 5;

/// Enough to see the narrowest stretch of a week of hourly rotations.
const OCCURRENCES: usize = 200;

/// What a person should be told.
pub(super) fn warnings(config: &Config, now: DateTime<Utc>) -> Vec<String> {
    let policy = &config.policy;
    let mut warnings = Vec::new();
    for (key, url) in
        [("exceptionless.url", &config.exceptionless.url), ("vault.address", &config.vault.address)]
    {
        if url.scheme() == "http" && !is_loopback(url) {
            warnings.push(format!("{key} is http: credentials and keys travel unencrypted; use https"));
        }
    }
    if config.vault.address.scheme() == "http" {
        let vault = &config.vault;
        for (key, given) in [
            ("ca_file", vault.ca_file.is_some()),
            ("client_cert_file", vault.client_certificate.is_some()),
            ("tls_server_name", vault.tls_server_name.is_some()),
        ] {
            if given {
                warnings.push(format!("vault.{key} has no use, because vault.address is not https"));
            }
        }
    }
    rule("rotation", &policy.rule, None, now, &mut warnings);
    for (index, Override { matches, rule: special }) in policy.overrides.iter().enumerate() {
        let name = format!("override[{index}]");
        rule(&name, special, Some(&policy.rule), now, &mut warnings);
        let wild = matches.len() > 1 || matches.iter().any(|one| one.as_str().contains(['*', '?', '[']));
        if wild && is_fixed(&special.path) {
            warnings.push(format!(
                "{name}.path is one fixed path: if more than one project matches, none of them is written"
            ));
        }
    }
    if let Some(address) = config.admin.filter(|address| !address.ip().is_loopback()) {
        warnings.push(format!(
            "admin.listen ({address}) is not a loopback address: whoever reaches it reads the names and paths of all projects; \
             let a firewall or a network policy say who does"
        ));
    }
    if let Some(Ha { lease_ttl, .. }) = &config.ha
        && *lease_ttl < config.vault.timeout * 2
    {
        warnings.push(format!(
            "ha.lease_ttl ({}) is under twice vault.timeout ({}): a Vault that is slow, and still in time for everything else, makes the lease change hands; make ha.lease_ttl longer, or vault.timeout shorter",
            format_duration(*lease_ttl),
            format_duration(config.vault.timeout),
        ));
    }
    let every = config.pace.reconcile_every;
    let overlap =
        policy.overrides.iter().map(|special| special.rule.overlap).fold(policy.rule.overlap, Duration::min);
    if every > overlap {
        warnings.push(format!(
            "rotation.reconcile_every ({}) is longer than an overlap ({}): what goes wrong may stay unseen for longer than an old key lives; make reconcile_every shorter",
            format_duration(every),
            format_duration(overlap),
        ));
    }
    warnings
}

/// What an override takes from the general rule has been said there.
fn rule(name: &str, rule: &Rule, general: Option<&Rule>, now: DateTime<Utc>, warnings: &mut Vec<String>) {
    let same_overlap = general.is_some_and(|general| general.overlap == rule.overlap);
    let same_schedule = general.is_some_and(|general| general.schedule == rule.schedule);
    let overlap = format_duration(rule.overlap);
    if rule.overlap < SHORT_OVERLAP && !same_overlap {
        warnings.push(format!(
            "{name}.overlap ({overlap}) is under 10 minutes: Vault Agent polls every 5 minutes by default, and a reader that misses a poll holds a dead key"
        ));
    }
    if !(same_overlap && same_schedule) && many_alive(rule, now) {
        warnings.push(format!(
            "{name}: more than {MANY_KEYS} keys of a project would be alive at the same time, because keys live on for {overlap} and {} comes more often than every {}; make the overlap shorter, or the schedule rarer",
            rule.schedule,
            format_duration(rule.overlap / MANY_KEYS as u32),
        ));
    }
}

/// Whether so many keys are replaced within one overlap that, with the published one, they are too many.
fn many_alive(rule: &Rule, now: DateTime<Utc>) -> bool {
    let Ok(overlap) = TimeDelta::from_std(rule.overlap) else { return true };
    let first = rule.schedule.next(now);
    let times = std::iter::successors(first, |time| rule.schedule.next(*time));
    let horizon = now + TimeDelta::days(366);
    let times: Vec<_> = times.take(OCCURRENCES).take_while(|time| *time < horizon).collect();
    times.windows(MANY_KEYS).any(|window| match window {
        [first, .., last] => *last - *first < overlap,
        _ => false,
    })
}

fn is_fixed(path: &PathTemplate) -> bool {
    matches!(PathTemplate::parse(&path.to_string()), Err(InvalidPath::NoProject(_)))
}
