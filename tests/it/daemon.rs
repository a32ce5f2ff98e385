//! The daemon: on time, woken, stopped, cut off and killed; and all the while the published key works.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Kind, Settings};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::audit::audit;
use crate::support::bao::Bao;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::{patience, proof};

/// Rotates this often, and keeps old keys for a second.
fn hasten(rig: &mut Rig, schedule: &str) {
    rig.set("rotation", "schedule", &format!("\"{schedule}\"")).set("rotation", "overlap", "\"1s\"");
}

/// Watches that each key works that stands in Vault, until the story is over.
async fn witnessed<T>(rig: &Rig, story: impl Future<Output = T>) -> T {
    let watch = async {
        loop {
            for project in rig.projects() {
                let key = rig.published(&project).await;
                let works = key.as_ref().is_none_or(|key| rig.emulator.authenticates(key));
                // It may have been replaced, and revoked, since it was read.
                assert!(works || rig.published(&project).await != key, "a published key is dead");
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        outcome = story => outcome,
        () = watch => unreachable!("it watches for ever"),
    }
}

/// Ends all rotations that are scheduled, and passes until there is one key of ours in each project.
async fn converges(rig: &mut Rig) {
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    let rig = &*rig;
    let passes = rig.rotate_until("one live key of ours in each project", async || rig.has_converged().await);
    witnessed(rig, passes).await;
}

/// How late the passes began in which a rotation was due at an even second.
fn delays(lines: &[Value]) -> Vec<Duration> {
    let mut began = 0;
    let mut late = BTreeSet::new();
    for line in lines {
        if line["event"] == "pass.started" {
            began = line["timestamp"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_millis();
        } else if line["event"] == "key.published" && line["reason"] == "schedule" {
            late.insert(began);
        }
    }
    late.into_iter().map(|began| Duration::from_millis(began.rem_euclid(2000).unsigned_abs())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_rotations_come_on_time_and_old_keys_go_after_their_overlap() {
    let mut rig = Rig::sized(2).await;
    hasten(&mut rig, "*/2 * * * * *");
    let mut daemon = rig.daemon();
    witnessed(&rig, async {
        daemon.until("key.published", 8).await;
        daemon.until("key.retired", 4).await;
    })
    .await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);

    let mut delays = delays(&daemon.lines());
    assert!(delays.len() >= 3, "{delays:?}");
    delays.sort();
    let median = delays[delays.len() / 2];
    println!("a pass begins {median:?} after it is due (median of {})", delays.len());
    assert!(median < Duration::from_millis(1250), "{delays:?}");
    converges(&mut rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_pass_ends_well_and_loses_nothing() {
    let settings = Settings { latency: Duration::from_millis(150), ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.set("rotation", "concurrency", "2");
    let mut daemon = rig.daemon();
    rig.emulator.until_called("POST", "projects/{id}/tokens", 3).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    assert_eq!(daemon.count("daemon.stopped"), 1);
    let minted = rig.emulator.requests().tokens_created;
    assert!(minted < 7, "projects that were not begun are left alone");
    assert_eq!(daemon.count("key.published"), usize::try_from(minted).unwrap(), "what was begun is finished");
    rig.rotate().await;
    assert!(rig.has_converged().await);
    assert_eq!(rig.emulator.requests().tokens_created, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_can_be_asked_for_by_signal_and_an_idle_daemon_asks_nothing() {
    let mut rig = Rig::sized(2).await;
    rig.set("exceptionless", "rate_window", "\"1s\"");
    rig.emulator.fail_next("GET", "users/me", Kind::TooManyRequests);
    let mut daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    rig.emulator.reset_requests();
    // Nothing can be awaited where nothing shall happen; three beats of the clockwork are enough to see.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.emulator.requests().total, 0);

    daemon.signal("USR1");
    daemon.until("pass.finished", 2).await;
    let lines = daemon.lines();
    let passes: Vec<_> = lines.iter().filter(|line| line["event"] == "pass.finished").collect();
    let refused: Vec<_> = passes.iter().map(|pass| &pass["refused"]).collect();
    assert_eq!(refused, [1, 0], "those of this pass, and not of all");
    assert_eq!(passes[1]["requests"], rig.emulator.requests().counted);

    let organization = rig.emulator.organizations().remove(0).id;
    let project = rig.emulator.add_project(&organization, "Late").id;
    daemon.signal("USR1");
    daemon.until("key.published", 3).await;
    assert!(rig.emulator.authenticates(&rig.key(&project).await));
    daemon.signal("INT");
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_is_taken_while_it_runs_and_a_bad_one_refused() {
    let mut rig = Rig::sized(3).await;
    rig.set("projects", "include", "[\"Project 1\"]");
    let mut daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    assert_eq!(daemon.count("key.published"), 1);

    rig.set("projects", "include", "[\"Project 1\", \"Project 2\"]");
    rig.set("rotation", "shedule", "\"0 3 * * *\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reload_refused", 1).await;
    assert!(daemon.text().contains("shedule"), "the mistake is named");
    daemon.signal("USR1");
    daemon.until("daemon.sleeping", 2).await;
    assert_eq!(daemon.count("key.published"), 1, "the old configuration goes on");

    rig.unset("rotation", "shedule");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reloaded", 1).await;
    daemon.until("key.published", 2).await;
    assert_eq!(rig.version(&rig.projects()[2]).await, 0, "what is not included is left alone");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_down_at_the_start_and_later_are_waited_for() {
    let mut rig = Rig::sized(2).await;
    let relay = rig.relay_vault().await;
    relay.refuse_after(0, None).await;
    rig.set("rotation", "reconcile_every", "\"1s\"");
    let daemon = rig.daemon();
    daemon.until("pass.failed", 1).await;
    rig.emulator.go_down().await;
    relay.clear_faults().await;
    daemon.until("pass.failed", 3).await;
    assert_eq!(daemon.count("key.published"), 0);
    rig.emulator.come_back().await.unwrap();
    daemon.until("key.published", 2).await;

    rig.emulator.go_down().await;
    let failed = daemon.count("pass.failed");
    daemon.until("pass.failed", failed + 1).await;
    rig.emulator.come_back().await.unwrap();
    let finished = daemon.count("pass.finished");
    daemon.until("pass.finished", finished + 1).await;
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_on_either_side_is_renewed_without_a_person() {
    let rig = Rig::sized(1).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    rig.corner.revoke_logins().await;
    let login = rig.emulator.state(|state| state.logins()[0].id.clone());
    rig.emulator.state(|state| state.end_login(&login));
    rig.emulator.delete_key(&rig.key(&rig.projects()[0]).await);
    daemon.signal("USR1");
    daemon.until("key.published", 2).await;
    assert_eq!(daemon.count("pass.failed"), 0);
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_of_one_instance_come_to_one_key_for_each_project() {
    let mut rig = Rig::sized(3).await;
    hasten(&mut rig, "*/2 * * * * *");
    let mut daemons =
        [1, 2].map(|number| Process::start(rig.command(&["run"]), rig.path(&format!("{number}.log"))));
    witnessed(&rig, async {
        for daemon in &daemons {
            daemon.until("pass.finished", 4).await;
        }
        patience("four versions", async || rig.version(&rig.projects()[0]).await >= 4).await;
    })
    .await;
    for daemon in &mut daemons {
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, 0);
    }
    converges(&mut rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_at_any_moment_leaves_one_key_for_each_project_in_the_end() {
    let settings =
        Settings { latency: Duration::from_millis(20), organizations: 1, projects: 3, ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    hasten(&mut rig, "* * * * * *");
    // Longer than the rotator's own caution, which would hide from the audit that an overlap is ignored.
    let overlap = TimeDelta::seconds(4);
    rig.set_overlap(overlap);
    rig.corner.keep_versions().await;
    let mut moments = Vec::new();
    for _ in 0..proof::rounds(20, 200) {
        let mut daemon = rig.daemon();
        let random = u64::from(uuid::Uuid::now_v7().as_bytes()[15]) * 6;
        moments.push(random);
        witnessed(&rig, sleep(Duration::from_millis(random))).await;
        daemon.kill().await;
    }
    println!("killed after {moments:?} ms");
    converges(&mut rig).await;
    let audit = audit(&rig, overlap).await;
    assert!(audit.breaches.is_empty(), "{audit:?}");
    proof::record(
        "random kills",
        &format!(
            "{} kills, {} publications, {} revocations, {} breaches.",
            moments.len(),
            audit.publications,
            audit.revocations,
            audit.breaches.len()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_sealed_is_reported_and_waited_for() {
    let bao: &'static Bao = Box::leak(Box::new(Bao::own().await));
    let mut rig = Rig::on(bao, Settings { organizations: 1, projects: 1, ..Settings::default() }).await;
    rig.set("rotation", "reconcile_every", "\"1s\"");
    rig.rotate().await;
    bao.root("POST", "sys/seal", Value::Null).await;
    let ended = rig.run(&["rotate"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("sealed"), "{ended:?}");
    let mut daemon = rig.daemon();
    daemon.until("pass.failed", 2).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
}
