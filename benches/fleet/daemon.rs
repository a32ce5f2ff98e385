//! The daemon: how soon it is ready, and what it costs while there is nothing to do.

use std::time::{Duration, Instant};

use tokio::net::UnixDatagram;
use tokio::time::sleep;

use crate::measure;
use crate::stage::Stage;
use crate::support::rig::Rig;

/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(300);

/// A daemon with nothing to do.
pub struct Idle {
    /// Resident, in bytes, after a pass over all projects and at rest.
    pub memory: u64,
    /// Processor time per hour without a pass.
    pub cpu_per_hour: Duration,
}

/// From the start of the process to READY=1, each.
pub async fn starts(stage: &Stage, times: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..times {
        let (socket, path) = notify_socket(&stage.rig);
        let mut command = stage.rig.command(&["run"]);
        command.env("NOTIFY_SOCKET", path);
        let started = Instant::now();
        let mut daemon = command.spawn().unwrap();
        until_said(&socket, "READY=1").await;
        took.push(started.elapsed());
        daemon.kill().await.unwrap();
    }
    took
}

/// Watches a daemon whose projects are all up to date, and that shows itself as it does by default.
pub async fn idle(stage: &mut Stage) -> Idle {
    stage.rig.set("admin", "listen", "\"127.0.0.1:0\"");
    let (socket, path) = notify_socket(&stage.rig);
    let mut command = stage.rig.command(&["run"]);
    let mut daemon = command.env("NOTIFY_SOCKET", path).stdout(std::process::Stdio::null()).spawn().unwrap();
    until_said(&socket, " keys, next rotation ").await;
    let process = daemon.id().unwrap();
    sleep(Duration::from_secs(1)).await;
    let before = measure::cpu(process);
    sleep(REST).await;
    let used = measure::cpu(process).saturating_sub(before);
    let rests = 3600 / u32::try_from(REST.as_secs()).unwrap();
    let idle = Idle { memory: measure::memory(process, "VmRSS"), cpu_per_hour: used * rests };
    daemon.kill().await.unwrap();
    idle
}

fn notify_socket(rig: &Rig) -> (UnixDatagram, std::path::PathBuf) {
    let path = rig.path("notify");
    let _ = std::fs::remove_file(&path);
    (UnixDatagram::bind(&path).unwrap(), path)
}

async fn until_said(socket: &UnixDatagram, words: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.unwrap();
        if String::from_utf8_lossy(&buffer[..length]).contains(words) {
            return;
        }
    }
}
