//! The handle that tests and benchmarks hold.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::faults::{Fault, Kind};
use crate::server::{self, Shared};
use crate::settings::{Settings, Switches};
use crate::state::{Organization, Project, Requests, Revocation, Seen, State, Token, delta};

/// A running emulator. Dropping it stops it and closes its connections.
///
/// Whatever this handle edits is as strongly consistent as the state itself: once a method returned, every request
/// sees the change.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Binds and serves. When this returns, requests are answered.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(State::new(&settings)));
        let server = tokio::spawn(server::accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, server })
    }

    /// The base URL, without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A look at everything, or an edit, under the lock that every request takes.
    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        self.shared.with(look)
    }

    /// Waits until a look at the state finds something, and returns it. Tests wait for what they need to be true
    /// instead of sleeping.
    pub async fn until<T>(&self, look: impl FnMut(&mut State) -> Option<T>) -> T {
        self.shared.until(look).await
    }

    /// Waits until a route was called that often, counted on arrival:
    /// `until_called("POST", "projects/{id}/tokens", 2)`.
    pub async fn until_called(&self, method: &str, route: &str, times: u64) {
        self.until(|state| (state.requests().count(method, route) >= times).then_some(())).await;
    }

    /// Closes the port and every connection; the state stays. Connections are refused until [`Self::come_back`].
    pub async fn go_down(&mut self) {
        self.server.abort();
        // The only possible error is the cancellation just asked for.
        let _ = (&mut self.server).await;
    }

    /// Listens again on the same address, with the state as it was.
    ///
    /// # Errors
    ///
    /// If something else took the port meanwhile.
    pub async fn come_back(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.server = tokio::spawn(server::accept(listener, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Stops, and returns when the port is free.
    pub async fn shutdown(mut self) {
        self.go_down().await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What was asked.
impl Emulator {
    /// The counts so far.
    pub fn requests(&self) -> Requests {
        self.state(|state| state.requests())
    }

    /// Accepted events of a client, which its `User-Agent` names, by the key they came with.
    pub fn events_by_key(&self, client: &str) -> BTreeMap<String, u64> {
        self.state(|state| state.counters.events_by_key(client))
    }

    /// Starts counting from nothing.
    pub fn reset_requests(&self) {
        self.state(|state| state.counters.reset());
    }

    /// Every request since the switch `journal` was set, in order of arrival.
    pub fn journal(&self) -> Vec<Seen> {
        self.state(|state| state.counters.journal.clone())
    }
}

/// Misfortune and time.
impl Emulator {
    /// Lets a fault wait for its request.
    ///
    /// # Panics
    ///
    /// If the fault names a route that the server does not have.
    pub fn add_fault(&self, fault: Fault) {
        let checked = fault.check();
        assert!(checked.is_ok(), "{checked:?}");
        self.state(|state| state.faults.add(fault));
    }

    /// Strikes the next request of that kind once, before it takes effect.
    pub fn fail_next(&self, method: &str, route: &str, kind: Kind) {
        self.add_fault(Fault::new(method, route, kind));
    }

    /// Forgets every fault.
    pub fn clear_faults(&self) {
        self.state(|state| state.faults.clear());
    }

    /// Changes the server's habits.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.state(|state| change(&mut state.switches));
    }

    /// The emulator's present.
    pub fn now(&self) -> DateTime<Utc> {
        self.state(|state| state.now())
    }

    /// Moves the emulator's clock on: keys and logins expire, windows turn, and `Date` shows it.
    pub fn advance(&self, by: Duration) {
        self.state(|state| state.clock.advance(delta(by)));
    }

    /// Skews the emulator's clock, and with it the `Date` header, against the machine's.
    pub fn set_date_offset(&self, offset: TimeDelta) {
        self.state(|state| state.clock.set_offset(offset));
    }

    /// Stops the emulator's clock at a moment.
    pub fn freeze_clock(&self, at: DateTime<Utc>) {
        self.state(|state| state.clock.freeze(at));
    }
}

/// The world, and what people do to it.
impl Emulator {
    /// All organizations.
    pub fn organizations(&self) -> Vec<Organization> {
        self.state(|state| state.organizations.clone())
    }

    /// All living projects, in the order they were made.
    pub fn projects(&self) -> Vec<Project> {
        self.state(|state| state.projects())
    }

    /// Every key in a project's listing, dead ones included, oldest first.
    pub fn keys(&self, project_id: &str) -> Vec<Token> {
        self.state(|state| state.tokens_of_project(project_id))
    }

    /// The keys of a project that open the door now, oldest first.
    pub fn live_keys(&self, project_id: &str) -> Vec<Token> {
        self.state(|state| state.live_keys(project_id))
    }

    /// Whether a key would be let in now.
    pub fn authenticates(&self, key: &str) -> bool {
        self.state(|state| state.authenticates(key))
    }

    /// Disables a key.
    pub fn disable_key(&self, key: &str) {
        self.state(|state| state.disable_key(key));
    }

    /// Deletes a key. Tells whether there was one.
    pub fn delete_key(&self, key: &str) -> bool {
        self.state(|state| state.delete_key(key))
    }

    /// Every key that was deleted or disabled through the API, in order.
    pub fn revocations(&self) -> Vec<Revocation> {
        self.state(|state| state.revocations().to_vec())
    }

    /// A client key as a person makes it in the web pages.
    ///
    /// # Panics
    ///
    /// If the project does not exist.
    pub fn create_person_key(&self, project_id: &str, notes: &str) -> Token {
        let key = self.state(|state| {
            let project = state.project(project_id)?;
            Some(state.create_person_key(&project.organization_id, project_id, notes))
        });
        key.unwrap_or_else(|| panic!("there is no project {project_id}"))
    }

    /// Suspends an organization, or lifts that.
    pub fn suspend_organization(&self, organization_id: &str, suspended: bool) {
        self.state(|state| state.suspend_organization(organization_id, suspended));
    }

    /// Makes an organization that the rotator's user is a member of.
    pub fn add_organization(&self, name: &str) -> Organization {
        self.state(|state| state.add_organization(name))
    }

    /// Makes a project without keys.
    pub fn add_project(&self, organization_id: &str, name: &str) -> Project {
        self.state(|state| state.add_project(organization_id, name))
    }

    /// Renames a project.
    pub fn rename_project(&self, project_id: &str, name: &str) {
        self.state(|state| state.rename_project(project_id, name));
    }

    /// Deletes a project and its keys.
    pub fn delete_project(&self, project_id: &str) {
        self.state(|state| state.delete_project(project_id));
    }

    /// Adds many organization-level keys at once.
    pub fn add_tokens(&self, organization_id: &str, count: usize) {
        self.state(|state| state.add_tokens(organization_id, count));
    }

    /// Gives a user a new password, which ends all sessions of that user.
    pub fn change_password(&self, email: &str, password: &str) {
        self.state(|state| state.change_password(email, password));
    }

    /// Lets the four-hourly clean-up job run.
    pub fn run_cleanup_job(&self) {
        self.state(|state| state.run_cleanup_job());
    }

    /// Every token and password that ever existed here.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.state(|state| state.issued_secrets())
    }
}
