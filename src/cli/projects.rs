//! Which projects a command is for.

use clap::Args;

use crate::domain::key::without_keys;
use crate::domain::policy::Pattern;
use crate::plan::selection::Only;

use super::exit::{Exit, Failure};

/// Some projects.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// This project: an id, a name, or a glob such as "Acme/*"; may be repeated
    #[arg(long = "project", value_name = "PROJECT")]
    projects: Vec<String>,
    /// The projects of this organization: an id, a name, or a glob; may be repeated
    #[arg(long = "organization", value_name = "ORGANIZATION")]
    organizations: Vec<String>,
}

/// Some projects, or expressly all.
#[derive(Debug, Args)]
pub(super) struct Projects {
    #[command(flatten)]
    choice: Choice,
    /// Every project
    #[arg(long, conflicts_with_all = ["projects", "organizations"])]
    all: bool,
}

impl Choice {
    /// What to ask of the engine.
    pub(super) fn only(&self) -> Result<Only, Failure> {
        Ok(Only {
            projects: patterns("project", &self.projects)?,
            organizations: patterns("organization", &self.organizations)?,
        })
    }
}

impl Projects {
    /// What to ask of the engine.
    pub(super) fn only(&self) -> Result<Only, Failure> {
        self.choice.only()
    }

    /// Whether the command line says for which projects it is, be it for all.
    pub(super) fn are_named(&self) -> bool {
        let Choice { projects, organizations } = &self.choice;
        self.all || !projects.is_empty() || !organizations.is_empty()
    }
}

/// Reads the patterns of a command line.
pub(super) fn patterns(what: &str, texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    let problem = |error| without_keys(&format!("the {what} {error}"));
    let read =
        |text: &String| Pattern::parse(text).map_err(|error| Failure::new(Exit::Usage, problem(error)));
    texts.iter().map(read).collect()
}
