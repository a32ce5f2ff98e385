//! The Debian package: what it puts where, and what it leaves behind.

use std::process::Command;

use super::machine::Machine;
use super::readme;
use crate::support::patience;
use crate::support::rig::Rig;

const CONFIG: &str = "/etc/exceptionless-rotator/config.toml";

/// The package, in its first or second revision.
fn package(revision: u32) -> String {
    let architecture = Command::new("dpkg").arg("--print-architecture").output().unwrap().stdout;
    let architecture = String::from_utf8(architecture).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    format!("target/debian/exceptionless-rotator_{version}-{revision}_{}.deb", architecture.trim())
}

/// The package's own files and whatever bears its name, but for what others write about it.
fn traces(machine: &Machine) -> String {
    machine.sh(
        "find / -xdev -path /proc -prune -o -path /mnt -prune -o -path /var/cache/man -prune -o -name '*exceptionless*' -print",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_installed_used_upgraded_removed_and_forgotten() {
    let machine = Machine::boot().await;
    assert_eq!(traces(&machine), "");
    let shown = format!("target/debian/exceptionless-rotator_{}-1_amd64.deb", env!("CARGO_PKG_VERSION"));
    machine.sh(&readme::commands(&shown).replace(&shown, &package(1)));

    let listed = machine.sh("dpkg --listfiles exceptionless-rotator");
    for file in [
        "/usr/bin/exceptionless-rotator",
        "/usr/lib/systemd/system/exceptionless-rotator.service",
        "/usr/lib/systemd/system/exceptionless-rotator@.service",
        "/usr/share/bash-completion/completions/exceptionless-rotator",
        "/usr/share/zsh/vendor-completions/_exceptionless-rotator",
        "/usr/share/fish/vendor_completions.d/exceptionless-rotator.fish",
        "/usr/share/doc/exceptionless-rotator/copyright",
        "/usr/share/doc/exceptionless-rotator/changelog.Debian.gz",
        "/usr/share/doc/exceptionless-rotator/default.toml",
        "/usr/share/doc/exceptionless-rotator/examples/vault-policy.hcl",
        CONFIG,
    ] {
        assert!(listed.lines().any(|line| line == file), "{file} is not in {listed}");
        machine.sh(&format!("test -s {file}"));
    }
    assert_eq!(
        machine.sh("exceptionless-rotator --version"),
        format!("exceptionless-rotator {}", env!("CARGO_PKG_VERSION"))
    );
    let page = machine.sh("man --warnings exceptionless-rotator");
    assert!(page.contains("ROTATE") && page.contains("EXIT STATUS"), "{page}");
    let completion = "bash -c '. /usr/share/bash-completion/completions/exceptionless-rotator; complete -p exceptionless-rotator'";
    assert!(machine.sh(completion).contains("exceptionless-rotator"));
    assert_eq!(
        machine.sh("systemctl is-enabled exceptionless-rotator || true"),
        "disabled",
        "it waits for its configuration"
    );

    let mut rig = Rig::sized(1).await;
    machine.configure(&mut rig, "config", "");
    machine.sh("systemctl enable --now exceptionless-rotator");
    patience("it rotates", async || rig.has_converged().await).await;
    let process = machine.shows("exceptionless-rotator", "MainPID");
    let edited = machine.sh(&format!("cat {CONFIG}"));

    machine.sh(&format!("apt-get install --yes ./{}", package(2)));
    assert_eq!(machine.sh(&format!("cat {CONFIG}")), edited, "an upgrade keeps what a person wrote");
    assert_eq!(machine.sh("systemctl is-active exceptionless-rotator"), "active");
    assert_ne!(machine.shows("exceptionless-rotator", "MainPID"), process, "and takes effect");

    machine.sh("apt-get remove --yes exceptionless-rotator");
    assert_eq!(machine.sh("systemctl is-active exceptionless-rotator || true"), "inactive");
    assert_eq!(machine.sh(&format!("cat {CONFIG}")), edited, "a removal keeps it too");
    machine.sh("apt-get purge --yes exceptionless-rotator");
    let mut left: Vec<String> = traces(&machine).lines().map(str::to_owned).collect();
    left.sort();
    let theirs = ["/etc/exceptionless-rotator", "/etc/exceptionless-rotator/exceptionless-password"];
    assert_eq!(left, theirs, "what people put there is theirs");
}

#[test]
fn lintian_finds_no_fault_in_it() {
    let root = env!("CARGO_MANIFEST_DIR");
    let said = Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", &package(1)])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
