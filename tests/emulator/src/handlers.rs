//! What the endpoints do, one file per subject. A handler runs under the lock, after the pipeline let the caller pass.

mod auth;
mod body;
mod clients;
mod create;
mod delete;
mod organizations;
mod projects;
mod tokens;
mod update;

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::answer::Answer;
use crate::identity::Identity;
use crate::pipeline::Outcome;
use crate::request::Request;
use crate::route::Route;
use crate::settings::ServerVersion;
use crate::state::{Project, State};

/// One call: the world, the request, and who asks.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) request: &'a Request,
    pub(crate) identity: Identity,
}

pub(crate) fn dispatch(call: Call<'_>) -> Outcome {
    let posts = call.request.method == Method::POST;
    match call.request.route {
        Route::Login => auth::login(call),
        Route::Logout => auth::logout(call).into(),
        Route::ChangePassword => auth::change_password(call).into(),
        Route::Me => auth::me(&call).into(),
        Route::Organizations => organizations::list(&call).into(),
        Route::Organization => organizations::get(&call).into(),
        Route::Projects => projects::list(&call).into(),
        Route::OrganizationProjects => projects::list_of_organization(&call).into(),
        Route::Project => projects::get(&call).into(),
        Route::OrganizationTokens if posts => create::in_organization(call).into(),
        Route::OrganizationTokens => tokens::list_of_organization(&call).into(),
        Route::ProjectTokens if posts => create::in_project(call).into(),
        Route::ProjectTokens => tokens::list_of_project(&call).into(),
        Route::DefaultToken => tokens::default(call).into(),
        Route::Tokens => create::anywhere(call).into(),
        Route::Token => match *call.request.method.as_str().as_bytes() {
            [b'G', ..] => tokens::get(&call).into(),
            [b'D', ..] => delete::delete(call).into(),
            _ => update::update(call),
        },
        Route::Config => clients::own_config(&call).into(),
        Route::ProjectConfig => clients::project_config(&call).into(),
        Route::SubmitEvent => clients::submit(call).into(),
        Route::Events => clients::post_to_own_project(call).into(),
        Route::ProjectEvents => clients::post_to_project(call).into(),
        Route::Heartbeat => clients::heartbeat(&call).into(),
        Route::About => about(&call).into(),
        Route::SystemNotification => Answer::empty(StatusCode::NO_CONTENT).into(),
        Route::Health | Route::Ready | Route::Unknown => Answer::bare_problem(StatusCode::NOT_FOUND).into(),
    }
}

fn about(call: &Call<'_>) -> Answer {
    let about = json!({
        "informational_version": call.state.switches.server_version.informational(),
        "app_mode": "Production",
        "app_scope": "emulator",
        "machine_name": "emulator-1",
    });
    Answer::json(StatusCode::OK, about)
}

impl Call<'_> {
    /// Refuses API keys on token endpoints: the server asks for the type of the caller, not for scopes (contract 1.2).
    fn only_users(&self, refused: &'static str) -> Result<(), Answer> {
        match self.identity {
            Identity::Key { .. } if self.state.switches.server_version > ServerVersion::V8_1 => {
                Err(Answer::problem(StatusCode::FORBIDDEN, refused))
            }
            Identity::Key { .. } | Identity::User { .. } | Identity::Anonymous => Ok(()),
        }
    }

    /// A project of an organization of the caller; missing and foreign ones look the same (contract 6.2).
    fn accessible_project(&self, id: &str) -> Option<&Project> {
        self.state
            .projects
            .get(id)
            .filter(|project| self.is_member(&project.organization_id))
            .map(AsRef::as_ref)
    }

    fn is_member(&self, organization_id: &str) -> bool {
        self.identity.is_member(self.state, organization_id)
    }
}
