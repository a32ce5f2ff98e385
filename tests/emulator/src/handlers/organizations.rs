//! Organizations: a plain array without pages (contract 2.3).

use hyper::StatusCode;

use super::Call;
use crate::answer::Answer;
use crate::state::Organization;
use crate::views::OrganizationView;

pub(super) fn list(call: &Call<'_>) -> Answer {
    let own = call.state.organizations.iter();
    let views: Vec<_> = own
        .filter(|organization| call.is_member(&organization.id))
        .map(|organization| view(call, organization))
        .collect();
    Answer::json(StatusCode::OK, views)
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    match call.state.organization(&call.request.id) {
        Some(organization) if call.is_member(&organization.id) => {
            Answer::json(StatusCode::OK, view(call, organization))
        }
        Some(_) | None => Answer::not_found("Organization not found."),
    }
}

fn view(call: &Call<'_>, organization: &Organization) -> OrganizationView {
    let state = &call.state;
    // Keys of an organization share one budget, which this tells about (contract 2.3).
    let over_request_limit =
        state.rate_limit > 0 && state.throttle.count(&organization.id) >= state.rate_limit;
    OrganizationView {
        project_count: state.projects.of_organization(&organization.id).len(),
        organization: organization.clone(),
        over_request_limit,
    }
}
