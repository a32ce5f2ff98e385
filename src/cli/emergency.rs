//! The emergency: keys have leaked, or may have, and shall end now.
//!
//! First the plan, with the fingerprints of the keys and what it costs; then, on a terminal, the question; then the
//! pass. Where nobody can be asked it goes on at once, so that it works from a script in the night.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args;

use crate::engine::report::PassReport;
use crate::engine::{Engine, Request, Survey, WIDEST_SPREAD, clock, event};
use crate::plan::Asked;
use crate::plan::emergency::{Cut, after_all};

use super::exit::{Exit, Failure};
use super::plan::Document;
use super::survey::survey;
use super::{confirm, pass};

#[derive(Debug, Args)]
pub(super) struct Emergency {
    /// Emergency: revoke the replaced keys at once, without the overlap. Applications that still hold
    /// one fail until they read the secret again
    #[arg(long)]
    revoke_previous_now: bool,
    /// Only keys minted before this time, such as 2026-11-21T03:00:00Z, or so long ago, such as 2h. A published
    /// key that is younger stays. The same command again does only what is left
    #[arg(long, value_name = "TIME", requires = "revoke_previous_now", value_parser = minted_before)]
    minted_before: Option<DateTime<Utc>>,
}

fn minted_before(text: &str) -> Result<DateTime<Utc>, String> {
    let now = clock::now();
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => humantime::parse_duration(text)
            .ok()
            .and_then(|age| now.checked_sub_signed(TimeDelta::from_std(age).ok()?)),
    };
    match time {
        None => Err("write a time such as 2026-11-21T03:00:00Z, or an age such as 2h".to_owned()),
        // The servers' clocks may be ahead by so much.
        Some(time) if time > now + WIDEST_SPREAD => Err("the time lies ahead".to_owned()),
        Some(time) => Ok(time),
    }
}

impl Emergency {
    /// What is asked for, of an emergency or of a rotation. `named` tells whether the command line says whose keys are
    /// meant.
    pub(super) fn asked(&self, named: bool) -> Result<Asked, Failure> {
        match (self.revoke_previous_now, self.minted_before) {
            (false, _) if named => Ok(Asked::Rotation),
            (false, _) => Ok(Asked::Due),
            (true, Some(time)) => Ok(Asked::Emergency(Cut::MintedBefore(time))),
            (true, None) if named => Ok(Asked::Emergency(Cut::Everything)),
            (true, None) => Err(Failure::new(
                Exit::Usage,
                "--revoke-previous-now needs to know whose keys: add --project PROJECT, --organization ORGANIZATION, \
                 --minted-before TIME, or --all for every project",
            )),
        }
    }
}

/// Plans, asks, and does it.
pub(super) fn run(engine: &Engine, request: &Request, cut: Cut, yes: bool) -> Result<PassReport, Failure> {
    let survey = survey(engine, request)?;
    let again = resumption(engine, cut, &survey);
    if confirm::somebody_is_there() {
        let document = Document::new(engine, request, &survey);
        eprint!("{}", document.emergency());
        let again = again.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        eprintln!("if it is interrupted, repeat it with --minted-before {again}");
        if !yes && document.does_something() {
            confirm::ask(
                "Applications that hold one of these keys fail until they read the secret again.",
                "revoke",
            )?;
            // The answer may have taken its time.
            return pass::run(engine, request);
        }
    } else {
        log(engine, request, &survey, again);
    }
    pass::carry_out(engine, request, survey)
}

fn log(engine: &Engine, request: &Request, survey: &Survey, again: DateTime<Utc>) {
    let document = Document::new(engine, request, survey);
    let (mint, revoke) = document.keys();
    event::emergency_planned(request.command, survey.plan.steps.len(), mint, revoke, again);
}

/// The time by which the same command finds what is left: all that exists now was minted before it.
fn resumption(engine: &Engine, cut: Cut, survey: &Survey) -> DateTime<Utc> {
    match cut {
        Cut::MintedBefore(time) => time,
        Cut::Everything => after_all(&survey.plan).unwrap_or_else(|| engine.clocks().earliest()),
    }
}
