//! Which projects are rotated, by which rule, and how an operator finds out why.

use serde_json::Value;

use crate::support::rig::Rig;

/// The numbers of the projects that a document tells of, in order.
fn names(document: &Value, list: &str) -> Vec<String> {
    let rows = document[list].as_array().unwrap_or_else(|| panic!("no {list}: {document}"));
    let mut names: Vec<_> =
        rows.iter().map(|row| row["project"].as_str().unwrap().replace("Project ", "")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_chosen_by_id_name_organization_and_glob() {
    let mut rig = Rig::new().await;
    let (organization, id) = (rig.emulator.organizations().remove(1).id, rig.projects().remove(6));
    for (include, exclude, chosen) in [
        (vec![id.as_str()], vec![], "7"),
        (vec!["Project 3", "Acme/Project 4"], vec![], "3 4"),
        (vec!["Acme/*"], vec![], "1 4 7"),
        (vec![&format!("{organization}/*")], vec![], "2 5"),
        (vec!["*"], vec!["Acme/*", &format!("{organization}/*5")], "2 3 6"),
        (vec!["Project [1-3]"], vec!["*/Project 2"], "1 3"),
        // The ids of the organizations begin like those of the projects.
        (vec!["64f0c0ffee0000100*"], vec![], ""),
    ] {
        let list = |patterns: &[&str]| format!("{patterns:?}");
        rig.set("projects", "include", &list(&include)).set("projects", "exclude", &list(&exclude));
        if chosen.is_empty() {
            assert_eq!(rig.run(&["plan"]).await.code, 78, "{include:?}");
        } else {
            assert_eq!(names(&rig.json(&["plan"]).await, "projects").join(" "), chosen, "{include:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_pattern_and_which_rule_decided() {
    let mut rig = Rig::new().await;
    rig.set("projects", "include", "[\"Borealis/*\", \"Acme/*\"]").set(
        "projects",
        "exclude",
        "[\"*/Project 4\"]",
    );
    rig.config.insert(
        "[override]".to_owned(),
        "match = [\"nobody\", \"Acme/*\"]\nschedule = \"7 7 * * *\"".to_owned(),
    );
    let story = rig.run(&["explain", "Project [1-5]"]).await;
    assert_eq!(story.code, 0, "{story:?}");
    for line in [
        "selected   yes: projects.include has \"Acme/*\"",
        "override[0] (counted from 0), the first that matches, by \"Acme/*\": 7 7 * * * UTC",
        "selected   yes: projects.include has \"Borealis/*\"",
        "[rotation]; no [[override]] matches",
        "selected   no: projects.exclude has \"*/Project 4\"",
        "selected   no: no pattern of projects.include matches it",
    ] {
        assert!(story.stdout.contains(line), "{line}: {}", story.stdout);
    }
    let document = rig.json(&["explain", "Project [1-5]"]).await;
    assert_eq!(names(&document, "projects").join(" "), "1 2 5");
    assert_eq!(names(&document, "not_selected").join(" "), "3 4");

    let nobody = rig.run(&["explain", "Nope"]).await;
    assert!(nobody.code == 64 && !nobody.stderr.contains("--organization"), "{nobody:?}");
    let nobody = rig.run(&["plan", "--organization", "Nope"]).await;
    assert!(nobody.code == 64 && nobody.stderr.contains("--organization"), "{nobody:?}");
    let alone = rig.run(&["explain", "Cobalt/Project 3"]).await;
    assert_eq!(alone.code, 0, "{alone:?}");
    assert!(alone.stdout.contains("no: no pattern of projects.include"), "{}", alone.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_becomes_of_old_keys() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "disabled_for", "\"30d\"");
    let special = "match = \"Project 2\"\nrevocation = \"disable_then_delete\"".to_owned();
    rig.config.insert("[override]".to_owned(), special);
    let story = rig.run(&["explain", "Project*"]).await;
    assert_eq!(story.code, 0, "{story:?}");
    for words in ["overlap 1day, then deleted\n", "overlap 1day, then disabled for 30days and deleted\n"] {
        assert!(story.stdout.contains(words), "{words} is not in {}", story.stdout);
    }
    let document = rig.json(&["explain", "Project 2"]).await;
    let rule = &document["projects"][0];
    assert_eq!(rule["revocation"], "disable_then_delete", "{rule}");
    assert_eq!(rule["disabled_for_seconds"], 2_592_000, "{rule}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_pass_rotates_is_said_to_be_rotated_now() {
    let rig = Rig::sized(1).await;
    let next = async || {
        let [status, story] = [rig.run(&["status"]).await.stdout, rig.run(&["explain", "*"]).await.stdout];
        let row = status.lines().find(|line| line.contains("Project 1")).unwrap().to_owned();
        let told = story.lines().find(|line| line.starts_with("  next ")).unwrap().to_owned();
        (row.contains(" now "), told.contains("now, by the next pass; then due by the schedule at"))
    };
    assert_eq!(next().await, (true, true));
    rig.rotate().await;
    assert_eq!(next().await, (false, false));
    let key = rig.key(&rig.projects()[0]).await;
    rig.emulator.disable_key(&key);
    assert_eq!(next().await, (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_project_that_is_left_out_is_told_which_pattern_leaves_it_out() {
    let mut rig = Rig::sized(2).await;
    rig.set("projects", "exclude", "[\"*2\"]");
    let ended = rig.run(&["rotate", "--project", "Project 2"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(
        ended.stderr.contains("Acme/Project 2 is not selected: projects.exclude has \"*2\""),
        "{ended:?}"
    );
    assert_eq!(rig.emulator.requests().writes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_override_that_matches_rules_a_project() {
    let mut rig = Rig::sized(3).await;
    let overrides =
        "match = \"Project 1\"\noverlap = \"1h\"\n\n[[override]]\nmatch = \"*\"\noverlap = \"2h\"";
    rig.config.insert("[override]".to_owned(), overrides.to_owned());
    rig.rotate().await;
    let mut overlaps = Vec::new();
    for project in rig.projects() {
        overlaps.push(rig.secret(&project).await["overlap_seconds"].clone());
    }
    assert_eq!(overlaps, ["3600", "7200", "7200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_that_decide_nothing_are_found() {
    let mut rig = Rig::new().await;
    rig.set("projects", "include", "[\"*\", \"Acme/chekout\"]").set("projects", "exclude", "[\"test-*\"]");
    let overrides = "match = \"*\"\noverlap = \"2h\"\n\n[[override]]\nmatch = [\"Project 1\", \"acme/*\"]";
    rig.config.insert("[override]".to_owned(), overrides.to_owned());
    let ended = rig.run(&["check"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for warning in [
        "projects.include has \"Acme/chekout\", which matches no project",
        "projects.exclude has \"test-*\", which matches no project",
        "override[1].match has \"acme/*\", which matches no project",
        "override[1] rules no project: override[0] stands before it",
    ] {
        assert!(ended.stdout.contains(warning), "{warning}: {}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_appears_is_published_by_the_next_pass() {
    let rig = Rig::sized(1).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    let organization = rig.emulator.organizations().remove(0).id;
    let project = rig.emulator.add_project(&organization, "newcomer").id;
    daemon.signal("USR1");
    daemon.until("pass.finished", 2).await;
    assert!(rig.emulator.authenticates(&rig.key(&project).await));
}
