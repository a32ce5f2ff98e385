//! A Debian that boots, with a systemd of its own as process 1, and shares nothing with this machine but the network, in
//! which the servers of the test are. What is written to it is gone with it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use uuid::Uuid;

use super::prepared;
use crate::support::guard::Guard;
use crate::support::patience;
use crate::support::rig::{PASSWORD, Rig};

/// Where the folder with the packages stands in the machine.
pub const HERE: &str = "/mnt/rotator";

pub struct Machine {
    leader: u32,
    _nspawn: Guard,
    // What the machine prints as it boots; the guard removes it.
    _home: TempDir,
}

impl Machine {
    /// Boots it, and waits until all that it starts has started.
    pub async fn boot() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let arguments = [
            // Whatever this machine itself does, the other one has the hierarchy that systemd expects.
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1".to_owned(),
            // Nobody writes to the tree, so that several machines may stand on it.
            "SYSTEMD_NSPAWN_LOCK=0".to_owned(),
            "systemd-nspawn".to_owned(),
            "--quiet".to_owned(),
            "--register=no".to_owned(),
            "--keep-unit".to_owned(),
            "--link-journal=no".to_owned(),
            "--volatile=overlay".to_owned(),
            format!("--machine=rotator-{}", Uuid::now_v7().simple()),
            format!("--directory={}", prepared("tree").display()),
            format!("--bind-ro={}:{HERE}/systemd", root.join("systemd").display()),
            format!("--bind-ro={}:{HERE}/target/debian", root.join("target/debian").display()),
            format!("--bind-ro={}:{HERE}/target/release", root.join("target/package/release").display()),
            "--boot".to_owned(),
        ];
        let nspawn = Guard::start(Path::new("env"), &arguments, home.path(), Some(home.path()));
        let mut leader = 0;
        patience("the machine has a first process", async || {
            let children = format!("/proc/{0}/task/{0}/children", nspawn.server());
            let children =
                fs::read_to_string(children).expect("systemd-nspawn runs: is this root, on Linux?");
            leader = children.trim().parse().unwrap_or(0);
            leader != 0
                && fs::read_to_string(format!("/proc/{leader}/comm")).is_ok_and(|name| name == "systemd\n")
        })
        .await;
        let machine = Self { leader, _nspawn: nspawn, _home: home };
        patience("the machine has booted", async || {
            let state = machine.run("systemctl is-system-running");
            ["running\n", "degraded\n"].contains(&&*String::from_utf8_lossy(&state.stdout))
        })
        .await;
        machine
    }

    /// Runs commands as its root.
    pub fn run(&self, commands: &str) -> Output {
        let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        Command::new("nsenter")
            .args(["--target", &self.leader.to_string(), "--all", "--root", &format!("--wdns={HERE}")])
            .args(["env", "-i", path, "LC_ALL=C.UTF-8", "sh", "-euc", commands])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs commands that must end well, and gives what they print.
    pub fn sh(&self, commands: &str) -> String {
        let Output { status, stdout, stderr } = self.run(commands);
        let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{commands}: {status}\n{said}\n{wrong}");
        format!("{said}{wrong}").trim_end().to_owned()
    }

    /// Writes a file that only root may read.
    pub fn keep_secret(&self, file: &str, text: &str) {
        self.sh(&format!("umask 077; printf %s '{text}' > '{file}'"));
    }

    /// Writes a file that everybody may read.
    pub fn write(&self, file: &str, text: &str) {
        self.sh(&format!("mkdir -p \"$(dirname '{file}')\"; cat > '{file}' <<'END'\n{text}\nEND"));
    }

    /// Puts the configuration of a rig here, with the secrets as the unit of this name hands them over.
    pub fn configure(&self, rig: &mut Rig, name: &str, prefix: &str) {
        rig.set("exceptionless", "password_file", &format!("\"{prefix}exceptionless-password\""));
        rig.set("vault.auth", "secret_id_file", &format!("\"{prefix}vault-secret-id\""));
        rig.set("log", "level", "\"info\"");
        let folder = "/etc/exceptionless-rotator";
        self.write(&format!("{folder}/{name}.toml"), &fs::read_to_string(rig.write_config()).unwrap());
        self.keep_secret(&format!("{folder}/{prefix}exceptionless-password"), PASSWORD);
        let secret_id = fs::read_to_string(rig.corner.secret_id_file()).unwrap();
        self.keep_secret(&format!("{folder}/{prefix}vault-secret-id"), &secret_id);
    }

    /// What systemd says of a unit.
    pub fn shows(&self, unit: &str, property: &str) -> String {
        self.sh(&format!("systemctl show --value --property {property} {unit}"))
    }
}
