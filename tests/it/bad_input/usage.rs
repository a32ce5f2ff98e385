//! Mistakes on the command line, and the help against them.

use std::collections::BTreeSet;

use super::{Refusal, UNAVAILABLE, USAGE, nobody, quoted};
use crate::support::process::Ended;
use crate::support::rig::Rig;

async fn misused(arguments: &[&str], words: &[&str]) {
    let rig = Rig::new().await;
    let ended = rig.run(arguments).await;
    Refusal::of(&rig, ended).await.says(USAGE, words);
    assert_eq!(rig.emulator.requests().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_flag_is_a_mistake_in_usage() {
    misused(&["rotate", "--projekt", "x"], &["'--projekt'", "'--project'", "--help"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_is_a_mistake_in_usage() {
    misused(&["rotat"], &["'rotat'", "'rotate'", "--help"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_form_of_output_is_a_mistake_in_usage() {
    misused(&["status", "--output", "xml"], &["'xml'", "json", "--help"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_projects_and_all_of_them_exclude_each_other() {
    misused(&["rotate", "--all", "--project", "x"], &["--all", "--project", "cannot be used"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_is_no_glob_is_a_mistake_in_usage() {
    misused(&["rotate", "--project", "[a"], &["the project \"[a\" is not a glob", "write [[]"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emergency_wants_to_know_whose_keys() {
    misused(&["rotate", "--revoke-previous-now"], &["--revoke-previous-now", "--project", "--all"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_or_lies_ahead_is_a_mistake_in_usage() {
    for (time, word) in [("yesterday", "such as 2h"), ("2999-01-01T00:00:00Z", "lies ahead")] {
        misused(&["rotate", "--revoke-previous-now", "--minted-before", time], &["--minted-before", word])
            .await;
    }
    misused(&["rotate", "--all", "--minted-before", "2h"], &["--revoke-previous-now"]).await;
    misused(&["rotate", "--all", "--yes"], &["--revoke-previous-now"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_and_the_end_of_unmanaged_keys_want_to_know_which() {
    misused(&["undo"], &["--key", "--project", "--all"]).await;
    misused(&["undo", "--key", "no-fingerprint"], &["12 hex digits", "status --keys"]).await;
    misused(&["retire-unmanaged", "--yes"], &["--older-than"]).await;
    misused(&["retire-unmanaged", "--older-than", "90d"], &["--yes", "status --unmanaged"]).await;
    misused(&["status", "--keys", "--older-than", "long"], &["--older-than"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_nothing_matches_is_a_mistake_in_usage() {
    for command in [["rotate", "--project", "no-such"].as_slice(), &["explain", "no-such"]] {
        let rig = Rig::new().await;
        let ended = rig.run(command).await;
        Refusal::of(&rig, ended).await.says(USAGE, &["no-such", "exceptionless-rotator status"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_where_its_fingerprint_or_a_project_belongs_is_not_repeated() {
    let key = "Zx81aQ0pLmN7bVc2RtYu5IoPsDf3GhJk9LzXcVb4";
    for (command, words) in [
        (vec!["undo", "--key", key], "never the key itself"),
        (vec!["retire-unmanaged", "--older-than", "90d", "--yes", "--key", key], "never the key itself"),
        (vec!["explain", key], "what looks like a key"),
        (vec!["rotate", "--project", key], "what looks like a key"),
        (vec!["rotate", "--project", &format!("Acme/{key}")], "Acme/what looks like a key"),
        (vec!["rotate", "--project", &format!("[{key}")], "what looks like a key"),
        (vec!["rotate", "--organization", &format!("*{key}")], "what looks like a key"),
        (vec!["undo", key], "'what looks like a key'"),
        (vec!["rotate", &format!("--{key}")], "what looks like a key"),
        (vec![key], "what looks like a key"),
        (vec!["rotate", "--revoke-previous-now", "--minted-before", key], "what looks like a key"),
        (vec!["status", "--keys", "--older-than", key], "what looks like a key"),
        (vec!["plan", "--output", key], "what looks like a key"),
    ] {
        let rig = Rig::sized(1).await;
        let ended = rig.run(&command).await;
        assert!(!format!("{ended:?}").contains(&key[..12]), "{ended:?}");
        Refusal::of(&rig, ended).await.says(USAGE, &[words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_needs_a_server_ends_alike_without_it() {
    let mut rig = Rig::new().await;
    rig.set("vault", "address", &quoted(&nobody()));
    let mut messages = BTreeSet::new();
    for command in [
        ["rotate"].as_slice(),
        &["rotate", "--all"],
        &["plan", "--output=json"],
        &["plan"],
        &["status", "--output=json"],
        &["status"],
        &["explain", "x", "--output=json"],
        &["explain", "x"],
    ] {
        let ended = rig.run(command).await;
        let refusal = Refusal::of(&rig, ended).await.says(UNAVAILABLE, &["check vault.address"]);
        messages.insert(refusal.message);
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_helps() {
    let rig = Rig::new().await;
    let commands = [
        "run",
        "rotate",
        "plan",
        "status",
        "undo",
        "retire-unmanaged",
        "explain",
        "check",
        "config",
        "completions",
        "man",
    ];
    for command in commands.map(|command| vec![command, "--help"]).into_iter().chain([vec!["--help"]]) {
        let Ended { code, stdout, stderr } = rig.run(&command).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{command:?}");
        assert!(stdout.contains("Usage: exceptionless-rotator"), "{command:?}: {stdout}");
    }
    let Ended { code, stdout, .. } = rig.run(&["help"]).await;
    assert_eq!(code, 0);
    assert!(stdout.contains("Exit codes: "), "{stdout}");
}
