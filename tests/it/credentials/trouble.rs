//! A server without its database refuses right passwords. That must not look like a wrong one, nor cost a quarter hour.

use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_tells_a_database_in_trouble_from_a_wrong_password() {
    for auth in ["\"login\"", "\"basic\""] {
        let mut rig = Rig::sized(1).await;
        rig.set("exceptionless", "auth", auth);
        rig.emulator.switch(|switches| switches.elasticsearch_down = true);
        for command in ["rotate", "check"] {
            let ended = rig.run(&[command]).await;
            assert_eq!(ended.code, 69, "{ended:?}");
            let said = ended.stdout.clone() + &ended.stderr;
            assert!(said.contains("/health there says that something is wrong with the server"), "{ended:?}");
        }
        rig.emulator.switch(|switches| switches.elasticsearch_down = false);
        rig.rotate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_goes_on_when_the_database_does() {
    for auth in ["\"login\"", "\"basic\""] {
        let mut rig = Rig::sized(1).await;
        rig.set("exceptionless", "auth", auth).set("rotation", "reconcile_every", "\"1s\"");
        rig.set("log", "level", "\"info\"");
        let mut daemon = rig.daemon();
        daemon.until("pass.finished", 1).await;
        rig.emulator.switch(|switches| switches.elasticsearch_down = true);
        daemon.until("pass.failed", 1).await;
        rig.emulator.switch(|switches| switches.elasticsearch_down = false);
        let finished = daemon.count("pass.finished");
        daemon.until("pass.finished", finished + 1).await;
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, 0);
        assert!(
            rig.emulator.requests().count("POST", "auth/login") <= 4,
            "people's attempts are left to them"
        );
    }
}
