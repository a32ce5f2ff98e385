//! What ends a command is no reason for the daemon to end: it says the same and tries again.

use super::{keeps_secrets, nobody, nothing_was_written, quoted};
use crate::support::process::{Ended, Process};
use crate::support::rig::Rig;

async fn stopped(rig: &Rig, mut daemon: Process) -> String {
    daemon.signal("TERM");
    let code = daemon.ended().await;
    let ended = Ended { code, stdout: daemon.text(), stderr: String::new() };
    assert_eq!(ended.code, 0, "{ended:?}");
    keeps_secrets(rig, &ended);
    ended.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_logged_and_the_daemon_stays() {
    let rig = Rig::new().await;
    std::fs::write(rig.path("password"), "battery staple").unwrap();
    let daemon = rig.daemon();
    daemon.until("pass.failed", 1).await;
    let log = stopped(&rig, daemon).await;
    assert!(log.contains("refused e-mail or password of rotator@example.test; check /"), "{log}");
    nothing_was_written(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_down_is_logged_and_the_daemon_stays() {
    let mut rig = Rig::new().await;
    rig.set("vault", "address", &quoted(&nobody()));
    let daemon = rig.daemon();
    daemon.until("pass.failed", 1).await;
    let log = stopped(&rig, daemon).await;
    assert!(log.contains("refuses connections; check vault.address"), "{log}");
    nothing_was_written(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_at_a_reload_with_all_its_mistakes_and_the_old_one_stays() {
    let mut rig = Rig::new().await;
    let daemon = rig.daemon();
    daemon.until("pass.finished", 1).await;
    rig.set("rotation", "schedule", "\"0 3 31 2 *\"").set("vault", "adress", "\"x\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reload_refused", 1).await;
    daemon.signal("USR1");
    daemon.until("pass.finished", 2).await;
    let log = stopped(&rig, daemon).await;
    for word in ["the configuration has 2 problems", "never comes", "did you mean vault.address?"] {
        assert!(log.contains(word), "{word} is not in: {log}");
    }
}
