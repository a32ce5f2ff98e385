//! Secrets are read as what they are, and written only over what was read.

use chrono::DateTime;
use exceptionless_rotator::domain::ids::Instance;
use exceptionless_rotator::domain::marker::Owner;
use exceptionless_rotator::domain::path::SecretPath;
use exceptionless_rotator::domain::secret::SecretState;
use exceptionless_rotator::vault::{Kind, Secret};
use serde_json::json;
use tokio::time::Instant;

use super::{KEY, ours, path, publication, soon};
use crate::support::bao::{Bao, FOLDER, instance};

#[tokio::test]
async fn a_publication_reads_back_as_ours() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let seen = store.read(&path("a")).await.unwrap();
    assert_eq!(seen, Secret::absent());

    let publication = ours();
    assert_eq!(store.publish(&path("a"), &publication, &seen.state, soon()).await.unwrap(), 1);

    let SecretState::Ours(published) = store.read(&path("a")).await.unwrap().state else {
        panic!("not ours")
    };
    assert_eq!(published.version, 1);
    assert_eq!(published.api_key.as_ref(), Some(&publication.api_key));
    assert_eq!(published.rotation, Some(publication.rotation));
    assert!(!published.stamped);
    assert_eq!(corner.get_raw("apps/a").await["api_key"], KEY);
}

#[tokio::test]
async fn any_path_reads_back_from_where_it_was_written() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    for name in ["with space", "ü", "what?", "a#b", "100%", "%2e%2e", "a+b", "x:y", "deep/er"] {
        store.publish(&path(name), &ours(), &SecretState::Absent, soon()).await.unwrap();
        assert_eq!(store.read(&path(name)).await.unwrap().state.version(), 1, "{name}");
    }
    let listed = store.list(FOLDER).await.unwrap();
    assert_eq!(listed.len(), 9);
    assert!(listed.contains(&path("100%")) && listed.contains(&path("what?")) && listed.contains(&path("ü")));
}

#[tokio::test]
async fn a_secret_that_changed_since_it_was_read_is_not_overwritten() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let seen = store.read(&path("a")).await.unwrap();
    corner.put_raw("apps/a", json!({"api_key": "of a person"})).await;
    let error = store.publish(&path("a"), &ours(), &seen.state, soon()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(corner.get_raw("apps/a").await, json!({"api_key": "of a person"}));
}

#[tokio::test]
async fn a_publication_whose_deadline_has_passed_is_not_sent() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let error = store.publish(&path("a"), &ours(), &SecretState::Absent, Instant::now()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Other);
    assert!(error.to_string().contains("deadline"), "{error}");
    assert_eq!(store.read(&path("a")).await.unwrap(), Secret::absent());
}

#[tokio::test]
async fn the_secrets_of_others_are_told_apart() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    let other = Instance::parse("other").unwrap();
    corner.put_raw("apps/person", json!({"password": "x"})).await;
    store.publish(&path("other"), &publication(other.clone()), &SecretState::Absent, soon()).await.unwrap();

    let person = store.read(&path("person")).await.unwrap();
    assert_eq!(person.state, SecretState::Foreign { version: 1, owner: None, taken: None });
    assert!(!person.has_others);
    let instance = store.read(&path("other")).await.unwrap();
    assert_eq!(instance.state, SecretState::Foreign { version: 1, owner: Some(Owner(other)), taken: None });
}

#[tokio::test]
async fn a_deleted_secret_still_tells_its_version_and_its_owner() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    for (name, end) in [("gone", "delete"), ("burnt", "destroy")] {
        store.publish(&path(name), &ours(), &SecretState::Absent, soon()).await.unwrap();
        store.stamp(&path(name)).await.unwrap();
        let versions = json!({"versions": [1]});
        corner.bao.root("POST", &format!("{}/{end}/apps/{name}", corner.mount), versions).await;

        let seen = store.read(&path(name)).await.unwrap();
        let owner = Some(Owner(instance()));
        assert_eq!(seen.state, SecretState::Deleted { version: 1, owner }, "{name}");
        assert_eq!(store.publish(&path(name), &ours(), &seen.state, soon()).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn marks_leave_all_other_metadata_alone() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap();
    let kept = json!({"max_versions": 7, "cas_required": true, "delete_version_after": "1h0m0s",
                      "custom_metadata": {"team": "checkout"}});
    corner.put_metadata("apps/a", kept).await;

    store.mark_vanished(&path("a"), DateTime::from_timestamp(0, 0).unwrap()).await.unwrap();
    let seen = store.read(&path("a")).await.unwrap();
    assert_eq!(seen.vanished_at.as_deref(), Some("1970-01-01T00:00:00Z"));

    store.stamp(&path("a")).await.unwrap();
    let seen = store.read(&path("a")).await.unwrap();
    assert_eq!(seen.vanished_at, None);
    assert!(matches!(seen.state, SecretState::Ours(published) if published.stamped));
    let metadata = corner.metadata("apps/a").await;
    assert_eq!(metadata["max_versions"], 7);
    assert_eq!(metadata["cas_required"], true);
    assert_eq!(metadata["delete_version_after"], "1h0m0s");
    let mark = "exceptionless-rotator/1 instance=default";
    assert_eq!(metadata["custom_metadata"], json!({"team": "checkout", "managed_by": mark}));
}

#[tokio::test]
async fn a_mark_does_not_create_a_secret() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    assert!(store.stamp(&path("nothing")).await.is_err());
    assert!(store.list(FOLDER).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_version_that_was_seen_is_withdrawn() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap();
    let seen = store.read(&path("a")).await.unwrap();
    store.publish(&path("a"), &ours(), &seen.state, soon()).await.unwrap();

    store.withdraw(&path("a"), &seen).await.unwrap();
    let later = store.read(&path("a")).await.unwrap();
    assert!(matches!(later.state, SecretState::Ours(_)));
    store.withdraw(&path("a"), &later).await.unwrap();
    let gone = store.read(&path("a")).await.unwrap();
    assert!(matches!(gone.state, SecretState::Deleted { version: 2, .. }));
}

#[tokio::test]
async fn all_secrets_below_a_folder_are_listed() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.store().await;
    assert!(store.list(FOLDER).await.unwrap().is_empty());
    for name in ["apps/a", "apps/a/b", "apps/team/x/y/z", "elsewhere/c"] {
        corner.put_raw(name, json!({"x": 1})).await;
    }
    let listed = store.list(FOLDER).await.unwrap();
    let listed: Vec<_> = listed.iter().map(SecretPath::as_str).collect();
    assert_eq!(listed, ["apps/a", "apps/a/b", "apps/team/x/y/z"]);
}
