//! Making keys (contract 3.3).
//!
//! Three doors with three ways to say no: a missing project is a 404 on the project's route, a 422 in a body, and a
//! missing field a 400. Nothing is idempotent; the same request twice makes two keys.

use hyper::StatusCode;
use hyper::header::LOCATION;

use super::Call;
use super::body::Members;
use crate::answer::Answer;
use crate::state::{Project, Token, new_secret};
use crate::views::TokenView;

const NO_CREATING: &str = "Token authentication cannot create tokens.";

const OBJECT_ID_LENGTH: usize = 24;

pub(super) fn in_project(call: Call<'_>) -> Answer {
    try_in_project(call).unwrap_or_else(|refusal| refusal)
}

fn try_in_project(call: Call<'_>) -> Result<Answer, Answer> {
    let wish = Wish::of(Members::of(call.request)?)?;
    call.only_users(NO_CREATING)?;
    let Some(project) = call.accessible_project(&call.request.id) else {
        return Err(Answer::not_found("Project not found."));
    };
    let mut token = client_key(&call, project);
    wish.apply(&call, &mut token)?;
    Ok(store(call, token))
}

pub(super) fn anywhere(call: Call<'_>) -> Answer {
    try_anywhere(call).unwrap_or_else(|refusal| refusal)
}

fn try_anywhere(call: Call<'_>) -> Result<Answer, Answer> {
    let wish = Wish::of(Some(Members::required(call.request)?))?;
    call.only_users(NO_CREATING)?;
    let Some(id) = &wish.project_id else {
        return Err(Answer::invalid(
            StatusCode::BAD_REQUEST,
            "project_id",
            "Please specify a valid project id.",
        ));
    };
    let mut token = client_key(&call, wished_project(&call, id)?);
    wish.apply(&call, &mut token)?;
    Ok(store(call, token))
}

pub(super) fn in_organization(call: Call<'_>) -> Answer {
    try_in_organization(call).unwrap_or_else(|refusal| refusal)
}

fn try_in_organization(call: Call<'_>) -> Result<Answer, Answer> {
    let wish = Wish::of(Members::of(call.request)?)?;
    call.only_users(NO_CREATING)?;
    if !call.is_member(&call.request.id) {
        return Err(Answer::problem(StatusCode::BAD_REQUEST, "Invalid organization."));
    }
    let mut token = match &wish.project_id {
        Some(id) => client_key(&call, wished_project(&call, id)?),
        None => {
            let mut token = Token::client(new_secret(), &call.request.id, "", call.state.now());
            token.project_id = None;
            token
        }
    };
    wish.apply(&call, &mut token)?;
    Ok(store(call, token))
}

/// The key an empty body asks for.
pub(super) fn client_key(call: &Call<'_>, project: &Project) -> Token {
    Token::client(new_secret(), &project.organization_id, &project.id, call.state.now())
}

/// Writes the key and answers with it, the secret once more in `Location`.
pub(super) fn store(call: Call<'_>, token: Token) -> Answer {
    // The server writes down whose it is, and fails over a key that belongs to nobody (v8.1.0, `TokenController.cs`).
    if call.identity.user(call.state).is_none() {
        return Answer::bare_problem(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let location = format!("{}/api/v2/tokens/{}", call.request.origin(), token.id);
    call.state.remember_secret(&token.id);
    let token = call.state.tokens.put(token);
    call.state.counters.sums.tokens_created += 1;
    Answer::json(StatusCode::CREATED, TokenView(token)).with_text(LOCATION, &location)
}

fn wished_project<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c Project, Answer> {
    call.accessible_project(id).ok_or_else(|| {
        Answer::invalid(StatusCode::UNPROCESSABLE_ENTITY, "project_id", "Please specify a valid project id.")
    })
}

/// What the body asks for, once it has passed the checks that need no database.
struct Wish {
    project_id: Option<String>,
    default_project_id: Option<String>,
    scopes: Vec<String>,
    expires: Option<chrono::DateTime<chrono::Utc>>,
    notes: Option<String>,
}

impl Wish {
    fn of(members: Option<Members>) -> Result<Self, Answer> {
        let members = members.unwrap_or_else(Members::none);
        let organization_id = members.text("organization_id")?.required_if_present()?;
        let wish = Self {
            project_id: members.text("project_id")?.required_if_present()?,
            default_project_id: members.text("default_project_id")?.nullable(),
            scopes: members.texts("scopes")?.required_if_present()?.unwrap_or_default(),
            expires: members.date("expires_utc")?.nullable(),
            notes: members.text("notes")?.nullable(),
        };
        check_length("organization_id", organization_id.as_deref())?;
        check_length("project_id", wish.project_id.as_deref())?;
        check_length("default_project_id", wish.default_project_id.as_deref())?;
        Ok(wish)
    }

    fn apply(self, call: &Call<'_>, token: &mut Token) -> Result<(), Answer> {
        token.scopes = granted(&self.scopes, call.identity.is_global_admin(call.state))?;
        token.expires = self.expires;
        token.notes = self.notes;
        // Cleared when there is a project (contract 3.3).
        if token.project_id.is_none()
            && let Some(id) = self.default_project_id
        {
            if call.accessible_project(&id).is_none() {
                return Err(Answer::invalid(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "default_project_id",
                    "Please specify a valid default project id.",
                ));
            }
            token.default_project_id = Some(id);
        }
        Ok(())
    }
}

fn check_length(field: &'static str, id: Option<&str>) -> Result<(), Answer> {
    match id {
        Some(id) if id.chars().count() != OBJECT_ID_LENGTH => Err(Answer::invalid(
            StatusCode::UNPROCESSABLE_ENTITY,
            field,
            format!("The field {field} must be a string with a length of 24."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The scopes as stored: lower case, each with what it implies. `source-maps:write` implies nothing, so such a key
/// cannot post events.
fn granted(wished: &[String], global_admin: bool) -> Result<Vec<String>, Answer> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in wished {
        let implied: &[&str] = match scope.to_lowercase().as_str() {
            "client" => &["client"],
            "user" => &["user", "client"],
            "global" if global_admin => &["global", "user", "client"],
            "source-maps:write" => &["source-maps:write"],
            _ => {
                return Err(Answer::invalid(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "scopes",
                    "Invalid token scope requested.",
                ));
            }
        };
        for scope in implied {
            if !scopes.iter().any(|own| own == scope) {
                scopes.push((*scope).to_owned());
            }
        }
    }
    if scopes.is_empty() {
        scopes.push("client".to_owned());
    }
    Ok(scopes)
}
