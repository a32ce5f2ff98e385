use super::*;
use crate::domain::ids::{OrganizationId, RotationId};
use crate::domain::marker::Marker;

const HOUR: Duration = Duration::from_secs(3600);

/// So many seconds after now.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn instance(name: &str) -> Instance {
    Instance::parse(name).expect("a name")
}

/// A key as we make it, minted a minute ago.
fn listed() -> ListedKey {
    let marker = Marker { instance: instance("default"), rotation: RotationId::fresh(at(-60)) };
    ListedKey {
        key: ApiKey::parse(&"k".repeat(40)).expect("a key"),
        project_id: Some(ProjectId::parse("p1").expect("an id")),
        organization_id: OrganizationId::parse("o1").expect("an id"),
        scopes: vec!["client".to_owned()],
        notes: Some(marker.to_string()),
        is_disabled: false,
        is_suspended: false,
        expires: None,
        updated: at(0),
        created: at(-60),
    }
}

fn expiring(seconds: i64) -> ListedKey {
    ListedKey { expires: Some(at(seconds)), ..listed() }
}

#[test]
fn a_published_key_is_alive_if_it_is_listed_and_enabled_and_outlives_the_overlap() {
    let alive = PublishedKey::Alive { created: at(-60) };
    for (found, expected) in [
        (None, PublishedKey::Dead(Due::KeyGone)),
        (Some(listed()), alive),
        (Some(ListedKey { is_disabled: true, ..listed() }), PublishedKey::Dead(Due::KeyDisabled)),
        (Some(ListedKey { is_suspended: true, ..listed() }), PublishedKey::Dead(Due::KeyDisabled)),
        (Some(expiring(-1)), PublishedKey::Dead(Due::KeyDisabled)),
        (Some(expiring(0)), PublishedKey::Dead(Due::KeyDisabled)),
        (Some(expiring(1)), PublishedKey::Dead(Due::KeyExpiring)),
        (Some(expiring(3600)), PublishedKey::Dead(Due::KeyExpiring)),
        (Some(expiring(3601)), alive),
    ] {
        assert_eq!(as_listed(found.as_ref(), HOUR, at(0)), expected, "{found:?}");
    }
}

#[test]
fn a_key_is_ours_by_its_marker_and_its_form_and_nothing_else() {
    let ours = |key: ListedKey| own_key(&instance("default"), key, at(0)).is_some();
    assert!(ours(listed()));
    assert!(ours(ListedKey { is_disabled: true, scopes: Vec::new(), ..expiring(-1) }));
    assert!(!ours(ListedKey { notes: None, ..listed() }));
    assert!(!ours(ListedKey { notes: Some("of a person".to_owned()), ..listed() }));
    assert!(!ours(ListedKey { key: ApiKey::parse("short").expect("a key"), ..listed() }));
    assert!(own_key(&instance("another"), listed(), at(0)).is_none());
}

#[test]
fn a_key_that_works_may_be_published_only_if_it_is_a_client_key_without_an_end() {
    let user = || vec!["client".to_owned(), "user".to_owned()];
    for (key, enabled, publishable) in [
        (listed(), true, true),
        (ListedKey { is_disabled: true, ..listed() }, false, false),
        (ListedKey { is_suspended: true, ..listed() }, false, false),
        (expiring(0), false, false),
        (expiring(1), true, false),
        (expiring(86_400), true, false),
        (ListedKey { scopes: user(), ..listed() }, true, false),
        (ListedKey { scopes: Vec::new(), ..listed() }, true, false),
    ] {
        let own = own_key(&instance("default"), key.clone(), at(0)).expect("a key of ours");
        assert_eq!((own.enabled, own.publishable), (enabled, publishable), "{key:?}");
    }
}
