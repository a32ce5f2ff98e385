//! SIGHUP: what is taken over, when, what is refused, and what needs a restart.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::Settings;

use crate::support::patience;
use crate::support::process::Process;
use crate::support::rig::{PASSWORD, Rig};
use crate::support::visitor::Visitor;

/// The places of an event in the log.
fn places(daemon: &Process, event: &str) -> Vec<usize> {
    let lines = daemon.lines();
    let found = lines.iter().enumerate().filter(|(_, line)| line["event"] == event);
    found.map(|(place, _)| place).collect()
}

/// For how long the daemon went to sleep, each time.
fn pauses(daemon: &Process) -> Vec<TimeDelta> {
    let lines = daemon.lines();
    let sleeps = lines.iter().filter(|line| line["event"] == "daemon.sleeping");
    let time = |text: &str| text.replace(" UTC", "Z").replacen(' ', "T", 1).parse::<DateTime<Utc>>().unwrap();
    sleeps
        .map(|line| time(line["next_pass"].as_str().unwrap()) - time(line["timestamp"].as_str().unwrap()))
        .collect()
}

fn reload(rig: &Rig, daemon: &Process) {
    rig.write_config();
    daemon.signal("HUP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_during_a_pass_is_in_force_right_after_it_and_costs_neither_the_pass_nor_an_activation() {
    let settings = Settings {
        organizations: 1,
        projects: 5,
        latency: Duration::from_millis(100),
        ..Settings::default()
    };
    let mut rig = Rig::with(settings).await;
    rig.set("projects", "exclude", "[\"Project 5\"]").set("rotation", "concurrency", "1");
    let daemon = rig.daemon();
    rig.emulator.until_called("POST", "projects/{id}/tokens", 1).await;
    daemon.signal("USR1");
    rig.unset("projects", "exclude");
    reload(&rig, &daemon);
    daemon.until("pass.finished", 2).await;

    let [read] = places(&daemon, "daemon.reloaded")[..] else { panic!("it was read once") };
    let finished = places(&daemon, "pass.finished");
    assert!(read < finished[0], "the verdict does not wait for the end of the pass");
    let published = places(&daemon, "key.published");
    let (before, after): (Vec<_>, Vec<_>) = published.into_iter().partition(|place| *place < finished[0]);
    assert_eq!((before.len(), after.len()), (4, 1), "each pass by one configuration");
    daemon.until("daemon.sleeping", 2).await;
    // The pass after the reload began after the signal, so it has served it.
    assert_eq!(daemon.count("pass.finished"), 2);
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_with_all_its_problems_and_starts_nothing() {
    let mut rig = Rig::sized(1).await;
    Visitor::prepare(&mut rig);
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("daemon.sleeping", 1).await;
    assert_eq!(visitor.metric("config_last_reload_successful", "").await, Some(1.0));
    rig.set("rotation", "overlap", "\"soon\"")
        .set("vault", "mont", "\"secret\"")
        .set("log", "level", "\"loud\"");
    reload(&rig, &daemon);
    daemon.until("daemon.reload_refused", 1).await;
    let lines = daemon.lines();
    let refused = lines.iter().find(|line| line["event"] == "daemon.reload_refused").unwrap();
    for key in ["rotation.overlap", "vault.mont", "log.level"] {
        assert!(refused["problem"].as_str().unwrap().contains(key), "{refused}");
    }
    assert_eq!(visitor.metric("config_last_reload_successful", "").await, Some(0.0));
    assert!(visitor.text("/").await.contains("The configuration file was refused"));
    daemon.signal("USR1");
    daemon.until("daemon.sleeping", 2).await;
    assert_eq!(daemon.count("pass.finished"), 2, "one at the start, one by signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_overlap_overrides_and_filters_are_taken_over() {
    let mut rig = Rig::sized(2).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    rig.set("rotation", "overlap", "\"2h\"");
    rig.config.insert(
        "[override]".to_owned(),
        "match = \"Project 2\"\nschedule = \"*/2 * * * * *\"\noverlap = \"1s\"".to_owned(),
    );
    reload(&rig, &daemon);
    daemon.until("key.retired", 1).await;
    let [first, second] = <[String; 2]>::try_from(rig.projects()).unwrap();
    assert!(rig.version(&second).await > 1);
    assert_eq!(rig.version(&first).await, 1);
    rig.config.remove("[override]");
    rig.set("rotation", "schedule", "\"*/2 * * * * *\"").set("projects", "include", "[\"Project 1\"]");
    reload(&rig, &daemon);
    patience("the first project is rotated", async || rig.version(&first).await > 1).await;
    assert_eq!(rig.secret(&first).await["overlap_seconds"], "7200");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_credentials_are_read_anew() {
    let rig = Rig::sized(1).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    std::fs::write(rig.path("password"), "wrong horse").unwrap();
    let secret_id = std::fs::read(rig.corner.secret_id_file()).unwrap();
    reload(&rig, &daemon);
    daemon.until("pass.failed", 1).await;
    std::fs::write(rig.path("password"), PASSWORD).unwrap();
    std::fs::write(rig.corner.secret_id_file(), "not-a-secret-id").unwrap();
    reload(&rig, &daemon);
    daemon.until("pass.failed", 2).await;
    assert!(daemon.text().contains("Vault refuses the login"), "{}", daemon.text());
    std::fs::write(rig.corner.secret_id_file(), secret_id).unwrap();
    reload(&rig, &daemon);
    daemon.until("pass.finished", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_reload_nor_a_wish_shortens_the_pauses_after_failures() {
    let mut rig = Rig::sized(1).await;
    rig.emulator.go_down().await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    reload(&rig, &daemon);
    daemon.until("daemon.sleeping", 2).await;
    daemon.signal("USR1");
    daemon.until("daemon.sleeping", 3).await;
    let seconds: Vec<_> =
        pauses(&daemon).iter().map(|pause| (pause.as_seconds_f64() / 10.0).round()).collect();
    assert_eq!(seconds, [1.0, 2.0, 4.0], "tens of seconds");
    rig.emulator.come_back().await.unwrap();
    reload(&rig, &daemon);
    daemon.until("key.published", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_of_the_log_changes_and_what_cannot_is_named_with_its_remedy() {
    let mut rig = Rig::sized(1).await;
    rig.set("log", "level", "\"info\"");
    let daemon = rig.daemon();
    daemon.until("key.published", 1).await;
    daemon.until("pass.finished", 1).await;
    assert_eq!(daemon.count("vault.request"), 0);

    rig.set("log", "level", "\"debug\"").set("log", "format", "\"text\"");
    rig.set("rotation", "instance", "\"another\"");
    reload(&rig, &daemon);
    daemon.until("daemon.sleeping", 1).await;
    assert!(daemon.count("vault.request") > 0, "the level is another, the lines are still JSON");
    let lines = daemon.lines();
    let told = lines.iter().filter(|line| line["event"] == "config.needs_restart");
    let told: Vec<_> =
        told.map(|line| (line["key"].as_str().unwrap(), line["message"].as_str().unwrap())).collect();
    let keys: Vec<_> = told.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["rotation.instance", "log.format"]);
    let (_, message) = told[1];
    assert!(message.contains("\"json\" stays in force, and not \"text\""), "{message}");
    assert!(message.contains("config.toml") && message.contains("restart the rotator"), "{message}");

    rig.emulator.delete_key(&rig.key(&rig.projects()[0]).await);
    daemon.signal("USR1");
    daemon.until("key.published", 2).await;
    let secret = rig.secret(&rig.projects()[0]).await;
    assert_eq!(secret["managed_by"], "exceptionless-rotator/1 instance=default");

    rig.set("log", "level", "\"error\"");
    reload(&rig, &daemon);
    patience("the new pass has published", async || {
        rig.emulator.delete_key(&rig.key(&rig.projects()[0]).await);
        daemon.signal("USR1");
        rig.version(&rig.projects()[0]).await > 3
    })
    .await;
    assert_eq!(daemon.count("key.published"), 2, "what is no error is not told any more");
}
