//! `check`: is everything there that a pass will need? It asks both servers and changes nothing. Each
//! finding that is not fine says what to do.

mod budget;
mod fleet;
mod rights;
mod servers;

use std::path::Path;

use serde::Serialize;

use crate::config::{Config, Loaded};
use crate::engine::{Engine, Request};

use super::exit::{Exit, Failure};
use super::table::{print, print_json};
use super::{Output, setup};

pub(super) fn run(file: Option<&Path>, output: Output) -> Result<Exit, Failure> {
    let (engine, Loaded { config, warnings, .. }) = setup::command(file, true)?;
    let mut findings = Findings::default();
    findings.fine("configuration", "valid");
    for warning in warnings {
        findings.unwise("configuration", warning);
    }
    setup::block_on(examine(&engine, &config, &mut findings))?;
    match output {
        Output::Table => print(&findings.text())?,
        Output::Json => print_json(&findings)?,
    }
    Ok(findings.exit)
}

async fn examine(engine: &Engine, config: &Config, findings: &mut Findings) {
    let exceptionless = servers::exceptionless(engine, config, findings).await;
    let vault = servers::vault(engine, config, findings).await;
    if exceptionless && vault {
        servers::password(engine, findings).await;
    }
    servers::clocks(engine, findings);
    if !(exceptionless && vault) {
        return;
    }
    let before = engine.exceptionless.throttled_requests();
    match engine.survey(&Request { lenient: true, ..Request::default() }).await {
        Ok(survey) => {
            let look = engine.exceptionless.throttled_requests() - before;
            fleet::projects(&engine.policy, &survey, findings);
            servers::lease(engine, findings).await;
            rights::policy(engine, config.exceptionless.auth.kept_in_vault(), &survey, findings).await;
            budget::budget(engine, config, look, survey.plan.steps.len(), findings);
        }
        Err(error) => findings.bad("projects", error),
    }
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
    fn fine(&mut self, check: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding { check, result: "ok", detail: detail.into() });
    }

    /// What works, and may not for long.
    fn unwise(&mut self, check: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding { check, result: "warning", detail: detail.into() });
    }

    /// The gravest finding decides the exit code.
    fn bad(&mut self, check: &'static str, failure: impl Into<Failure>) {
        let failure = failure.into();
        self.exit = self.exit.max(failure.exit());
        self.findings.push(Finding { check, result: "problem", detail: failure.message().to_owned() });
    }

    fn text(&self) -> String {
        let widest = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        let line =
            |Finding { check, result, detail }: &Finding| format!("{result:<8} {check:<widest$}  {detail}\n");
        self.findings.iter().map(line).collect()
    }
}
