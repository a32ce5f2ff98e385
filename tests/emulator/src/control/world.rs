//! Looking at the world and editing it: organizations, projects, keys, people.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reply, body, done, missing};
use crate::request::Request;
use crate::state::{Organization, Project, State, Token};

pub(super) fn handle(state: &mut State, method: &Method, segments: &[&str], request: &Request) -> Reply {
    match (method.as_str(), segments) {
        ("GET", ["state"]) => Ok(everything(state)),
        ("GET", ["secrets"]) => Ok(json!(state.issued_secrets())),
        ("POST", ["jobs"]) => {
            state.run_cleanup_job();
            done()
        }
        ("POST", ["organizations"]) => {
            let NameBody { name } = body(request)?;
            Ok(organization(&state.add_organization(&name)))
        }
        ("POST", ["organizations", id, "suspend"]) => {
            let SuspendBody { suspended } = body(request)?;
            state.suspend_organization(id, suspended);
            done()
        }
        ("POST", ["organizations", id, "tokens"]) => {
            let CountBody { count } = body(request)?;
            state.add_tokens(id, count);
            done()
        }
        ("POST", ["projects"]) => add_project(state, body(request)?),
        ("PATCH", ["projects", id]) => {
            let NameBody { name } = body(request)?;
            state.rename_project(id, &name);
            done()
        }
        ("DELETE", ["projects", id]) => {
            state.delete_project(id);
            done()
        }
        ("GET", ["projects", id, "keys"]) => Ok(state.live_keys(id).iter().map(key).collect()),
        ("POST", ["projects", id, "keys"]) => add_key(state, id, body(request)?),
        ("GET", ["keys", id]) => Ok(json!({ "authenticates": state.authenticates(id) })),
        ("POST", ["keys", id, "disable"]) => {
            state.disable_key(id);
            done()
        }
        ("DELETE", ["keys", id]) => Ok(json!({ "done": state.delete_key(id) })),
        ("POST", ["users", email, "password"]) => {
            let PasswordBody { password } = body(request)?;
            state.change_password(email, &password);
            done()
        }
        _ => missing(method, request),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountBody {
    count: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuspendBody {
    #[serde(default = "yes")]
    suspended: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectBody {
    /// The first organization if absent.
    organization_id: Option<String>,
    name: String,
}

fn add_project(state: &mut State, wish: ProjectBody) -> Reply {
    let first = state.organizations.first().map(|first| first.id.clone());
    let known = wish.organization_id.or(first);
    let Some(id) = known.filter(|id| state.organization(id).is_some()) else {
        return Err((StatusCode::NOT_FOUND, "there is no such organization".to_owned()));
    };
    Ok(project(&state.add_project(&id, &wish.name)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    #[serde(default = "by_a_person")]
    notes: String,
}

fn by_a_person() -> String {
    "made by a person".to_owned()
}

fn add_key(state: &mut State, project_id: &str, wish: KeyBody) -> Reply {
    let Some(project) = state.project(project_id) else {
        return Err((StatusCode::NOT_FOUND, format!("there is no project {project_id}")));
    };
    let made = state.create_person_key(&project.organization_id, project_id, &wish.notes);
    Ok(key(&made))
}

fn everything(state: &State) -> Value {
    let users = state.users.iter().map(|user| {
        json!({
            "id": user.id,
            "email": user.email,
            "password": user.password,
            "organization_ids": user.organization_ids,
        })
    });
    let logins = state.logins().iter().map(|login| {
        json!({
            "id": login.id,
            "user_id": login.user_id,
            "created_utc": login.created,
            "expires_utc": login.expires,
        })
    });
    json!({
        "now": state.now(),
        "users": users.collect::<Vec<_>>(),
        "logins": logins.collect::<Vec<_>>(),
        "organizations": state.organizations.iter().map(organization).collect::<Vec<_>>(),
        "projects": state.projects().iter().map(project).collect::<Vec<_>>(),
        "tokens": state.tokens().iter().map(key).collect::<Vec<_>>(),
        "switches": state.switches,
        "faults": state.faults.waiting(),
    })
}

fn organization(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "suspended": organization.suspended,
    })
}

fn project(project: &Project) -> Value {
    json!({
        "id": project.id,
        "organization_id": project.organization_id,
        "name": project.name,
    })
}

fn key(token: &Token) -> Value {
    json!({
        "id": token.id,
        "organization_id": token.organization_id,
        "project_id": token.project_id,
        "scopes": token.scopes,
        "notes": token.notes,
        "expires_utc": token.expires,
        "disabled": token.disabled,
        "suspended": token.suspended,
        "created_utc": token.created,
    })
}
