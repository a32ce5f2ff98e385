//! Reading keys: listings, one by id, and the default key, whose reading can write (contract 3.2 and 3.4).

use std::sync::Arc;

use hyper::StatusCode;

use super::Call;
use super::create;
use crate::answer::Answer;
use crate::paging::Page;
use crate::state::Token;
use crate::views::{TokenList, TokenView};

const MOST_PER_PAGE: u64 = 100;

pub(super) const NO_READING: &str = "Token authentication cannot access tokens.";

pub(super) fn list_of_organization(call: &Call<'_>) -> Answer {
    let id = &call.request.id;
    if let Err(refusal) = call.only_users(NO_READING) {
        return refusal;
    }
    // A global admin sees an empty list where others see no organization (contract 3.2).
    if !call.is_member(id) && !call.identity.is_global_admin(call.state) {
        return Answer::not_found("Organization not found.");
    }
    page(call, call.state.tokens.of_organization(id))
}

pub(super) fn list_of_project(call: &Call<'_>) -> Answer {
    if let Err(refusal) = call.only_users(NO_READING) {
        return refusal;
    }
    match call.accessible_project(&call.request.id) {
        Some(project) => page(call, call.state.tokens.of_project(&project.id)),
        None => Answer::not_found("Project not found."),
    }
}

fn page(call: &Call<'_>, tokens: &[Arc<Token>]) -> Answer {
    match Page::of(call.request, MOST_PER_PAGE) {
        Ok(page) => {
            let answer = Answer::json(StatusCode::OK, TokenList(page.slice(tokens)));
            page.describe(answer, tokens.len(), call.request)
        }
        Err(refusal) => refusal,
    }
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    if let Err(refusal) = call.only_users(NO_READING) {
        return refusal;
    }
    match readable(call, &call.request.id) {
        Some(token) => Answer::json(StatusCode::OK, TokenView(token)),
        None => Answer::not_found("Token not found."),
    }
}

/// The oldest client key, dead or alive; if there is none, reading makes one (contract 3.4).
pub(super) fn default(call: Call<'_>) -> Answer {
    if let Err(refusal) = call.only_users(NO_READING) {
        return refusal;
    }
    let Some(project) = call.accessible_project(&call.request.id) else {
        return Answer::not_found("Project not found.");
    };
    let mut candidates = call.state.tokens.of_project(&project.id).iter();
    match candidates.find(|token| token.acts_as_client()) {
        Some(token) => Answer::json(StatusCode::OK, TokenView(Arc::clone(token))),
        None => {
            let token = create::client_key(&call, project);
            create::store(call, token)
        }
    }
}

/// A key the caller may see by its id: of an own organization, of nobody else, and of a project that still exists.
pub(super) fn readable(call: &Call<'_>, id: &str) -> Option<Arc<Token>> {
    let token = call.state.tokens.get(id)?;
    let visible =
        call.is_member(&token.organization_id) && !is_foreign(call, token) && project_resolves(call, token);
    visible.then(|| Arc::clone(token))
}

pub(super) fn is_foreign(call: &Call<'_>, token: &Token) -> bool {
    let own = call.identity.user(call.state).map(|user| user.id.as_str());
    token.user_id.as_deref().is_some_and(|owner| Some(owner) != own)
}

pub(super) fn project_resolves(call: &Call<'_>, token: &Token) -> bool {
    let project = token.project_id.as_deref();
    project.is_none_or(|project| call.state.projects.get(project).is_some())
}
