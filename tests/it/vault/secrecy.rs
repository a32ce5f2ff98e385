//! No token, secret id or key is ever seen, not even at the finest level of tracing.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use exceptionless_rotator::domain::path::SecretPath;
use exceptionless_rotator::vault::Secret;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{KEY, ours, path, soon, text};
use crate::support::bao::{Bao, FOLDER};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_ever_logged_or_printed() {
    let corner = Bao::shared().await.corner().await;
    let secret_id = fs::read_to_string(corner.secret_id_file()).unwrap();
    let store = corner.store().await;
    let merging = corner.merging_store().await;
    corner.put_raw("apps/merged", serde_json::json!({"password": "of-another-owner"})).await;

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    // Other tests, which have no subscriber, may have switched the places off that write events.
    tracing::callsite::rebuild_interest_cache();

    let mut printed = format!("{store:?} {:?}", corner.settings().await);
    store.preflight().await.unwrap();
    store.publish(&path("a"), &ours(), &Secret::absent(), soon()).await.unwrap();
    let conflict = store.publish(&path("a"), &ours(), &Secret::absent(), soon()).await.unwrap_err();
    let outside = store.read(&SecretPath::parse("elsewhere").unwrap()).await.unwrap_err();
    printed += &(text(&conflict) + &text(&outside));
    printed += &format!("{:?}", store.read(&path("a")).await.unwrap());
    let merged = merging.read(&path("merged")).await.unwrap();
    printed += &format!("{merged:?}");
    merging.publish(&path("merged"), &ours(), &merged, soon()).await.unwrap();
    store.stamp(&path("a")).await.unwrap();
    store.list(FOLDER).await.unwrap();
    printed += &format!("{:?}", store.whoami().await.unwrap());
    corner.revoke_logins().await;
    store.read(&path("a")).await.unwrap();
    fs::write(corner.secret_id_file(), "wrong-secret-id").unwrap();
    corner.revoke_logins().await;
    printed += &text(&store.read(&path("a")).await.unwrap_err());
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("asked Vault"), "the log was not captured");
    // OpenBao's service tokens start with `s.`, Vault's with `hvs.`.
    let token = |text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
            .any(|word| word.len() > 20 && (word.starts_with("s.") || word.starts_with("hvs.")))
    };
    assert!(token(&corner.token("1m").await), "OpenBao's tokens look different now");
    for (place, text) in [("log", &log), ("print", &printed)] {
        for secret in [KEY, secret_id.as_str(), "wrong-secret-id", "of-another-owner"] {
            assert!(!text.contains(secret), "{secret} in the {place}: {text}");
        }
        assert!(!token(text), "a token in the {place}: {text}");
    }
}
