//! The living projects. A deleted one is simply gone: excluded from listings at once and found by no id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::model::Project;
use super::seed;

/// The projects, also by organization in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    by_id: HashMap<String, Arc<Project>>,
    by_organization: HashMap<String, Vec<Arc<Project>>>,
    made: usize,
}

impl Projects {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Project>> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Project>> {
        self.by_id.values()
    }

    pub(crate) fn of_organization(&self, id: &str) -> &[Arc<Project>] {
        self.by_organization.get(id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add(
        &mut self,
        organization_id: &str,
        name: &str,
        created: DateTime<Utc>,
        listed_from: DateTime<Utc>,
    ) -> Project {
        self.made += 1;
        let project = Project {
            id: seed::project_id(self.made),
            organization_id: organization_id.to_owned(),
            name: name.to_owned(),
            created,
            settings: BTreeMap::from([("@@log:*".to_owned(), "warn".to_owned())]),
            config_version: 3,
            listed_from,
            former_name: None,
        };
        self.put(project.clone());
        project
    }

    pub(crate) fn rename(&mut self, id: &str, name: &str, until: DateTime<Utc>) {
        if let Some(project) = self.by_id.get(id) {
            let mut project = Project::clone(project);
            let former = std::mem::replace(&mut project.name, name.to_owned());
            project.former_name = Some((former, until));
            self.put(project);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(project) = self.by_id.remove(id)
            && let Some(list) = self.by_organization.get_mut(&project.organization_id)
        {
            list.retain(|other| other.id != id);
        }
    }

    fn put(&mut self, project: Project) {
        let project = Arc::new(project);
        let list = self.by_organization.entry(project.organization_id.clone()).or_default();
        match list.iter().position(|other| other.id == project.id) {
            Some(at) => list[at] = Arc::clone(&project),
            None => list.push(Arc::clone(&project)),
        }
        self.by_id.insert(project.id.clone(), project);
    }
}
