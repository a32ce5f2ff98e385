//! The world at the start: deterministic ids, readable names, and on request the remains of old installations.

use chrono::{DateTime, TimeDelta, Utc};

use super::model::{Token, User};
use super::{State, new_secret};
use crate::settings::Settings;
use crate::{EMAIL, PASSWORD};

/// The world is this old, so that everything in it lies before any test's present.
const AGE: TimeDelta = TimeDelta::days(300);

const NAMES: [&str; 6] = ["Acme", "Borealis", "Cobalt", "Dynamo", "Ember", "Fjord"];

/// The colleague whose keys appear in listings with `legacy`.
const COLLEAGUE: &str = "colleague@example.test";

pub(crate) fn organization_id(number: usize) -> String {
    format!("64f0c0ffee000010{number:08x}")
}

pub(crate) fn project_id(number: usize) -> String {
    format!("64f0c0ffee000100{number:08x}")
}

fn user_id(number: usize) -> String {
    format!("64f0c0ffee000001{number:08x}")
}

pub(super) fn plant(state: &mut State, settings: &Settings) {
    let start = state.now() - AGE;
    plant_user(state, EMAIL, PASSWORD, "Rotation Bot");
    for number in 0..settings.organizations {
        let name = match NAMES.get(number) {
            Some(name) => (*name).to_owned(),
            None => format!("Organization {}", number + 1),
        };
        state.add_organization(&name);
        state.organizations[number].created = start;
    }
    for number in 0..settings.projects {
        plant_project(state, number, start);
    }
    if settings.legacy {
        plant_legacy(state, start);
    }
}

fn plant_user(state: &mut State, email: &str, password: &str, full_name: &str) {
    let organization_ids = state.organizations.iter().map(|one| one.id.clone()).collect();
    state.add_user(User {
        id: user_id(state.users.len() + 1),
        email: email.to_owned(),
        password: password.to_owned(),
        full_name: full_name.to_owned(),
        organization_ids,
        active: true,
        global_admin: false,
    });
}

fn plant_project(state: &mut State, number: usize, start: DateTime<Utc>) {
    let Some(home) = number.checked_rem(state.organizations.len()) else {
        return;
    };
    let organization = state.organizations[home].id.clone();
    // A minute apart, so that `sort=created_utc` is the order of the names, and an odd fraction as real ones have.
    let minutes = i64::try_from(number).unwrap_or(0) + 1;
    let created = start + TimeDelta::minutes(minutes) + TimeDelta::nanoseconds(123_456_700);
    let name = format!("Project {}", number + 1);
    let project = state.projects.add(&organization, &name, created, created);
    let mut key = Token::client(new_secret(), &organization, &project.id, created);
    key.notes = Some("made by a person".to_owned());
    state.put_token(key);
}

/// What contract 10.16 lists, once per organization, on its first project.
fn plant_legacy(state: &mut State, start: DateTime<Utc>) {
    plant_user(state, COLLEAGUE, "a colleague's password", "Colleague");
    let colleague = user_id(state.users.len());
    let own = user_id(1);
    for organization in state.organizations.clone() {
        let Some(project) = state.projects.of_organization(&organization.id).first().cloned() else {
            continue;
        };
        let key = |minutes| {
            let created = start - TimeDelta::minutes(minutes);
            Token::client(new_secret(), &organization.id, &project.id, created)
        };

        let mut short = key(60);
        short.id.truncate(24);
        short.scopes.clear();
        short.zoneless_dates = true;
        state.put_token(short);

        let mut without_project = key(50);
        without_project.project_id = None;
        without_project.notes = Some("for the whole organization".to_owned());
        state.put_token(without_project);

        let mut defaulting = key(40);
        defaulting.project_id = None;
        defaulting.default_project_id = Some(project.id.clone());
        state.put_token(defaulting);

        let mut of_colleague = key(30);
        of_colleague.user_id = Some(colleague.clone());
        state.put_token(of_colleague);

        let mut of_user = key(20);
        of_user.user_id = Some(own.clone());
        of_user.scopes = vec!["client".to_owned(), "user".to_owned()];
        state.put_token(of_user);

        let mut expired = key(10);
        expired.expires = Some(start);
        state.put_token(expired);

        let mut disabled = key(5);
        disabled.disabled = true;
        state.put_token(disabled);
    }
}
