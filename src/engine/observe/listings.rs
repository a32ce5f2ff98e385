//! Lists projects and keys. One organization whose listing fails does not stop the others, but what was not
//! listed is never taken for gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;

use crate::domain::ids::{Instance, OrganizationId, ProjectId};
use crate::domain::marker::Marker;
use crate::domain::project::Project;
use crate::domain::secret::SecretState;
use crate::exceptionless::{ErrorKind, ExceptionlessError, KeyListing, Keys, ListedKey, Organization};
use crate::plan::target::Target;

use super::secrets::Read;
use super::{Blind, Engine, event};

/// Listings force an index refresh at Exceptionless, so only a few run side by side.
const LISTINGS_AT_ONCE: usize = 4;

/// All projects, and the suspended organizations. Their projects are listed too: a suspended project has
/// not vanished.
pub(super) async fn list_projects(
    engine: &Engine,
    organizations: Vec<Organization>,
    blind: &mut Blind,
) -> Result<(Vec<Arc<Project>>, HashSet<OrganizationId>), ExceptionlessError> {
    let suspended =
        organizations.iter().filter(|organization| organization.is_suspended).map(|o| o.id.clone()).collect();
    let listings: Vec<_> = futures_util::stream::iter(organizations)
        .map(|organization| async move {
            let listing = engine.exceptionless.projects(&organization).await;
            (organization, listing)
        })
        .buffered(LISTINGS_AT_ONCE)
        .collect()
        .await;
    let mut projects = Vec::new();
    for (Organization { id, name, .. }, listing) in unless_all_failed(listings)? {
        match listing {
            Ok(listed) => projects.extend(listed.into_iter().map(Arc::new)),
            Err(error) => {
                blind.report(format!("the projects of organization {name} ({id}): {}", event::chain(&error)));
            }
        }
    }
    Ok((projects, suspended))
}

/// What was listed of each organization.
type Listings<K, T> = Vec<(K, Result<T, ExceptionlessError>)>;

/// A refusal or an outage that meets every organization is not a problem of one of them: it is the
/// credential's or the server's, and the end of the pass.
fn unless_all_failed<K, T>(mut listings: Listings<K, T>) -> Result<Listings<K, T>, ExceptionlessError> {
    let of_all = |(_, listing): &(K, Result<T, ExceptionlessError>)| {
        let kind = listing.as_ref().err().map(ExceptionlessError::kind);
        matches!(kind, Some(ErrorKind::NotPermitted | ErrorKind::Unreachable))
    };
    if listings.iter().all(of_all)
        && let Some((_, Err(error))) = listings.pop()
    {
        return Err(error);
    }
    Ok(listings)
}

/// The keys of the projects to look at, or why a project's keys are not known.
#[derive(Default)]
pub(super) struct ListedKeys {
    by_project: HashMap<ProjectId, Vec<ListedKey>>,
    failed: HashMap<ProjectId, String>,
    pub(super) count: u64,
    /// All of them, if that was asked for.
    pub(super) everyone: Vec<ListedKey>,
    /// What an inventory lacks.
    pub(super) unlisted: Vec<String>,
}

impl ListedKeys {
    pub(super) fn take(&mut self, project: &Project) -> Result<Vec<ListedKey>, String> {
        match self.failed.remove(&project.id) {
            Some(problem) => Err(problem),
            None => Ok(self.by_project.remove(&project.id).unwrap_or_default()),
        }
    }

    fn add(&mut self, Keys { kept, seen }: Keys, everyone: bool) {
        self.count += seen;
        if everyone {
            self.everyone.extend(kept.iter().cloned());
        }
        for key in kept {
            if let Some(project) = &key.project_id {
                self.by_project.entry(project.clone()).or_default().push(key);
            }
        }
    }
}

pub(super) async fn list_keys(
    engine: &Engine,
    targets: &[Target],
    reads: &HashMap<ProjectId, Read>,
    everyone: bool,
) -> Result<ListedKeys, ExceptionlessError> {
    let mut active: HashMap<OrganizationId, Vec<ProjectId>> = HashMap::new();
    for target in targets {
        if everyone || matches!(reads.get(&target.project.id), Some(Read::Secret(_))) {
            active.entry(target.project.organization_id.clone()).or_default().push(target.project.id.clone());
        }
    }
    let listings: Vec<_> = futures_util::stream::iter(active)
        .map(|(organization, projects)| async move {
            let keep = |key: &ListedKey| everyone || matters(&engine.policy.instance, reads, key);
            let listing = engine.exceptionless.organization_keys(&organization, keep).await;
            ((organization, projects), listing)
        })
        .buffer_unordered(LISTINGS_AT_ONCE)
        .collect()
        .await;
    let mut listed = ListedKeys::default();
    let mut crowded = Vec::new();
    for ((organization, projects), listing) in unless_all_failed(listings)? {
        match listing {
            Ok(KeyListing::Complete(keys)) => listed.add(keys, everyone),
            Ok(KeyListing::TooMany { count }) => {
                if everyone {
                    listed.unlisted.push(format!(
                        "the keys of organization {organization} that belong to no project: with {count} keys it has more \
                         than one listing can show"
                    ));
                }
                crowded.extend(projects);
            }
            Err(error) => {
                let problem =
                    format!("the keys of its organization could not be listed: {}", event::chain(&error));
                if everyone {
                    listed
                        .unlisted
                        .push(format!("the keys of organization {organization}: {}", event::chain(&error)));
                }
                listed.failed.extend(projects.into_iter().map(|project| (project, problem.clone())));
            }
        }
    }
    list_one_by_one(engine, crowded, reads, everyone, &mut listed).await;
    Ok(listed)
}

/// Whether the plan will ask about a key: if it is ours, or published. The others, people's, are many and none of
/// our business.
fn matters(instance: &Instance, reads: &HashMap<ProjectId, Read>, key: &ListedKey) -> bool {
    let Some(Read::Secret(secret)) = key.project_id.as_ref().and_then(|project| reads.get(project)) else {
        return false;
    };
    let is_published = matches!(&secret.state, SecretState::Ours(published) if published.publishes(&key.key));
    is_published || Marker::of(instance, key.notes.as_deref()).is_some()
}

/// Lists the keys of each project in turn, where an organization has more than one listing can reach.
async fn list_one_by_one(
    engine: &Engine,
    projects: Vec<ProjectId>,
    reads: &HashMap<ProjectId, Read>,
    everyone: bool,
    listed: &mut ListedKeys,
) {
    let mut listings = futures_util::stream::iter(projects)
        .map(|project| async move {
            let keep = |key: &ListedKey| everyone || matters(&engine.policy.instance, reads, key);
            let listing = engine.exceptionless.project_keys(&project, keep).await;
            (project, listing)
        })
        .buffer_unordered(LISTINGS_AT_ONCE);
    while let Some((project, listing)) = listings.next().await {
        match listing {
            Ok(keys) => listed.add(keys, everyone),
            Err(error) => {
                let problem = format!("its keys could not be listed: {}", event::chain(&error));
                listed.failed.insert(project, problem);
            }
        }
    }
}
