//! A pass that a command runs: with its progress on a terminal, and an end when it is told to stop.

use tokio_util::sync::CancellationToken;

use crate::daemon::signals::Signals;
use crate::engine::report::PassReport;
use crate::engine::{Engine, Request, Survey};

use super::exit::Failure;
use super::{progress, setup};

/// Looks, decides and does.
pub(super) fn run(engine: &Engine, request: &Request) -> Result<PassReport, Failure> {
    Ok(stoppable(engine, async |stop| engine.pass(request, stop).await)??)
}

/// Does what has been looked at and decided.
pub(super) fn carry_out(engine: &Engine, request: &Request, survey: Survey) -> Result<PassReport, Failure> {
    Ok(stoppable(engine, async |stop| engine.carry_out(request, survey, stop).await)??)
}

/// Does work that shows its progress and ends early when it is told to stop.
pub(super) fn stoppable<T>(
    engine: &Engine,
    work: impl AsyncFnOnce(&CancellationToken) -> T,
) -> Result<T, Failure> {
    setup::block_on(async {
        let signals = Signals::catch()?;
        Ok(progress::shown(engine.progress.subscribe(), work(&signals.stop)).await)
    })?
}
