//! What concerns several projects: shared paths, vanished projects, and the words for all of it.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::domain::path::SecretPath;
use crate::domain::policy::Override;
use crate::plan::selection;

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

fn stray(id: usize) -> Stray {
    let id = format!("gone{id}");
    Stray {
        path: path(&format!("exceptionless/{id}")),
        project_id: ProjectId::parse(&id).unwrap(),
        organization_id: Some(project("p1", "").organization_id),
        key: None,
        overlap: None,
        marked: false,
        moved: None,
    }
}

/// What becomes of strays beside so many published projects.
fn judged(published: usize, strays: Vec<Stray>, on_vanished: OnVanished) -> Vanished {
    let scene = Scene::new().published("K1", "21 03:00:00").with(|policy| policy.on_vanished = on_vanished);
    let world = World {
        clocks: scene.clocks,
        projects: (0..published).map(|_| scene.observed()).collect(),
        strays: Some(Strays {
            secrets: strays,
            existing: Some(HashSet::new()),
            organizations: HashSet::from([project("p1", "").organization_id]),
            ..Strays::default()
        }),
    };
    plan(&scene.policy, world, Asked::Due).vanished
}

fn marked(stray: Stray) -> Stray {
    Stray { marked: true, ..stray }
}

#[test]
fn a_vanished_project_is_marked_and_kept_or_deleted_as_the_policy_says() {
    let mark = Vanished { mark: vec![stray(1)], ..Vanished::default() };
    assert_eq!(judged(9, vec![stray(1)], OnVanished::Keep), mark);
    let delete = Vanished { delete: vec![stray(1)], ..Vanished::default() };
    assert_eq!(judged(9, vec![stray(1)], OnVanished::Delete), delete);
}

#[test]
fn more_than_a_tenth_at_once_is_not_believed() {
    let held = Vanished { held: Some(Brake { vanished: vec![stray(1)], known: 9 }), ..Vanished::default() };
    assert_eq!(judged(8, vec![stray(1)], OnVanished::Keep), held);
    assert_eq!(judged(8, vec![stray(1)], OnVanished::Delete), held);
    assert_eq!(judged(18, vec![stray(1), stray(2)], OnVanished::Keep).mark.len(), 2);
    assert_eq!(judged(17, vec![stray(1), stray(2)], OnVanished::Keep).mark.len(), 0);
    // A person has to act, and is told on what.
    let told = held.held.expect("a brake").to_string();
    assert!(told.starts_with("1 of 9 known projects") && told.contains("exceptionless/gone1"), "{told}");
    assert!(told.contains("only the rotator's own fields"), "others may have fields beside ours: {told}");
}

#[test]
fn those_that_were_marked_before_do_not_count_again() {
    let strays = || vec![marked(stray(1)), marked(stray(2)), stray(3)];
    let keep = judged(9, strays(), OnVanished::Keep);
    assert_eq!(keep, Vanished { mark: vec![stray(3)], ..Vanished::default() });
    let delete = judged(9, strays(), OnVanished::Delete);
    assert_eq!(delete.delete, [stray(3), marked(stray(1)), marked(stray(2))]);
    // The brake holds the new one only.
    let held = judged(8, strays(), OnVanished::Delete);
    assert_eq!(held.delete, [marked(stray(1)), marked(stray(2))]);
    assert_eq!(held.held, Some(Brake { vanished: vec![stray(3)], known: 9 }));
}

#[test]
fn nothing_is_deleted_while_the_user_does_not_see_its_organization() {
    let other = OrganizationId::parse("another").unwrap();
    for organization_id in [None, Some(other)] {
        let unseen = |id| Stray { organization_id: organization_id.clone(), ..stray(id) };
        let verdict = judged(18, vec![unseen(1), stray(2), marked(unseen(3))], OnVanished::Delete);
        assert_eq!(
            verdict,
            Vanished { mark: vec![unseen(1)], delete: vec![stray(2)], held: None },
            "marked, and marked once"
        );
    }
}

#[test]
fn a_project_that_exists_but_is_not_selected_has_not_vanished() {
    let scene = Scene::new();
    let existing = Some(HashSet::from([stray(1).project_id]));
    let strays = Some(Strays { secrets: vec![stray(1), marked(stray(1))], existing, ..Strays::default() });
    let world = World { clocks: scene.clocks, projects: Vec::new(), strays };
    assert_eq!(plan(&scene.policy, world, Asked::Due).vanished, Vanished::default());
}

#[test]
fn nothing_vanishes_from_a_world_that_was_not_seen_whole() {
    assert_eq!(Scene::new().plan().vanished, Vanished::default());
}

#[test]
fn two_projects_on_one_path_are_both_conflicts_and_a_third_is_not() {
    let by_name = PathTemplate::parse("apps/{project_name}").unwrap();
    let scene = Scene::new().with(|policy| policy.rule.path = by_name);
    let projects = vec![project("p1", "Web Shop"), project("p2", "web-shop"), project("p3", "Billing")];
    let conflict = Conflict::SharedPath {
        path: path("apps/web-shop"),
        projects: vec!["Acme/Web Shop (p1)".to_owned(), "Acme/web-shop (p2)".to_owned()],
    };
    let projects: Vec<Observed> = targets(&scene.policy, projects)
        .into_iter()
        .map(|target| Observed { target, ..scene.observed() })
        .collect();
    let plan = plan(&scene.policy, World { clocks: scene.clocks, projects, strays: None }, Asked::Rotation);
    let actions: Vec<_> = plan.steps.into_iter().map(|step| step.decision).collect();
    let held = Decision::Hold(Hold::Conflict(conflict));
    assert_eq!(actions, [held.clone(), held, Decision::Rotate(Due::Asked)]);
}

#[test]
fn a_project_whose_name_gives_no_path_is_a_conflict() {
    let by_name = PathTemplate::parse("apps/{project_name}").unwrap();
    let scene = Scene::new().with(|policy| policy.rule.path = by_name);
    let target = targets(&scene.policy, vec![project("p1", "***")]).remove(0);
    assert!(matches!(target.place, Err(Conflict::NoPath(_))), "{:?}", target.place);
    let plan = scene.plan_of(Observed { target, ..scene.observed() });
    assert!(matches!(plan.steps[0].decision, Decision::Hold(Hold::Conflict(Conflict::NoPath(_)))));
}

#[test]
fn what_is_not_selected_is_no_target_and_the_first_override_rules() {
    let scene = Scene::new().with(|policy| {
        policy.selection.exclude = vec![Pattern::parse("Acme/secret*").unwrap()];
        let overlaps = [(2 * HOUR, "p2"), (3 * HOUR, "*")];
        policy.overrides = overlaps
            .map(|(overlap, pattern)| Override {
                matches: vec![Pattern::parse(pattern).unwrap()],
                rule: Rule { overlap, ..policy.rule.clone() },
            })
            .into();
    });
    let projects = vec![
        project("p1", "secret one"),
        project("p2", "Shop"),
        project("p3", "Billing"),
        project("p4", "Mail"),
    ];
    let targets = targets(&scene.policy, projects);
    let overlaps: Vec<_> = targets.iter().map(|target| target.rule.overlap).collect();
    assert_eq!(overlaps, [2 * HOUR, 3 * HOUR, 3 * HOUR]);
    assert!(Arc::ptr_eq(&targets[1].rule, &targets[2].rule), "equal projects share one rule");
}

#[test]
fn a_pattern_with_a_slash_may_name_the_organization_by_its_id() {
    let project = project("p1", "Shop");
    let id = project.organization_id.as_str();
    let matches = |text: &str| Pattern::parse(text).unwrap().matches(&project);
    assert!(matches(&format!("{id}/Shop")) && matches(&format!("{id}/*")));
    assert!(!matches(&format!("{id}*")), "a glob over the ids of projects says nothing about organizations");
}

#[test]
fn a_pattern_that_decides_nothing_is_named() {
    let patterns =
        |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect::<Vec<_>>();
    let scene = Scene::new().with(|policy| {
        policy.selection.exclude = patterns(&["p2", "p9"]);
        let special = |texts: &[&str]| Override { matches: patterns(texts), rule: policy.rule.clone() };
        // The second has one project left, the third none.
        policy.overrides = vec![special(&["p1"]), special(&["p1", "p3"]), special(&["p3"]), special(&["p8"])];
    });
    let existing = ["p1", "p2", "p3"].map(|id| Arc::new(project(id, "Shop")));
    let idle = selection::idle(&scene.policy, &existing);
    let [exclude, third, shadowed] = idle.as_slice() else { panic!("{idle:#?}") };
    assert!(exclude.starts_with("projects.exclude has \"p9\""), "{exclude}");
    assert!(third.starts_with("override[3].match has \"p8\""), "{third}");
    assert!(shadowed.starts_with("override[2] rules no project: override[1]"), "{shadowed}");
}

#[test]
fn each_project_follows_its_own_schedule() {
    let mut scene = Scene::new().published("K1", "21 03:00:00").damaged(|secret| secret.project_id = None);
    let hourly = Schedule::parse("0 * * * *", Tz::UTC, at("01 00:00:00")).unwrap();
    let rule = Rule { schedule: hourly, ..scene.policy.rule.clone() };
    scene.policy.overrides = vec![Override { matches: vec![Pattern::parse("p2").unwrap()], rule }];
    let projects = vec![project("p1", "Shop"), project("p2", "Billing")];
    let projects: Vec<Observed> = targets(&scene.policy, projects)
        .into_iter()
        .map(|target| Observed { target, ..scene.observed() })
        .collect();
    let plan = plan(&scene.policy, World { clocks: scene.clocks, projects, strays: None }, Asked::Due);
    assert_eq!(plan.steps[0].decision, Decision::Hold(Hold::UpToDate));
    assert_eq!(plan.steps[0].next_rotation_at, Some(at("22 03:00:00")));
    assert_eq!(plan.steps[1].decision, Decision::Rotate(Due::Schedule));
    assert_eq!(plan.steps[1].next_rotation_at, Some(at("21 13:00:00")));
    assert_eq!(plan.wake_at, Some(at("21 13:00:00")));
}

#[test]
fn each_reason_has_its_own_word_and_its_own_sentence() {
    let dues = [
        Due::NeverPublished,
        Due::SecretDeleted,
        Due::SecretDamaged,
        Due::PathAdopted,
        Due::Schedule,
        Due::KeyGone,
        Due::KeyDisabled,
        Due::KeyExpiring,
        Due::RotatedInTheFuture,
        Due::Asked,
    ];
    let conflicts = [
        Conflict::Unmarked,
        Conflict::OtherInstance(instance("other")),
        Conflict::OtherProject(ProjectId::parse("p2").unwrap()),
        Conflict::SharedPath { path: path("apps/shop"), projects: vec!["a/b".to_owned(), "c/d".to_owned()] },
        Conflict::NoPath("no letter".to_owned()),
    ];
    let holds = [Hold::UpToDate, Hold::Suspended, Hold::Misplaced, Hold::Unseen("a timeout".to_owned())];
    let conflict = Hold::Conflict(Conflict::Unmarked);

    let words: Vec<&str> = dues
        .iter()
        .map(|due| due.label())
        .chain(holds.iter().map(Hold::label))
        .chain([conflict.label()])
        .collect();
    let sentences: Vec<String> = dues
        .iter()
        .map(ToString::to_string)
        .chain(holds.iter().map(ToString::to_string))
        .chain(conflicts.iter().map(ToString::to_string))
        .collect();
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    assert_eq!(sentences.iter().collect::<BTreeSet<_>>().len(), sentences.len());
    assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    assert!(conflict.is_problem() && !Hold::UpToDate.is_problem() && !Hold::Suspended.is_problem());
}

#[test]
fn nobody_is_told_to_delete_what_other_owners_have_beside_ours() {
    for conflict in [Conflict::OtherForm, Conflict::OtherProject(stray(1).project_id)] {
        let told = conflict.to_string();
        assert!(told.contains("where others have fields in it, only the rotator's own fields"), "{told}");
    }
}
