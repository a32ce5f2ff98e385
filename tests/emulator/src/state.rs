//! Everything the server knows, behind one lock.
//!
//! One process-wide lock is right here: critical sections are a few map look-ups, documents are serialised outside,
//! and a test that edits the world sees no request half-way. The methods below are the edits a person or a job could
//! make on a real installation; each cites what the contract says follows from it.

mod gauge;
mod model;
mod projects;
mod requests;
mod seed;
mod tokens;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Months, TimeDelta, Utc};
use hyper::header::HeaderValue;
use rand::Rng;
use rand::distr::Alphanumeric;

use crate::clock::{Clock, wall_clock};
use crate::date;
use crate::faults::{Fault, Faults};
use crate::request::Request;
use crate::settings::{Settings, Switches};
pub(crate) use gauge::Presence;
pub use model::{Login, Organization, Project, Revocation, Token, User};
pub(crate) use projects::Projects;
pub(crate) use requests::Counters;
pub use requests::{Requests, Seen};
pub(crate) use tokens::Tokens;
pub(crate) use windows::Windows;

/// A deleted key can be served from a cache for this long (contract 7).
const STALE: TimeDelta = TimeDelta::minutes(5);

/// Login attempts are counted per UTC quarter hour, whatever window the throttle uses (contract 1.5).
const LOGIN_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Login sessions end three calendar months after they were made (contract 1.5).
const LOGIN_LIFETIME: Months = Months::new(3);

/// How many of a user's login sessions the server looks at; a page of its search (contract 1.5).
const LOGINS_CONSIDERED: usize = 10;

/// The whole server.
#[derive(Debug)]
pub struct State {
    /// The server's time.
    pub clock: Clock,
    /// Habits that can be switched.
    pub switches: Switches,
    /// How long every API call waits before it is looked at.
    pub latency: Duration,
    /// Requests allowed per window and identity; 0 means no throttling.
    pub rate_limit: u32,
    /// Organizations, in the order they were made.
    pub organizations: Vec<Organization>,
    /// Users, in the order they were made. The first is the rotator's.
    pub users: Vec<User>,
    pub(crate) projects: Projects,
    pub(crate) tokens: Tokens,
    pub(crate) logins: Vec<Login>,
    pub(crate) throttle: Windows,
    pub(crate) attempts: Windows,
    pub(crate) counters: Counters,
    pub(crate) faults: Faults,
    recently_deleted: HashMap<String, (Arc<Token>, DateTime<Utc>)>,
    revocations: Vec<Revocation>,
    secrets: Vec<String>,
    date_header: (i64, HeaderValue),
}

impl State {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut state = Self {
            clock: Clock::new(settings.frozen_at),
            switches: settings.switches.clone(),
            latency: settings.latency,
            rate_limit: settings.rate_limit,
            organizations: Vec::new(),
            users: Vec::new(),
            projects: Projects::default(),
            tokens: Tokens::default(),
            logins: Vec::new(),
            throttle: Windows::new(settings.rate_window),
            attempts: Windows::new(LOGIN_WINDOW),
            counters: Counters::default(),
            faults: Faults::default(),
            recently_deleted: HashMap::new(),
            revocations: Vec::new(),
            secrets: Vec::new(),
            date_header: (i64::MIN, HeaderValue::from_static("")),
        };
        seed::plant(&mut state, settings);
        state
    }

    /// The server's present.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What was asked so far.
    pub fn requests(&self) -> Requests {
        self.counters.snapshot()
    }

    /// All living projects, in the order they were made.
    pub fn projects(&self) -> Vec<Project> {
        let mut projects: Vec<_> = self.projects.all().map(|project| Project::clone(project)).collect();
        projects.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        projects
    }

    /// One living project.
    pub fn project(&self, id: &str) -> Option<Project> {
        self.projects.get(id).map(|project| Project::clone(project))
    }

    /// Every API key of every organization, oldest first, dead ones included.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<_> = self.tokens.all().map(|token| Token::clone(token)).collect();
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        tokens
    }

    /// One API key.
    pub fn token(&self, id: &str) -> Option<Token> {
        self.tokens.get(id).map(|token| Token::clone(token))
    }

    /// Every key in a project's listing, oldest first.
    pub fn tokens_of_project(&self, project_id: &str) -> Vec<Token> {
        let tokens = self.tokens.of_project(project_id).iter();
        tokens.map(|token| Token::clone(token)).collect()
    }

    /// The keys bound to a project that open the door now, oldest first.
    pub fn live_keys(&self, project_id: &str) -> Vec<Token> {
        let now = self.now();
        let mut tokens = self.tokens_of_project(project_id);
        tokens.retain(|token| token.project_id.as_deref() == Some(project_id) && token.is_live(now));
        tokens
    }

    /// Every login session, oldest first, expired ones included.
    pub fn logins(&self) -> &[Login] {
        &self.logins
    }

    /// Whether the key would be let in now, staleness of caches included.
    pub fn authenticates(&self, key: &str) -> bool {
        self.living_token(key).is_some()
    }

    pub(crate) fn living_token(&self, key: &str) -> Option<Arc<Token>> {
        let now = self.now();
        let current = self.tokens.get(key);
        let stale = || {
            let (token, deleted) = self.recently_deleted.get(key)?;
            (self.switches.stale_authentication && now < *deleted + STALE).then_some(token)
        };
        current.or_else(stale).filter(|token| token.is_live(now)).map(Arc::clone)
    }

    pub(crate) fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.id == id)
    }

    /// Makes an organization that the first user is a member of.
    pub fn add_organization(&mut self, name: &str) -> Organization {
        let organization = Organization {
            id: seed::organization_id(self.organizations.len() + 1),
            name: name.to_owned(),
            created: self.now(),
            suspended: false,
            over_monthly_limit: false,
        };
        self.organizations.push(organization.clone());
        if let Some(user) = self.users.first_mut() {
            user.organization_ids.push(organization.id.clone());
        }
        organization
    }

    /// Suspends an organization or lifts that. All its keys follow at once (contract 3.7).
    pub fn suspend_organization(&mut self, id: &str, suspended: bool) {
        for organization in &mut self.organizations {
            if organization.id == id {
                organization.suspended = suspended;
            }
        }
        let keys = ids(self.tokens.of_organization(id));
        self.tokens.edit(keys, |token| token.suspended = suspended);
    }

    /// Makes a project without any key. Listings show it after the delay of the switch.
    pub fn add_project(&mut self, organization_id: &str, name: &str) -> Project {
        let now = self.now();
        let listed_from = now + delta(self.switches.project_list_delay);
        self.projects.add(organization_id, name, now, listed_from)
    }

    /// Renames a project. Listings show the old name for the delay of the switch.
    pub fn rename_project(&mut self, id: &str, name: &str) {
        let until = self.now() + delta(self.switches.project_list_delay);
        self.projects.rename(id, name, until);
    }

    /// Deletes a project; its keys go at the same moment (contract 3.7).
    pub fn delete_project(&mut self, id: &str) {
        self.projects.remove(id);
        for token in self.tokens_of_project(id) {
            if token.project_id.as_deref() == Some(id) {
                self.delete_key(&token.id);
            }
        }
    }

    /// A key as someone makes it in the web pages. The project need not exist: that makes an orphan, which lists and
    /// authenticates but can be neither read nor deleted (contract 3.7).
    pub fn create_person_key(&mut self, organization_id: &str, project_id: &str, notes: &str) -> Token {
        let mut token = Token::client(new_secret(), organization_id, project_id, self.now());
        token.notes = Some(notes.to_owned());
        self.put_token(token.clone());
        token
    }

    /// Many organization-level keys at once, to outgrow what a listing can reach (contract 3.2).
    pub fn add_tokens(&mut self, organization_id: &str, count: usize) {
        let now = self.now();
        for _ in 0..count {
            let mut token = Token::client(new_secret(), organization_id, "", now);
            token.project_id = None;
            self.put_token(token);
        }
    }

    /// Writes a key as given, over any of the same id.
    pub fn put_token(&mut self, token: Token) {
        self.remember_secret(&token.id);
        self.tokens.put(token);
    }

    pub(crate) fn remember_secret(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    /// Disables a key, as a person may.
    pub fn disable_key(&mut self, id: &str) {
        let now = self.now();
        self.tokens.edit([id.to_owned()], |token| {
            token.disabled = true;
            token.updated = now;
        });
    }

    /// Deletes a key, as a person may. Tells whether there was one.
    pub fn delete_key(&mut self, id: &str) -> bool {
        let now = self.now();
        let Some(token) = self.tokens.remove(id) else {
            return false;
        };
        if self.switches.stale_authentication {
            self.recently_deleted.insert(id.to_owned(), (token, now));
        }
        true
    }

    /// Deletes a key because the API was asked to.
    pub(crate) fn revoke(&mut self, token: &Arc<Token>) {
        if self.delete_key(&token.id) {
            self.revocations.push(Revocation { key: Token::clone(token), at: wall_clock() });
        }
    }

    /// Notes that the API was asked to disable a key that worked.
    pub(crate) fn note_disabling(&mut self, id: &str) {
        let working = self.tokens.get(id).filter(|token| !token.disabled);
        if let Some(key) = working.map(|token| Token::clone(token)) {
            self.revocations.push(Revocation { key, at: wall_clock() });
        }
    }

    /// Every key that was deleted or disabled through the API, in order; those that a person, a job or the end of a project
    /// took are not among them.
    pub fn revocations(&self) -> &[Revocation] {
        &self.revocations
    }

    /// Gives a user a new password, which ends every session and removes every key of that person (contract 1.5).
    pub fn change_password(&mut self, email: &str, password: &str) {
        let Some(user) = self.users.iter_mut().find(|user| user.email == email) else {
            return;
        };
        user.password = password.to_owned();
        self.secrets.push(password.to_owned());
        let user_id = user.id.clone();
        self.logins.retain(|login| login.user_id != user_id);
        let keys: Vec<_> = self
            .tokens
            .all()
            .filter(|token| token.user_id.as_ref() == Some(&user_id))
            .map(|token| token.id.clone())
            .collect();
        for key in keys {
            self.delete_key(&key);
        }
    }

    /// Lets the four-hourly job run: orphans go, and new keys of suspended organizations are flagged (contract 3.7).
    pub fn run_cleanup_job(&mut self) {
        let orphans: Vec<_> = self
            .tokens
            .all()
            .filter(|token| {
                let project = token.project_id.as_deref();
                project.is_some_and(|project| self.projects.get(project).is_none())
            })
            .map(|token| token.id.clone())
            .collect();
        for orphan in orphans {
            self.delete_key(&orphan);
        }
        for organization in self.organizations.clone() {
            if organization.suspended {
                self.suspend_organization(&organization.id, true);
            }
        }
    }

    /// Every password and every token that ever existed here, login sessions included: none of them may appear in
    /// anything a client writes.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }

    pub(crate) fn add_user(&mut self, user: User) {
        self.secrets.push(user.password.clone());
        self.users.push(user);
    }

    /// The session a successful login hands out: an old one if one of the first ten has not expired (contract 1.5).
    pub(crate) fn login(&mut self, user_id: &str) -> Login {
        let now = self.now();
        let own = self.logins.iter().filter(|login| login.user_id == user_id);
        if let Some(login) = own.take(LOGINS_CONSIDERED).find(|login| login.expires >= now) {
            return login.clone();
        }
        let login = Login {
            id: new_secret(),
            user_id: user_id.to_owned(),
            created: now,
            expires: now + LOGIN_LIFETIME,
        };
        self.secrets.push(login.id.clone());
        self.logins.push(login.clone());
        login
    }

    /// Ends a session. Tells whether there was one.
    pub fn end_login(&mut self, id: &str) -> bool {
        let before = self.logins.len();
        self.logins.retain(|login| login.id != id);
        before != self.logins.len()
    }

    /// Notes a request's arrival, in the counts and, if asked for, in the journal.
    pub(crate) fn arrived(&mut self, request: &Request) -> Presence {
        if self.switches.journal {
            self.counters.journal.push(Seen {
                at: self.clock.now(),
                method: request.method.to_string(),
                route: request.route.template(),
                path: request.path.clone(),
            });
        }
        self.counters.arrived(&request.method, request.route)
    }

    /// The fault that waits for this request, if any.
    pub(crate) fn meet_fault(&mut self, request: &Request) -> Option<Fault> {
        let fault = self.faults.meet(request)?;
        self.counters.sums.faults += 1;
        Some(fault)
    }

    /// Another throttle window; what was counted is forgotten.
    pub fn set_rate_window(&mut self, window: Duration) {
        self.throttle.set_length(window);
    }

    /// The `Date` of an answer that leaves now. Written once per second.
    pub(crate) fn date_header(&mut self) -> HeaderValue {
        let now = self.now();
        if self.date_header.0 != now.timestamp() {
            let text = date::http(now);
            let value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
            self.date_header = (now.timestamp(), value);
        }
        self.date_header.1.clone()
    }
}

/// 40 letters and digits from a cryptographic generator, as the server makes its tokens (contract 3.1).
pub(crate) fn new_secret() -> String {
    rand::rng().sample_iter(Alphanumeric).take(40).map(char::from).collect()
}

pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn ids(tokens: &[Arc<Token>]) -> Vec<String> {
    tokens.iter().map(|token| token.id.clone()).collect()
}
