//! What the passes cost, beside what Exceptionless allows.

use std::time::Duration;

use chrono::TimeDelta;
use humantime::format_duration;

use crate::config::Config;
use crate::engine::{Engine, clock};
use crate::exceptionless::MAX_DELETED_AT_ONCE;

use super::Findings;

const CHECK: &str = "budget";

/// `look` is what a pass costs that changes nothing.
pub(super) fn budget(engine: &Engine, config: &Config, look: u64, fleet: usize, findings: &mut Findings) {
    let Some(budget) = engine.exceptionless.budget() else {
        return findings.fine(CHECK, "the server does not limit requests");
    };
    let window = config.exceptionless.rate_window;
    let usable = budget.limit.saturating_sub(budget.reserve).max(1);
    let full = look + fleet as u64 + (fleet as u64).div_ceil(MAX_DELETED_AT_ONCE as u64);
    let waits = full.div_ceil(usable).saturating_sub(1);
    let takes = window.saturating_mul(u32::try_from(waits).unwrap_or(u32::MAX));
    let lasts = match waits {
        0 => "which fits in one window".to_owned(),
        _ => format!("which is {} windows and takes at least {}", waits + 1, format_duration(takes)),
    };
    findings.fine(CHECK, format!(
        "{} of {} requests are left in this window, {} of them reserved for people; a pass that changes nothing costs \
         {look}, and rotating all {fleet} projects {full}, {lasts}",
        budget.remaining, budget.limit, budget.reserve
    ));
    if budget.remaining <= budget.reserve {
        let ends = budget.window_ends.format("%H:%M:%S");
        findings.unwise(CHECK, format!(
            "it is spent but for the reserve, so that passes wait until {ends} UTC; if that happens often, give the \
             rotator a user of its own, or let it look less often (rotation.reconcile_every)"
        ));
    }
    let every = config.pace.reconcile_every;
    let looks = window.as_secs_f64() / every.as_secs_f64().max(1.0);
    if looks * look as f64 > usable as f64 {
        let needed = Duration::from_secs((window.as_secs_f64() * look as f64 / usable as f64).ceil() as u64);
        findings.unwise(
            CHECK,
            format!(
                "looking every {} costs more than there is; set rotation.reconcile_every to {} or more",
                format_duration(every),
                format_duration(needed)
            ),
        );
    }
    let schedule = &config.policy.rule.schedule;
    let first = schedule.next(clock::now());
    let interval = first.and_then(|first| Some(schedule.next(first)? - first));
    if TimeDelta::from_std(takes).ok() > interval.or(Some(TimeDelta::MAX)) {
        findings.unwise(CHECK, format!(
            "rotating all projects takes longer than it is from one scheduled time to the next; schedule less often, \
             raise the server's limit, or lower exceptionless.rate_reserve ({})",
            config.exceptionless.rate_reserve
        ));
    }
}
