//! One decision per project, each with its reason.

use crate::domain::marker::Owner;
use crate::domain::shape::{Shape, ShapeMark};

use super::*;

fn hold() -> Decision {
    Decision::Hold(Hold::UpToDate)
}

fn unpublishable(scene: Scene) -> Scene {
    scene.but(|key| key.publishable = false)
}

#[test]
fn nothing_published_means_rotate() {
    assert_eq!(Scene::new().decision(), Decision::Rotate(Due::NeverPublished));
    let shared = Scene::new().secret(SecretState::Unclaimed { version: 3 });
    assert_eq!(shared.decision(), Decision::Rotate(Due::NeverPublished));
}

#[test]
fn the_schedule_makes_a_key_due_from_its_time_on_until_it_was_rotated() {
    let scene = |now| Scene::new().published("K1", "20 03:00:00").at(now);
    assert_eq!(scene("21 02:59:59").decision(), hold());
    assert_eq!(scene("21 03:00:00").decision(), Decision::Rotate(Due::Schedule));
    // A missed time is caught up, once: whoever rotated since, the others hold.
    assert_eq!(scene("28 17:00:00").decision(), Decision::Rotate(Due::Schedule));
    assert_eq!(Scene::new().published("K1", "28 17:00:00").at("28 17:00:01").decision(), hold());
    assert_eq!(Scene::new().published("K1", "21 03:00:00").at("21 03:00:00").decision(), hold());
}

#[test]
fn the_splay_delays_each_project_by_its_own_share() {
    let scene = |now: &str| Scene::new().published("K1", "20 12:00:00").with(|p| p.rule.splay = HOUR).at(now);
    let due = at("21 03:00:00") + scene("21 00:00:00").policy.rule.delay(&project("p1", "Checkout").id);
    assert!(due > at("21 03:00:00") && due < at("21 04:00:00"));
    let text = |time: DateTime<Utc>| time.format("%d %T").to_string();
    assert_eq!(scene(&text(due - chrono::TimeDelta::seconds(1))).decision(), hold());
    assert_eq!(scene(&text(due)).decision(), Decision::Rotate(Due::Schedule));
    assert_eq!(scene("21 00:00:00").step().next_rotation_at, Some(due));
    // Until then the one of the day before counts, and who rotated in between has not rotated for this one.
    let late = scene("21 03:00:00").damaged(|secret| secret.rotated_at = Some(at("19 12:00:00")));
    assert_eq!(late.decision(), Decision::Rotate(Due::Schedule));
    let just_before = text(due - chrono::TimeDelta::seconds(1));
    let early =
        Scene::new().published("K1", &just_before).with(|policy| policy.rule.splay = HOUR).at(&text(due));
    assert_eq!(early.decision(), Decision::Rotate(Due::Schedule));
}

#[test]
fn a_dead_key_is_due_with_the_reason_that_was_observed() {
    for due in [Due::KeyGone, Due::KeyDisabled, Due::KeyExpiring] {
        let scene = Scene::new().published("K1", "21 03:00:00").became(PublishedKey::Dead(due));
        assert_eq!(scene.decision(), Decision::Rotate(due));
    }
}

#[test]
fn a_secret_that_lacks_what_it_needs_is_written_anew() {
    let scene = || Scene::new().published("K1", "21 03:00:00");
    let keyless = scene().damaged(|secret| secret.api_key = None).became(PublishedKey::Missing);
    assert_eq!(keyless.decision(), Decision::Adopt(Due::SecretDamaged, own("K1", "21 03:00:00")));
    assert_eq!(scene().damaged(|s| s.rotated_at = None).decision(), Decision::Rotate(Due::SecretDamaged));
    // The other fields are repaired by the next rotation.
    assert_eq!(scene().damaged(|s| (s.rotation, s.overlap) = (None, None)).decision(), hold());
}

#[test]
fn a_deleted_secret_of_ours_is_published_again() {
    let owner = Some(Owner(instance("default")));
    let scene = Scene::new().secret(SecretState::Deleted { version: 4, owner });
    assert_eq!(scene.decision(), Decision::Rotate(Due::SecretDeleted));
}

#[test]
fn a_rotation_in_the_future_is_a_broken_clock_beyond_a_day() {
    let scene = |rotated_at| Scene::new().published("K1", rotated_at);
    assert_eq!(scene("22 12:00:00").decision(), hold());
    assert_eq!(scene("22 12:00:01").decision(), Decision::Rotate(Due::RotatedInTheFuture));
    // The latest clock decides what the future is.
    let ahead = scene("22 12:00:01").servers("21 11:00:00", "21 12:00:10");
    assert_eq!(ahead.decision(), hold());
}

#[test]
fn a_person_gets_a_key_that_nobody_has_seen() {
    let scene = Scene::new().published("K1", "21 03:00:00").key("K2", "21 11:59:00");
    assert_eq!(scene.decision(), hold());
    assert_eq!(scene.asked().decision(), Decision::Rotate(Due::Asked));
}

#[test]
fn what_an_interrupted_attempt_left_is_adopted_when_due() {
    let scene = || Scene::new().published("K1", "20 03:00:00").key("K2", "21 03:00:01");
    assert_eq!(scene().decision(), Decision::Adopt(Due::Schedule, own("K2", "21 03:00:01")));
    // The newest of several, and only one that could be published.
    let three = scene().key("K3", "21 03:00:02").key("K4", "21 03:00:03");
    assert_eq!(unpublishable(three).decision(), Decision::Adopt(Due::Schedule, own("K3", "21 03:00:02")));
    assert_eq!(scene().but(|key| key.enabled = false).decision(), Decision::Rotate(Due::Schedule));
    assert_eq!(
        Scene::new().key("K1", "21 11:00:00").decision(),
        Decision::Adopt(Due::NeverPublished, own("K1", "21 11:00:00"))
    );
}

#[test]
fn only_a_key_newer_than_the_published_one_is_adopted() {
    let scene = || Scene::new().published("K2", "21 02:00:00").key("K1", "21 01:59:00");
    assert_eq!(scene().decision(), Decision::Rotate(Due::Schedule));
    let same = Scene::new().published("K2", "21 02:00:00").key("K1", "21 02:00:00");
    assert_eq!(same.decision(), Decision::Rotate(Due::Schedule));
    // A dead key has no claim.
    let dead = scene().became(PublishedKey::Dead(Due::KeyGone));
    assert_eq!(dead.decision(), Decision::Adopt(Due::KeyGone, own("K1", "21 01:59:00")));
}

#[test]
fn a_key_that_is_listed_for_retirement_is_not_adopted() {
    let scene =
        Scene::new().published("K1", "20 03:00:00").key("K2", "21 03:00:00").listing("K2", "21 03:01:00");
    assert_eq!(scene.decision(), Decision::Rotate(Due::Schedule));
}

#[test]
fn a_key_as_old_as_the_overlap_is_not_adopted() {
    let scene = |now| Scene::new().published("K1", "19 03:00:00").key("K2", "20 12:00:00").at(now);
    assert_eq!(scene("21 11:59:59").decision(), Decision::Adopt(Due::Schedule, own("K2", "20 12:00:00")));
    assert_eq!(scene("21 12:00:00").decision(), Decision::Rotate(Due::Schedule));
}

#[test]
fn an_unlisted_key_is_enrolled_at_the_age_of_the_longest_attempt_and_not_before() {
    let scene = |now| Scene::new().published("K1", "21 03:00:00").key("K2", "21 12:00:00").at(now);
    assert_eq!(scene("21 12:09:59").decision(), hold());
    assert_eq!(scene("21 12:10:00").decision(), Decision::Enrol);
    // The earliest clock judges.
    assert_eq!(scene("21 12:15:00").servers("21 12:09:59", "21 12:15:00").decision(), hold());
    // An overlap shorter than ten minutes is the age then.
    assert_eq!(scene("21 12:04:59").overlap(5 * MINUTE).decision(), hold());
    assert_eq!(scene("21 12:05:00").overlap(5 * MINUTE).decision(), Decision::Enrol);
}

#[test]
fn only_an_enabled_and_unlisted_key_is_enrolled() {
    let scene = || Scene::new().published("K1", "21 03:00:00").key("K2", "21 10:00:00");
    assert_eq!(scene().decision(), Decision::Enrol);
    assert_eq!(unpublishable(scene()).decision(), Decision::Enrol);
    assert_eq!(scene().but(|key| key.enabled = false).decision(), hold());
    assert_eq!(scene().listing("K2", "21 11:00:00").decision(), hold());
}

#[test]
fn a_secret_in_another_shape_than_is_wanted_is_written_again_when_its_own_has_rested() {
    let shape = |fields: &[(&str, &str)]| {
        let entry = |(name, text): &(&str, &str)| ((*name).to_owned(), Shape::check(name, text).unwrap());
        Arc::new(Shape::new(fields.iter().map(entry).collect()).unwrap())
    };
    let wanted = shape(&[("KEY", "{api_key}")]);
    let published = || Scene::new().published("K1", "21 03:00:00");
    let scene = |mark: Option<ShapeMark>| {
        let wanted = Arc::clone(&wanted);
        published().damaged(|secret| secret.shape = mark).with(|policy| policy.shape = wanted)
    };
    assert_eq!(scene(None).decision(), Decision::Reshape);
    assert_eq!(scene(Some(wanted.mark(at("21 03:00:15")))).decision(), hold());
    let other = shape(&[("OTHER", "x")]);
    assert_eq!(scene(Some(other.mark(at("21 11:50:00")))).decision(), Decision::Reshape);
    let young = scene(Some(other.mark(at("21 11:50:01"))));
    assert_eq!((young.decision(), young.plan().wake_at), (hold(), Some(at("21 12:00:02"))));
    assert_eq!(scene(Some(other.mark(at("22 12:00:01")))).decision(), Decision::Reshape, "a broken clock");
    // Back to the standard one, of which a secret does not speak.
    assert_eq!(published().decision(), hold());
    let custom = |mark: ShapeMark| published().damaged(|secret| secret.shape = Some(mark));
    assert_eq!(custom(wanted.mark(at("21 03:00:15"))).decision(), Decision::Reshape);
    assert_eq!(custom(Shape::default().mark(at("21 03:00:15"))).decision(), hold());
    // What is written anyway needs no writing of its own.
    assert_eq!(scene(None).key("K2", "21 10:00:00").decision(), Decision::Enrol);
    assert_eq!(scene(None).asked().decision(), Decision::Rotate(Due::Asked));
    assert_eq!(scene(None).rotated("K2").shape_mark(), Some(wanted.mark(at("21 12:00:15"))));
}

#[test]
fn a_field_that_another_owner_has_is_a_conflict_unless_paths_may_be_adopted() {
    let scene = || {
        Scene::new().published("K1", "20 03:00:00").damaged(|secret| secret.taken = Some("KEY".to_owned()))
    };
    assert_eq!(scene().decision(), Decision::Hold(Hold::Conflict(Conflict::FieldTaken("KEY".to_owned()))));
    let adopting = scene().with(|policy| policy.adopt_paths = true);
    assert_eq!(adopting.decision(), Decision::Rotate(Due::Schedule));
}

#[test]
fn a_published_key_that_works_but_is_not_listed_is_left_to_a_person() {
    let scene = Scene::new().published("K1", "01 03:00:00").became(PublishedKey::Misplaced);
    assert_eq!(scene.decision(), Decision::Hold(Hold::Misplaced));
    assert_eq!(scene.asked().decision(), Decision::Hold(Hold::Misplaced));
}

#[test]
fn what_was_not_seen_is_left_alone() {
    for (state, hold) in [
        (State::Suspended, Hold::Suspended),
        (
            State::Unseen("the listing ended short".to_owned()),
            Hold::Unseen("the listing ended short".to_owned()),
        ),
    ] {
        let scene = Scene::new().asked();
        let plan = scene.plan_of(scene.seen_as(state));
        assert_eq!(plan.steps[0].decision, Decision::Hold(hold));
        assert_eq!(plan.wake_at, None);
    }
}

#[test]
fn somebody_elses_path_is_a_conflict() {
    let owner = |name| Some(Owner(instance(name)));
    let other = || Conflict::OtherInstance(instance("other"));
    for (secret, conflict, adopted) in [
        (
            SecretState::Foreign { version: 2, owner: None, taken: None },
            Conflict::Unmarked,
            Ok(Due::PathAdopted),
        ),
        (
            SecretState::Foreign { version: 2, owner: None, taken: Some("ex_api_key".to_owned()) },
            Conflict::FieldTaken("ex_api_key".to_owned()),
            Ok(Due::PathAdopted),
        ),
        (SecretState::Deleted { version: 2, owner: None }, Conflict::Unmarked, Ok(Due::SecretDeleted)),
        (SecretState::Foreign { version: 2, owner: owner("other"), taken: None }, other(), Err(other())),
        (SecretState::Deleted { version: 2, owner: owner("other") }, other(), Err(other())),
    ] {
        let scene = || Scene::new().secret(secret.clone()).asked();
        assert_eq!(scene().decision(), Decision::Hold(Hold::Conflict(conflict)), "{secret:?}");
        let scene = Scene { asked: Asked::Due, ..scene() }.with(|policy| policy.adopt_paths = true);
        let expected = match adopted {
            Ok(due) => Decision::Rotate(due),
            Err(conflict) => Decision::Hold(Hold::Conflict(conflict)),
        };
        assert_eq!(scene.decision(), expected, "{secret:?} with adopt_paths");
    }
}

#[test]
fn a_secret_of_ours_for_another_project_is_a_conflict_and_nothing_of_it_is_touched() {
    let other = ProjectId::parse("p2").unwrap();
    let scene = Scene::new()
        .published("K1", "01 03:00:00")
        .retiring("K0", "01 03:00:00")
        .damaged(|secret| (secret.project_id, secret.stamped) = (Some(other.clone()), false));
    let plan = scene.plan();
    assert_eq!(plan.steps[0].decision, Decision::Hold(Hold::Conflict(Conflict::OtherProject(other.clone()))));
    assert!(!plan.steps[0].stamp);
    assert_eq!(plan.wake_at, None);
    assert_eq!(scene.retirable(), [""; 0]);
}

#[test]
fn a_missing_mark_is_repaired_whatever_else_is_decided() {
    let scene = || Scene::new().published("K1", "21 03:00:00");
    assert!(!scene().step().stamp);
    assert!(scene().damaged(|secret| secret.stamped = false).step().stamp);
    assert!(!Scene::new().step().stamp);
}

#[test]
fn it_wakes_for_the_schedule_an_enrolment_or_a_deadline_whichever_comes_first() {
    let scene = || Scene::new().published("K1", "21 03:00:00");
    assert_eq!(scene().plan().wake_at, Some(at("22 03:00:00")));
    let unlisted = scene().key("K2", "21 11:55:00");
    assert_eq!(unlisted.plan().wake_at, Some(at("21 12:05:01")));
    let retiring = scene().retiring("K0", "20 13:00:00");
    assert_eq!(retiring.plan().wake_at, Some(at("21 13:00:01")));
    // The earliest clock is five seconds behind ours, and it will judge.
    let skewed = scene().retiring("K0", "20 13:00:00").servers("21 11:59:55", "21 12:00:03");
    assert_eq!(skewed.plan().wake_at, Some(at("21 13:00:06")));
    // What is overdue is this pass's own business, and so is what falls due now.
    assert_eq!(scene().retiring("K0", "20 11:00:00").plan().wake_at, Some(at("22 03:00:00")));
    assert_eq!(scene().retiring("K0", "20 12:00:00").plan().wake_at, Some(at("22 03:00:00")));
}

#[test]
fn a_publication_wakes_the_daemon_when_the_first_key_that_it_replaced_has_served() {
    let wake = |scene: Scene| wake_after(&scene.rotated("K2"), &scene.clocks);
    let scene = || Scene::new().overlap(HOUR).published("K1", "21 03:00:00");
    let seconds = chrono::TimeDelta::seconds;
    assert_eq!(wake(Scene::new()), None);
    // As old as a publication may take, then the overlap, then the second that the servers' clocks hide.
    let replaced = at("21 13:00:00") + seconds(15);
    assert_eq!(since(&scene().rotated("K2"), "K1").map(|since| since + seconds(3600)), Some(replaced));
    assert_eq!(wake(scene()), Some(replaced + seconds(1)));
    // The earliest clock judges, and ours is five seconds ahead of it.
    let skewed = scene().servers("21 11:59:55", "21 11:59:59");
    assert_eq!(wake(skewed), Some(replaced + seconds(6)));
    // What falls due now, or did before, is for the pass that has just published.
    for listed in ["21 11:00:00", "21 10:59:59"] {
        assert_eq!(wake(scene().retiring("K0", listed)), Some(replaced + seconds(1)));
    }
    assert_eq!(wake(scene().retiring("K0", "21 11:00:01")), Some(at("21 12:00:02")));
}

#[test]
fn each_decision_has_its_word_its_reason_and_its_sentence() {
    let key = || own("K2", "21 03:00:00");
    for (decision, label, reason, sentence) in [
        (Decision::Rotate(Due::Schedule), "rotate", "schedule", "a new key is due"),
        (Decision::Adopt(Due::Asked, key()), "adopt", "asked", "an interrupted rotation serves"),
        (Decision::Enrol, "enrol", "unlisted_key", "listed for retirement"),
        (Decision::Reshape, "reshape", "fields_changed", "same key"),
        (hold(), "hold", "up_to_date", "up to date"),
    ] {
        assert_eq!((decision.label(), decision.reason()), (label, reason));
        assert!(decision.to_string().contains(sentence), "{decision}");
    }
}

#[test]
fn only_what_publishes_or_repairs_a_mark_acts() {
    let scene = || Scene::new().published("K1", "21 03:00:00");
    let marked = |scene: Scene| scene.damaged(|secret| secret.stamped = false).step();
    for (step, publishes, acts) in [
        (scene().step(), false, false),
        (marked(scene()), false, true),
        (scene().asked().step(), true, true),
        (marked(scene().asked()), true, true),
        (scene().key("K2", "21 10:00:00").step(), true, true),
    ] {
        assert_eq!((step.publishes(), step.acts()), (publishes, acts), "{:?}", step.decision);
    }
}

#[test]
fn a_damaged_promise_stops_nothing() {
    let scene = || Scene::new().published("K1", "20 03:00:00").retiring("K0", "19 03:00:00");
    let endless = scene().damaged(|secret| secret.overlap = Some(Duration::from_secs(u64::MAX)));
    assert_eq!(endless.decision(), Decision::Rotate(Due::Schedule));
    assert_eq!(endless.retirable(), [""; 0]);
    assert!(since(&endless.rotated("K2"), "K1").is_some());
    let far = scene().damaged(|secret| {
        let far = DateTime::parse_from_rfc3339("9999-12-31T23:59:59Z").unwrap().to_utc();
        secret.overlap = Some(Duration::from_secs(u64::MAX / 4000));
        secret.retiring.insert(fingerprint("K0"), far);
    });
    assert_eq!(far.decision(), Decision::Rotate(Due::Schedule));
    assert!(since(&far.rotated("K2"), "K0").is_some());
}
