//! Projects: an eventually consistent search with filter, sort and pages (contract 2.1 and 7).

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::StatusCode;

use super::Call;
use crate::answer::Answer;
use crate::paging::Page;
use crate::state::Project;
use crate::views::ProjectView;

const MOST_PER_PAGE: u64 = 1000;

pub(super) fn list(call: &Call<'_>) -> Answer {
    search(call, call.identity.organizations(call.state)).unwrap_or_else(|refusal| refusal)
}

pub(super) fn list_of_organization(call: &Call<'_>) -> Answer {
    let id = &call.request.id;
    if !call.is_member(id) || call.state.organization(id).is_none() {
        // The title is the server's own slip (contract 2.1).
        return Answer::not_found("Project not found.");
    }
    search(call, std::slice::from_ref(id)).unwrap_or_else(|refusal| refusal)
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    match call.state.projects.get(&call.request.id) {
        Some(project) if call.is_member(&project.organization_id) => {
            Answer::json(StatusCode::OK, view(call, project, project.name.clone()))
        }
        Some(_) | None => Answer::not_found("Project not found."),
    }
}

fn search(call: &Call<'_>, organizations: &[String]) -> Result<Answer, Answer> {
    let page = Page::of(call.request, MOST_PER_PAGE)?;
    let filter = Filter::read(call.request.parameter("filter").as_deref())?;
    let now = call.state.now();
    let mut hits: Vec<Arc<Project>> = organizations
        .iter()
        .flat_map(|organization| call.state.projects.of_organization(organization))
        .filter(|project| project.listed_from <= now && filter.matches(project, now))
        .map(Arc::clone)
        .collect();
    let sort = call.request.parameter("sort");
    hits.sort_by(|a, b| compare(sort.as_deref().unwrap_or("name"), a, b, now).then_with(|| a.id.cmp(&b.id)));
    let views: Vec<_> = page
        .slice(&hits)
        .iter()
        .map(|project| view(call, project, project.listed_name(now).to_owned()))
        .collect();
    Ok(page.describe(Answer::json(StatusCode::OK, views), hits.len(), call.request))
}

fn compare(sort: &str, a: &Project, b: &Project, now: DateTime<Utc>) -> Ordering {
    let (field, descending) = match sort.strip_prefix('-') {
        Some(field) => (field, true),
        None => (sort, false),
    };
    let order = match field {
        "created_utc" | "created" => a.created.cmp(&b.created),
        "name" => a.listed_name(now).cmp(b.listed_name(now)),
        _ => Ordering::Equal,
    };
    if descending { order.reverse() } else { order }
}

fn view(call: &Call<'_>, project: &Arc<Project>, name: String) -> ProjectView {
    let organization = call.state.organization(&project.organization_id);
    ProjectView {
        project: Arc::clone(project),
        name,
        organization_name: organization.map_or_else(String::new, |organization| organization.name.clone()),
        now: call.state.now(),
        big: call.state.switches.big_bodies,
    }
}

/// The part of the query language that the contract names; other fields match nothing.
enum Filter {
    All,
    Organization(String),
    Id(String),
    NameWord(String),
    Nothing,
}

impl Filter {
    /// Bad syntax reaches the query parser unchecked: 500 (contract 2.1, likely).
    fn read(text: Option<&str>) -> Result<Self, Answer> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self::All);
        };
        let balanced = |open, close| text.matches(open).count() == text.matches(close).count();
        let even_quotes = text.matches('"').count().is_multiple_of(2);
        if !balanced('(', ')') || !balanced('[', ']') || !even_quotes || text.ends_with(':') {
            return Err(Answer::bare_problem(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let Some((field, value)) = text.split_once(':') else {
            return Ok(Self::NameWord(text.to_lowercase()));
        };
        let value = value.trim_matches('"').to_owned();
        Ok(match field {
            "organization_id" => Self::Organization(value),
            "id" => Self::Id(value),
            "name" => Self::NameWord(value.to_lowercase()),
            _ => Self::Nothing,
        })
    }

    fn matches(&self, project: &Project, now: DateTime<Utc>) -> bool {
        match self {
            Self::All => true,
            Self::Organization(id) => project.organization_id == *id,
            Self::Id(id) => project.id == *id,
            Self::NameWord(word) => {
                let name = project.listed_name(now).to_lowercase();
                name.split_whitespace().any(|part| part == word)
            }
            Self::Nothing => false,
        }
    }
}
