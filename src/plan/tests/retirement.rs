//! The only way in which a key is revoked, and what publications write for it.

use super::*;

fn may_revoke(scene: &Scene, name: &str) -> bool {
    let SecretState::Ours(published) = &scene.secret else { panic!("nothing is published") };
    let own = scene.keys.iter().find(|own| own.key == key(name)).expect("a key of the scene");
    let alive = matches!(scene.published, PublishedKey::Alive { .. });
    let may = retire::may_revoke(&scene.policy.rule, published, own, &scene.clocks, alive, false);
    assert_eq!(may, scene.retirable().iter().any(|found| found == name), "the plan and the licence agree");
    may
}

#[test]
fn a_key_dies_at_its_deadline_and_not_a_second_before() {
    let scene = |now| Scene::new().published("K1", "21 03:00:00").retiring("K0", "21 03:00:22").at(now);
    assert!(!may_revoke(&scene("22 03:00:21"), "K0"));
    assert!(may_revoke(&scene("22 03:00:22"), "K0"));
    let [waiting] = &scene("22 03:00:22").step().waiting[..] else { panic!("one key waits") };
    let key = own("K0", "10 00:00:00").fingerprint;
    assert_eq!(
        waiting,
        &Waiting {
            key,
            since: at("21 03:00:22"),
            deadline: at("22 03:00:22"),
            disabled: false,
            stage: Stage::Delete,
            due: at("22 03:00:22"),
            pinned: false
        }
    );
}

#[test]
fn the_earliest_of_three_clocks_judges() {
    let scene = |ours, exceptionless, vault| {
        let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "21 03:00:22");
        may_revoke(&scene.at(ours).servers(exceptionless, vault), "K0")
    };
    let (before, after) = ("22 03:00:21", "22 03:00:22");
    assert!(scene(after, after, after));
    for [ours, exceptionless, vault] in
        [[before, after, after], [after, before, after], [after, after, before]]
    {
        assert!(!scene(ours, exceptionless, vault));
    }
}

#[test]
fn nothing_dies_while_the_published_key_is_not_alive() {
    let dead = PublishedKey::Dead;
    for published in
        [dead(Due::KeyGone), dead(Due::KeyDisabled), dead(Due::KeyExpiring), PublishedKey::Misplaced]
    {
        let scene =
            Scene::new().published("K1", "21 03:00:00").retiring("K0", "01 00:00:00").became(published);
        assert!(!may_revoke(&scene, "K0"), "{published:?}");
    }
    let keyless = Scene::new().published("K1", "21 03:00:00").retiring("K0", "01 00:00:00");
    let keyless = keyless.damaged(|secret| secret.api_key = None).became(PublishedKey::Missing);
    assert!(!may_revoke(&keyless, "K0"));
}

#[test]
fn an_unlisted_key_never_dies() {
    assert!(!may_revoke(&Scene::new().published("K1", "21 03:00:00").key("K0", "01 00:00:00"), "K0"));
}

#[test]
fn the_published_key_never_dies_even_if_it_is_listed_by_mistake() {
    let scene = Scene::new().published("K1", "21 03:00:00").listing("K1", "01 00:00:00");
    assert!(!may_revoke(&scene, "K1"));
    assert_eq!(scene.step().waiting, []);
}

#[test]
fn a_disabled_key_of_ours_that_is_listed_dies_as_well() {
    let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "20 03:00:00");
    assert!(may_revoke(&scene.but(|key| key.enabled = false), "K0"));
}

#[test]
fn readers_keep_the_longer_overlap_that_they_were_promised() {
    let scene = |now| Scene::new().published("K1", "21 03:00:00").retiring("K0", "21 03:00:00").at(now);
    assert!(!may_revoke(&scene("22 02:59:59").overlap(HOUR), "K0"));
    assert!(may_revoke(&scene("22 03:00:00").overlap(HOUR), "K0"));
    // A configured overlap that has become longer counts as well.
    assert!(!may_revoke(&scene("22 03:00:00").overlap(48 * HOUR), "K0"));
}

#[test]
fn a_rotation_lists_each_other_key_of_ours_by_the_latest_clock_and_the_publication_limit() {
    let scene = Scene::new()
        .published("K1", "20 03:00:00")
        .retiring("K0", "20 03:00:22")
        .key("lost", "21 11:59:00")
        .key("disabled", "21 11:00:00")
        .but(|key| key.enabled = false)
        .key("K2", "21 12:00:00")
        .listing("gone", "20 03:00:22")
        .servers("21 12:00:09", "21 11:59:00");
    let publication = scene.rotated("K2");
    // Vault writes within 15 s, and a server's second may have just begun or be over.
    let now = Some(at("21 12:00:25"));
    assert_eq!(since(&publication, "K1"), now);
    assert_eq!(since(&publication, "lost"), now);
    assert_eq!(since(&publication, "disabled"), now);
    assert_eq!(since(&publication, "K0"), Some(at("20 03:00:22")));
    assert_eq!(since(&publication, "K2"), None);
    assert_eq!(since(&publication, "gone"), None);
    assert_eq!((publication.api_key, publication.overlap), (key("K2"), 24 * HOUR));
}

#[test]
fn an_entry_keeps_its_time_over_any_number_of_publications() {
    let mut scene = Scene::new().published("K1", "20 03:00:00").retiring("K0", "20 03:00:22");
    for (next, now) in [("K2", "21 03:00:00"), ("K3", "21 04:00:00"), ("K4", "21 05:00:00")] {
        scene = scene.key(next, now).at(now);
        let publication = scene.rotated(next);
        assert_eq!(since(&publication, "K0"), Some(at("20 03:00:22")));
        scene = scene.damaged(|secret| {
            secret.api_key = Some(publication.api_key);
            secret.retiring = publication.retiring;
        });
    }
    assert_eq!(scene.step().waiting.len(), 4);
}

#[test]
fn a_published_key_that_was_listed_by_mistake_counts_as_old_only_when_it_is_replaced() {
    let scene = Scene::new().published("K1", "20 03:00:00").listing("K1", "01 00:00:00");
    assert_eq!(since(&scene.rotated("K2"), "K1"), Some(at("21 12:00:15")));
}

#[test]
fn a_shorter_overlap_leaves_the_deadlines_where_they_were() {
    let scene = Scene::new().published("K1", "20 03:00:00").retiring("K0", "21 03:00:00").overlap(HOUR);
    let publication = scene.rotated("K2");
    assert_eq!(publication.overlap, HOUR);
    let deadline = |name| since(&publication, name).unwrap() + HOUR;
    assert_eq!(deadline("K0"), at("22 03:00:00"));
    assert_eq!(deadline("K1"), at("22 12:00:15"));
}

#[test]
fn an_enrolment_changes_nothing_but_the_list() {
    let scene = Scene::new()
        .published("K1", "20 03:00:00")
        .retiring("K0", "20 03:00:22")
        .key("lost", "21 03:00:00")
        .listing("gone", "20 03:00:22")
        .listing("K1", "01 00:00:00")
        .overlap(HOUR);
    let next = Some(at("22 03:00:00"));
    let enrolled = publication::renewed(&scene.policy, &scene.observed(), &[], next, &scene.clocks).unwrap();
    assert_eq!((&enrolled.api_key, enrolled.rotated_at), (&key("K1"), at("20 03:00:00")));
    assert_eq!(enrolled.overlap, 24 * HOUR, "the promise to the readers of this key stays");
    assert_eq!(enrolled.next_rotation_at, next);
    assert_eq!(since(&enrolled, "lost"), Some(at("21 12:00:15")));
    assert_eq!(since(&enrolled, "K0"), Some(at("20 03:00:22")));
    assert_eq!(since(&enrolled, "K1"), None);
    assert_eq!(since(&enrolled, "gone"), None);
}

#[test]
fn a_secret_that_is_due_for_repair_is_not_enrolled_into() {
    let enrolled = |change: fn(&mut Published)| {
        let scene = Scene::new().published("K1", "20 03:00:00").damaged(change);
        publication::renewed(&scene.policy, &scene.observed(), &[], None, &scene.clocks)
    };
    assert_eq!(enrolled(|secret| secret.api_key = None), None);
    assert_eq!(enrolled(|secret| secret.rotated_at = None), None);
    // The rotation's id is also in the key's own notes.
    assert_eq!(enrolled(|secret| secret.rotation = None).unwrap().rotation, rotation());
    assert_eq!(
        publication::renewed(&Scene::new().policy, &Scene::new().observed(), &[], None, &Scene::new().clocks),
        None
    );
}

#[test]
fn a_first_publication_lists_what_was_left_by_attempts_before_it() {
    let scene = Scene::new().key("lost", "21 11:00:00");
    assert_eq!(since(&scene.rotated("K1"), "lost"), Some(at("21 12:00:15")));
}

#[test]
fn a_key_that_another_secret_of_ours_publishes_is_kept() {
    let scene =
        || Scene::new().published("K1", "21 03:00:00").retiring("K0", "21 03:00:22").at("22 12:00:00");
    assert_eq!(scene().retirable(), ["K0"]);
    let moved = scene().elsewhere("K0").step();
    assert_eq!(moved.moved.len(), 1);
    assert!(moved.waiting[0].pinned);
    assert_eq!(scene().elsewhere("K0").retirable(), [""; 0]);
    assert_eq!(scene().elsewhere("K9").retirable(), ["K0"]);
}

#[test]
fn nothing_is_revoked_while_nobody_knows_what_other_secrets_publish() {
    let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "21 03:00:22").at("22 12:00:00");
    assert_eq!(scene.unsure().retirable(), [""; 0]);
}
