//! `rotate-credential`: changes the rotator's own password, or ends a change that was begun.

use std::path::Path;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ExceptionlessAuth, Loaded};
use crate::domain::clocks::time_text;
use crate::engine::Engine;
use crate::engine::credential::{CredentialError, Custody};
use crate::plan::credential::Step;

use super::exit::{Exit, Failure};
use super::table::{print, print_json, table};
use super::{Output, pass, setup};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Show what would be done, and whether the present password works; write nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    report: super::Report,
}

pub(super) fn run(file: Option<&Path>, options: &Options) -> Result<Exit, Failure> {
    let (engine, Loaded { config, .. }) = setup::command(file, false)?;
    let custody = engine.custody.clone().ok_or_else(|| not_ours(&config))?;
    let document = if options.plan {
        setup::block_on(planned(&engine, &custody))??
    } else {
        pass::stoppable(&engine, async |stop| replaced(&engine, &custody, stop).await)??
    };
    match options.report.output {
        Output::Table => print(&document.text())?,
        Output::Json => print_json(&document)?,
    }
    Ok(Exit::Done)
}

/// The document that `rotate-credential --output json` prints.
#[derive(Serialize)]
struct Document {
    user: String,
    path: String,
    outcome: &'static str,
    version: u64,
    changed_at: Option<String>,
    next_change_at: Option<String>,
}

async fn planned(engine: &Engine, custody: &Custody) -> Result<Document, CredentialError> {
    let look = engine.look_at_credential(custody).await?;
    if let Some(obstacle) = look.obstacle(custody, &engine.clocks()) {
        return Err(obstacle);
    }
    let outcome = match look.step {
        Step::Prepare => "would_change",
        Step::Change | Step::Promote => "would_finish",
        Step::Recover => "would_recover",
    };
    Ok(Document::new(custody, outcome, look.version, look.changed_at))
}

async fn replaced(
    engine: &Engine,
    custody: &Custody,
    stop: &CancellationToken,
) -> Result<Document, CredentialError> {
    let replaced = engine.replace_credential(custody, stop).await?;
    let outcome = if replaced.finished { "finished" } else { "changed" };
    Ok(Document::new(custody, outcome, replaced.version, replaced.changed_at))
}

impl Document {
    fn new(
        custody: &Custody,
        outcome: &'static str,
        version: u64,
        changed_at: Option<DateTime<Utc>>,
    ) -> Self {
        let schedule = custody.schedule.as_ref();
        let next = schedule.zip(changed_at).and_then(|(schedule, changed)| schedule.next(changed));
        Self {
            user: custody.email.clone(),
            path: custody.field.to_string(),
            outcome,
            version,
            changed_at: changed_at.map(time_text),
            next_change_at: next.map(time_text),
        }
    }

    fn text(&self) -> String {
        let dash = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
        let row = [
            self.user.clone(),
            self.path.clone(),
            self.outcome.to_owned(),
            self.version.to_string(),
            dash(&self.changed_at),
            dash(&self.next_change_at),
        ];
        table(["USER", "PATH", "OUTCOME", "VERSION", "CHANGED AT", "NEXT CHANGE"], [row])
    }
}

/// Why there is nothing that could be changed, and what to do.
fn not_ours(config: &Config) -> Failure {
    let text = match &config.exceptionless.auth {
        ExceptionlessAuth::Token { .. } => {
            "auth = \"token\" knows no password; set auth = \"login\" with email and password = { vault = \
             \"secret/data/exceptionless-rotator/user#password\" }"
                .to_owned()
        }
        ExceptionlessAuth::Login { password, .. } | ExceptionlessAuth::Basic { password, .. } => format!(
            "the password comes from {password}, where the rotator does not write; put it into Vault and set password = {{ \
             vault = \"secret/data/exceptionless-rotator/user#password\" }} under [exceptionless]"
        ),
    };
    Failure::new(Exit::Configuration, text)
}
