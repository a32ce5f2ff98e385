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
    Layout::new(&Write::Replace, &SecretRules::default(), instance("default"))
}

fn merging() -> Layout {
    merging_with(&SecretRules::default())
}

fn merging_with(rules: &SecretRules) -> Layout {
    Layout::new(&Write::Merge { prefix: "ex_".to_owned() }, rules, instance("default"))
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
        shape: Arc::default(),
        shaped_at: Some(rotated_at),
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
    SecretState::Foreign { version: 3, owner: owner.map(|name| Owner(instance(name))), taken: None }
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
        let found = SecretState::Foreign { version: 3, owner: None, taken: Some(taken.to_owned()) };
        assert_eq!(state(json!({"else": 1, taken: "x"}), &[]), found, "{taken}");
    }
    assert_eq!(state(json!({"x": 1}), &[("ex_managed_by", OTHERS)]), foreign(Some("other")));
}

#[test]
fn what_is_ours_in_another_form_is_read_in_that_form() {
    let keys = |layout: Layout, data| {
        let forms = layout.interpret(version(data, &[])).other_forms.into_iter();
        forms.map(|form| form.api_key.map(|key| key.expose().to_owned())).collect::<Vec<_>>()
    };
    let key = |text: &str| Some(text.to_owned());
    let before = replacing().data(&publication());
    assert_eq!(keys(merging(), before.clone()), [key("key-1")]);
    assert_eq!(keys(replacing(), before), []);
    assert_eq!(keys(replacing(), merging().data(&publication())), [key("key-1")]);
    let two = json!({"a_managed_by": OURS, "a_api_key": "key-a", "b_managed_by": OURS, "b_api_key": "key-b"});
    assert_eq!(keys(merging(), two), [key("key-a"), key("key-b")]);
    let shaped = json!({"managed_by": OURS, "shape": "0@2026-11-22T09:00:15Z,key:KEY", "KEY": "key-1"});
    assert_eq!(keys(merging(), shaped), [key("key-1")]);
    assert_eq!(keys(merging(), json!({"managed_by": OURS, "api_key": "a b"})), [None]);
    assert_eq!(keys(merging(), json!({"managed_by": OTHERS, "api_key": "key-1"})), []);
}

#[test]
fn a_merge_names_all_our_fields_and_no_other() {
    let patch =
        merging().patch(&Publication { next_rotation_at: None, ..publication() }, &SecretState::Absent);
    let names: Vec<_> = patch.keys().map(|name| name.strip_prefix("ex_").expect("our prefix")).collect();
    assert_eq!(names.len(), FIELDS.len());
    assert!(names.iter().all(|name| FIELDS.contains(name)));
    assert_eq!((&patch["ex_api_key"], &patch["ex_next_rotation_at"]), (&json!("key-1"), &Value::Null));
    assert!(
        merging()
            .removal(&SecretState::Absent)
            .iter()
            .all(|(name, value)| patch.contains_key(name) && value.is_null())
    );
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

fn rules(fields: &[(&str, &str)]) -> SecretRules {
    let entries =
        fields.iter().map(|(name, text)| ((*name).to_owned(), Shape::check(name, text).expect("a field")));
    SecretRules { shape: Arc::new(Shape::new(entries.collect()).expect("a shape")), ..SecretRules::default() }
}

const RENAMED: [(&str, &str); 3] =
    [("KEY", "{api_key}"), ("api_key", ""), ("DSN", "a {api_key} b {server_url}")];

#[test]
fn added_fields_have_no_prefix_and_what_is_left_out_is_removed() {
    let rules = rules(&RENAMED);
    let layout = merging_with(&rules);
    let shaped_at = DateTime::from_timestamp(1_795_000_000, 0);
    let publication = Publication { shape: Arc::clone(&rules.shape), shaped_at, ..publication() };
    let mark = "0123456789ab@2026-01-01T00:00:00Z,GONE,KEY";
    let before =
        layout.interpret(version(json!({"ex_managed_by": OURS, "ex_shape": mark, "GONE": "x"}), &[]));
    assert!(!before.has_others);
    let patch = layout.patch(&publication, &before.state);
    let value = |name: &str| patch.get(name).cloned();
    assert_eq!(value("KEY"), Some(json!("key-1")));
    assert_eq!(value("DSN"), Some(json!("a key-1 b https://api.exceptionless.com")));
    assert_eq!((value("ex_api_key"), value("GONE")), (Some(Value::Null), Some(Value::Null)));
    let whole = layout.data(&publication);
    assert_eq!((whole.get("ex_api_key"), whole.get("GONE")), (None, None));

    let read = layout.interpret(version(whole.clone(), &[])).state;
    let SecretState::Ours(published) = &read else { panic!("{read:?}") };
    assert_eq!((published.api_key.as_ref(), &published.taken), (Some(&publication.api_key), &None));
    // Whoever reads with another configuration finds the key by what the secret says.
    let standard = merging().interpret(version(whole, &[])).state;
    assert!(matches!(&standard, SecretState::Ours(published) if published.api_key.is_some()));
    assert!(!format!("{read:?} {publication:?}").contains("key-1"));
}

#[test]
fn a_name_that_another_owner_has_is_taken_until_the_secret_says_that_it_is_ours() {
    let rules = rules(&RENAMED);
    let taken = |data| match merging_with(&rules).interpret(version(data, &[])).state {
        SecretState::Ours(published) => published.taken,
        other => panic!("{other:?}"),
    };
    let mark = "0123456789ab@2026-01-01T00:00:00Z,key:KEY,DSN";
    assert_eq!(taken(json!({"ex_managed_by": OURS, "KEY": "x", "DSN": "y"})), Some("DSN".to_owned()));
    assert_eq!(taken(json!({"ex_managed_by": OURS, "ex_shape": mark, "KEY": "x", "DSN": "y"})), None);
    let state = merging_with(&rules).interpret(version(json!({"KEY": "x"}), &[])).state;
    assert_eq!(state, SecretState::Foreign { version: 3, owner: None, taken: Some("KEY".to_owned()) });
}

#[test]
fn a_damaged_shape_makes_no_field_of_ours_another_owners() {
    let rules =
        rules(&[("KEY", "{api_key}"), ("api_key", ""), ("DSN", "a {api_key}"), ("HOST", "{server_url}")]);
    let shaped_at = DateTime::from_timestamp(1_795_000_000, 0);
    let publication = Publication { shape: Arc::clone(&rules.shape), shaped_at, ..publication() };
    let layout = merging_with(&rules);
    let taken = |changes: &[(&str, Value)]| {
        let mut data = layout.data(&publication);
        for (name, value) in changes {
            data[*name] = value.clone();
        }
        if data["ex_shape"].is_null() {
            data.as_object_mut().expect("fields").remove("ex_shape");
        }
        match layout.interpret(version(data, &[])).state {
            SecretState::Ours(published) => {
                (published.api_key == Some(publication.api_key.clone()), published.taken)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(taken(&[]), (true, None));
    for damaged in ["", "x", "0123456789ab@yesterday,KEY"] {
        let shape = ("ex_shape", json!(damaged));
        assert_eq!(taken(std::slice::from_ref(&shape)), (true, None), "{damaged}");
        let another = ("HOST", json!("theirs"));
        assert_eq!(taken(&[shape.clone(), another]), (true, Some("HOST".to_owned())), "{damaged}");
        assert_eq!(taken(&[shape, ("DSN", json!(7))]), (true, Some("DSN".to_owned())), "{damaged}");
    }
    // A secret that says nothing of a shape may never have had one: only the key proves a field to be ours.
    let silent = ("ex_shape", Value::Null);
    assert_eq!(taken(std::slice::from_ref(&silent)), (true, Some("HOST".to_owned())));
    assert_eq!(taken(&[silent, ("HOST", json!("key-1"))]), (true, None));
}

#[test]
fn the_mark_is_complete_only_with_what_is_set_in_the_metadata() {
    let rules = SecretRules { max_versions: Some(3), cas_required: Some(true), ..SecretRules::default() };
    let layout = Layout::new(&Write::Replace, &rules, instance("default"));
    let stamped = |layout: &Layout, marks: &[(&str, &str)]| {
        let marks = [&[("managed_by", OURS)], marks].concat();
        let state = layout.interpret(version(json!({"managed_by": OURS}), &marks)).state;
        matches!(state, SecretState::Ours(published) if published.stamped)
    };
    let set = ("settings", "max_versions=3,cas_required=true");
    assert!(stamped(&layout, &[set]) && !stamped(&layout, &[]));
    assert!(stamped(&replacing(), &[]) && !stamped(&replacing(), &[set]));
    assert_eq!(layout.stamp()["settings"].as_deref(), Some(set.1));
}
