//! The shipped policy grants what is needed, and what it does not grant is named.

use exceptionless_rotator::config::{self, SecretSource, VaultAuth};
use exceptionless_rotator::domain::path::SecretPath;
use exceptionless_rotator::domain::secret::SecretState;
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{Kind, Secret, VaultStore};
use serde_json::json;

use super::{ours, path, soon};
use crate::support::bao::{Bao, instance};

#[tokio::test]
async fn a_missing_right_is_named_with_the_line_that_grants_it() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let outside = SecretPath::parse("elsewhere/a").unwrap();
    let line = |path: &str, right: &str| {
        format!("path \"{}/{path}elsewhere/a\" {{ capabilities = [{right}] }}", corner.mount)
    };
    for (error, line) in [
        (store.read(&outside).await.unwrap_err(), line("data/", r#""create", "read", "update""#)),
        (
            store.publish(&outside, &ours(), &SecretState::Absent, soon()).await.unwrap_err(),
            line("data/", r#""create", "read", "update""#),
        ),
        (store.stamp(&outside).await.unwrap_err(), line("metadata/", r#""patch""#)),
        (store.withdraw(&outside, &Secret::absent()).await.unwrap_err(), line("delete/", r#""update""#)),
    ] {
        assert_eq!(error.kind(), Kind::NotPermitted);
        assert!(error.to_string().contains(&line), "{error} should contain {line}");
    }
    assert_eq!(store.list("elsewhere").await.unwrap_err().kind(), Kind::NotPermitted);
    assert_eq!(corner.logins().await, 1, "a missing right is no reason to log in again");
}

#[tokio::test]
async fn the_policy_grants_no_more_than_it_must() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let mount = &corner.mount;
    let expected = [
        ("data/apps/a", "create patch read update"),
        ("metadata/apps/a", "list patch"),
        ("delete/apps/a", "update"),
        ("destroy/apps/a", "deny"),
        ("data/exceptionless-rotator/leader", "create read update"),
        ("metadata/exceptionless-rotator/leader", "patch"),
        ("delete/exceptionless-rotator/leader", "deny"),
        ("data/other/a", "deny"),
        ("config", "deny"),
    ];
    let paths = expected.map(|(path, _)| format!("{mount}/{path}"));
    let granted = store.capabilities(&paths).await.unwrap();
    let granted: Vec<_> = paths.iter().map(|path| granted[path].join(" ")).collect();
    assert_eq!(granted, expected.map(|(_, granted)| granted));
}

#[tokio::test]
async fn vault_tells_who_we_are_and_what_time_it_is() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    assert_eq!(store.server_time(), None);
    let identity = store.whoami().await.unwrap();
    assert_eq!(identity.policies, [corner.mount.as_str()]);
    assert!(identity.renewable && identity.ttl.is_some());
    let skew = chrono::Utc::now() - store.server_time().unwrap();
    assert!(skew.num_seconds().abs() <= 2, "{skew}");
}

#[tokio::test]
async fn a_namespace_has_its_own_mounts_and_tokens() {
    let corner = Bao::shared().await.corner().await;
    let (bao, namespace) = (corner.bao, &format!("{}-space", corner.mount));
    bao.root("POST", &format!("sys/namespaces/{namespace}"), json!({})).await;
    bao.mount_in(namespace, "kv", "2").await;
    let policy = json!({"policy": "path \"kv/data/apps/*\" { capabilities = [\"create\", \"read\"] }"});
    bao.root("POST", &format!("{namespace}/sys/policies/acl/apps"), policy).await;
    let body = json!({"policies": ["apps"]});
    let answer = bao.root("POST", &format!("{namespace}/auth/token/create"), body).await;

    let value = answer["auth"]["client_token"].as_str().unwrap().into();
    let token = SecretSource::Environment { variable: "VAULT_TOKEN".to_owned(), value };
    let settings = config::Vault {
        namespace: Some(namespace.clone()),
        mount: "kv".to_owned(),
        auth: VaultAuth::Token { token },
        ..corner.settings().await
    };
    let store = VaultStore::new(&settings, instance(), &Traffic::default()).unwrap();
    store.preflight().await.unwrap();
    store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap();
    assert_eq!(store.read(&path("a")).await.unwrap().state.version(), 1);
    assert!(!store.health().await.unwrap().sealed);
}
