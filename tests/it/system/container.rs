//! The image: built from the Dockerfile, and run as it is meant to be, without a right and without a file to write to.

use std::path::Path;
use std::process::{Command, Output};

use tokio::time::Instant;

use super::{prepared, readme};
use crate::support::patience;
use crate::support::rig::Rig;

fn program_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/system/podman.sh")
}

fn podman(arguments: &[&str]) -> String {
    said(Command::new(program_path()).args(arguments))
}

fn podman_runs(arguments: &[&str]) -> bool {
    Command::new(program_path()).args(arguments).output().unwrap().status.success()
}

fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{said}\n{wrong}");
    said.trim().to_owned()
}

/// Compiles with this machine's compiler, and with its authorities, since it may reach the registry by its own way.
fn build() {
    prepared("store");
    let compiler = said(Command::new("rustc").args(["--print", "sysroot"]));
    podman(&[
        "build",
        "--quiet",
        "--isolation=chroot",
        "--format=docker",
        "--pull=never",
        // What was compiled is kept by a cache of the build; a copy of each layer would only fill the disk.
        "--layers=false",
        "--build-arg=PROFILE=dev",
        &format!("--volume={compiler}/bin:/usr/local/cargo/bin:ro"),
        &format!("--volume={compiler}/lib:/usr/local/cargo/lib:ro"),
        "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
        "--tag=exceptionless-rotator",
        env!("CARGO_MANIFEST_DIR"),
    ]);
}

/// Removes the container however the test ends.
struct Container;

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new(program_path())
            .args(["rm", "--force", "--ignore", "exceptionless-rotator"])
            .output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_is_small_and_rotates_without_a_right_until_it_is_told_to_stop() {
    build();
    let inspect = |what: &str| podman(&["image", "inspect", "--format", what, "exceptionless-rotator"]);
    let size: u64 = inspect("{{.Size}}").parse().unwrap();
    println!("size of the image, with a program that is neither optimized nor stripped: {} MiB", size >> 20);
    assert_eq!(inspect("{{.Config.User}}"), "65532:65532");
    let labels = inspect("{{.Labels}}");
    for label in [
        "title:exceptionless-rotator",
        &format!("version:{}", env!("CARGO_PKG_VERSION")),
        "licenses:Apache-2.0",
    ] {
        assert!(labels.contains(&format!("org.opencontainers.image.{label}")), "{labels}");
    }
    let _container = Container;
    assert!(
        !podman_runs(&["run", "--rm", "--entrypoint=/bin/sh", "exceptionless-rotator", "-c", "true"]),
        "no shell"
    );

    let mut rig = Rig::sized(2).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    rig.set("admin", "listen", &format!("\"{free}\""));
    let folder = rig.write_config().parent().unwrap().display().to_string();
    said(Command::new("chown").args(["-R", "65532:65532", &folder]));

    // What the README says, but for the folder; `podman` understands the same words.
    let mut commands = readme::commands("docker run --detach")
        .replace("\\\n", " ")
        .replace("/etc/exceptionless-rotator:/", &format!("{folder}:/"));
    commands = commands.replace("docker ", &format!("{} ", program_path().display()));
    let steps: Vec<&str> = commands.lines().collect();
    let [_, run, health, hangup, stop] = steps[..] else { panic!("other steps than these five: {steps:?}") };
    let sh = |step: &str| said(Command::new("sh").args(["-euc", step]));

    let begun = Instant::now();
    sh(run);
    patience("it is well", async || podman_runs(&["healthcheck", "run", "exceptionless-rotator"])).await;
    println!("from `run` until the health check succeeds: {:?}", begun.elapsed());
    assert_eq!(sh(health), "ok");
    patience("it rotates", async || rig.has_converged().await).await;

    let process = podman(&["inspect", "--format", "{{.State.Pid}}", "exceptionless-rotator"]);
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let of = |name: &str| -> Vec<&str> {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
        line.split_whitespace().collect()
    };
    assert_eq!(of("NSpid").last(), Some(&"1"), "it is process 1");
    assert_eq!(
        (of("Uid"), of("CapEff"), of("NoNewPrivs")),
        (vec!["65532"; 4], vec!["0000000000000000"], vec!["1"])
    );

    sh(hangup);
    let log = || podman(&["logs", "exceptionless-rotator"]);
    patience("it is read anew", async || log().contains("daemon.reloaded")).await;
    sh(stop);
    assert_eq!(podman(&["wait", "exceptionless-rotator"]), "0");
    assert!(log().contains("daemon.stopped"), "it ends itself");
    assert!(!podman_runs(&["healthcheck", "run", "exceptionless-rotator"]), "and is not well any more");
}
