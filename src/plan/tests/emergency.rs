//! What an emergency selects, mints and ends.

use super::super::emergency::{Cut, doomed};
use super::*;

fn before(time: &str) -> Asked {
    Asked::Emergency(Cut::MintedBefore(at(time)))
}

/// The decision and the keys that end, if the project is selected at all.
fn outcome(scene: Scene, asked: Asked) -> Option<(Decision, Vec<String>)> {
    let step = Scene { asked, ..scene }.plan().steps.pop()?;
    let ends = doomed(&step, asked.cut().unwrap()).map(|own| own.key.expose().to_owned()).collect();
    Some((step.decision, ends))
}

#[test]
fn a_published_key_that_is_old_enough_is_replaced_and_one_that_is_younger_stays() {
    let scene =
        || Scene::new().published("K1", "21 03:00:00").key("lost", "20 01:00:00").key("late", "21 11:00:00");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (asked, decision, ends) in [
        (before("21 03:00:00"), Decision::Hold(Hold::UpToDate), &["lost"][..]),
        (before("21 03:00:01"), Decision::Rotate(Due::Asked), &["K1", "lost"]),
        (before("21 12:00:00"), Decision::Rotate(Due::Asked), &["K1", "lost", "late"]),
        (Asked::Emergency(Cut::Everything), Decision::Rotate(Due::Asked), &["K1", "lost", "late"]),
    ] {
        assert_eq!(outcome(scene(), asked), Some((decision, names(ends))), "{asked:?}");
    }
    assert_eq!(outcome(scene(), before("20 01:00:00")), None, "none is that old");
}

#[test]
fn a_younger_key_that_does_not_work_cannot_stand_in_for_the_old_ones() {
    let scene = Scene::new().published("K1", "21 03:00:00").key("lost", "20 01:00:00");
    let dead = scene.became(PublishedKey::Dead(Due::KeyDisabled));
    let (decision, _) = outcome(dead, before("20 02:00:00")).expect("selected");
    assert_eq!(decision, Decision::Rotate(Due::Asked));
}

#[test]
fn a_published_key_that_works_and_of_unknown_age_is_not_passed_over() {
    for (published, expected) in [
        (PublishedKey::Misplaced, Decision::Hold(Hold::Misplaced)),
        (PublishedKey::Dead(Due::KeyExpiring), Decision::Rotate(Due::Asked)),
    ] {
        let scene = Scene::new().published("K1", "21 03:00:00").became(published);
        let (decision, _) = outcome(scene, before("20 01:00:00")).expect("selected");
        assert_eq!(decision, expected, "{published:?}");
    }
}

#[test]
fn a_project_that_could_not_be_looked_at_is_not_passed_over() {
    let asked = before("01 00:00:00");
    let scene = Scene { asked, ..Scene::new() };
    for state in [State::Suspended, State::Unseen("no answer".to_owned())] {
        let step = scene.plan_of(scene.seen_as(state)).steps.remove(0);
        assert!(step.is_blocked() && doomed(&step, Cut::Everything).next().is_none());
    }
}
