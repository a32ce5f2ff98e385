//! What systemd is told, by its own protocol: datagrams to the socket that `NOTIFY_SOCKET` names.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::support::rig::Rig;

/// A service manager that hears of one service.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn of(rig: &mut Rig) -> Self {
        let path = rig.path("notify");
        rig.environment.insert("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned());
        Self { socket: UnixDatagram::bind(path).unwrap(), heard: Vec::new() }
    }

    /// Waits for a message with a line that begins so, and returns the message.
    async fn hears(&mut self, start: &str) -> String {
        let mut buffer = vec![0; 4096];
        let listen = async {
            loop {
                let length = self.socket.recv(&mut buffer).await.unwrap();
                let said = String::from_utf8(buffer[..length].to_vec()).unwrap();
                self.heard.extend(said.lines().map(str::to_owned));
                if said.lines().any(|line| line.starts_with(start)) {
                    return said.trim().to_owned();
                }
            }
        };
        timeout(Duration::from_secs(60), listen).await.unwrap_or_else(|_| panic!("{start}: {:?}", self.heard))
    }
}

#[tokio::test]
async fn the_service_manager_knows_when_it_is_ready_and_how_it_goes_and_that_it_lives() {
    let mut rig = Rig::sized(3).await;
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    let mut manager = Manager::of(&mut rig);
    let daemon = rig.daemon();
    manager.hears("READY=1").await;
    let status = manager.hears("STATUS=3 keys").await;
    assert!(
        status.starts_with("STATUS=3 keys, next rotation 20") && status.ends_with(", 0 problems"),
        "{status}"
    );
    manager.hears("WATCHDOG=1").await;

    daemon.signal("HUP");
    let reloading = manager.hears("RELOADING=1").await;
    assert!(reloading.contains("\nMONOTONIC_USEC="), "systemd wants both at once: {reloading}");
    manager.hears("READY=1").await;

    rig.emulator.add_fault(Fault::everywhere(Kind::Status(500)).always());
    daemon.signal("USR1");
    let status = manager.hears("STATUS=the last pass failed: ").await;
    assert!(status.contains("Exceptionless"), "{status}");
    manager.hears("WATCHDOG=1").await;

    daemon.signal("TERM");
    manager.hears("STOPPING=1").await;
}
