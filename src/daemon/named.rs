//! How every document names a project: the same four fields first, and the same words for people.

use serde::Serialize;

use crate::domain::path::SecretPath;
use crate::domain::project::Project;
use crate::engine::standing::Standing;

/// A project, by name.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    project_id: String,
    project: String,
    organization: String,
    path: Option<String>,
    #[serde(skip)]
    full_name: String,
}

impl Named {
    pub(crate) fn new(project: &Project, path: Option<&SecretPath>) -> Self {
        Self {
            project_id: project.id.to_string(),
            project: project.name.clone(),
            organization: project.organization_name.to_string(),
            path: path.map(ToString::to_string),
            full_name: project.full_name(),
        }
    }

    pub(crate) fn full_name(&self) -> &str {
        &self.full_name
    }

    /// The path for a table.
    pub(crate) fn shown_path(&self) -> String {
        self.path.clone().unwrap_or_else(|| "-".to_owned())
    }
}

impl From<&Standing> for Named {
    fn from(standing: &Standing) -> Self {
        Self::new(&standing.project, standing.path.as_ref())
    }
}
