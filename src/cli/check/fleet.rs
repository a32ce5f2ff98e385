//! The projects, and whose the paths are.

use crate::cli::exit::{Exit, Failure};
use crate::domain::policy::Policy;
use crate::engine::Survey;
use crate::plan::Decision;
use crate::plan::reason::Hold;
use crate::plan::selection::idle;

use super::Findings;

/// How many of the projects that could not be looked at are named.
const NAMED: usize = 3;

pub(super) fn projects(policy: &Policy, survey: &Survey, findings: &mut Findings) {
    let steps = &survey.plan.steps;
    findings.fine(
        "projects",
        format!("{} of {} are selected; {} keys are listed", steps.len(), survey.existing.len(), survey.keys),
    );
    let failed = |text: String| Failure::new(Exit::SomeFailed, text);
    for problem in &survey.blind {
        findings.bad("projects", failed(problem.clone()));
    }
    // Of a world that was not seen whole, nothing can be said to be missing.
    if survey.blind.is_empty() {
        for slip in idle(policy, &survey.existing) {
            findings.unwise("projects", format!("{slip}; mend it or remove it"));
        }
    }
    let mut conflicts = false;
    let mut unseen = Vec::new();
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
            Hold::Misplaced => findings.bad("projects", failed(text)),
            Hold::Unseen(_) => unseen.push(text),
        }
    }
    // What one lacks, most of them lack, and `rights` says what it is.
    if let Some(more @ 1..) = unseen.len().checked_sub(NAMED) {
        unseen.truncate(NAMED);
        unseen.push(format!("{more} more could not be looked at either"));
    }
    let dark = !unseen.is_empty();
    unseen.into_iter().for_each(|text| findings.bad("projects", failed(text)));
    if !conflicts && !dark {
        findings.fine("paths", "each project has a path of its own, which is free or ours");
    }
}
