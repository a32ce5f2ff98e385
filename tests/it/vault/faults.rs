//! Whatever is wrong with the server, the error says so and says what to do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use exceptionless_rotator::config::{self, SecretSource, VaultAuth};
use exceptionless_rotator::domain::secret::SecretState;
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{Kind, Secret, UnusableFile, VaultError, VaultStore};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{ours, path, soon, text};
use crate::support::bao::{Bao, instance, settings};
use crate::support::stand_in::{Reply, StandIn};

pub(super) fn store_at(address: &str) -> VaultStore {
    let token = SecretSource::Environment { variable: "VAULT_TOKEN".to_owned(), value: "t".into() };
    VaultStore::new(&settings(address, "secret", VaultAuth::Token { token }), instance(), &Traffic::default())
        .unwrap()
}

/// A Vault that knows the token and does `reply` with all else.
pub(super) fn vault_that(reply: impl Fn(&str) -> Reply + Send + 'static) -> StandIn {
    vault_with_lease(0, reply)
}

fn vault_with_lease(ttl: u64, reply: impl Fn(&str) -> Reply + Send + 'static) -> StandIn {
    StandIn::start(move |request| {
        if request != "GET /v1/auth/token/lookup-self" {
            return reply(request);
        }
        Reply::Answer("200 OK", "", living_token(ttl))
    })
}

/// What a Vault says of a token that lives.
pub fn living_token(ttl: u64) -> String {
    let data = json!({
        "accessor": "", "creation_time": 0, "creation_ttl": 0, "display_name": "", "entity_id": "",
        "explicit_max_ttl": 0, "id": "", "num_uses": 0, "orphan": true, "path": "", "policies": [],
        "renewable": ttl > 0, "ttl": ttl,
    });
    json!({"request_id": "", "lease_id": "", "lease_duration": 0, "renewable": false, "data": data})
        .to_string()
}

#[tokio::test]
async fn a_sealed_vault_is_its_own_error_and_still_tells_its_health() {
    let bao = Bao::own().await;
    let corner = bao.corner().await;
    let store = corner.store().await;
    store.preflight().await.unwrap();
    let health = store.health().await.unwrap();
    assert!(health.initialized && !health.sealed && !health.standby && !health.version.is_empty());

    bao.root("POST", "sys/seal", json!({})).await;
    assert!(store.health().await.unwrap().sealed);
    let error = store.read(&path("a")).await.unwrap_err();
    assert!(matches!(error, VaultError::Sealed { .. }), "{}", text(&error));
    assert_eq!(error.kind(), Kind::Unreachable);
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_named() {
    let corner = Bao::shared().await.corner().await;
    let settings = config::Vault { mount: "nowhere".to_owned(), ..corner.settings().await };
    let error =
        VaultStore::new(&settings, instance(), &Traffic::default()).unwrap().preflight().await.unwrap_err();
    assert!(matches!(error, VaultError::MountHidden { .. }), "{}", text(&error));
    assert!(error.to_string().contains("nowhere/"), "{error}");

    let root = corner.bao.root("POST", "auth/token/create", json!({})).await;
    let value = root["auth"]["client_token"].as_str().unwrap().into();
    let token = SecretSource::Environment { variable: "VAULT_TOKEN".to_owned(), value };
    let auth = VaultAuth::Token { token };
    let store =
        VaultStore::new(&config::Vault { auth, ..settings }, instance(), &Traffic::default()).unwrap();
    for error in [store.preflight().await.unwrap_err(), store.read(&path("a")).await.unwrap_err()] {
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert!(matches!(error.kind(), Kind::Misconfigured | Kind::NotPermitted), "{}", text(&error));
    }
}

#[tokio::test]
async fn a_kv_version_1_is_refused() {
    let corner = Bao::shared().await.corner().await;
    let mount = format!("{}-v1", corner.mount);
    corner.bao.mount(&mount, "1").await;
    let policy = json!({"policy": format!("path \"{mount}/*\" {{ capabilities = [\"create\", \"update\", \"read\"] }}")});
    corner.bao.root("POST", &format!("sys/policies/acl/{mount}"), policy).await;
    let policies = json!({"token_policies": [mount, corner.mount]});
    corner.bao.root("POST", &format!("auth/{0}/role/{0}", corner.mount), policies).await;

    let settings = config::Vault { mount, ..corner.settings().await };
    let store = VaultStore::new(&settings, instance(), &Traffic::default()).unwrap();
    for error in [
        store.preflight().await.unwrap_err(),
        store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap_err(),
    ] {
        assert!(matches!(error, VaultError::KvVersion1 { .. }), "{}", text(&error));
        assert_eq!(error.kind(), Kind::Misconfigured);
    }
}

#[tokio::test]
async fn an_engine_of_another_kind_is_refused() {
    let corner = Bao::shared().await.corner().await;
    let settings = config::Vault { mount: "cubbyhole".to_owned(), ..corner.settings().await };
    let error =
        VaultStore::new(&settings, instance(), &Traffic::default()).unwrap().preflight().await.unwrap_err();
    // The token may not know; with the default policy it would hear that this is a cubbyhole.
    assert!(matches!(error, VaultError::MountHidden { .. }), "{}", text(&error));

    let body = json!({"policies": ["default"], "ttl": "1m"});
    let answer = corner.bao.root("POST", "auth/token/create", body).await;
    let value = answer["auth"]["client_token"].as_str().unwrap().into();
    let token = SecretSource::Environment { variable: "VAULT_TOKEN".to_owned(), value };
    let settings = config::Vault { auth: VaultAuth::Token { token }, ..settings };
    let error =
        VaultStore::new(&settings, instance(), &Traffic::default()).unwrap().preflight().await.unwrap_err();
    assert!(
        matches!(&error, VaultError::WrongEngine { engine, .. } if engine == "cubbyhole"),
        "{}",
        text(&error)
    );
}

#[tokio::test]
async fn an_unknown_authority_is_refused_until_ca_file_names_it() {
    let bao = Bao::own_with_tls().await;
    let corner = bao.corner().await;
    let trusting = corner.settings().await;
    VaultStore::new(&trusting, instance(), &Traffic::default()).unwrap().preflight().await.unwrap();

    let doubting = config::Vault { ca_file: None, ..trusting.clone() };
    let error =
        VaultStore::new(&doubting, instance(), &Traffic::default()).unwrap().preflight().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("vault.ca_file"), "{}", text(&error));

    let missing = config::Vault { ca_file: Some("/no/such/file".into()), ..trusting.clone() };
    let error = VaultStore::new(&missing, instance(), &Traffic::default()).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
    let empty = config::Vault { ca_file: Some("/dev/null".into()), ..trusting };
    assert!(matches!(
        VaultStore::new(&empty, instance(), &Traffic::default()).unwrap_err(),
        VaultError::File(UnusableFile::NoCertificate { .. })
    ));
}

#[tokio::test]
async fn the_wrong_scheme_is_guessed_from_both_sides() {
    let plain = Bao::shared().await.address.replace("http:", "https:");
    let error = store_at(&plain).health().await.unwrap_err();
    assert!(error.to_string().contains("http://"), "{}", text(&error));
    let tls = Bao::own_with_tls().await;
    let error = store_at(&tls.address.replace("https:", "http:")).health().await.unwrap_err();
    assert!(error.to_string().contains("scheme"), "{}", text(&error));
}

#[tokio::test]
async fn nobody_at_the_address_is_told_from_a_name_that_does_not_exist() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = store_at(&format!("http://127.0.0.1:{port}")).health().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("refuses connections"), "{}", text(&error));

    let error = store_at("http://vault.invalid:8200").health().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("cannot be resolved"), "{}", text(&error));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = StandIn::start(|_| Reply::HangUp);
    let location = format!("Location: {}/v1/stolen\r\n", elsewhere.address);
    let location: &'static str = location.leak();
    let vault = vault_that(move |_| Reply::Answer("307 Temporary Redirect", location, String::new()));
    let store = store_at(&vault.address);
    let error = store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap_err();
    let VaultError::Ambiguous { source, .. } = &error else { panic!("{}", text(&error)) };
    assert!(matches!(**source, VaultError::Redirected { status: 307, .. }), "{}", text(&error));
    assert!(elsewhere.seen().is_empty());
}

/// A server whose first connection leads to a node that cannot serve, and each further one to another that can. Both
/// keep their connections.
fn balanced(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || {
                let mut token = false;
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    token |= line.contains("lookup-self");
                    if !line.is_empty() {
                        continue;
                    }
                    let (status, body) = match number {
                        _ if token => ("200 OK", living_token(0)),
                        0 => (status, body.to_owned()),
                        _ => ("404 Not Found", r#"{"errors":[]}"#.to_owned()),
                    };
                    let length = body.len();
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                    (&stream).write_all(answer.as_bytes()).unwrap();
                    token = false;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_node_that_cannot_serve_is_left_for_another() {
    for (status, body) in [
        ("307 Temporary Redirect", ""),
        ("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#),
        ("500 Internal Server Error", r#"{"errors":["internal error"]}"#),
    ] {
        let store = store_at(&balanced(status, body));
        assert_eq!(store.read(&path("a")).await.unwrap(), Secret::absent(), "{status}");
    }
}

#[tokio::test]
async fn a_page_is_not_taken_for_vault() {
    let page = || "<html><title>Please log in</title></html>".to_owned();
    for status in ["200 OK", "403 Forbidden", "404 Not Found"] {
        let vault = vault_that(move |_| Reply::Answer(status, "", page()));
        let error = store_at(&vault.address).read(&path("a")).await.unwrap_err();
        assert!(matches!(error, VaultError::NotVault { .. }), "{status}: {}", text(&error));
        assert!(!text(&error).contains("log in"), "{}", text(&error));
    }
}

#[tokio::test]
async fn reads_are_repeated_and_writes_are_not() {
    for reply in [|| Reply::HangUp, || Reply::Answer("502 Bad Gateway", "", "<html>".to_owned())] {
        let vault = vault_that(move |_| reply());
        let store = store_at(&vault.address);
        let error = store.read(&path("a")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{}", text(&error));
        let count = |method: &str| vault.seen().iter().filter(|line| line.starts_with(method)).count();
        assert_eq!(count("GET /v1/secret"), 3);

        let error = store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Ambiguous, "{}", text(&error));
        assert_eq!(count("POST"), 1);
    }
}

#[tokio::test]
async fn a_write_that_is_not_answered_by_its_deadline_is_ambiguous() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let vault = vault_that(move |_| {
        // It ends when the test does.
        let _ = held.recv();
        Reply::HangUp
    });
    let deadline = Instant::now() + Duration::from_millis(500);
    let store = store_at(&vault.address);
    let error = store.publish(&path("a"), &ours(), &SecretState::Absent, deadline).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Ambiguous);
    assert!(text(&error).contains("did not answer"), "{}", text(&error));
    drop(release);
}

#[tokio::test]
async fn a_standby_without_an_active_node_is_its_own_error() {
    let vault = vault_that(|_| {
        let body = json!({"errors": ["local node not active but active cluster node not found"]});
        Reply::Answer("500 Internal Server Error", "", body.to_string())
    });
    let error = store_at(&vault.address).read(&path("a")).await.unwrap_err();
    assert!(matches!(error, VaultError::Standby { .. }), "{}", text(&error));
}

#[tokio::test]
async fn a_renewal_that_fails_is_no_failure_while_the_token_lives() {
    let vault = vault_with_lease(6, |request| match request {
        "POST /v1/auth/token/renew-self" => Reply::Answer("503 Service Unavailable", "", String::new()),
        _ => Reply::Answer("404 Not Found", "", json!({"errors": []}).to_string()),
    });
    let store = store_at(&vault.address);
    store.read(&path("a")).await.unwrap();
    sleep(store.renew_if_due().await.unwrap().unwrap()).await;
    assert_eq!(store.read(&path("a")).await.unwrap(), Secret::absent());
    assert!(vault.seen().contains(&"POST /v1/auth/token/renew-self".to_owned()));
    assert!(store.renew_if_due().await.unwrap().is_some(), "it is tried again later");
}
