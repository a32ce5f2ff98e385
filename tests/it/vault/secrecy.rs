//! No token, secret id or key is ever in what prints itself: values and errors. The log is searched in `secrecy`, where
//! it is that of a process of its own.

use std::fs;

use exceptionless_rotator::domain::path::SecretPath;
use exceptionless_rotator::domain::secret::SecretState;

use super::{KEY, ours, path, soon, text};
use crate::support::bao::{Bao, FOLDER};

#[tokio::test]
async fn nothing_secret_is_ever_printed() {
    let corner = Bao::shared().await.corner().await;
    let secret_id = fs::read_to_string(corner.secret_id_file()).unwrap();
    let store = corner.store().await;
    let merging = corner.merging_store().await;
    corner.put_raw("apps/merged", serde_json::json!({"password": "of-another-owner"})).await;

    let mut printed = format!("{store:?} {:?}", corner.settings().await);
    store.preflight().await.unwrap();
    store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap();
    let conflict = store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap_err();
    let outside = store.read(&SecretPath::parse("elsewhere").unwrap()).await.unwrap_err();
    printed += &(text(&conflict) + &text(&outside));
    printed += &format!("{:?}", store.read(&path("a")).await.unwrap());
    let merged = merging.read(&path("merged")).await.unwrap();
    printed += &format!("{merged:?}");
    merging.publish(&path("merged"), &ours(), &merged.state, soon()).await.unwrap();
    store.stamp(&path("a")).await.unwrap();
    store.list(FOLDER).await.unwrap();
    printed += &format!("{:?}", store.whoami().await.unwrap());
    corner.revoke_logins().await;
    store.read(&path("a")).await.unwrap();
    fs::write(corner.secret_id_file(), "wrong-secret-id").unwrap();
    corner.revoke_logins().await;
    printed += &text(&store.read(&path("a")).await.unwrap_err());

    // OpenBao's service tokens start with `s.`, Vault's with `hvs.`.
    let token = |text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
            .any(|word| word.len() > 20 && (word.starts_with("s.") || word.starts_with("hvs.")))
    };
    assert!(token(&corner.token("1m").await), "OpenBao's tokens look different now");
    for secret in [KEY, secret_id.as_str(), "wrong-secret-id", "of-another-owner"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(!token(&printed), "a token in {printed}");
}
