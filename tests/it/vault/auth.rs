//! One login that lives as long as the process, whatever happens to its token.

use std::fs;
use std::sync::Arc;

use exceptionless_emulator::Relay;
use exceptionless_rotator::config::{self, SecretSource, VaultAuth};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{Kind, VaultError, VaultStore};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{path, text};
use crate::support::bao::{Bao, Corner, instance};

async fn with_token(corner: &Corner<'_>, token: &str) -> VaultStore {
    let file = corner.dir.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let auth = VaultAuth::Token { token: SecretSource::File(file) };
    VaultStore::new(&config::Vault { auth, ..corner.settings().await }, instance(), &Traffic::default())
        .unwrap()
}

/// Sixteen requests, none of which waits for another.
async fn read_at_once(store: &VaultStore) {
    let mut readers = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        readers.spawn(async move { store.read(&path("a")).await.unwrap() });
    }
    readers.join_all().await;
}

#[tokio::test]
async fn many_requests_share_one_login() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    assert_eq!(store.renew_if_due().await.unwrap(), None, "an idle store does not log in");
    read_at_once(&store).await;
    assert_eq!(corner.logins().await, 1);
}

#[tokio::test]
async fn what_keeps_the_process_logged_in_and_in_office_is_no_sign_of_life_of_a_pass() {
    let corner = Bao::shared().await.corner_with(json!({"token_ttl": "3s"})).await;
    let traffic = Traffic::default();
    let store = VaultStore::new(&corner.settings().await, instance(), &traffic).unwrap();
    store.read(&path("a")).await.unwrap();
    let signs = traffic.signs_of_life();
    assert_eq!(signs, 1, "the read, and not the login for it");
    let due = store.renew_if_due().await.unwrap().unwrap();
    sleep(due).await;
    assert!(store.renew_if_due().await.unwrap().is_some_and(|again| !again.is_zero()), "it was renewed");
    store.read_lease(&path("leader"), None).await.unwrap();
    assert_eq!(traffic.signs_of_life(), signs);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_by_one_new_login() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    store.read(&path("a")).await.unwrap();
    corner.revoke_logins().await;
    assert_eq!(corner.logins().await, 0);
    read_at_once(&store).await;
    assert_eq!(corner.logins().await, 1);
}

#[tokio::test]
async fn a_lease_is_renewed_before_it_ends() {
    let corner = Bao::shared().await.corner_with(json!({"token_ttl": "3s"})).await;
    let store = corner.store().await;
    for _ in 0..3 {
        store.read(&path("a")).await.unwrap();
        let due = store.renew_if_due().await.unwrap().unwrap();
        assert!(due.as_secs_f64() <= 2.0, "{due:?} is more than two thirds of the lease");
        sleep(due).await;
    }
    store.renew_if_due().await.unwrap();
    store.read(&path("a")).await.unwrap();
    assert_eq!(corner.logins().await, 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_any_more_is_replaced_in_time() {
    let corner = Bao::shared().await.corner_with(json!({"token_ttl": "3s", "token_max_ttl": "4s"})).await;
    let store = corner.store().await;
    store.read(&path("a")).await.unwrap();
    for _ in 0..3 {
        let due = store.renew_if_due().await.unwrap().unwrap();
        sleep(due).await;
        assert!(store.whoami().await.unwrap().ttl.is_some());
    }
}

#[tokio::test]
async fn a_batch_token_serves_as_well() {
    let corner = Bao::shared().await.corner_with(json!({"token_type": "batch", "token_ttl": "1m"})).await;
    let store = corner.store().await;
    store.preflight().await.unwrap();
    assert!(!store.whoami().await.unwrap().renewable);
}

#[tokio::test]
async fn a_batch_token_cannot_be_renewed_and_is_replaced_before_it_ends() {
    let corner = Bao::shared().await.corner_with(json!({"token_type": "batch", "token_ttl": "3s"})).await;
    let relay = Relay::to(&corner.bao.address).await.unwrap();
    let settings = config::Vault { address: relay.url().parse().unwrap(), ..corner.settings().await };
    let store = VaultStore::new(&settings, instance(), &Traffic::default()).unwrap();
    for logins in 1..4 {
        store.read(&path("a")).await.unwrap();
        let seen = relay.seen();
        assert_eq!(seen.iter().filter(|line| line.contains("/login")).count(), logins);
        assert!(!seen.iter().any(|line| line.contains("renew-self")), "{seen:?}");
        let due = store.renew_if_due().await.unwrap().unwrap();
        assert!(due.as_secs_f64() <= 2.0, "{due:?} is more than two thirds of its life");
        sleep(due).await;
    }
}

#[tokio::test]
async fn a_token_that_the_operator_replaced_is_taken_from_its_file() {
    let corner = Bao::shared().await.corner().await;
    let first = corner.token("1h").await;
    let store = with_token(&corner, &first).await;
    store.read(&path("a")).await.unwrap();
    corner.bao.root("POST", "auth/token/revoke", json!({"token": first})).await;

    let error = store.read(&path("a")).await.unwrap_err();
    assert!(matches!(error, VaultError::TokenDead { .. }), "{}", text(&error));
    assert_eq!(error.kind(), Kind::NotPermitted);

    let second = corner.token("1h").await;
    fs::write(corner.dir.path().join("token"), second).unwrap();
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_credential_is_reported_with_where_it_came_from() {
    let corner = Bao::shared().await.corner().await;
    fs::write(corner.secret_id_file(), "0e0a8d15-4f1b-4b5e-a3f9-6a2c31a6d1f0").unwrap();
    let store = corner.store().await;
    let error = store.read(&path("a")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotPermitted);
    let text = text(&error);
    assert!(text.contains(corner.secret_id_file().to_str().unwrap()), "{text}");
    assert!(text.contains("invalid role or secret"), "{text}");
    assert!(!text.contains("0e0a8d15"), "{text}");

    corner.renew_secret_id().await;
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn those_who_wait_for_a_failing_login_share_its_failure() {
    let stand_in = crate::support::stand_in::StandIn::start(|_| {
        let body = r#"{"errors":["invalid role or secret ID"]}"#.to_owned();
        crate::support::stand_in::Reply::Answer("400 Bad Request", "", body)
    });
    let corner = Bao::shared().await.corner().await;
    let settings = config::Vault { address: stand_in.address.parse().unwrap(), ..corner.settings().await };
    let store = Arc::new(VaultStore::new(&settings, instance(), &Traffic::default()).unwrap());
    let mut readers = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        readers.spawn(async move { store.read(&path("a")).await.unwrap_err().kind() });
    }
    assert!(readers.join_all().await.iter().all(|kind| *kind == Kind::NotPermitted));
    assert_eq!(stand_in.seen().len(), 1);
}

#[tokio::test]
async fn a_missing_login_mount_and_a_missing_file_are_named() {
    let corner = Bao::shared().await.corner().await;
    let mut settings = corner.settings().await;
    let VaultAuth::AppRole { mount, .. } = &mut settings.auth else { panic!("an approle") };
    *mount = "no-such-mount".to_owned();
    let error =
        VaultStore::new(&settings, instance(), &Traffic::default()).unwrap().preflight().await.unwrap_err();
    assert!(error.to_string().contains("auth/no-such-mount"), "{error}");

    fs::remove_file(corner.secret_id_file()).unwrap();
    let error = corner.store().await.preflight().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(text(&error).contains("secret-id"), "{}", text(&error));
}
