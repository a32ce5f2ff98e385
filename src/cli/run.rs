//! `run`: the daemon.

use std::path::Path;

use crate::config::{Effective, Loaded};
use crate::daemon::telemetry::{self, Stream, Telemetry};
use crate::daemon::{self, Setup};
use crate::domain::ids::Instance;
use crate::traffic::Traffic;

use super::exit::{Exit, Failure};
use super::setup;

pub(super) fn run(file: Option<&Path>) -> Result<Exit, Failure> {
    let Loaded { config, warnings, effective } = setup::load(file)?;
    let telemetry = telemetry::install(&config.log, Stream::Stdout, false);
    setup::warn(&warnings);
    let (traffic, instance) = (Traffic::default(), config.policy.instance.clone());
    let started = Started { file, telemetry, effective, traffic, instance };
    setup::block_on(async {
        let first = Setup::new(&config, &started.traffic)?;
        daemon::run(first, || started.reload()).await?;
        Ok(Exit::Done)
    })?
}

/// What the process was started with, as far as it stays.
struct Started<'a> {
    file: Option<&'a Path>,
    telemetry: Telemetry,
    effective: Effective,
    traffic: Traffic,
    instance: Instance,
}

impl Started<'_> {
    /// Reads the configuration anew. A bad one is refused with all its problems, and the old one stays.
    fn reload(&self) -> Option<Setup> {
        match self.read() {
            Ok(setup) => Some(setup),
            Err(failure) => {
                let problem = failure.message();
                tracing::error!(
                    event = "daemon.reload_refused",
                    problem,
                    "the old configuration stays: {problem}"
                );
                None
            }
        }
    }

    fn read(&self) -> Result<Setup, Failure> {
        let Loaded { mut config, warnings, effective } = setup::load(self.file)?;
        config.policy.instance = self.instance.clone();
        let setup = Setup::new(&config, &self.traffic)?;
        self.telemetry.set_level(&config.log);
        setup::warn(&warnings);
        for change in self.effective.needs_restart(&effective) {
            let (key, explanation) = (change.key, change.explanation);
            tracing::warn!(event = "config.needs_restart", key, "{explanation}");
        }
        Ok(setup)
    }
}
