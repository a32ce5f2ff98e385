use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use serde_json::json;
use vaultrs::api::kv2::responses::SecretVersionMetadata;

use super::*;
use crate::domain::ids::{OrganizationId, ProjectId, RotationId};
use crate::domain::key::ApiKey;
use crate::domain::project::Project;
use crate::domain::retiring::Retiring;

const OURS: &str = "exceptionless-rotator/1 instance=default";
const OTHERS: &str = "exceptionless-rotator/1 instance=other";

fn instance(name: &str) -> Instance {
    Instance::parse(name).expect("a name")
}

fn replacing() -> Layout {
    Layout::new(&Write::Replace, instance("default"))
}

fn merging() -> Layout {
    Layout::new(&Write::Merge { prefix: "ex_".to_owned() }, instance("default"))
}

fn publication() -> Publication {
    let rotated_at = DateTime::UNIX_EPOCH;
    Publication {
        instance: instance("default"),
        api_key: ApiKey::parse("key-1").expect("a key"),
        server_url: "https://api.exceptionless.com".to_owned(),
        project: Arc::new(Project {
            id: ProjectId::parse("p1").expect("an id"),
            name: "Checkout".to_owned(),
            organization_id: OrganizationId::parse("o1").expect("an id"),
            organization_name: "Acme".into(),
        }),
        rotation: RotationId::fresh(rotated_at),
        rotated_at,
        next_rotation_at: Some(rotated_at),
        overlap: Duration::from_secs(60),
        retiring: Retiring::default(),
    }
}

fn version(data: Value, custom_metadata: &[(&str, &str)]) -> ReadSecretResponse {
    let custom_metadata = custom_metadata.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let metadata = SecretVersionMetadata {
        created_time: String::new(),
        deletion_time: String::new(),
        custom_metadata: Some(custom_metadata.collect()),
        destroyed: false,
        version: 3,
    };
    ReadSecretResponse { data, metadata }
}

fn foreign(owner: Option<&str>) -> SecretState {
    SecretState::Foreign { version: 3, owner: owner.map(|name| Owner(instance(name))) }
}

#[test]
fn every_field_that_is_written_is_known_as_ours() {
    let written = publication().fields();
    assert_eq!(written.len(), FIELDS.len());
    assert!(written.keys().all(|name| FIELDS.contains(name)));
}

#[test]
fn the_mark_alone_decides_whose_a_secret_is() {
    let state = |data| replacing().interpret(version(data, &[("managed_by", OURS)])).state;
    assert!(matches!(state(json!({"managed_by": OURS})), SecretState::Ours(_)));
    assert_eq!(state(json!({"managed_by": OTHERS})), foreign(Some("other")));
    assert_eq!(state(json!({"managed_by": 7})), foreign(None));
    assert_eq!(state(json!({"api_key": "key-1"})), foreign(None));
    assert_eq!(state(json!({})), foreign(None));
}

#[test]
fn a_shared_secret_has_room_unless_one_of_our_names_is_taken() {
    let state = |data, stamp: &[_]| merging().interpret(version(data, stamp)).state;
    let unclaimed = SecretState::Unclaimed { version: 3 };
    assert_eq!(state(json!({"api_key": 1, "managed_by": OTHERS}), &[]), unclaimed);
    assert_eq!(state(json!({"ex_else": 1}), &[("ex_managed_by", OURS)]), unclaimed);
    for taken in ["ex_api_key", "ex_managed_by", "ex_server_url"] {
        assert_eq!(state(json!({taken: "x"}), &[]), foreign(None), "{taken}");
    }
    assert_eq!(state(json!({"x": 1}), &[("ex_managed_by", OTHERS)]), foreign(Some("other")));
}

#[test]
fn a_merge_names_all_our_fields_and_no_other() {
    let patch = merging().patch(&Publication { next_rotation_at: None, ..publication() });
    let names: Vec<_> = patch.keys().map(|name| name.strip_prefix("ex_").expect("our prefix")).collect();
    assert_eq!(names.len(), FIELDS.len());
    assert!(names.iter().all(|name| FIELDS.contains(name)));
    assert_eq!((&patch["ex_api_key"], &patch["ex_next_rotation_at"]), (&json!("key-1"), &Value::Null));
    assert!(merging().removal().iter().all(|(name, value)| patch.contains_key(name) && value.is_null()));
}

#[test]
fn only_a_shared_secret_has_others() {
    let seen = |layout: Layout, data| layout.interpret(version(data, &[])).has_others;
    assert!(seen(merging(), json!({"ex_managed_by": OURS, "ex_else": [1]})));
    assert!(!seen(merging(), json!({"ex_managed_by": OURS, "ex_next_rotation_at": "old"})));
    assert!(!seen(replacing(), json!({"password": "x"})));
    assert_eq!(replacing().data(&publication()).as_object().map(Map::len), Some(FIELDS.len()));
}

#[test]
fn debug_shows_no_value_of_another_owner() {
    let before = json!({"password": "hunter2", "ex_managed_by": OURS});
    let seen = merging().interpret(version(before, &[("note", "hunter2")]));
    assert!(!format!("{seen:?}").contains("hunter2"));
}
