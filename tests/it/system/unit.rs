//! The units, under a real systemd: what they promise it, and what it then does.

use super::machine::Machine;
use super::readme;
use crate::support::patience;
use crate::support::rig::Rig;

const UNIT: &str = "exceptionless-rotator.service";

/// The exposure that systemd computes, in tenths. Most of the rest is that it talks to servers anywhere.
const EXPOSURE: u32 = 12;

/// Hangs are found and mended sooner than in earnest.
const IMPATIENT: &str = "[Service]\nWatchdogSec=5s\nRestartSec=100ms\n";

async fn installed() -> Machine {
    let machine = Machine::boot().await;
    machine.sh(readme::commands("install -m 755 target/release"));
    machine
}

/// A port that nobody listens on.
fn listen(rig: &mut Rig) -> &mut Rig {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    rig.set("admin", "listen", &format!("\"{free}\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_is_started_read_anew_watched_and_stopped() {
    let machine = installed().await;
    let mut rig = Rig::sized(2).await;
    listen(&mut rig).set("projects", "include", "[\"Project 1\"]");
    machine.write(&format!("/etc/systemd/system/{UNIT}.d/impatient.conf"), IMPATIENT);
    machine.configure(&mut rig, "config", "");
    let shows = |property: &str| machine.shows(UNIT, property);
    let published = async |count: usize| {
        patience("keys are published", async || {
            let mut seen = 0;
            for project in rig.projects() {
                seen += usize::from(rig.version(&project).await > 0);
            }
            seen == count
        })
        .await;
    };

    machine.sh(readme::commands("systemctl enable --now exceptionless-rotator\n"));
    assert_eq!((shows("ActiveState"), shows("Type")), ("active".to_owned(), "notify-reload".to_owned()));
    published(1).await;
    patience("the status line tells of the pass", async || shows("StatusText").contains("next rotation"))
        .await;
    println!("systemctl status: {}", shows("StatusText"));
    assert!(machine.sh("systemctl status exceptionless-rotator").contains(&shows("StatusText")));
    assert_eq!(machine.sh("exceptionless-rotator health"), "ok");
    let process = shows("MainPID");
    let user = machine.sh(&format!("stat --format %u /proc/{process}"));
    assert!((61_184..65_520).contains(&user.parse::<u32>().unwrap()), "a user of its own: {user}");

    // A mistake is refused, by its name, and the old configuration goes on.
    let file = "/etc/exceptionless-rotator/config.toml";
    let config = machine.sh(&format!("cat {file}"));
    let wider = config.replace("\"Project 1\"", "\"Project 1\", \"Project 2\"");
    machine.write(file, &wider.replace("schedule", "shedule"));
    let _ = machine.run("systemctl reload exceptionless-rotator");
    let journal = || machine.sh(&format!("journalctl --quiet --no-pager --output cat --unit {UNIT}"));
    patience("the refusal is logged", async || journal().contains("shedule")).await;
    assert_eq!((shows("ActiveState"), shows("MainPID")), ("active".to_owned(), process.clone()));
    assert_eq!(machine.sh("exceptionless-rotator health"), "ok");

    machine.write(file, &wider);
    machine.sh("systemctl reload exceptionless-rotator");
    assert!(journal().contains("daemon.reloaded"), "when the command is over, so is the reload");
    published(2).await;
    assert_eq!(shows("MainPID"), process, "the same process all the time");

    // A daemon that hangs is killed and started again.
    machine.sh(&format!("kill -STOP {process}"));
    patience("it is started again", async || shows("NRestarts") == "1" && shows("SubState") == "running")
        .await;
    assert_ne!(shows("MainPID"), process);
    assert!(machine.sh(&format!("journalctl --unit {UNIT}")).contains("Watchdog timeout"));

    patience("it goes on", async || rig.has_converged().await).await;

    machine.sh("systemctl stop exceptionless-rotator");
    assert_eq!((shows("Result"), shows("ExecMainStatus")), ("success".to_owned(), "0".to_owned()));
    let health = machine.run("exceptionless-rotator health");
    assert_eq!(health.status.code(), Some(69), "nobody is there any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_run_side_by_side_each_with_its_own_secrets() {
    let machine = installed().await;
    let mut rigs = [Rig::sized(1).await, Rig::sized(1).await];
    for (rig, name) in rigs.iter_mut().zip(["berlin", "paris"]) {
        listen(rig);
        machine.configure(rig, name, &format!("{name}."));
    }
    machine.sh(readme::commands("exceptionless-rotator@berlin"));
    for rig in &rigs {
        patience("both rotate", async || rig.has_converged().await).await;
    }
    for name in ["berlin", "paris"] {
        let config = format!("/etc/exceptionless-rotator/{name}.toml");
        assert_eq!(machine.sh(&format!("exceptionless-rotator --config {config} health")), "ok");
    }
    let refused = machine.run("systemctl start exceptionless-rotator@rome");
    assert!(!refused.status.success(), "there are no secrets of this name");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_finds_nothing_to_say_and_little_that_is_exposed() {
    let machine = installed().await;
    for unit in [UNIT, "exceptionless-rotator@berlin.service"] {
        assert_eq!(machine.sh(&format!("systemd-analyze verify {unit}")), "");
        let file = format!("/etc/systemd/system/{}", unit.replace("berlin", ""));
        let said = machine
            .sh(&format!("systemd-analyze security --no-pager --offline=true --threshold={EXPOSURE} {file}"));
        println!("{}", said.lines().last().unwrap());
    }
}

#[test]
fn the_template_differs_from_the_unit_by_its_instance_alone() {
    let unit = include_str!("../../../systemd/exceptionless-rotator.service");
    let template = include_str!("../../../systemd/exceptionless-rotator@.service");
    let settings = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let folder = "/etc/exceptionless-rotator/";
    let single =
        template.replace(" (%i)", "").replace(&format!(" --config {folder}%i.toml"), "").replace("%i.", "");
    assert_ne!(settings(unit), settings(template));
    assert_eq!(settings(unit), settings(&single));
}
