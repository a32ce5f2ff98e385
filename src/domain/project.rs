//! A project as Exceptionless lists it.

use std::sync::Arc;

use super::ids::{OrganizationId, ProjectId};

/// A project and the organization that it belongs to. Names can change and repeat; ids cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project's id.
    pub id: ProjectId,
    /// The project's name, as people see it.
    pub name: String,
    /// The id of its organization.
    pub organization_id: OrganizationId,
    /// The name of its organization.
    pub organization_name: Arc<str>,
}

impl Project {
    /// `organization/name`, the form that filters match and that people read.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.organization_name, self.name)
    }

    /// The same with the organization's id, which no renaming changes.
    pub fn name_by_id(&self) -> String {
        format!("{}/{}", self.organization_id, self.name)
    }
}
