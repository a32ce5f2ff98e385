//! `check`: is everything there that a pass will need? It asks both servers and changes nothing. Each
//! finding that is not fine says what to do.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::domain::policy::OnVanished;
use crate::domain::secret::SecretState;
use crate::engine::event::chain;
use crate::engine::{Engine, Request, Survey};
use crate::plan::reason::Hold;
use crate::plan::{Decision, Step};

use super::exit::{Exit, Failure};
use super::table::{print, print_json};
use super::{Output, setup};

/// More than this between two clocks, and somebody's time is wrong. Keys stay safe, since the latest clock
/// dates and the earliest judges; they are only retired later.
const TOLERABLE_SKEW: TimeDelta = TimeDelta::seconds(5);

pub(super) fn run(file: Option<&Path>, output: Output) -> Result<Exit, Failure> {
    let (engine, loaded) = setup::command(file, true)?;
    let mut findings = Findings::default();
    findings.fine("configuration", "valid".to_owned());
    for warning in &loaded.warnings {
        findings.unwise("configuration", warning.clone());
    }
    setup::block_on(examine(&engine, &mut findings))?;
    match output {
        Output::Table => print(&findings.text())?,
        Output::Json => print_json(&findings)?,
    }
    Ok(findings.exit)
}

async fn examine(engine: &Engine, findings: &mut Findings) {
    let exceptionless = check_exceptionless(engine, findings).await;
    let vault = check_vault(engine, findings).await;
    check_clocks(engine, findings);
    if exceptionless && vault {
        match engine.survey(&Request::default()).await {
            Ok(survey) => check_fleet(engine, &survey, findings).await,
            Err(error) => findings.bad("projects", Failure::from(error)),
        }
    }
}

async fn check_exceptionless(engine: &Engine, findings: &mut Findings) -> bool {
    match engine.exceptionless.who_am_i().await {
        Ok(user) => {
            let organizations = user.organization_ids.len();
            findings.fine(
                "exceptionless",
                format!("signed in as {}, member of {organizations} organizations", user.email),
            );
            true
        }
        Err(error) => {
            findings.bad("exceptionless", error.into());
            false
        }
    }
}

async fn check_vault(engine: &Engine, findings: &mut Findings) -> bool {
    match engine.vault.health().await {
        Ok(health) => findings.fine("vault", format!("version {} answers", health.version)),
        Err(error) => {
            findings.bad("vault", error.into());
            return false;
        }
    }
    if let Err(error) = engine.vault.preflight().await {
        findings.bad("vault", error.into());
        return false;
    }
    match engine.vault.whoami().await {
        Ok(identity) => {
            let life = identity.ttl.map_or_else(
                || "does not expire".to_owned(),
                |ttl| {
                    format!(
                        "expires in {}, {}renewable",
                        humantime::format_duration(ttl),
                        if identity.renewable { "" } else { "not " }
                    )
                },
            );
            findings.fine("vault token", format!("policies {}; {life}", identity.policies.join(", ")));
            if identity.policies.iter().any(|policy| policy == "root") {
                findings.unwise(
                    "vault token",
                    "it is a root token; use one with the policy in config/vault-policy.hcl".to_owned(),
                );
            }
        }
        Err(error) => findings.unwise("vault token", format!("it cannot be looked up: {}", chain(&error))),
    }
    true
}

fn check_clocks(engine: &Engine, findings: &mut Findings) {
    let clocks = engine.clocks();
    let mut skew = |name: &str, theirs: Option<DateTime<Utc>>| {
        let Some(theirs) = theirs else { return };
        let ahead = theirs - clocks.ours;
        if ahead > TOLERABLE_SKEW || ahead < -TOLERABLE_SKEW {
            let (seconds, direction) =
                (ahead.num_seconds().abs(), if ahead < TimeDelta::zero() { "behind" } else { "ahead of" });
            findings.unwise("clocks", format!(
                "{name} is {seconds} s {direction} this machine; keys stay safe but are retired that much later; \
                 let time synchronisation run on both"
            ));
        } else {
            findings.fine("clocks", format!("{name} agrees with this machine"));
        }
    };
    skew("Exceptionless", clocks.exceptionless);
    skew("Vault", clocks.vault);
}

async fn check_fleet(engine: &Engine, survey: &Survey, findings: &mut Findings) {
    let steps = &survey.plan.steps;
    findings.fine(
        "projects",
        format!("{} of {} are selected; {} keys are listed", steps.len(), survey.projects, survey.keys),
    );
    for problem in &survey.blind {
        findings.bad("projects", Failure::new(Exit::SomeFailed, problem.clone()));
    }
    for step in steps {
        let Decision::Hold(hold) = &step.decision else { continue };
        let name = step.observed.target.project.full_name();
        match hold {
            Hold::UpToDate => {}
            Hold::Suspended => findings.unwise("projects", format!("{name}: {hold}")),
            Hold::Conflict(_) => {
                findings.bad("paths", Failure::new(Exit::SomeFailed, format!("{name}: {hold}")))
            }
            Hold::Misplaced | Hold::Unseen(_) => {
                findings.bad("projects", Failure::new(Exit::SomeFailed, format!("{name}: {hold}")));
            }
        }
    }
    check_rights(engine, survey, findings).await;
    check_budget(engine, survey, findings);
}

/// The rights that the passes to come will need, on the path of the first project that may be written.
async fn check_rights(engine: &Engine, survey: &Survey, findings: &mut Findings) {
    let mut writable = survey.plan.steps.iter().filter(|step| is_writable(step));
    let Some(path) = writable.find_map(|step| step.observed.target.place.as_ref().ok()) else { return };
    let (data, metadata) = (engine.vault.data_path(path), engine.vault.metadata_path(path));
    let mut needed = BTreeMap::from([(data, vec!["create", "read", "update"]), (metadata, vec!["patch"])]);
    if engine.policy.on_vanished == OnVanished::Delete {
        needed.insert(engine.vault.delete_path(path), vec!["update"]);
    }
    let paths: Vec<String> = needed.keys().cloned().collect();
    let granted = match engine.vault.capabilities(&paths).await {
        Ok(granted) => granted,
        Err(error) => {
            return findings.unwise("vault policy", format!("it cannot be asked for: {}", chain(&error)));
        }
    };
    let mut complete = true;
    for (path, needed) in needed {
        let held = granted.get(&path).map(Vec::as_slice).unwrap_or_default();
        let has = |capability: &str| held.iter().any(|held| held == capability || held == "root");
        let missing: Vec<&str> = needed.into_iter().filter(|capability| !has(capability)).collect();
        if !missing.is_empty() {
            complete = false;
            findings.bad(
                "vault policy",
                Failure::new(
                    Exit::NotPermitted,
                    format!(
                        "{path} lacks {}; add it to the policy (see config/vault-policy.hcl)",
                        missing.join(", ")
                    ),
                ),
            );
        }
    }
    if complete {
        findings.fine("vault policy", format!("allows what is needed, tried on {path}"));
    }
}

fn is_writable(step: &Step) -> bool {
    let secret = step.observed.sight().map(|sight| &sight.secret);
    matches!(secret, Some(SecretState::Absent | SecretState::Ours(_) | SecretState::Unclaimed { .. }))
}

fn check_budget(engine: &Engine, survey: &Survey, findings: &mut Findings) {
    let Some(budget) = engine.exceptionless.budget() else {
        return findings.fine("budget", "the server does not limit requests".to_owned());
    };
    let usable = budget.limit.saturating_sub(budget.reserve);
    let fleet = survey.plan.steps.len() as u64;
    let text = format!(
        "{} of {} requests are left in this window, {} of them reserved for people; rotating all {fleet} \
         projects takes {}",
        budget.remaining,
        budget.limit,
        budget.reserve,
        match fleet.div_ceil(usable.max(1)) {
            0 | 1 => "one window".to_owned(),
            windows => format!("{windows} windows"),
        }
    );
    findings.fine("budget", text);
}

/// What was found, in the order in which it was looked for.
#[derive(Serialize)]
struct Findings {
    findings: Vec<Finding>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    result: &'static str,
    detail: String,
}

impl Default for Findings {
    fn default() -> Self {
        Self { findings: Vec::new(), exit: Exit::Done }
    }
}

impl Findings {
    fn fine(&mut self, check: &'static str, detail: String) {
        self.findings.push(Finding { check, result: "ok", detail });
    }

    fn unwise(&mut self, check: &'static str, detail: String) {
        self.findings.push(Finding { check, result: "warning", detail });
    }

    /// The gravest finding decides the exit code.
    fn bad(&mut self, check: &'static str, failure: Failure) {
        self.exit = self.exit.max(failure.exit());
        self.findings.push(Finding { check, result: "problem", detail: failure.message().to_owned() });
    }

    fn text(&self) -> String {
        let line =
            |finding: &Finding| format!("{:<8} {:<14} {}\n", finding.result, finding.check, finding.detail);
        self.findings.iter().map(line).collect()
    }
}
