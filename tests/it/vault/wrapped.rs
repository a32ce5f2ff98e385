//! A wrapped secret id: unwrapped once, and never taken from whoever had it before.

use std::fs;

use exceptionless_emulator::{Fault, Kind, Relay};
use exceptionless_rotator::config::{self, VaultAuth};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{self, LoginRefused, VaultError, VaultStore};
use serde_json::json;
use uuid::Uuid;

use super::{path, text};
use crate::support::bao::{Bao, Corner, instance};
use crate::support::login::{Login, WRAPPED, wrap, wrap_answer};
use crate::support::rig::Rig;
use crate::support::secrets;

async fn store_at(corner: &Corner<'_>, address: &str) -> VaultStore {
    let mut settings = config::Vault { address: address.parse().unwrap(), ..corner.settings().await };
    let VaultAuth::AppRole { wrapped, .. } = &mut settings.auth else { panic!("an approle") };
    *wrapped = true;
    VaultStore::new(&settings, instance(), &Traffic::default()).unwrap()
}

async fn put(corner: &Corner<'_>, ttl: &str) -> String {
    let wrapping = wrap(corner, &Uuid::now_v7().to_string(), ttl).await;
    fs::write(corner.secret_id_file(), format!("{wrapping}\n")).unwrap();
    wrapping
}

async fn refusal(store: &VaultStore) -> LoginRefused {
    let error = store.read(&path("a")).await.unwrap_err();
    assert_eq!(error.kind(), vault::Kind::NotPermitted, "{}", text(&error));
    let VaultError::Login(refused) = error else { panic!("{}", text(&error)) };
    println!("{refused}");
    refused
}

fn unwraps(relay: &Relay) -> usize {
    relay.seen().iter().filter(|line| line.contains("sys/wrapping/unwrap")).count()
}

#[tokio::test]
async fn it_is_unwrapped_once_for_all_logins_of_the_process_and_of_the_store_that_follows() {
    let corner = Bao::shared().await.corner().await;
    let relay = Relay::to(&corner.bao.address).await.unwrap();
    put(&corner, "1m").await;
    let store = store_at(&corner, &relay.url()).await;
    for _ in 0..3 {
        store.read(&path("a")).await.unwrap();
        corner.revoke_logins().await;
    }
    let successor = store_at(&corner, &relay.url()).await;
    successor.inherit(&store);
    successor.read(&path("a")).await.unwrap();
    fs::remove_file(corner.secret_id_file()).unwrap();
    corner.revoke_logins().await;
    successor.read(&path("a")).await.unwrap();
    assert_eq!(unwraps(&relay), 1);

    let wrapping = put(&corner, "1m").await;
    successor.renew_if_due().await.unwrap();
    assert_eq!(unwraps(&relay), 2, "a new one is unwrapped before it expires");
    let spent = corner.bao.any("POST", "sys/wrapping/lookup", json!({"token": wrapping})).await;
    assert_eq!(spent.0, 400);
}

#[tokio::test]
async fn one_that_somebody_else_unwrapped_or_that_expired_is_a_possible_compromise() {
    let corner = Bao::shared().await.corner().await;
    let wrapping = put(&corner, "1m").await;
    let thief = store_at(&corner, &corner.bao.address).await;
    thief.read(&path("a")).await.unwrap();
    let store = store_at(&corner, &corner.bao.address).await;
    let refused = refusal(&store).await;
    assert!(matches!(refused, LoginRefused::Spent { .. }));
    let said = refused.to_string();
    let place = corner.secret_id_file().display().to_string();
    for word in
        [place.as_str(), "somebody else may hold the secret id", "compromise", "-wrap-ttl=10m", &corner.mount]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains(&wrapping), "{said}");

    put(&corner, "1s").await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(matches!(refusal(&store).await, LoginRefused::Spent { .. }));
    put(&corner, "1m").await;
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn a_successor_that_is_spent_does_not_take_away_what_was_unwrapped_before() {
    let corner = Bao::shared().await.corner().await;
    put(&corner, "1m").await;
    let store = store_at(&corner, &corner.bao.address).await;
    store.read(&path("a")).await.unwrap();
    put(&corner, "1m").await;
    store_at(&corner, &corner.bao.address).await.read(&path("a")).await.unwrap();
    for _ in 0..2 {
        let error = store.renew_if_due().await.unwrap_err();
        assert!(matches!(error, VaultError::Login(LoginRefused::Spent { .. })), "{}", text(&error));
        corner.revoke_logins().await;
        store.read(&path("a")).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_gives_up_while_it_is_unwrapped_loses_nothing() {
    let corner = Bao::shared().await.corner().await;
    let relay = Relay::to(&corner.bao.address).await.unwrap();
    let slow = Kind::Slow(std::time::Duration::from_millis(500));
    relay.add_fault(Fault::new("POST", "/v1/sys/wrapping/unwrap", slow).applied());
    put(&corner, "1m").await;
    let store = store_at(&corner, &relay.url()).await;
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.read(&path("a")).await.is_ok() }
    });
    crate::support::patience("it is on its way", async || relay.struck() == 1).await;
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    store.read(&path("a")).await.unwrap();
    assert_eq!(unwraps(&relay), 1);
}

#[tokio::test]
async fn a_plain_secret_id_is_told_from_a_wrapping_token_and_neither_is_printed() {
    let corner = Bao::shared().await.corner().await;
    let secret_id = fs::read_to_string(corner.secret_id_file()).unwrap();
    let refused = refusal(&store_at(&corner, &corner.bao.address).await).await;
    let said = refused.to_string();
    assert!(matches!(refused, LoginRefused::Plain { .. }) && said.contains("secret_id_wrapped"), "{said}");
    assert!(!said.contains("compromise") && !said.contains(&secret_id), "{said}");

    let wrapping = put(&corner, "1m").await;
    let refused = refusal(&corner.store().await).await.to_string();
    assert!(refused.contains("secret_id_wrapped = true") && !refused.contains(&wrapping), "{refused}");
}

#[tokio::test]
async fn what_was_wrapped_elsewhere_is_left_alone() {
    let corner = Bao::shared().await.corner().await;
    let again = json!({"secret_id": "stolen-and-wrapped-again"});
    for endpoint in ["sys/wrapping/wrap".to_owned(), format!("{}/data/apps/a", corner.mount)] {
        let body = if endpoint.starts_with("sys") { again.clone() } else { json!({"data": again}) };
        let wrapping = wrap_answer(&corner, &endpoint, body, "1m").await;
        fs::write(corner.secret_id_file(), &wrapping).unwrap();
        let store = store_at(&corner, &corner.bao.address).await;
        let refused = refusal(&store).await;
        assert!(matches!(&refused, LoginRefused::WrappedElsewhere { path, .. } if *path == endpoint));
        let whole = corner.bao.any("POST", "sys/wrapping/lookup", json!({"token": wrapping})).await;
        assert!(whole.0.is_success(), "it is still there for whoever looks into the matter");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_alarm_and_a_request_that_is_lost_is_sent_again() {
    let corner = Bao::shared().await.corner().await;
    let relay = Relay::to(&corner.bao.address).await.unwrap();
    let lost = |applied: bool| {
        let fault = Fault::new("POST", "/v1/sys/wrapping/unwrap", Kind::Drop);
        relay.add_fault(if applied { fault.applied() } else { fault });
    };
    let store = store_at(&corner, &relay.url()).await;
    put(&corner, "1m").await;
    lost(false);
    assert_eq!(store.read(&path("a")).await.unwrap_err().kind(), vault::Kind::Unreachable);
    crate::support::patience("it is unwrapped", async || store.read(&path("a")).await.is_ok()).await;

    let store = store_at(&corner, &relay.url()).await;
    put(&corner, "1m").await;
    lost(true);
    assert_eq!(store.read(&path("a")).await.unwrap_err().kind(), vault::Kind::Unreachable);
    crate::support::patience("it is looked up again", async || {
        let VaultError::Login(refused) = store.read(&path("a")).await.unwrap_err() else { return false };
        assert!(matches!(refused, LoginRefused::UnwrappedUnheard { .. }), "{refused}");
        true
    })
    .await;
    put(&corner, "1m").await;
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn the_secret_id_of_another_role_is_refused_and_named_as_wrapped() {
    let (corner, other) = (Bao::shared().await.corner().await, Bao::shared().await.corner().await);
    let path = format!("auth/{}/role/other/secret-id", corner.mount);
    corner
        .bao
        .root("POST", &format!("auth/{}/role/other", corner.mount), json!({"token_policies": [other.mount]}))
        .await;
    fs::write(corner.secret_id_file(), wrap_answer(&corner, &path, json!({}), "1m").await).unwrap();
    let store = store_at(&corner, &corner.bao.address).await;
    assert!(matches!(refusal(&store).await, LoginRefused::Unwrapped { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_keeps_it_over_reloads_and_a_restart_asks_for_a_new_one_and_no_log_has_it() {
    let mut rig = Rig::sized(1).await;
    let mut login = Login::by(WRAPPED, &mut rig).await;
    login.renew(&rig).await;
    let checked = rig.run(&["check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.stdout.contains("is wrapped by auth/") && checked.stdout.contains("left wrapped"),
        "{checked:?}"
    );
    let mut daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    for passes in 2..4 {
        daemon.signal("HUP");
        daemon.until("daemon.sleeping", passes).await;
    }
    assert_eq!((daemon.count("vault.unwrapped"), daemon.count("vault.login")), (1, 3));
    assert_eq!(daemon.count("pass.failed"), 0);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);

    let restarted = rig.run(&["rotate"]).await;
    assert_eq!(restarted.code, 77, "{restarted:?}");
    assert!(
        restarted.stderr.contains("unless an earlier run of this rotator has used it up"),
        "{restarted:?}"
    );
    let checked = rig.run(&["check"]).await;
    assert_eq!(checked.code, 77, "{checked:?}");
    login.renew(&rig).await;
    rig.rotate().await;
    let mut all = secrets::known(&rig);
    all.extend(login.secrets);
    for text in [daemon.text(), restarted.stderr, checked.stdout, checked.stderr] {
        assert_eq!(secrets::leak(&text, &all), None);
    }
}
