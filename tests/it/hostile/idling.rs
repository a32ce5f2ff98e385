//! The daemon between two passes, when something does not work.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::time::sleep;

use crate::support::bao::FOLDER;
use crate::support::patience;
use crate::support::process::Process;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_fails_does_not_delay_the_others() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "schedule", "\"*/2 * * * * *\"").set("rotation", "reconcile_every", "\"1h\"");
    let [failing, other] = <[String; 2]>::try_from(rig.projects()).unwrap();
    let denied = format!("{}/data/{FOLDER}/{failing}", rig.corner.mount);
    rig.corner
        .amend_policy(|policy| format!("{policy}\npath \"{denied}\" {{\n  capabilities = [\"read\"]\n}}\n"))
        .await;
    let mut daemon = rig.daemon();
    daemon.until("key.published", 4).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);

    assert!(daemon.count("project.failed") >= 3, "{}", daemon.text());
    let published = times(&daemon, "key.published");
    let pauses: Vec<_> = published.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause < TimeDelta::seconds(8)), "{pauses:?}");
    assert!(rig.version(&other).await >= 4);
    assert_eq!(rig.version(&failing).await, 0);
}

fn times(daemon: &Process, event: &str) -> Vec<DateTime<Utc>> {
    let lines = daemon.lines().into_iter().filter(|line| line["event"] == event);
    lines.map(|line| line["timestamp"].as_str().unwrap().parse().unwrap()).collect()
}

fn logins(daemon: &Process) -> usize {
    let asked = |line: &serde_json::Value| {
        line["event"] == "vault.request"
            && line["attempt"].as_str().is_some_and(|text| text.ends_with("/login"))
    };
    daemon.lines().into_iter().filter(asked).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_daemon_does_not_hammer_a_vault_that_refuses_its_login() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "reconcile_every", "\"1h\"");
    let mount = rig.corner.mount.clone();
    let role = json!({"token_policies": [mount], "token_no_default_policy": true, "token_ttl": "3s"});
    rig.corner.bao.root("POST", &format!("auth/{mount}/role/{mount}"), role).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    let secret_id = std::fs::read_to_string(rig.corner.secret_id_file()).unwrap();
    let destroy = format!("auth/{mount}/role/{mount}/secret-id/destroy");
    rig.corner.bao.root("POST", &destroy, json!({"secret_id": secret_id})).await;
    rig.corner.revoke_logins().await;

    patience("a login is refused", async || logins(&daemon) == 2).await;
    // Nothing can be awaited where nothing shall happen; this is twice the life of the token.
    sleep(Duration::from_secs(6)).await;
    let refused = logins(&daemon) - 1;
    assert!(refused <= 3, "{refused} logins were refused");

    rig.corner.renew_secret_id().await;
    daemon.signal("USR1");
    daemon.until("pass.finished", 2).await;
}
