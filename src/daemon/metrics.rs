//! The metrics: what the passes came to, counted, and what the board shows, measured when somebody asks.
//!
//! Labels are bounded: words of ours, and the projects of the fleet. A project that is gone is gone from the next scrape,
//! because what is measured is made anew for each.

use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, TextEncoder,
};
use tokio::time::Instant;

use crate::engine::clock;
use crate::engine::report::{Outcome, PassReport};
use crate::plan::Decision;

use super::board::{Fleet, View};

const PREFIX: &str = "exceptionless_rotator_";
const PROJECT: [&str; 3] = ["project_id", "organization", "project"];
/// Upper ends, in seconds: from an idle pass to one that waits for several windows of the request budget.
const PASSES: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// What has been counted since the process began.
pub(crate) struct Metrics {
    rotations: IntCounterVec,
    failures: IntCounterVec,
    adopted: IntCounter,
    enrolled: IntCounter,
    reshaped: IntCounter,
    retired: IntCounter,
    disabled: IntCounter,
    superseded: IntCounter,
    passes: IntCounterVec,
    durations: Histogram,
    last_pass: Gauge,
    last_success: Gauge,
    /// Without labels, and without a value before it is known.
    password: GaugeVec,
}

/// How a pass ended that saw nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unfinished {
    /// It could not begin, or could not see enough.
    Failed,
    /// It was told to stop, or lost the lease, before its end.
    Abandoned,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            rotations: counters(
                "rotations_total",
                "Fresh keys published, by why they were due.",
                &["reason"],
            ),
            failures: counters(
                "rotation_failures_total",
                "Attempts that published nothing, by what failed.",
                &["reason"],
            ),
            adopted: counter("keys_adopted_total", "Keys of interrupted rotations that were published."),
            enrolled: counter(
                "keys_enrolled_total",
                "Secrets in which keys of interrupted rotations were listed for retirement.",
            ),
            reshaped: counter(
                "secrets_reshaped_total",
                "Secrets written again with the same key, because other fields were wanted.",
            ),
            retired: counter("keys_retired_total", "Keys revoked."),
            disabled: counter(
                "keys_disabled_total",
                "Keys disabled, as the first of two stages of their revocation.",
            ),
            superseded: counter(
                "publications_superseded_total",
                "Publications that another writer forestalled.",
            ),
            passes: counters("passes_total", "Passes, by how they ended.", &["outcome"]),
            durations: durations(),
            last_pass: gauge(
                "last_pass_timestamp_seconds",
                "When the last pass ended, however it did; before that, when the process began.",
            ),
            password: gauges(
                "password_changed_timestamp_seconds",
                "Since when the password at Exceptionless is in force, if the daemon changes it.",
                &[],
            ),
            last_success: gauge(
                "last_success_timestamp_seconds",
                "When the last pass ended in which nothing failed; before that, when the process began.",
            ),
        };
        for time in [&metrics.last_pass, &metrics.last_success] {
            time.set(seconds(clock::now()));
        }
        for outcome in ["clean", "problems", "failed", "abandoned"] {
            metrics.passes.with_label_values(&[outcome]);
        }
        metrics
    }

    /// Counts a pass that saw the fleet.
    pub(crate) fn count(&self, report: &PassReport) {
        for project in &report.projects {
            match &project.outcome {
                Outcome::Published(..) => {
                    self.rotations.with_label_values(&[project.decision.reason()]).inc();
                    self.adopted.inc_by(u64::from(matches!(project.decision, Decision::Adopt(..))));
                }
                Outcome::Enrolled(..) => self.enrolled.inc(),
                Outcome::Reshaped(..) => self.reshaped.inc(),
                Outcome::Superseded => self.superseded.inc(),
                Outcome::Failed(failure) => self.failures.with_label_values(&[failure.label()]).inc(),
                Outcome::Held | Outcome::NotBegun => {}
            }
        }
        self.retired.inc_by(report.retired.len() as u64);
        self.disabled.inc_by(report.disabled.len() as u64);
        self.durations.observe(report.duration.as_secs_f64());
        if report.interrupted {
            return self.count_unfinished(Unfinished::Abandoned);
        }
        self.end(if report.is_clean() { "clean" } else { "problems" });
        if !report.wants_retry() {
            self.last_success.set(seconds(clock::now()));
        }
    }

    /// Shows since when the password is in force.
    pub(crate) fn show_password(&self, changed_at: Option<DateTime<Utc>>) {
        if let Some(changed) = changed_at {
            self.password.with_label_values::<&str>(&[]).set(seconds(changed));
        }
    }

    /// Counts a pass that did not.
    pub(crate) fn count_unfinished(&self, how: Unfinished) {
        self.end(match how {
            Unfinished::Failed => "failed",
            Unfinished::Abandoned => "abandoned",
        });
    }

    fn end(&self, outcome: &str) {
        self.passes.with_label_values(&[outcome]).inc();
        self.last_pass.set(seconds(clock::now()));
    }

    /// Everything, in Prometheus' text format.
    pub(crate) fn render(&self, view: &View, now: DateTime<Utc>) -> String {
        let mut families = self.counted();
        families.extend(measured(view, now));
        if let Some(fleet) = view.fleet() {
            families.extend(of_the_fleet(fleet, now));
        }
        families.extend(view.engine.traffic.metrics());
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = Vec::new();
        // Writing to memory does not fail, and a name that is wrong was refused when it was made.
        let _ = TextEncoder::new().encode(&families, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn counted(&self) -> Vec<MetricFamily> {
        let Self {
            rotations,
            failures,
            adopted,
            enrolled,
            reshaped,
            retired,
            disabled,
            superseded,
            passes,
            durations,
            last_pass,
            last_success,
            password,
        } = self;
        let collectors: [&dyn Collector; 13] = [
            password,
            rotations,
            failures,
            adopted,
            enrolled,
            reshaped,
            retired,
            disabled,
            superseded,
            passes,
            durations,
            last_pass,
            last_success,
        ];
        collectors.into_iter().flat_map(Collector::collect).collect()
    }
}

/// What is true of the process and of its two servers.
fn measured(view: &View, now: DateTime<Utc>) -> Vec<MetricFamily> {
    let build = gauges("build_info", "The version, in a label.", &["version"]);
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    let ready = gauge("ready", "Whether /readyz says yes.");
    ready.set(f64::from(u8::from(view.unready(now).is_empty())));
    let leader = gauge("leader", "Whether this process may run passes; of several replicas one may.");
    leader.set(f64::from(u8::from(view.engine.tenure.stands())));
    let reloaded =
        gauge("config_last_reload_successful", "Whether the configuration that was read last is in force.");
    reloaded.set(f64::from(u8::from(!view.refused)));
    let mut families = [build.collect(), ready.collect(), leader.collect(), reloaded.collect()].concat();
    if let Some(budget) = view.engine.exceptionless.budget() {
        let remaining =
            gauge("budget_remaining_requests", "Requests that Exceptionless still allows in this window.");
        remaining.set(budget.remaining as f64);
        let limit = gauge("budget_limit_requests", "Requests that Exceptionless allows in a window.");
        limit.set(budget.limit as f64);
        families.extend([remaining.collect(), limit.collect()].concat());
    }
    if let Some(end) = view.engine.vault.token_ends() {
        let left = end.saturating_duration_since(Instant::now());
        let expiry =
            gauge("vault_token_expiry_timestamp_seconds", "When the Vault token ends unless it is renewed.");
        expiry.set(seconds(now) + left.as_secs_f64());
        families.extend(expiry.collect());
    }
    families
}

/// What is true of the projects.
fn of_the_fleet(fleet: &Fleet, now: DateTime<Utc>) -> Vec<MetricFamily> {
    let projects = gauge("projects", "Selected projects.");
    projects.set(fleet.standings.len() as f64);
    let age = gauges("project_key_age_seconds", "How long ago the published key was decided.", &PROJECT);
    let overdue = gauges(
        "project_overdue_seconds",
        "For how long a project has had no key that it should have; 0 when it is in time.",
        &PROJECT,
    );
    let problems =
        gauges("projects_with_problems", "Projects that somebody must look at, by why.", &["reason"]);
    let retiring = gauge("keys_retiring", "Replaced keys that wait for the end of their overlap.");
    let conflicts = gauge("conflicts", "Projects whose path in Vault is somebody else's.");
    for standing in &fleet.standings {
        let project = &standing.project;
        let labels = [project.id.as_str(), &project.organization_name, project.name.as_str()];
        if let Some(rotated_at) = standing.rotated_at {
            age.with_label_values(&labels).set((now - rotated_at).as_seconds_f64().max(0.0));
        }
        overdue.with_label_values(&labels).set(fleet.overdue(standing, now).as_seconds_f64());
        if let Some(problem) = &standing.problem {
            problems.with_label_values(&[problem.label]).inc();
        }
        conflicts.add(f64::from(u8::from(standing.reason == "conflict")));
        retiring.add(standing.waiting.iter().filter(|waiting| !waiting.disabled).count() as f64);
    }
    [
        projects.collect(),
        age.collect(),
        overdue.collect(),
        problems.collect(),
        retiring.collect(),
        conflicts.collect(),
    ]
    .concat()
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    valid(IntCounterVec::new(options(name, help), labels))
}

fn counter(name: &str, help: &str) -> IntCounter {
    valid(IntCounter::with_opts(options(name, help)))
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    valid(GaugeVec::new(options(name, help), labels))
}

fn gauge(name: &str, help: &str) -> Gauge {
    valid(Gauge::with_opts(options(name, help)))
}

fn durations() -> Histogram {
    let options = HistogramOpts::from(options("pass_duration_seconds", "How long passes took."));
    valid(Histogram::with_opts(options.buckets(PASSES.to_vec())))
}

#[expect(clippy::expect_used, reason = "names and labels are constants, and a test makes each")]
fn valid<T>(metric: prometheus::Result<T>) -> T {
    metric.expect("a valid name")
}
