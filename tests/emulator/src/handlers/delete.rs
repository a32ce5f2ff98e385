//! Deleting keys, one or many (contract 3.6).
//!
//! The answers are a matrix that surprises: a batch with one unknown id is a 400 although everything else in it was
//! deleted, and the two kinds of 400 differ only in their content type.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;

use super::{Call, tokens};
use crate::answer::Answer;
use crate::state::Token;

const NO_DELETING: &str = "Token authentication cannot delete tokens.";
const NOT_YOURS: &str = "Can only delete tokens created by you.";

#[derive(Serialize)]
struct WorkInProgress {
    workers: [(); 0],
}

#[derive(Serialize)]
struct Partial {
    success: Vec<String>,
    failure: Vec<Failure>,
    workers: [(); 0],
}

#[derive(Serialize)]
struct Failure {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    status_code: u16,
}

pub(super) fn delete(call: Call<'_>) -> Answer {
    if let Err(refusal) = call.only_users(NO_DELETING) {
        return refusal;
    }
    let Sorted { deletable, missing, denied } = sort(&call);
    if deletable.is_empty() && denied.is_empty() {
        return Answer::not_found("No tokens found.");
    }
    for token in &deletable {
        call.state.revoke(token);
        call.state.counters.sums.tokens_deleted += 1;
    }
    if missing.is_empty() && denied.is_empty() {
        return Answer::json(StatusCode::ACCEPTED, WorkInProgress { workers: [] });
    }
    if let ([], [], [denial]) = (&deletable[..], &missing[..], &denied[..]) {
        return denial.problem();
    }
    let failure = missing.into_iter().map(Failure::missing).chain(denied);
    let body = Partial {
        success: deletable.iter().map(|token| token.id.clone()).collect(),
        failure: failure.collect(),
        workers: [],
    };
    Answer::json(StatusCode::BAD_REQUEST, body)
}

struct Sorted {
    deletable: Vec<Arc<Token>>,
    missing: Vec<String>,
    denied: Vec<Failure>,
}

fn sort(call: &Call<'_>) -> Sorted {
    let mut sorted = Sorted { deletable: Vec::new(), missing: Vec::new(), denied: Vec::new() };
    let mut seen = BTreeSet::new();
    for id in call.request.id.split(',').filter(|id| seen.insert(*id)) {
        let found = call.state.tokens.get(id);
        match found.filter(|token| call.is_member(&token.organization_id)) {
            None => sorted.missing.push(id.to_owned()),
            Some(token) if tokens::is_foreign(call, token) => sorted.denied.push(Failure::not_yours()),
            Some(token) if !tokens::project_resolves(call, token) => {
                sorted.denied.push(Failure::missing(id.to_owned()));
            }
            Some(token) => sorted.deletable.push(Arc::clone(token)),
        }
    }
    sorted
}

impl Failure {
    fn missing(id: String) -> Self {
        Self { allowed: false, id: Some(id), message: None, status_code: 404 }
    }

    /// This one carries no id: a client cannot tell which key it was.
    fn not_yours() -> Self {
        Self { allowed: false, id: None, message: Some(NOT_YOURS), status_code: 400 }
    }

    /// A single denial is a problem document instead.
    fn problem(&self) -> Answer {
        match self.message {
            Some(message) => Answer::problem(StatusCode::BAD_REQUEST, message),
            None => Answer::not_found("Not found."),
        }
    }
}
