//! `run`: the daemon.

use std::path::Path;

use crate::daemon::telemetry::{self, Stream};
use crate::daemon::{self, Setup};
use crate::traffic::Traffic;

use super::exit::{Exit, Failure};
use super::setup;

pub(super) fn run(file: Option<&Path>) -> Result<Exit, Failure> {
    let loaded = setup::load(file)?;
    telemetry::install(&loaded.config.log, Stream::Stdout, false);
    setup::warn(&loaded.warnings);
    setup::block_on(async {
        let traffic = Traffic::default();
        let first = Setup::new(&loaded.config, &traffic)?;
        daemon::run(first, || reload(file, &traffic)).await?;
        Ok(Exit::Done)
    })?
}

/// Reads the configuration anew. A bad one is refused with all its problems, and the old one stays.
fn reload(file: Option<&Path>, traffic: &Traffic) -> Option<Setup> {
    let fresh = setup::load(file).map_err(Failure::from).and_then(|loaded| {
        setup::warn(&loaded.warnings);
        Ok(Setup::new(&loaded.config, traffic)?)
    });
    match fresh {
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
