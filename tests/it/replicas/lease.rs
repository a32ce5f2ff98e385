//! The lease itself: what it looks like, whose it may be, and who needs none.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Relay, Settings};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::{patience, until};

const LEASE: &str = "exceptionless-rotator/leader";

async fn rig(projects: usize) -> Rig {
    rig_with(Settings { organizations: 1, projects, ..Settings::default() }).await
}

async fn rig_with(settings: Settings) -> Rig {
    let mut rig = Rig::with(settings).await;
    rig.set("ha", "enabled", "true").set("ha", "lease_ttl", "\"3s\"").set("log", "level", "\"info\"");
    rig
}

async fn ends_well(mut daemon: Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_names_its_holder_and_does_not_pile_up() {
    let rig = rig(1).await;
    let daemon = rig.daemon();
    daemon.until("key.published", 1).await;
    let lease = rig.corner.get_raw(LEASE).await;
    let fields: Vec<_> = lease.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["acquired_at", "holder", "lease_seconds", "managed_by", "renewed_at", "server_url"]);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let holder = lease["holder"].as_str().unwrap().to_owned();
    assert!(holder.starts_with(&format!("{}-", machine.trim())), "{holder}");
    assert_eq!(lease["managed_by"], "exceptionless-rotator/1 instance=default");
    assert_eq!(lease["lease_seconds"], "3");
    let status = rig.json(&["status"]).await;
    assert_eq!(status["lease"]["holder"], holder);
    assert!(status["lease"]["version"].as_u64() >= Some(1) && status["lease"]["renewed_at"].is_string());
    let table = rig.run(&["status"]).await.stdout;
    assert!(table.contains(&format!("\nlease: held by {holder}, written 20")), "{table}");

    let mut metadata = Value::Null;
    patience("five versions", async || {
        metadata = rig.corner.metadata(LEASE).await;
        metadata["current_version"].as_u64() >= Some(5)
    })
    .await;
    assert_eq!(metadata["max_versions"], 3);
    assert_eq!(
        metadata["custom_metadata"],
        json!({"managed_by": "exceptionless-rotator/1 instance=default"})
    );
    assert!(metadata["versions"].as_object().unwrap().len() <= 3, "{metadata}");
    let renewed = rig.corner.get_raw(LEASE).await;
    assert_eq!((&renewed["holder"], &renewed["acquired_at"]), (&lease["holder"], &lease["acquired_at"]));
    assert_eq!(daemon.count("lease.acquired"), 1);
    ends_well(daemon).await;
    assert_eq!(rig.corner.get_raw(LEASE).await["holder"], "", "it was renounced");
    assert_eq!(rig.json(&["status"]).await["lease"]["holder"], Value::Null);
}

/// Alone, so that nobody has published meanwhile, and a check-and-set would not refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_paused_for_longer_than_its_lease_publishes_nothing_before_it_leads_again() {
    let latency = Duration::from_millis(500);
    let settings = Settings { organizations: 1, projects: 1, latency, ..Settings::default() };
    let rig = rig_with(settings).await;
    let daemon = rig.daemon();
    rig.emulator.until_called("GET", "projects/config", 1).await;
    daemon.signal("STOP");
    // Nothing can be awaited of a process that is paused.
    sleep(Duration::from_secs(4)).await;
    daemon.signal("CONT");
    daemon.until("key.published", 1).await;
    let told =
        ["lease.acquired", "lease.lost", "key.minted", "key.adopted", "key.published", "project.failed"];
    let lines = daemon.lines();
    let events = lines.iter().filter_map(|line| line["event"].as_str()).filter(|event| told.contains(event));
    let (of_lease, of_keys): (Vec<_>, Vec<_>) = events.partition(|event| event.starts_with("lease."));
    assert_eq!(of_lease, ["lease.acquired", "lease.lost", "lease.acquired"]);
    assert_eq!(of_keys, ["key.minted", "project.failed", "key.adopted", "key.published"]);
    assert!(daemon.text().contains("the lease was lost before the key could be published"));
    assert_eq!(
        rig.emulator.requests().tokens_created,
        1,
        "the key that was kept is the one that is published"
    );
    ends_well(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_paused_for_longer_than_its_lease_revokes_nothing_before_it_leads_again() {
    let mut rig = rig(1).await;
    let project = rig.projects().remove(0);
    rig.set("rotation", "overlap", "\"1s\"").set("rotation", "reconcile_every", "\"1s\"");
    rig.rotate().await;
    rig.json(&["rotate", "--all"]).await;
    let secret = rig.secret(&project).await;
    let (_, since) = secret["retiring"].as_str().unwrap().split_once('@').unwrap();
    until(since.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(1)).await;

    // The request itself outlives the pause.
    rig.set("vault", "timeout", "\"30s\"");
    let relay = rig.relay_vault().await;
    // The second time its secret is read, that licenses the revocation.
    let path = format!("/v1/{}/data/{}", rig.corner.mount, Rig::place(&project));
    relay.add_fault(Fault::new("GET", &path, Kind::Slow(Duration::from_secs(1))).skip(1));
    let daemon = rig.daemon();
    patience("the licence is asked for", async || relay.struck() == 1).await;
    daemon.signal("STOP");
    sleep(Duration::from_secs(4)).await;
    daemon.signal("CONT");
    daemon.until("pass.finished", 2).await;
    let passes: Vec<_> = daemon
        .lines()
        .into_iter()
        .filter(|line| line["event"] == "pass.finished")
        .map(|pass| (pass["retired"].clone(), pass["interrupted"].clone()))
        .take(2)
        .collect();
    assert_eq!(passes, [(json!(0), json!(true)), (json!(1), json!(false))]);
    ends_well(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_hand_at_the_lease_path_is_never_overwritten() {
    for (secret, whose) in [
        (json!({"password": "of somebody"}), "of somebody else"),
        (
            json!({"managed_by": "exceptionless-rotator/1 instance=blue", "holder": "", "lease_seconds": "3"}),
            "of the instance \\\"blue\\\"",
        ),
    ] {
        let rig = rig(1).await;
        rig.corner.put_raw(LEASE, secret.clone()).await;
        let daemon = rig.daemon();
        daemon.until("lease.conflict", 1).await;
        assert!(daemon.text().contains(whose), "{}", daemon.text());
        for command in ["check", "status"] {
            let ended = rig.run(&[command]).await;
            assert_eq!(ended.code, 1, "{ended:?}");
            assert!(ended.stdout.contains("give ha.lease_path a path of its own"), "{ended:?}");
        }
        daemon.signal("USR1");
        // A command needs no lease.
        rig.rotate().await;
        assert_eq!(rig.corner.get_raw(LEASE).await, secret);
        assert_eq!(daemon.count("pass.finished"), 0);

        rig.corner.bao.root("DELETE", &format!("{}/metadata/{LEASE}", rig.corner.mount), Value::Null).await;
        daemon.until("pass.finished", 1).await;
        assert_eq!(daemon.count("lease.conflict"), 1, "it is told once");
        ends_well(daemon).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deployments_that_share_a_lease_by_mistake_are_told() {
    let mut one = rig(1).await;
    let daemon = one.daemon();
    daemon.until("pass.finished", 1).await;
    let other = Relay::to(&one.emulator.url()).await.unwrap();
    one.set("exceptionless", "url", &format!("\"{}\"", other.url()));
    let config = one.path("other.toml");
    std::fs::copy(one.write_config(), &config).unwrap();
    let log = one.path("other.log");
    let second = Process::start(one.command_with(&config, &["run"]), log);
    second.until("lease.conflict", 1).await;
    assert!(
        second.text().contains("held for another Exceptionless server, http://127."),
        "{}",
        second.text()
    );
    let check = one.run(&["check"]).await;
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.stdout.contains("these are two deployments"), "{check:?}");
    ends_well(second).await;
    ends_well(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_and_does_not_reach_exceptionless_lets_another_try() {
    let mut rig = rig(1).await;
    rig.set("rotation", "reconcile_every", "\"1s\"");
    let mut daemons = Vec::new();
    for number in 0..2 {
        let daemon = Process::start(rig.command(&["run"]), rig.path(&format!("replica-{number}.log")));
        // Until then it may read the configuration, which is written anew for the next one.
        daemon.until("daemon.started", 1).await;
        daemons.push(daemon);
    }
    let led = || [0, 1].map(|number: usize| daemons[number].count("lease.acquired"));
    patience("one leads", async || led() != [0, 0]).await;
    rig.rotate().await;
    rig.emulator.add_fault(Fault::new("GET", "users/me", Kind::Status(503)).always());
    patience("each has tried", async || led()[0] > 0 && led()[1] > 0).await;
    let renounced: usize = daemons.iter().map(|daemon| daemon.count("lease.renounced")).sum();
    assert!(renounced > 0, "{}", daemons[0].text());
    assert_eq!(daemons.iter().map(|daemon| daemon.count("lease.lost")).sum::<usize>(), 0);
    rig.emulator.clear_faults();
    rig.json(&["rotate", "--all"]).await;
    let passes = || daemons.iter().map(|daemon| daemon.count("pass.finished")).sum::<usize>();
    let before = passes();
    patience("whoever leads works again", async || passes() > before).await;
    for daemon in daemons {
        ends_well(daemon).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_among_the_secrets_is_no_secret_of_a_project() {
    let mut rig = rig(2).await;
    let lease = "apps/locks/leader";
    rig.set("ha", "lease_path", &format!("\"{lease}\"")).set("rotation", "on_vanished", "\"delete\"");
    for merge in [false, true] {
        if merge {
            rig.set("vault", "write", "\"merge\"").set("vault", "field_prefix", "\"ex_\"");
            rig.set("vault", "path", "\"apps/merged/{project_id}\"");
        }
        let daemon = rig.daemon();
        // Both write to one file.
        daemon.until("pass.finished", 1 + usize::from(merge)).await;
        let rotated = rig.json(&["rotate", "--all"]).await;
        assert_eq!((&rotated["published"], &rotated["vanished"]), (&json!(2), &json!([])), "{rotated}");
        assert_eq!(rotated["problems"], json!([]));
        assert!(!rig.corner.get_raw(lease).await["holder"].as_str().unwrap().is_empty());
        ends_well(daemon).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_keeps_the_lease_or_gives_it_up() {
    let mut rig = rig(1).await;
    let daemon = rig.daemon();
    daemon.until("pass.finished", 1).await;
    let holder = rig.corner.get_raw(LEASE).await["holder"].take();
    rig.corner.renew_secret_id().await;
    rig.set("rotation", "overlap", "\"2h\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("pass.finished", 2).await;
    let before = rig.corner.metadata(LEASE).await["current_version"].as_u64();
    patience("a renewal by the new login", async || {
        rig.corner.metadata(LEASE).await["current_version"].as_u64() > before
    })
    .await;
    assert_eq!(rig.corner.get_raw(LEASE).await["holder"], holder);
    assert_eq!((daemon.count("lease.acquired"), daemon.count("lease.lost")), (1, 0));

    rig.set("ha", "lease_path", "\"apps/locks/leader\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("pass.finished", 3).await;
    assert_eq!((daemon.count("lease.acquired"), daemon.count("lease.renounced")), (2, 1));
    assert_eq!(rig.corner.get_raw(LEASE).await["holder"], "");
    rig.set("ha", "enabled", "false");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("pass.finished", 4).await;
    assert_eq!(daemon.count("lease.renounced"), 2);
    ends_well(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_to_the_lease_is_named_and_waited_for() {
    let rig = rig(1).await;
    let granted = format!("path \"{}/data/{LEASE}\"", rig.corner.mount);
    rig.corner.amend_policy(|policy| policy.replace(&granted, "path \"nowhere\"")).await;
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 77, "{check:?}");
    let lacks = format!("{}/data/{LEASE} lacks create, read, update", rig.corner.mount);
    assert!(check.stdout.contains(&lacks), "{check:?}");
    let daemon = rig.daemon();
    daemon.until("lease.failed", 1).await;
    assert!(daemon.text().contains(&granted.replace('"', "\\\"")), "{}", daemon.text());
    assert_eq!(daemon.count("pass.finished"), 0);
    rig.corner.amend_policy(|policy| policy.replace("path \"nowhere\"", &granted)).await;
    daemon.until("key.published", 1).await;
    ends_well(daemon).await;
}
