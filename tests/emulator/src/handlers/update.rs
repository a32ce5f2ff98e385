//! Changing keys: `PATCH` and `PUT` are the same partial update (contract 3.5).
//!
//! The server reads the document, changes it, and writes it back whole without asking whether it still exists. The
//! two halves are apart here too, so that a DELETE in between is undone as it would be there.

use std::sync::Arc;

use hyper::StatusCode;

use super::Call;
use super::body::{Given, Members, bad_request};
use super::tokens;
use crate::answer::Answer;
use crate::pipeline::Outcome;
use crate::state::{State, Token};
use crate::views::TokenView;

const NO_UPDATING: &str = "Token authentication cannot update tokens.";

pub(super) fn update(call: Call<'_>) -> Outcome {
    match changed(&call) {
        Ok(token) => {
            let gap = call.state.switches.patch_gap;
            if gap.is_zero() {
                return write(call.state, token).into();
            }
            Outcome::Paused(gap, Box::new(move |state| write(state, token)))
        }
        Err(refusal) => refusal.into(),
    }
}

fn changed(call: &Call<'_>) -> Result<Token, Answer> {
    let members = Members::required(call.request)?;
    // A null note is not copied, so a note can be blanked but not removed; a null flag is an error.
    let notes = members.text("notes")?.nullable();
    let disabled = match members.boolean("is_disabled")? {
        Given::Absent => None,
        Given::Value(disabled) => Some(disabled),
        Given::Null => return Err(bad_request()),
    };
    call.only_users(NO_UPDATING)?;
    // A comma list passes the route but is one unknown id to the look-up.
    let Some(token) = tokens::readable(call, &call.request.id) else {
        return Err(Answer::not_found("Token not found."));
    };
    let mut token = Arc::unwrap_or_clone(token);
    if let Some(notes) = notes {
        token.notes = Some(notes);
    }
    if let Some(disabled) = disabled {
        token.disabled = disabled;
    }
    Ok(token)
}

fn write(state: &mut State, mut token: Token) -> Answer {
    token.updated = state.now();
    state.counters.sums.tokens_updated += 1;
    if token.disabled {
        state.note_disabling(&token.id);
    }
    let token = state.tokens.put(token);
    Answer::json(StatusCode::OK, TokenView(token))
}
