//! Secrets that have other owners too.
//!
//! Vault itself puts our fields beside theirs, so that what they write in between is never written back. That is tried
//! with owners who all write at the same time, in every way that minds its neighbours.

use std::collections::BTreeMap;

use exceptionless_rotator::domain::field::SecretField;
use exceptionless_rotator::domain::secret::{Publication, SecretState};
use exceptionless_rotator::vault::{Kind, VaultStore};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{KEY, ours, path, soon};
use crate::support::bao::{Bao, Corner};
use crate::support::dice::Dice;

#[tokio::test]
async fn merged_fields_stand_beside_those_of_others() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    let others =
        json!({"password": "x", "port": 5432, "nested": {"a": [1, null]}, "ex_own_idea": "y", "none": null});
    corner.put_raw("apps/a", others.clone()).await;

    let seen = store.read(&path("a")).await.unwrap();
    assert_eq!((&seen.state, seen.has_others), (&SecretState::Unclaimed { version: 1 }, true));
    store.publish(&path("a"), &ours(), &seen.state, soon()).await.unwrap();
    store.stamp(&path("a")).await.unwrap();
    let seen = store.read(&path("a")).await.unwrap();
    assert!(matches!(&seen.state, SecretState::Ours(published) if published.stamped) && seen.has_others);
    assert!(corner.metadata("apps/a").await["custom_metadata"]["ex_managed_by"].is_string());
    assert_eq!(without_ours(&corner, "apps/a").await, others);

    let forecast = Publication { next_rotation_at: Some(ours().rotated_at), ..ours() };
    store.publish(&path("a"), &forecast, &seen.state, soon()).await.unwrap();
    assert!(corner.get_raw("apps/a").await["ex_next_rotation_at"].is_string());
    let seen = store.read(&path("a")).await.unwrap();
    store.publish(&path("a"), &ours(), &seen.state, soon()).await.unwrap();
    let raw = corner.get_raw("apps/a").await;
    assert_eq!((&raw["ex_api_key"], raw.get("ex_next_rotation_at")), (&json!(KEY), None));
    assert_eq!(without_ours(&corner, "apps/a").await, others);

    let seen = store.read(&path("a")).await.unwrap();
    store.withdraw(&path("a"), &seen).await.unwrap();
    assert_eq!(corner.get_raw("apps/a").await, others);
}

/// A secret without what `ours` puts there.
async fn without_ours(corner: &Corner<'_>, place: &str) -> Value {
    let mut raw = corner.get_raw(place).await;
    let fields = raw.as_object_mut().unwrap();
    for name in ours().fields().into_keys() {
        assert!(fields.remove(&format!("ex_{name}")).is_some_and(|value| value.is_string()), "{name}");
    }
    raw
}

#[tokio::test]
async fn a_merge_does_not_overwrite_a_field_of_the_same_name() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    corner.put_raw("apps/a", json!({"ex_api_key": "of a person"})).await;
    let seen = store.read(&path("a")).await.unwrap();
    assert_eq!(
        seen.state,
        SecretState::Foreign { version: 1, owner: None, taken: Some("ex_api_key".to_owned()) }
    );
}

#[tokio::test]
async fn the_first_publication_creates_the_secret_and_one_after_a_deletion_begins_it_anew() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    assert_eq!(store.publish(&path("a"), &ours(), &SecretState::Absent, soon()).await.unwrap(), 1);
    assert_eq!(without_ours(&corner, "apps/a").await, json!({}));
    let seen = store.read(&path("a")).await.unwrap();
    assert!(!seen.has_others);
    store.withdraw(&path("a"), &seen).await.unwrap();
    let seen = store.read(&path("a")).await.unwrap();
    assert!(matches!(seen.state, SecretState::Deleted { version: 1, .. }));
    assert_eq!(store.publish(&path("a"), &ours(), &seen.state, soon()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_merge_into_what_has_changed_or_is_gone_is_a_conflict_and_changes_nothing() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    corner.put_raw("apps/a", json!({"password": "x"})).await;
    let unclaimed = store.read(&path("a")).await.unwrap().state;
    corner.put_raw("apps/a", json!({"password": "y"})).await;
    let conflict = async || {
        let error = store.publish(&path("a"), &ours(), &unclaimed, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
    };
    conflict().await;
    assert_eq!(corner.get_raw("apps/a").await, json!({"password": "y"}));

    let latest = SecretState::Unclaimed { version: 2 };
    let delete = format!("{}/delete/apps/a", corner.mount);
    corner.bao.root("POST", &delete, json!({"versions": [2]})).await;
    let error = store.publish(&path("a"), &ours(), &latest, soon()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    corner.bao.root("DELETE", &format!("{}/metadata/apps/a", corner.mount), Value::Null).await;
    conflict().await;
    assert_eq!(store.read(&path("a")).await.unwrap().state, SecretState::Absent);
}

#[tokio::test]
async fn a_password_that_is_stored_in_what_has_changed_or_is_gone_is_a_conflict_too() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    let field = SecretField::parse(&format!("{}/data/apps/a#password", corner.mount)).unwrap();
    let kind = async |over: u64| {
        let data = BTreeMap::from([("password".to_owned(), Some("new".to_owned()))]);
        store.store_credential(&field, data, over).await.map_err(|error| error.kind())
    };
    corner.put_raw("apps/a", json!({"password": "x", "owner": "operations"})).await;
    assert_eq!(kind(7).await, Err(Kind::Conflict));
    assert_eq!(kind(1).await, Ok(2));
    assert_eq!(corner.get_raw("apps/a").await, json!({"password": "new", "owner": "operations"}));
    corner.bao.root("POST", &format!("{}/delete/apps/a", corner.mount), json!({"versions": [2]})).await;
    assert_eq!(kind(2).await, Err(Kind::Conflict));
    corner.bao.root("DELETE", &format!("{}/metadata/apps/a", corner.mount), Value::Null).await;
    assert_eq!(kind(2).await, Err(Kind::Conflict));
}

#[tokio::test]
async fn a_merge_whose_deadline_has_passed_is_not_sent() {
    let corner = Bao::shared().await.corner().await;
    let store = corner.merging_store().await;
    corner.put_raw("apps/a", json!({"password": "x"})).await;
    let seen = store.read(&path("a")).await.unwrap().state;
    let error = store.publish(&path("a"), &ours(), &seen, tokio::time::Instant::now()).await.unwrap_err();
    assert!(error.kind() == Kind::Other && error.to_string().contains("deadline"), "{error}");
    assert_eq!(corner.get_raw("apps/a").await, json!({"password": "x"}));
}

/// How often each owner writes. Half of it meets somebody else's write first.
const WRITES: usize = 25;

/// How an owner of some fields writes them.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// Reads all, changes theirs, and puts all back with a check-and-set.
    Put,
    /// Patches theirs with a check-and-set, or without one.
    Patch { checked: bool },
}

/// Another owner's fields, which are wherever they look what they last wrote.
async fn another(corner: &Corner<'_>, habit: Habit, name: &str, mut dice: Dice) {
    let place = format!("{}/data/apps/a", corner.mount);
    let mut last = Value::Null;
    let mut written = 0;
    while written < WRITES {
        let mut read = corner.bao.root("GET", &place, Value::Null).await["data"].take();
        let mut data = read["data"].take();
        assert_eq!(data.get(name).unwrap_or(&Value::Null), &last, "{name} was changed by somebody else");
        let value = match dice.below(3) {
            0 => Value::Null,
            1 => json!({"nested": [written, null]}),
            _ => json!(format!("{name} {written}")),
        };
        let version = &read["metadata"]["version"];
        let (method, body) = match habit {
            Habit::Put => {
                data[name] = value.clone();
                ("POST", json!({"data": data, "options": {"cas": version}}))
            }
            Habit::Patch { checked: true } => {
                ("PATCH", json!({"data": {name: value}, "options": {"cas": version}}))
            }
            Habit::Patch { checked: false } => ("PATCH", json!({"data": {name: value}})),
        };
        let (status, said) = corner.bao.any(method, &place, body).await;
        match status {
            StatusCode::OK => (last, written) = (value, written + 1),
            StatusCode::BAD_REQUEST => assert!(said.to_string().contains("check-and-set"), "{said}"),
            other => panic!("{other} {said}"),
        }
    }
}

/// A rotator's fields, which are wherever it looks what it last published.
async fn rotator(store: &VaultStore, mut dice: Dice) -> usize {
    let mut last: Option<BTreeMap<&'static str, String>> = None;
    let (mut published, mut conflicts) = (0, 0);
    while published < WRITES {
        let seen = store.read(&path("a")).await.unwrap();
        match (&seen.state, &last) {
            (SecretState::Unclaimed { .. }, None) => {}
            (SecretState::Ours(now), Some(last)) => {
                assert_eq!(now.rotation.unwrap().to_string(), last["rotation_id"]);
                assert_eq!(now.next_rotation_at.is_some(), last.contains_key("next_rotation_at"));
            }
            other => panic!("what was published is gone: {other:?}"),
        }
        let rotated_at = ours().rotated_at;
        let next = (dice.below(2) == 0).then_some(rotated_at);
        let rotation = exceptionless_rotator::domain::ids::RotationId::fresh(rotated_at);
        let publication = Publication { rotation, next_rotation_at: next, ..ours() };
        match store.publish(&path("a"), &publication, &seen.state, soon()).await {
            Ok(_) => (last, published) = (Some(publication.fields()), published + 1),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                conflicts += 1;
            }
        }
    }
    conflicts
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_who_all_write_at_the_same_time_lose_no_field() {
    let corner = Bao::shared().await.corner().await;
    corner.keep_versions().await;
    let store = corner.merging_store().await;
    let first = json!({"untouched": {"a": [1, null]}, "none": null});
    corner.put_raw("apps/a", first.clone()).await;
    let mut dice = Dice::of_this_run("the owners of one secret");
    let (put, patch, blind) = (dice.another(), dice.another(), dice.another());
    let (conflicts, (), (), ()) = tokio::join!(
        rotator(&store, dice),
        another(&corner, Habit::Put, "of_put", put),
        another(&corner, Habit::Patch { checked: true }, "of_patch", patch),
        another(&corner, Habit::Patch { checked: false }, "of_blind_patch", blind),
    );
    assert!(conflicts > 0, "nobody met anybody");
    let end = corner.get_raw("apps/a").await;
    assert_eq!(end["ex_api_key"], KEY);
    assert_eq!((&end["untouched"], end.get("none")), (&first["untouched"], Some(&Value::Null)));
}
