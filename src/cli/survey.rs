//! What `plan`, `status` and `explain` have in common: they look, and change nothing.

use crate::engine::{Engine, Request, Survey};
use crate::plan::Decision;

use super::exit::{Exit, Failure};
use super::{progress, setup};

/// Observes and decides, with the progress on a terminal.
pub(super) fn survey(engine: &Engine, request: &Request) -> Result<Survey, Failure> {
    Ok(setup::block_on(progress::shown(engine.progress.subscribe(), engine.survey(request)))??)
}

/// A survey that met a problem is not a success.
pub(super) fn exit(survey: &Survey) -> Exit {
    let held = survey
        .plan
        .steps
        .iter()
        .any(|step| matches!(&step.decision, Decision::Hold(hold) if hold.is_problem()));
    if held || !survey.blind.is_empty() { Exit::SomeFailed } else { Exit::Done }
}
