//! A Vault that lets nobody in is asked now and then, and not once for every request.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use exceptionless_emulator::{Fault, Kind, Relay};
use exceptionless_rotator::config::{SecretSource, VaultAuth};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{self, VaultStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::path;
use crate::support::bao::{instance, settings};
use crate::support::patience;
use crate::support::stand_in::{Reply, StandIn};

/// A Vault whose logins can be spoilt, and a password for it.
struct Gate {
    server: StandIn,
    spoilt: Arc<AtomicBool>,
    dir: TempDir,
}

impl Gate {
    /// `spoilt` is what it answers to a login while it is spoilt.
    fn new(spoilt: (&'static str, &'static str)) -> Self {
        let state = Arc::new(AtomicBool::new(true));
        let is_spoilt = Arc::clone(&state);
        let server = StandIn::start(move |request| {
            if !request.starts_with("POST /v1/auth/userpass/login/") {
                return Reply::Answer("404 Not Found", "", r#"{"errors":[]}"#.to_owned());
            }
            if is_spoilt.load(Ordering::SeqCst) {
                return Reply::Answer(spoilt.0, "", spoilt.1.to_owned());
            }
            Reply::Answer("200 OK", "", granted())
        });
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("password"), "first").unwrap();
        Self { server, spoilt: state, dir }
    }

    fn store(&self) -> VaultStore {
        self.store_at(&self.server.address)
    }

    fn store_at(&self, address: &str) -> VaultStore {
        let password = SecretSource::File(self.dir.path().join("password"));
        let (mount, username) = ("userpass".to_owned(), "rotator".to_owned());
        let auth = VaultAuth::UserPass { mount, username, password };
        VaultStore::new(&settings(address, "secret", auth), instance(), &Traffic::default()).unwrap()
    }

    fn logins(&self) -> usize {
        self.server.seen().iter().filter(|line| line.contains("/login/")).count()
    }

    fn open(&self) {
        self.spoilt.store(false, Ordering::SeqCst);
    }
}

fn granted() -> String {
    let auth = json!({
        "client_token": "s.granted", "accessor": "", "policies": [], "token_policies": [], "metadata": null,
        "lease_duration": 3600, "renewable": true, "entity_id": "", "token_type": "service", "orphan": true,
    });
    json!({"request_id": "", "lease_id": "", "lease_duration": 0, "renewable": false, "auth": auth})
        .to_string()
}

const DOWN: (&str, &str) = ("500 Internal Server Error", r#"{"errors":["internal error"]}"#);
const WRONG: (&str, &str) = ("400 Bad Request", r#"{"errors":["invalid username or password"]}"#);

#[tokio::test]
async fn a_thousand_requests_to_a_vault_that_is_down_are_a_handful_of_logins_and_one_serves_when_it_is_back()
{
    let gate = Gate::new(DOWN);
    let store = gate.store();
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(store.read(&path("a")).await.unwrap_err().kind(), vault::Kind::Unreachable);
    }
    // Pauses of at least half a second, a second, two ...
    let most = 1 + start.elapsed().as_millis() / 500;
    assert!((1..=most).contains(&(gate.logins() as u128)), "{} logins", gate.logins());
    gate.open();
    patience("it is let in", async || store.read(&path("a")).await.is_ok()).await;
    let logins = gate.logins();
    for _ in 0..20 {
        store.read(&path("a")).await.unwrap();
    }
    assert_eq!(gate.logins(), logins);
}

#[tokio::test]
async fn a_wrong_password_is_shown_once_and_a_new_one_at_once() {
    let gate = Gate::new(WRONG);
    let store = gate.store();
    // Longer than the pauses of a server that is down.
    for _ in 0..6 {
        assert_eq!(store.read(&path("a")).await.unwrap_err().kind(), vault::Kind::NotPermitted);
        store.renew_if_due().await.unwrap();
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(gate.logins(), 1, "five wrong ones would lock the account");
    gate.open();
    fs::write(gate.dir.path().join("password"), "second").unwrap();
    store.read(&path("a")).await.unwrap();
    assert_eq!(gate.logins(), 2);
}

#[tokio::test]
async fn a_wrong_password_that_is_taken_away_for_a_moment_is_not_shown_again() {
    let gate = Gate::new(WRONG);
    let (store, file) = (gate.store(), gate.dir.path().join("password"));
    let wrong = fs::read(&file).unwrap();
    for _ in 0..4 {
        store.read(&path("a")).await.unwrap_err();
        fs::remove_file(&file).unwrap();
        store.read(&path("a")).await.unwrap_err();
        fs::write(&file, &wrong).unwrap();
    }
    assert_eq!(gate.logins(), 1, "five wrong ones would lock the account");
}

#[tokio::test]
async fn there_is_never_more_than_one_login_in_flight() {
    for open in [true, false] {
        let gate = Gate::new(WRONG);
        gate.spoilt.store(!open, Ordering::SeqCst);
        // It lets any number of requests through, and keeps each login long enough for all others to come.
        let relay = Relay::to(&gate.server.address).await.unwrap();
        let slow = Fault::new("POST", "/v1/auth/", Kind::Slow(Duration::from_millis(300)));
        relay.add_fault(slow.always());
        let store = gate.store_at(&relay.url());
        let mut readers = JoinSet::new();
        for _ in 0..64 {
            let store = store.clone();
            readers.spawn(async move { store.read(&path("a")).await.is_ok() });
        }
        assert!(readers.join_all().await.iter().all(|fine| *fine == open));
        assert_eq!(gate.logins(), 1);
    }
}
