//! Secrets at paths where a project no longer lives.

use chrono::TimeDelta;

use crate::domain::secret::{LONGEST_PROMISE, Moved, promise};
use crate::plan::moved::{Fate, kept_until};
use crate::plan::world::{Listed, Withdrawn};

use super::*;

/// The key of the old secret is listed at the new path since the 20th, 13 o'clock, and has a day to serve.
fn scene(now: &str) -> Scene {
    Scene::new().published("K1", "21 03:00:00").retiring("K0", "20 13:00:00").elsewhere("K0").at(now)
}

fn fate(scene: &Scene) -> Fate {
    scene.step().moved[0].fate
}

fn deleting(scene: Scene) -> Scene {
    scene.with(|policy| policy.on_vanished = OnVanished::Delete)
}

#[test]
fn an_old_secret_stays_until_its_key_has_served_and_then_goes_as_the_operator_wants() {
    assert_eq!(fate(&scene("21 12:59:59")), Fate::Waits);
    assert_eq!(fate(&scene("21 13:00:00")), Fate::Marked);
    assert_eq!(fate(&deleting(scene("21 12:59:59"))), Fate::Waits);
    assert_eq!(fate(&deleting(scene("21 13:00:00"))), Fate::Withdrawn);
    // The earliest clock judges, and the daemon wakes for it.
    assert_eq!(fate(&scene("21 13:00:05").servers("21 12:59:59", "21 13:00:05")), Fate::Waits);
    assert_eq!(scene("21 12:00:00").plan().wake_at, Some(at("21 13:00:01")));
    let told_at = |time: Option<&str>, to: &str, key: &str, kept_until: Option<&str>| {
        let mut scene = scene("21 13:00:00");
        let (to, key, kept_until) = (to.to_owned(), Some(fingerprint(key)), kept_until.map(at));
        let moved = Moved { to, at: time.map(at), key, overlap: None, kept_until };
        scene.strays.as_mut().unwrap()[0].moved = Some(moved);
        fate(&scene)
    };
    let told =
        |to: &str, key: &str, kept_until: Option<&str>| told_at(Some("20 13:00:00"), to, key, kept_until);
    assert_eq!(told("exceptionless/p1", "K0", None), Fate::Kept);
    assert_eq!(told("exceptionless/another", "K0", None), Fate::Marked);
    assert_eq!(told("exceptionless/p1", "another", None), Fate::Marked);
    assert_eq!(told_at(None, "exceptionless/p1", "K0", None), Fate::Marked, "it has only waited until now");
    // It was deleted once, and undeleted: the next who deletes it must not find an end that is over.
    assert_eq!(told("exceptionless/p1", "K0", Some("21 04:00:00")), Fate::Marked);
}

#[test]
fn a_key_that_is_published_or_not_listed_at_the_new_path_has_not_served() {
    let published = || Scene::new().published("K1", "21 03:00:00").at("28 12:00:00");
    assert_eq!(fate(&published().elsewhere("K1")), Fate::Waits);
    assert_eq!(fate(&published().key("K0", "01 00:00:00").elsewhere("K0")), Fate::Waits);
}

#[test]
fn a_key_that_is_not_among_ours_serves_for_as_long_as_one_that_is() {
    // It may be dead, or a person has edited its notes.
    let published = |now: &str| Scene::new().published("K1", "21 03:00:00").elsewhere("K0").at(now);
    assert_eq!(fate(&published("22 02:59:59")), Fate::Waits);
    assert_eq!(fate(&published("22 03:00:00")), Fate::Marked);
    let listed = |now: &str| published(now).listing("K0", "20 13:00:00");
    assert_eq!(fate(&listed("21 12:59:59")), Fate::Waits);
    assert_eq!(fate(&listed("21 13:00:00")), Fate::Marked);
    let promised = |now: &str| {
        let mut scene = published(now);
        scene.strays.as_mut().unwrap()[0].overlap = Some(48 * HOUR);
        fate(&scene)
    };
    assert_eq!(promised("23 02:59:59"), Fate::Waits);
    assert_eq!(promised("23 03:00:00"), Fate::Marked);
    // One that is ours, and disabled, serves nobody.
    let disabled = Scene::new().published("K1", "21 03:00:00").key("K0", "01 00:00:00");
    let disabled = disabled.but(|key| (key.enabled, key.disabled) = (false, true)).elsewhere("K0");
    assert_eq!(fate(&disabled), Fate::Marked);
}

#[test]
fn nothing_is_revoked_while_a_secret_where_another_project_lives_was_not_read() {
    for (unread, ripe) in [(false, 1), (true, 0)] {
        let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "19 03:00:00");
        let strays = Some(Strays { unread, ..Strays::default() });
        let world = World { clocks: scene.clocks, projects: vec![scene.observed()], strays };
        let plan = plan(&scene.policy, world, Asked::Due);
        assert_eq!(retire::ripe(&plan.steps[0], &scene.clocks).count(), ripe);
    }
}

#[test]
fn the_marks_of_a_withdrawn_secret_outlive_the_project_that_comes_to_its_path() {
    let step_at = |now: &str, kept_until: Option<&str>| {
        let scene =
            Scene::new().published("K1", "21 03:00:00").damaged(|secret| secret.stamped = false).at(now);
        let key = fingerprint("K0");
        let kept_until = kept_until.map(at);
        let moved = Moved { to: String::new(), at: None, key: Some(key), overlap: Some(HOUR), kept_until };
        let path = scene.observed().target.place.unwrap();
        let strays = Some(Strays { withdrawn: vec![Withdrawn { path, moved }], ..Strays::default() });
        let world = World { clocks: scene.clocks, projects: vec![scene.observed()], strays };
        let step = plan(&scene.policy, world, Asked::Due).steps.remove(0);
        (step.remembers, step.stamp)
    };
    assert_eq!(step_at("21 12:29:59", Some("21 12:30:00")), (true, false));
    assert_eq!(step_at("21 12:30:00", Some("21 12:30:00")), (false, true));
    assert_eq!(step_at("21 12:30:00", None), (true, false));
}

#[test]
fn nothing_is_done_to_an_old_secret_unless_a_living_key_is_published_at_the_new_path() {
    let later = || deleting(scene("22 02:00:00"));
    assert_eq!(fate(&later()), Fate::Withdrawn);
    assert_eq!(fate(&later().became(PublishedKey::Dead(Due::KeyGone))), Fate::Waits);
    assert_eq!(fate(&later().became(PublishedKey::Misplaced)), Fate::Waits);
    let another = ProjectId::parse("p2").unwrap();
    assert_eq!(fate(&later().damaged(|secret| secret.project_id = Some(another.clone()))), Fate::Waits);
    assert_eq!(fate(&deleting(Scene::new().elsewhere("K0"))), Fate::Waits);
}

#[test]
fn the_key_of_a_withdrawn_secret_is_kept_for_its_last_readers() {
    let plan_at = |now: &str, kept_until: Option<&str>| {
        let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "19 03:00:00").at(now);
        let kept_until = kept_until.map(at);
        let moved = Moved {
            to: String::new(),
            at: None,
            key: Some(fingerprint("K0")),
            overlap: Some(HOUR),
            kept_until,
        };
        let path = SecretPath::parse("exceptionless/former").unwrap();
        let withdrawn = vec![Withdrawn { path, moved }];
        let strays = Some(Strays { withdrawn, ..Strays::default() });
        let world = World { clocks: scene.clocks, projects: vec![scene.observed()], strays };
        let plan = plan(&scene.policy, world, Asked::Due);
        let ripe = retire::ripe(&plan.steps[0], &scene.clocks).count();
        (ripe, plan.wake_at, plan.closing.len())
    };
    assert_eq!(plan_at("21 12:00:00", Some("21 12:30:00")), (0, Some(at("21 12:30:01")), 0));
    assert_eq!(plan_at("21 12:30:00", Some("21 12:30:00")), (1, Some(at("22 03:00:00")), 0));
    // As after a crash: nobody has noted when it was withdrawn.
    assert_eq!(plan_at("21 12:30:00", None), (0, Some(at("22 03:00:00")), 1));
}

#[test]
fn a_promise_that_a_person_has_damaged_ends_no_key_early_and_leaves_the_calendar_to_nobody() {
    let now = at("21 12:00:00");
    let until = |noted: &str, rule: Option<Duration>| kept_until(promise(noted), rule, now) - now;
    let second = TimeDelta::seconds(1);
    assert_eq!(until("7200", Some(HOUR)), TimeDelta::hours(2) + second);
    assert_eq!(until("7200", None), TimeDelta::hours(2) + second);
    assert_eq!(until("1", Some(HOUR)), TimeDelta::hours(1) + second, "no shorter than the rule");
    let longest = TimeDelta::from_std(LONGEST_PROMISE).unwrap() + second;
    for damaged in
        ["", "an hour", "-1", "1e9", "3600s", "316224001", "9223372036854775807", "18446744073709551615"]
    {
        assert_eq!(until(damaged, Some(HOUR)), longest, "{damaged}");
        assert_eq!(until(damaged, None), longest, "{damaged}");
    }
    assert!(kept_until(Some(Duration::MAX), Some(Duration::MAX), now) > now);
}

#[test]
fn a_key_stays_for_as_long_as_any_list_has_promised_it() {
    let plan_at = |now: &str, overlap: Option<Duration>| {
        let scene = Scene::new().published("K1", "21 03:00:00").retiring("K0", "19 03:00:00").at(now);
        let listed = vec![Listed { key: fingerprint("K0"), since: at("21 09:00:00"), overlap }];
        let strays = Some(Strays { listed, ..Strays::default() });
        let world = World { clocks: scene.clocks, projects: vec![scene.observed()], strays };
        let plan = plan(&scene.policy, world, Asked::Due);
        (retire::ripe(&plan.steps[0], &scene.clocks).count(), plan.wake_at)
    };
    let schedule = Some(at("23 03:00:00"));
    assert_eq!(plan_at("22 08:59:59", None), (0, Some(at("22 09:00:01"))));
    assert_eq!(plan_at("22 09:00:00", None), (1, schedule));
    assert_eq!(plan_at("22 09:00:00", Some(26 * HOUR)), (0, Some(at("22 11:00:01"))));
    assert_eq!(plan_at("22 09:00:00", Some(HOUR)), (1, schedule), "no shorter than the rule");
}
