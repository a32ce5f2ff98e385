//! Which projects a command is for.

use clap::Args;

use crate::domain::policy::Pattern;
use crate::engine::Request;
use crate::plan::Asked;

use super::exit::{Exit, Failure};

#[derive(Debug, Args)]
pub(super) struct Projects {
    /// This project, due or not: an id, a name, or a glob such as "Acme/*"; may be repeated
    #[arg(long = "project", value_name = "PROJECT")]
    projects: Vec<String>,
    /// Every project, due or not
    #[arg(long, conflicts_with = "projects")]
    all: bool,
}

impl Projects {
    /// What to ask of the engine: without any of the flags, what is due.
    pub(super) fn request(&self) -> Result<Request, Failure> {
        let asked = if self.all || !self.projects.is_empty() { Asked::Rotation } else { Asked::Due };
        Ok(Request { only: patterns(&self.projects)?, asked })
    }
}

/// Reads the projects of a command line.
pub(super) fn patterns(projects: &[String]) -> Result<Vec<Pattern>, Failure> {
    let read = |text: &String| {
        Pattern::parse(text).map_err(|error| Failure::new(Exit::Usage, format!("the project {error}")))
    };
    projects.iter().map(read).collect()
}
