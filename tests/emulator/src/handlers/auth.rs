//! Login, logout and the question who one is (contract 1.5).

use hyper::StatusCode;
use serde_json::json;

use super::Call;
use super::body::Members;
use crate::answer::Answer;
use crate::identity::Identity;
use crate::pipeline::Outcome;
use crate::settings::ServerVersion;
use crate::state::State;
use crate::views::UserView;

const ATTEMPTS_PER_EMAIL: u32 = 5;
const ATTEMPTS_PER_ADDRESS: u32 = 15;

/// Attempts are counted before the password is looked at; the gap between the two is what lets a burst of good
/// logins lock itself out.
pub(super) fn login(call: Call<'_>) -> Outcome {
    let credentials = match Credentials::of(&call) {
        Ok(credentials) => credentials,
        Err(refusal) => return refusal.into(),
    };
    let now = call.state.now();
    let by_email = call.state.attempts.add(&credentials.email_key(), now);
    let by_address = call.state.attempts.add(&credentials.address_key(), now);
    if by_email > ATTEMPTS_PER_EMAIL || by_address > ATTEMPTS_PER_ADDRESS {
        return Answer::problem(StatusCode::UNAUTHORIZED, "Login denied.").into();
    }
    let gap = call.state.switches.login_gap;
    if gap.is_zero() {
        return credentials.check(call.state).into();
    }
    Outcome::Paused(gap, Box::new(move |state| credentials.check(state)))
}

struct Credentials {
    email: String,
    password: String,
    address: String,
}

impl Credentials {
    fn of(call: &Call<'_>) -> Result<Self, Answer> {
        let invalid =
            |field| Answer::invalid(StatusCode::UNPROCESSABLE_ENTITY, field, "The field is invalid.");
        let members = Members::required(call.request)?;
        let email = members.text("email")?.required_if_present()?.unwrap_or_default();
        let password = members.text("password")?.required_if_present()?.unwrap_or_default();
        let invitation = members.text("invite_token")?.nullable();
        if email.trim().is_empty() {
            return Err(invalid("email"));
        }
        if !(6..=100).contains(&password.chars().count()) {
            return Err(invalid("password"));
        }
        if invitation.is_some_and(|token| token.chars().count() != 40) {
            return Err(invalid("invite_token"));
        }
        Ok(Self { email, password, address: call.request.client_address() })
    }

    fn check(&self, state: &mut State) -> Answer {
        let failed = || Answer::problem(StatusCode::UNAUTHORIZED, "Login failed.");
        // An exception while the user is loaded looks like a wrong password (contract 1.5).
        if state.switches.elasticsearch_down {
            return failed();
        }
        let known = state.users.iter().find(|user| user.is_called(&self.email));
        let Some(user) = known.filter(|user| user.active && user.password == self.password) else {
            return failed();
        };
        let user_id = user.id.clone();
        state.attempts.forget(&self.email_key());
        state.attempts.take_back_one(&self.address_key());
        let login = state.login(&user_id);
        Answer::json(StatusCode::OK, json!({ "token": login.id }))
    }

    fn email_key(&self) -> String {
        format!("email:{}", self.email.trim().to_lowercase())
    }

    fn address_key(&self) -> String {
        format!("address:{}", self.address)
    }
}

pub(super) fn logout(call: Call<'_>) -> Answer {
    match call.identity {
        Identity::User { login: Some(id), .. } => {
            call.state.end_login(&id);
            Answer::empty(StatusCode::OK)
        }
        Identity::Key { owner: Some(_), .. } => {
            Answer::problem(StatusCode::FORBIDDEN, "Logout not supported for current user access token")
        }
        Identity::User { login: None, .. } | Identity::Key { owner: None, .. } | Identity::Anonymous => {
            Answer::problem(StatusCode::FORBIDDEN, "Logout not supported")
        }
    }
}

/// Demands the present password, and ends every session (`AuthHandler.cs`, `ChangePasswordModel.cs`).
pub(super) fn change_password(call: Call<'_>) -> Answer {
    try_change_password(call).unwrap_or_else(|refusal| refusal)
}

fn try_change_password(call: Call<'_>) -> Result<Answer, Answer> {
    let old = call.state.switches.server_version == ServerVersion::V8_1;
    let status = if old { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
    let invalid = |field, message| Answer::invalid(status, field, message);
    let members = Members::required(call.request)?;
    let current = members.text("current_password")?.required_if_present()?.unwrap_or_default();
    let password = members.text("password")?.required_if_present()?.unwrap_or_default();
    for (field, text) in [("current_password", &current), ("password", &password)] {
        if !(6..=100).contains(&text.chars().count()) {
            return Err(invalid(field, "The field must have a length between 6 and 100."));
        }
    }
    if current == password {
        return Err(invalid("password", "New password must not be the same as the current password."));
    }
    let Some(user) = call.identity.user(call.state).cloned() else {
        return Err(Answer::bare_problem(StatusCode::UNAUTHORIZED));
    };
    if user.password != current {
        return Err(invalid("current_password", "The current password is incorrect."));
    }
    call.state.change_password(&user.email, &password);
    let credentials = Credentials { email: user.email, password, address: call.request.client_address() };
    call.state.attempts.forget(&credentials.email_key());
    call.state.attempts.take_back_one(&credentials.address_key());
    let login = call.state.login(&user.id);
    Ok(Answer::json(StatusCode::OK, json!({ "token": login.id })))
}

/// An API key may hold the role `user` without there being a user: 401, though it was counted (contract 1.4).
pub(super) fn me(call: &Call<'_>) -> Answer {
    match call.identity.user(call.state) {
        Some(user) => Answer::json(StatusCode::OK, UserView(user.clone())),
        None if call.state.switches.server_version == ServerVersion::V8_1 => {
            Answer::bare_problem(StatusCode::NOT_FOUND)
        }
        None => Answer::bare_problem(StatusCode::UNAUTHORIZED),
    }
}
