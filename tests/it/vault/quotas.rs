//! A Vault that says "not now", and what is sent to it again.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use exceptionless_rotator::domain::secret::SecretState;
use exceptionless_rotator::vault::{Kind, VaultError};
use serde_json::json;
use tokio::time::Instant;

use super::faults::{living_token, store_at, vault_that};
use super::{ours, path, soon, text};
use crate::support::bao::Bao;
use crate::support::stand_in::{Reply, StandIn};

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_quota_of_a_real_vault_delays_and_loses_nothing() {
    let bao = Bao::own().await;
    bao.root("POST", "sys/quotas/config", json!({"enable_rate_limit_response_headers": true})).await;
    let corner = bao.corner().await;
    let store = corner.store().await;
    store.preflight().await.unwrap();
    let quota = json!({"path": format!("{}/", corner.mount), "rate": 1, "interval": "1s"});
    bao.root("POST", "sys/quotas/rate-limit/narrow", quota).await;
    let start = Instant::now();
    for name in ["a", "b"] {
        store.publish(&path(name), &ours(), &SecretState::Absent, soon()).await.unwrap();
        assert_eq!(store.read(&path(name)).await.unwrap().state.version(), 1);
    }
    assert!(start.elapsed() > Duration::from_secs(1), "the quota was never spent");
    bao.root("DELETE", "sys/quotas/rate-limit/narrow", serde_json::Value::Null).await;
    // Written once each: no attempt that was refused has left anything.
    assert_eq!(corner.metadata("apps/b").await["current_version"], 1);
}

#[tokio::test]
async fn a_write_that_a_quota_has_refused_is_sent_again_and_one_that_a_gateway_has_is_not() {
    for (body, sent) in
        [(r#"{"errors":["request path \"x\": rate limit quota exceeded"]}"#, 2), ("<html>", 1)]
    {
        let refusals = AtomicUsize::new(1);
        let vault = vault_that(move |request| {
            let first = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if request.starts_with("POST") && first.is_ok() {
                return Reply::Answer("429 Too Many Requests", "Retry-After: 0\r\n", body.to_owned());
            }
            let written = json!({"data": {"created_time": "2026-11-22T03:00:00Z", "deletion_time": "", "destroyed": false, "version": 1}});
            Reply::Answer("200 OK", "", with_envelope(&written))
        });
        let store = store_at(&vault.address);
        let outcome = store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await;
        assert_eq!(outcome.is_ok(), sent == 2, "{outcome:?}");
        assert!(outcome.is_ok() || matches!(outcome, Err(VaultError::Throttled { .. })), "{outcome:?}");
        assert_eq!(vault.seen().iter().filter(|line| line.starts_with("POST")).count(), sent);
    }
}

fn with_envelope(data: &serde_json::Value) -> String {
    let mut whole = json!({"request_id": "", "lease_id": "", "lease_duration": 0, "renewable": false});
    whole.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    whole.to_string()
}

#[tokio::test]
async fn a_write_that_found_nobody_is_tried_again_and_then_known_not_to_be_applied() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // It answers for the token, and is gone.
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        assert!(lines.take_while(|line| !line.is_empty()).count() > 1);
        drop(listener);
        let body = living_token(0);
        let length = body.len();
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
    });
    let start = Instant::now();
    let error =
        store_at(&address).publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{}", text(&error));
    assert!(start.elapsed() > Duration::from_millis(800), "it was tried once");
}

#[tokio::test]
async fn a_redirect_names_the_server_and_nothing_of_the_rest() {
    let vault = StandIn::start(|_| {
        let location = "Location: https://leader.example:8200/v1/secret/hunter2?token=hunter2\r\n";
        Reply::Answer("307 Temporary Redirect", location, String::new())
    });
    let error = store_at(&vault.address).health().await.unwrap_err();
    assert!(error.to_string().contains("redirects (307 to https://leader.example:8200)"), "{error}");
    assert!(!text(&error).contains("hunter2"), "{}", text(&error));
}
