//! A token in a file, which somebody else replaces: a person, or the sink of a Vault Agent.

use std::fs;
use std::path::PathBuf;

use exceptionless_emulator::Relay;
use exceptionless_rotator::config::{self, SecretSource, VaultAuth};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{VaultError, VaultStore};
use serde_json::json;

use super::{path, text};
use crate::support::bao::{Bao, Corner, instance};
use crate::support::patience;
use crate::support::rig::Rig;
use crate::support::stand_in::{Reply, StandIn};

struct Sink {
    corner: Corner<'static>,
    file: PathBuf,
}

impl Sink {
    async fn new() -> Self {
        let corner = Bao::shared().await.corner().await;
        let file = corner.dir.path().join("sink");
        Self { corner, file }
    }

    async fn store(&self) -> VaultStore {
        self.store_at(&self.corner.bao.address)
    }

    fn store_at(&self, address: &str) -> VaultStore {
        let auth = VaultAuth::Token { token: SecretSource::File(self.file.clone()) };
        let settings = crate::support::bao::settings(address, &self.corner.mount, auth);
        VaultStore::new(&settings, instance(), &Traffic::default()).unwrap()
    }

    /// Puts a token with this name into the file, which Vault shows as its `display_name`.
    async fn put(&self, name: &str) -> String {
        let body = json!({"policies": ["default", self.corner.mount], "ttl": "1h", "display_name": name});
        let answer = self.corner.bao.root("POST", "auth/token/create", body).await;
        let token = answer["auth"]["client_token"].as_str().unwrap().to_owned();
        fs::write(&self.file, format!("{token}\n")).unwrap();
        token
    }
}

#[tokio::test]
async fn a_replaced_token_is_taken_up_while_the_old_one_still_lives() {
    let sink = Sink::new().await;
    sink.put("first").await;
    let store = sink.store().await;
    assert_eq!(store.whoami().await.unwrap().display_name, "token-first");
    sink.put("second").await;
    assert_eq!(store.whoami().await.unwrap().display_name, "token-second");
    sink.put("third").await;
    store.renew_if_due().await.unwrap();
    fs::remove_file(&sink.file).unwrap();
    assert_eq!(store.whoami().await.unwrap().display_name, "token-third", "an idle daemon has seen it too");
}

#[tokio::test]
async fn what_is_no_token_does_not_replace_one_and_is_tried_once() {
    let sink = Sink::new().await;
    sink.put("first").await;
    let traffic = Traffic::default();
    let auth = VaultAuth::Token { token: SecretSource::File(sink.file.clone()) };
    let settings = config::Vault { auth, ..sink.corner.settings().await };
    let store = VaultStore::new(&settings, instance(), &traffic).unwrap();
    store.read(&path("a")).await.unwrap();
    for unfinished in ["", "s.half-a-tok"] {
        fs::write(&sink.file, unfinished).unwrap();
        for _ in 0..8 {
            store.read(&path("a")).await.unwrap();
        }
    }
    assert!(store.renew_if_due().await.unwrap().is_some());
    sink.put("second").await;
    assert_eq!(store.whoami().await.unwrap().display_name, "token-second", "its successor is tried at once");
}

#[tokio::test]
async fn a_dead_token_in_the_file_does_not_let_the_living_one_die() {
    let sink = Sink::new().await;
    let relay = Relay::to(&sink.corner.bao.address).await.unwrap();
    fs::write(&sink.file, sink.corner.token("4s").await).unwrap();
    let store = sink.store_at(&relay.url());
    store.read(&path("a")).await.unwrap();
    fs::write(&sink.file, "s.a-token-that-is-dead").unwrap();
    store.renew_if_due().await.unwrap_err();
    let renewed = || relay.seen().iter().filter(|line| line.contains("renew-self")).count();
    patience("it has outlived its first lease", async || {
        let _ = store.renew_if_due().await;
        renewed() >= 2
    })
    .await;
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_says_nothing_new_costs_vault_no_request() {
    let server = StandIn::start(|request| match request {
        "GET /v1/auth/token/lookup-self" => Reply::Answer("200 OK", "", super::faults::living_token(0)),
        _ => Reply::Answer("404 Not Found", "", r#"{"errors":[]}"#.to_owned()),
    });
    let sink = Sink::new().await;
    let token = sink.put("first").await;
    let store = sink.store_at(&server.address);
    for _ in 0..8 {
        store.read(&path("a")).await.unwrap();
        // The same token, written anew.
        fs::write(&sink.file, &token).unwrap();
        store.renew_if_due().await.unwrap();
    }
    let lookups = server.seen().iter().filter(|line| line.contains("lookup-self")).count();
    assert_eq!((lookups, server.seen().len()), (1, 9));
    fs::write(&sink.file, "s.another-token-altogether").unwrap();
    store.read(&path("a")).await.unwrap();
    assert_eq!(server.seen().iter().filter(|line| line.contains("lookup-self")).count(), 2);
}

#[tokio::test]
async fn a_dead_token_in_the_environment_is_named_with_its_variable() {
    let corner = Bao::shared().await.corner().await;
    let value = corner.token("1h").await;
    let token = SecretSource::Environment { variable: "VAULT_TOKEN".to_owned(), value: value.clone().into() };
    let settings = config::Vault { auth: VaultAuth::Token { token }, ..corner.settings().await };
    let store = VaultStore::new(&settings, instance(), &Traffic::default()).unwrap();
    store.read(&path("a")).await.unwrap();
    corner.bao.root("POST", "auth/token/revoke", json!({"token": value})).await;
    let error = store.read(&path("a")).await.unwrap_err();
    assert!(matches!(error, VaultError::TokenDead { .. }), "{}", text(&error));
    assert!(error.to_string().contains("$VAULT_TOKEN"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_daemon_takes_up_the_token_that_an_agent_has_put_there() {
    let mut rig = Rig::sized(1).await;
    fs::write(rig.path("vault-token"), rig.corner.token("1h").await).unwrap();
    let lines = "method = \"token\"\ntoken_file = \"vault-token\"";
    rig.config.insert("vault.auth".to_owned(), lines.to_owned());
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    assert_eq!(daemon.count("vault.login"), 1);
    fs::write(rig.path("vault-token"), rig.corner.token("1h").await).unwrap();
    daemon.until("vault.login", 2).await;
    assert_eq!(daemon.count("pass.finished"), 1, "no pass was needed for that");
}
