//! How every document names a project: the same four fields first, and the same words for people.

use serde::Serialize;

use crate::domain::path::SecretPath;
use crate::domain::project::Project;

#[derive(Serialize)]
pub(super) struct Named {
    project_id: String,
    project: String,
    organization: String,
    path: Option<String>,
}

impl Named {
    pub(super) fn new(project: &Project, path: Option<&SecretPath>) -> Self {
        Self {
            project_id: project.id.to_string(),
            project: project.name.clone(),
            organization: project.organization_name.to_string(),
            path: path.map(ToString::to_string),
        }
    }

    /// [`Project::full_name`], as it is in the document.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.organization, self.project)
    }

    /// The path for a table.
    pub(super) fn shown_path(&self) -> String {
        self.path.clone().unwrap_or_else(|| "-".to_owned())
    }
}
