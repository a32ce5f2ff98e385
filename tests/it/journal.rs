//! The journal's own format, written to a real journal and read back by `journalctl`.
//!
//! journald listens at a fixed path, so it and the rotator are put into a mount namespace with a `/run` of their own,
//! which needs root.

use std::process::Stdio;

use exceptionless_emulator::{Fault, Kind};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::patience;
use crate::support::process::Ended;
use crate::support::rig::Rig;

const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// An empty `/run`, and then whatever follows.
const OWN_RUN: &str = "mount -t tmpfs tmpfs /run";

/// journald and nothing else, without what else writes to a journal.
const BEGIN: &str = "mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nRateLimitBurst=0\\n' >/run/systemd/journald.conf.d/test.conf
exec /lib/systemd/systemd-journald";

struct Journal {
    daemon: Child,
}

fn apart(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", &format!("{OWN_RUN}\n{script}"), "sh"]);
    command
}

impl Journal {
    async fn start() -> Self {
        assert!(std::path::Path::new(JOURNALD).exists(), "no {JOURNALD}: install systemd");
        let daemon = apart(BEGIN).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let journal = Self { daemon };
        patience("journald listens, if this test runs as root", async || {
            let listening = journal.inside(&Command::new("test"), &["-S", "/run/systemd/journal/socket"]);
            Command::from(listening).status().await.unwrap().success()
        })
        .await;
        journal
    }

    /// The same command beside journald.
    fn inside(&self, command: &Command, more: &[&str]) -> std::process::Command {
        let command = command.as_std();
        let mut inside = std::process::Command::new("/usr/bin/nsenter");
        inside.args(["--mount", "--target", &self.daemon.id().unwrap().to_string(), "--"]);
        inside.arg(command.get_program()).args(command.get_args()).args(more);
        inside
    }

    async fn run(&self, command: &Command) -> Ended {
        Ended::from(Command::from(self.inside(command, &[])).env_clear().output().await.unwrap())
    }

    /// What `journalctl` finds.
    async fn find(&self, matches: &[&str]) -> Vec<Value> {
        let mut journalctl = Command::new("/usr/bin/journalctl");
        journalctl.args(["--directory", "/run/log/journal", "--output", "json", "--all"]).args(matches);
        let found = self.run(&journalctl).await;
        found.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_finds_a_project_a_rotation_and_what_is_grave_by_their_own_fields() {
    let journal = Journal::start().await;
    let mut rig = Rig::sized(2).await;
    rig.set("log", "format", "\"journald\"").set("rotation", "overlap", "\"5m\"");
    let broken = rig.projects().remove(1);
    let route = format!("/api/v2/projects/{broken}/tokens");
    rig.emulator.add_fault(Fault::new("POST", &route, Kind::Status(400)).always());
    let ended = journal.run(&rig.command(&["rotate"])).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.stderr, "", "what the journal has is written nowhere else");

    let project = rig.emulator.projects().remove(0);
    let organization = rig.emulator.organizations().remove(0).name;
    let name = format!("EXCEPTIONLESS_PROJECT={organization}/{}", project.name);
    patience("the journal has the publication", async || {
        !journal.find(&[&name, "EXCEPTIONLESS_EVENT=key.published"]).await.is_empty()
    })
    .await;
    let entry = journal.find(&[&name, "EXCEPTIONLESS_EVENT=key.published"]).await.remove(0);
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "exceptionless-rotator");
    assert_eq!(entry["PRIORITY"], "6", "what is usual is info: {entry}");
    assert_eq!(entry["EXCEPTIONLESS_VERSION"], "1");
    assert!(entry["MESSAGE"].as_str().unwrap().starts_with("published key "), "{entry}");
    let rotation = rig.secret(&project.id).await["rotation_id"].as_str().unwrap().to_owned();
    let of_rotation = journal.find(&[&format!("EXCEPTIONLESS_ROTATION_ID={rotation}")]).await;
    let events: Vec<_> = of_rotation.iter().map(|entry| entry["EXCEPTIONLESS_EVENT"].clone()).collect();
    for event in ["key.minted", "key.verified", "key.published"] {
        assert!(events.contains(&event.into()), "{events:?}");
    }

    for (event, priority) in [("project.failed", "3"), ("config.unwise", "4"), ("vault.request", "7")] {
        let entries = journal.find(&[&format!("EXCEPTIONLESS_EVENT={event}")]).await;
        assert!(entries.iter().all(|entry| entry["PRIORITY"] == priority) && !entries.is_empty(), "{event}");
    }
    let everything = format!("{:?}", journal.find(&["SYSLOG_IDENTIFIER=exceptionless-rotator"]).await);
    for secret in rig.emulator.issued_secrets() {
        assert!(!everything.contains(&secret), "a secret is in the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_the_log_is_json_and_says_once_why() {
    let mut rig = Rig::sized(1).await;
    rig.set("log", "format", "\"journald\"");
    let command = rig.command(&["rotate"]);
    let command = command.as_std();
    let mut alone = apart("exec \"$@\"");
    alone.arg(command.get_program()).args(command.get_args());
    let ended = Ended::from(alone.output().await.unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = ended.lines();
    let said: Vec<_> = lines.iter().filter(|line| line["event"] == "log.no_journal").collect();
    let [said] = said[..] else { panic!("{said:?}") };
    assert_eq!(said["level"], "WARN");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("/run/systemd/journal/socket") && message.contains("log.format"), "{message}");
    assert!(lines.iter().any(|line| line["event"] == "key.published"), "{lines:?}");
}
