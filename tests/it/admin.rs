//! What a daemon shows to those who watch it: it is true, it is harmless, and it costs the servers nothing.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};
use reqwest::Method;

use crate::support::login::{Login, WRAPPED};
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::visitor::{ADDRESSES, Visitor};
use crate::support::{patience, secrets};

async fn watched() -> (Rig, Process, Visitor) {
    let mut rig = Rig::new().await;
    Visitor::prepare(&mut rig);
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    visitor.is_ready().await;
    (rig, daemon, visitor)
}

#[tokio::test]
async fn a_daemon_that_cannot_work_says_so_and_why_and_lives_all_the_same() {
    let mut rig = Rig::new().await;
    Visitor::prepare(&mut rig);
    rig.emulator.add_fault(Fault::everywhere(Kind::Status(500)).always());
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("pass.failed", 1).await;
    let (status, why) = visitor.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(why.starts_with("the last pass failed: ") && why.contains("Exceptionless"), "{why}");
    assert_eq!(visitor.text("/healthz").await, "ok\n");
    assert_eq!(visitor.get("/api/status").await.0, 503);
    assert!(visitor.text("/").await.contains("the last pass failed: "));
    assert_eq!(visitor.metric("passes_total", "outcome=\"failed\"").await, Some(1.0));
    assert_eq!(visitor.metric("ready", "").await, Some(0.0));

    rig.emulator.clear_faults();
    daemon.signal("USR1");
    visitor.is_ready().await;
    assert_eq!(visitor.metric("ready", "").await, Some(1.0));
}

#[tokio::test]
async fn what_will_fail_later_is_not_called_well() {
    let (mut rig, daemon, visitor) = watched().await;
    let works = "Everything works.";
    assert!(visitor.text("/").await.contains(works));
    rig.set("rotation", "shedule", "\"0 3 * * *\"").write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reload_refused", 1).await;
    let page = visitor.text("/").await;
    assert!(page.contains("was refused") && !page.contains(works), "{page}");

    let mut rig = Rig::sized(1).await;
    Login::by(WRAPPED, &mut rig).await;
    Visitor::prepare(&mut rig);
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    visitor.is_ready().await;
    std::fs::write(rig.corner.secret_id_file(), "hvs.stolen").unwrap();
    patience("it is told", async || !visitor.text("/").await.contains(works)).await;
    let page = visitor.text("/").await;
    assert!(page.contains("treat that as a compromise") && page.contains("as before"), "{page}");
}

#[tokio::test]
async fn the_document_is_the_one_that_the_command_prints() {
    let (rig, _daemon, visitor) = watched().await;
    let [mut served, mut printed] = [visitor.status().await, rig.json(&["status"]).await];
    for document in [&mut served, &mut printed] {
        for project in document["projects"].as_array_mut().unwrap() {
            assert!(project["age_seconds"].take().is_i64());
        }
    }
    assert_eq!(served, printed);
    assert_eq!(served["projects"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_a_rotation_leaves_behind_is_shown_at_once() {
    let mut rig = Rig::sized(2).await;
    Visitor::prepare(&mut rig).set("rotation", "overlap", "\"2s\"").set(
        "rotation",
        "schedule",
        "\"*/3 * * * * *\"",
    );
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("key.retired", 2).await;
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"").write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reloaded", 1).await;
    patience("every replaced key is gone", async || visitor.metric("keys_retiring", "").await == Some(0.0))
        .await;
    let count = |event: &str| daemon.count(event) as f64;
    patience("the pass is counted", async || {
        visitor.metric("keys_retired_total", "").await == Some(count("key.retired"))
    })
    .await;
    assert_eq!(visitor.metric("rotations_total", "").await, Some(count("key.published")));
    assert_eq!(visitor.metric("rotations_total", "reason=\"never_published\"").await, Some(2.0));
    for project in visitor.status().await["projects"].as_array().unwrap() {
        let published = rig.key(project["project_id"].as_str().unwrap()).await;
        let log = daemon.text();
        let last = log.lines().rfind(|line| {
            line.contains("key.published") && line.contains(project["project_id"].as_str().unwrap())
        });
        assert!(last.unwrap().contains(project["key"].as_str().unwrap()));
        assert!(rig.emulator.authenticates(&published));
        assert_eq!(project["retiring"].as_array().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_project_without_the_key_that_it_should_have_is_overdue_and_soon_the_daemon_is_not_ready() {
    let mut rig = Rig::sized(2).await;
    Visitor::prepare(&mut rig).set("rotation", "reconcile_every", "\"1s\"");
    let (unlucky, lucky) = (rig.projects()[0].clone(), rig.projects()[1].clone());
    let route = format!("/api/v2/projects/{unlucky}/tokens");
    rig.emulator.add_fault(Fault::new("POST", &route, Kind::Status(400)).always());
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("project.failed", 1).await;
    patience("it is overdue by more than two passes", async || {
        let (status, why) = visitor.get("/readyz").await;
        status == 503
            && why.contains("1 project is overdue by more than 2s: ")
            && why.contains("project.failed")
    })
    .await;
    assert!(visitor.metric("project_overdue_seconds", &unlucky).await.unwrap() > 2.0);
    assert_eq!(visitor.metric("project_overdue_seconds", &lucky).await, Some(0.0));
    assert_eq!(visitor.metric("project_key_age_seconds", &unlucky).await, None);
    assert!(visitor.metric("rotation_failures_total", "reason=\"mint_failed\"").await.unwrap() >= 1.0);
    assert_eq!(visitor.metric("projects_with_problems", "reason=\"mint_failed\"").await, Some(1.0));
    rig.emulator.clear_faults();
    visitor.is_ready().await;
}

#[tokio::test]
async fn watching_costs_the_servers_nothing_and_changes_nothing() {
    let (rig, daemon, visitor) = watched().await;
    let before = (rig.emulator.requests(), rig.marks().await, daemon.count("vault.request"));
    for _ in 0..3 {
        for address in ADDRESSES {
            visitor.text(address).await;
            let answer = visitor.send(Method::POST, address, None).await;
            assert_eq!(answer.status().as_u16(), 405, "{address}");
        }
    }
    assert_eq!((rig.emulator.requests(), rig.marks().await, daemon.count("vault.request")), before);
}

#[tokio::test]
async fn a_browser_that_a_stranger_has_led_here_is_turned_away_and_no_page_loads_anything_from_elsewhere() {
    let (_rig, _daemon, visitor) = watched().await;
    for address in ADDRESSES {
        let answer = visitor.send(Method::GET, address, Some("rotator.evil.example:9184")).await;
        assert_eq!(answer.status().as_u16(), 421, "{address}");
        let answer = visitor.send(Method::GET, address, Some("localhost")).await;
        assert_eq!(answer.status().as_u16(), 200, "{address}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(
            header("content-security-policy")
                .starts_with("default-src 'none'; style-src 'self'; script-src 'self'")
        );
        assert_eq!(
            (header("x-content-type-options"), header("cache-control")),
            ("nosniff".to_owned(), "no-store".to_owned())
        );
    }
}

#[tokio::test]
async fn names_that_other_people_chose_are_text_and_nothing_else() {
    let mut rig = Rig::sized(1).await;
    Visitor::prepare(&mut rig);
    let evil = "<script>alert(1)</script>\"' {}\\n";
    rig.emulator.rename_project(&rig.projects()[0], evil);
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    visitor.is_ready().await;
    let page = visitor.text("/").await;
    assert!(
        !page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    let metrics = visitor.text("/metrics").await;
    let age = metrics
        .lines()
        .find(|line| line.starts_with("exceptionless_rotator_project_key_age_seconds{"))
        .unwrap();
    assert!(age.contains(r#"project="<script>alert(1)</script>\"' {}\\n""#), "{age}");
}

#[tokio::test]
async fn visitors_who_hold_their_connections_open_stop_no_rotation() {
    let (rig, daemon, visitor) = watched().await;
    let address = visitor.url.strip_prefix("http://").unwrap();
    let silent: Vec<_> = (0..250).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
    assert!(files() < 200, "each visitor has a file descriptor of the daemon: {}", files());
    assert_eq!(visitor.text("/healthz").await, "ok\n", "who says nothing makes no probe wait for long");
    let project = rig.projects()[0].clone();
    rig.emulator.delete_key(&rig.key(&project).await);
    daemon.signal("USR1");
    daemon.until("key.published", 8).await;
    drop(silent);
    visitor.is_ready().await;
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (rig, daemon, visitor) = watched().await;
    daemon.signal("USR1");
    daemon.until("pass.finished", 2).await;
    let known = secrets::known(&rig);
    assert!(known.len() > 10);
    for address in ADDRESSES {
        let text = visitor.text(address).await;
        assert_eq!(secrets::leak(&text, &known), None, "{address}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_stops_no_rotation_and_a_reload_moves_to_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::sized(1).await;
    rig.set("admin", "listen", &format!("\"{}\"", taken.local_addr().unwrap()));
    let daemon = rig.daemon();
    daemon.until("admin.unavailable", 1).await;
    daemon.until("key.published", 1).await;
    Visitor::prepare(&mut rig).write_config();
    daemon.signal("HUP");
    Visitor::of(&daemon).await.is_ready().await;
    rig.set("admin", "listen", "\"\"").write_config();
    let visitor = Visitor::of(&daemon).await;
    daemon.signal("HUP");
    daemon.until("daemon.reloaded", 2).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    patience("nobody listens any more", async || client.get(&visitor.url).send().await.is_err()).await;
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_stands_by_and_both_are_ready() {
    let mut rig = Rig::sized(1).await;
    Visitor::prepare(&mut rig).set("ha", "enabled", "true").set("ha", "lease_ttl", "\"4s\"");
    let leader = rig.daemon();
    let first = Visitor::of(&leader).await;
    leader.until("key.published", 1).await;
    first.is_ready().await;
    let standby = Process::start(rig.command(&["run"]), rig.path("standby.log"));
    let second = Visitor::of(&standby).await;
    second.is_ready().await;
    let leads = async || (first.metric("leader", "").await, second.metric("leader", "").await);
    assert_eq!(leads().await, (Some(1.0), Some(0.0)));
    let holder = first.status().await["lease"]["holder"].as_str().unwrap().to_owned();
    assert!(first.text("/").await.contains("This replica works"));
    let page = second.text("/").await;
    assert!(page.contains("This replica stands by") && page.contains(&holder), "{page}");
    assert_eq!(second.metric("passes_total", "").await, Some(0.0));

    leader.signal("TERM");
    patience("the other works", async || second.metric("leader", "").await == Some(1.0)).await;
    patience("and has passed", async || second.metric("passes_total", "").await > Some(0.0)).await;
    second.is_ready().await;
    assert_ne!(second.status().await["lease"]["holder"], holder.as_str());
}

#[tokio::test]
async fn when_vault_hangs_no_replica_says_that_another_works() {
    let mut rig = Rig::sized(1).await;
    let relay = rig.relay_vault().await;
    Visitor::prepare(&mut rig).set("ha", "enabled", "true").set("ha", "lease_ttl", "\"3s\"");
    let leader = rig.daemon();
    leader.until("pass.finished", 1).await;
    let standby = Process::start(rig.command(&["run"]), rig.path("standby.log"));
    let visitors = [Visitor::of(&leader).await, Visitor::of(&standby).await];
    for visitor in &visitors {
        visitor.is_ready().await;
    }
    relay.add_fault(Fault::everywhere(Kind::Hang(Duration::from_secs(60))).always());
    for visitor in &visitors {
        patience("it says that nobody leads", async || {
            let (status, why) = visitor.get("/readyz").await;
            status == 503 && why.contains("no replica is known to hold the lease")
        })
        .await;
        assert_eq!(visitor.metric("leader", "").await, Some(0.0));
        assert_eq!(visitor.text("/healthz").await, "ok\n");
    }
}
