//! What applications do with a key: read their configuration, send heartbeats and events (contract 4).

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, USER_AGENT};
use serde::Serialize;
use serde::de::IgnoredAny;

use super::Call;
use crate::answer::Answer;
use crate::identity::Identity;
use crate::request::Payload;
use crate::state::Project;

/// On every accepted event, so that a client notices that its settings are old.
const CONFIG_VERSION: HeaderName = HeaderName::from_static("x-exceptionless-configversion");

/// Settings are omitted when empty: this answer alone is written by the storage serializer (contract 4.1).
#[derive(Serialize)]
struct Config {
    version: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<String, String>,
}

/// Proves that a key belongs to some project, without saying which.
pub(super) fn own_config(call: &Call<'_>) -> Answer {
    let Some(project_id) = own_project(call) else {
        return Answer::bare_problem(StatusCode::UNAUTHORIZED);
    };
    match call.state.projects.get(project_id) {
        Some(project) => config(call, project),
        None => Answer::bare_problem(StatusCode::NOT_FOUND),
    }
}

/// Looks at the organization only, so any key of it gets any project's configuration: no proof of anything.
pub(super) fn project_config(call: &Call<'_>) -> Answer {
    match call.accessible_project(&call.request.id) {
        Some(project) => config(call, project),
        None => Answer::not_found("Project not found."),
    }
}

fn config(call: &Call<'_>, project: &Project) -> Answer {
    let known = call.request.parameter("v").and_then(|version| version.parse::<u64>().ok());
    if known == Some(project.config_version) {
        return Answer::empty(StatusCode::NOT_MODIFIED);
    }
    let config = Config { version: project.config_version, settings: project.settings.clone() };
    Answer::json(StatusCode::OK, config)
}

pub(super) fn heartbeat(call: &Call<'_>) -> Answer {
    match own_project(call) {
        Some(_) => Answer::empty(StatusCode::OK),
        None => Answer::bare_problem(StatusCode::UNAUTHORIZED),
    }
}

/// Without parameters this creates no event: the exact-project check of contract 4.2.
pub(super) fn submit(call: Call<'_>) -> Answer {
    let project_id = call.request.id.clone();
    if let Err(refusal) = admit(&call) {
        return refusal;
    }
    // Organization-level keys pass for any project.
    let bound = match &call.identity {
        Identity::Key { token, .. } => token.project_id.clone(),
        Identity::User { .. } | Identity::Anonymous => None,
    };
    if bound.is_some_and(|bound| bound != project_id) || call.accessible_project(&project_id).is_none() {
        return Answer::not_found("Project not found.");
    }
    let credentials = ["access_token", "api_key", "apikey"];
    let creates = form_urlencoded::parse(call.request.query.as_bytes())
        .any(|(key, _)| !credentials.contains(&key.as_ref()));
    if creates { record(call, &project_id, 1, StatusCode::OK) } else { Answer::empty(StatusCode::OK) }
}

pub(super) fn post_to_own_project(call: Call<'_>) -> Answer {
    match own_project(&call).map(str::to_owned) {
        Some(project_id) => post(call, &project_id),
        None => Answer::not_found("Project not found."),
    }
}

pub(super) fn post_to_project(call: Call<'_>) -> Answer {
    let project_id = call.request.id.clone();
    let bound = own_project(&call);
    if bound.is_some_and(|bound| bound != project_id) {
        return Answer::not_found("Project not found.");
    }
    post(call, &project_id)
}

fn post(call: Call<'_>, project_id: &str) -> Answer {
    if let Err(refusal) = admit(&call) {
        return refusal;
    }
    let Payload::Whole(body) = &call.request.payload else {
        return Answer::bare_problem(StatusCode::PAYLOAD_TOO_LARGE);
    };
    if body.is_empty() && call.request.header(CONTENT_LENGTH).is_none_or(|length| length == "0") {
        return Answer::bare_problem(StatusCode::LENGTH_REQUIRED);
    }
    if call.accessible_project(project_id).is_none() {
        return Answer::not_found("Project not found.");
    }
    let events = events_in(body);
    record(call, project_id, events, StatusCode::ACCEPTED)
}

/// A JSON array is so many events; an object, or text, is taken for one.
fn events_in(body: &[u8]) -> u64 {
    serde_json::from_slice::<Vec<IgnoredAny>>(body).map_or(1, |events| events.len() as u64)
}

/// The gate in front of event posts: switched off, over the plan, or a person in a suspended organization.
fn admit(call: &Call<'_>) -> Result<(), Answer> {
    if call.state.switches.event_submission_disabled {
        return Err(Answer::bare_problem(StatusCode::SERVICE_UNAVAILABLE));
    }
    let is_user = matches!(call.identity, Identity::User { .. });
    let refused = call.identity.organizations(call.state).iter().any(|id| {
        let organization = call.state.organization(id);
        organization.is_some_and(|one| one.over_monthly_limit || (is_user && one.suspended))
    });
    if refused {
        return Err(Answer::bare_problem(StatusCode::PAYMENT_REQUIRED));
    }
    Ok(())
}

fn record(call: Call<'_>, project_id: &str, events: u64, status: StatusCode) -> Answer {
    let answer = Answer::empty(status);
    let Some(project) = call.state.projects.get(project_id) else {
        return answer;
    };
    let (organization_id, version) = (project.organization_id.clone(), project.config_version);
    let counters = &mut call.state.counters;
    *counters.sums.events_by_organization.entry(organization_id).or_insert(0) += events;
    *counters.sums.events_by_project.entry(project_id.to_owned()).or_insert(0) += events;
    if let Identity::Key { token, .. } = &call.identity {
        let client = call.request.header(USER_AGENT).unwrap_or_default();
        counters.accepted(client, &token.id, events);
    }
    answer.with(CONFIG_VERSION, HeaderValue::from(version))
}

fn own_project<'c>(call: &'c Call<'_>) -> Option<&'c str> {
    match &call.identity {
        Identity::Key { token, .. } => token.effective_project(),
        Identity::User { .. } | Identity::Anonymous => None,
    }
}
