//! Revocation in two stages.

use super::*;

/// K1 is published; K0 was replaced on the 20th at 3, so that its overlap ended on the 21st at 3.
fn scene() -> Scene {
    let twice = Revocation::DisableThenDelete { disabled_for: 2 * HOUR };
    let scene = Scene::new().published("K1", "20 03:00:00").retiring("K0", "20 03:00:00");
    scene.with(|policy| policy.rule.revocation = twice)
}

fn disabled_at(time: &str) -> impl FnOnce(&mut OwnKey) {
    let time = at(time);
    move |key| (key.enabled, key.disabled, key.updated) = (false, true, time)
}

/// What is done to K0 now, if anything.
fn now(scene: &Scene) -> Option<Stage> {
    let step = scene.step();
    let stage = retire::ripe(&step, &scene.clocks).map(|(_, stage)| stage).next();
    let SecretState::Ours(published) = &scene.secret else { panic!("nothing is published") };
    let key = scene.keys.last().expect("a key");
    let may = retire::may_revoke(&scene.policy.rule, published, key, &scene.clocks, true, false);
    assert_eq!(may, stage.is_some(), "the plan and the licence agree");
    stage
}

#[test]
fn a_key_is_disabled_at_its_deadline_and_deleted_when_it_has_been_so_for_long_enough() {
    assert_eq!(now(&scene().at("21 02:59:59")), None);
    assert_eq!(now(&scene().at("21 03:00:00")), Some(Stage::Disable));
    let disabled = |time| scene().but(disabled_at("21 03:00:10")).at(time);
    assert_eq!(now(&disabled("21 05:00:09")), None);
    assert_eq!(now(&disabled("21 05:00:10")), Some(Stage::Delete));
    let waiting = disabled("21 04:00:00").step().waiting.remove(0);
    assert_eq!((waiting.disabled, waiting.stage, waiting.due), (true, Stage::Delete, at("21 05:00:10")));
}

#[test]
fn a_key_that_a_person_disabled_before_its_overlap_was_over_waits_for_that_too() {
    let early = |time| scene().but(disabled_at("20 04:00:00")).at(time);
    assert_eq!(now(&early("21 02:59:59")), None);
    assert_eq!(now(&early("21 03:00:00")), Some(Stage::Delete));
}

#[test]
fn a_key_that_was_enabled_again_has_another_overlap_from_then_on() {
    let again = |time| scene().but(|key| key.updated = at("22 08:00:00")).at(time);
    assert_eq!(now(&again("22 12:00:00")), None);
    assert_eq!(now(&again("23 07:59:59")), None);
    assert_eq!(now(&again("23 08:00:00")), Some(Stage::Disable));
}

#[test]
fn without_stages_the_last_change_of_a_key_means_nothing() {
    let once = scene().with(|policy| policy.rule.revocation = Revocation::Delete);
    assert_eq!(now(&once.but(disabled_at("21 11:59:59"))), Some(Stage::Delete));
}

#[test]
fn the_earliest_clock_judges_the_second_stage_as_well() {
    let disabled = || scene().but(disabled_at("21 03:00:10")).at("21 05:00:10");
    assert_eq!(now(&disabled().servers("21 05:00:09", "21 06:00:00")), None);
    assert_eq!(now(&disabled().servers("21 05:00:10", "21 06:00:00")), Some(Stage::Delete));
}

#[test]
fn the_next_pass_comes_when_a_disabled_key_may_be_deleted() {
    let disabled = scene().with(|policy| policy.rule.schedule = yearly()).but(disabled_at("21 11:00:00"));
    assert_eq!(disabled.plan().wake_at, Some(at("21 13:00:01")));
    let clocks = disabled.clocks;
    let wake = retire::wake_after_disabling(&disabled.policy.rule, &clocks);
    assert_eq!(wake, at("21 14:00:01"));
}

fn yearly() -> Schedule {
    Schedule::parse("0 3 1 1 *", Tz::UTC, at("01 00:00:00")).unwrap()
}

#[test]
fn a_publication_keeps_what_is_known_of_the_keys_that_it_lists() {
    let scene = scene().but(disabled_at("21 11:00:00"));
    let publication = scene.rotated("K2");
    let listed = retire::listed(&scene.policy.rule, &scene.observed(), &publication);
    let of = |name| listed.iter().find(|waiting| waiting.key == fingerprint(name)).unwrap();
    assert_eq!((of("K0").stage, of("K0").due), (Stage::Delete, at("21 13:00:00")));
    assert_eq!((of("K1").stage, of("K1").disabled), (Stage::Disable, false));
}

#[test]
fn what_comes_back_counts_as_old_only_from_now_on() {
    let scene = scene().but(disabled_at("21 11:00:00")).listing("gone", "20 03:00:22");
    let anew = [fingerprint("K0")];
    let publication =
        publication::renewed(&scene.policy, &scene.observed(), &anew, None, &scene.clocks).unwrap();
    assert_eq!(since(&publication, "K0"), Some(at("21 12:00:15")));
    assert_eq!((&publication.api_key, publication.rotated_at), (&key("K1"), at("20 03:00:00")));
    assert_eq!(since(&publication, "gone"), None);
}
