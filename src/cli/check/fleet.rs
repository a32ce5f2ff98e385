//! The projects, and whose the paths are.

use crate::cli::exit::{Exit, Failure};
use crate::engine::Survey;
use crate::plan::Decision;
use crate::plan::reason::Hold;

use super::Findings;

pub(super) fn projects(survey: &Survey, findings: &mut Findings) {
    let steps = &survey.plan.steps;
    findings.fine(
        "projects",
        format!("{} of {} are selected; {} keys are listed", steps.len(), survey.projects, survey.keys),
    );
    let failed = |text: String| Failure::new(Exit::SomeFailed, text);
    for problem in &survey.blind {
        findings.bad("projects", failed(problem.clone()));
    }
    let mut conflicts = false;
    for step in steps {
        let Decision::Hold(hold) = &step.decision else { continue };
        let text = format!("{}: {hold}", step.observed.target.project.full_name());
        match hold {
            Hold::UpToDate => {}
            Hold::Suspended => findings.unwise(
                "projects",
                format!(
                    "{text}; it is rotated when the suspension is lifted, or put it into projects.exclude"
                ),
            ),
            Hold::Conflict(_) => {
                conflicts = true;
                findings.bad("paths", failed(text));
            }
            Hold::Misplaced | Hold::Unseen(_) => findings.bad("projects", failed(text)),
        }
    }
    if !conflicts {
        findings.fine("paths", "each project has a path of its own, which is free or ours");
    }
}
