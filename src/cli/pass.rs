//! A pass that a command runs: with its progress on a terminal, and an end when it is told to stop.

use crate::engine::report::PassReport;
use crate::engine::{Engine, Request, Survey};

use crate::daemon::signals::Signals;

use super::exit::Failure;
use super::{progress, setup};

/// Looks, decides and does.
pub(super) fn run(engine: &Engine, request: &Request) -> Result<PassReport, Failure> {
    setup::block_on(async {
        let signals = Signals::catch()?;
        let pass = engine.pass(request, &signals.stop);
        Ok(progress::shown(engine.progress.subscribe(), pass).await?)
    })?
}

/// Does what has been looked at and decided.
pub(super) fn carry_out(engine: &Engine, request: &Request, survey: Survey) -> Result<PassReport, Failure> {
    setup::block_on(async {
        let signals = Signals::catch()?;
        let pass = engine.carry_out(request, survey, &signals.stop);
        Ok(progress::shown(engine.progress.subscribe(), pass).await?)
    })?
}
