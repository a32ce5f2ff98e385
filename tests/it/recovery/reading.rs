//! Vault fails, or refuses, while the secrets are read.

use exceptionless_emulator::{Fault, Kind};
use serde_json::json;

use super::rotate;
use crate::support::bao::FOLDER;
use crate::support::rig::Rig;

/// The path of every secret, as Vault is asked for it.
fn secrets(rig: &Rig) -> String {
    format!("/v1/{}/data/{FOLDER}/", rig.corner.mount)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_stops_its_own_project_only() {
    let mut rig = Rig::sized(3).await;
    let (relay, secrets) = (rig.relay_vault().await, secrets(&rig));
    let unread = rig.projects().remove(1);
    relay.add_fault(Fault::new("GET", &format!("{secrets}{unread}"), Kind::Drop).always());
    let ended = rotate(&rig, &[]).await;
    let document = ended.document();
    assert_eq!((ended.code, &document["published"]), (1, &json!(2)), "{ended:?}");
    let problem = document["projects"][1]["problem"].as_str().unwrap();
    assert!(
        problem.starts_with(&format!("its secret at {FOLDER}/{unread} could not be read: ")),
        "{problem}"
    );
    assert_eq!(rig.own_keys(&unread), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_goes_away_while_the_secrets_are_read_ends_the_pass() {
    let mut rig = Rig::sized(4).await;
    rig.set("rotation", "concurrency", "1");
    let (relay, secrets) = (rig.relay_vault().await, secrets(&rig));
    relay.add_fault(Fault::new("GET", &secrets, Kind::Drop).skip(1).always());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("stopped answering while the secrets were read"), "{ended:?}");
    assert_eq!(rig.emulator.requests().tokens_created, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_our_folder_that_we_may_not_read_is_somebody_elses() {
    let rig = Rig::sized(1).await;
    rig.corner.put_raw(&format!("{FOLDER}/theirs"), json!({"password": "x"})).await;
    let denied = format!("{}/data/{FOLDER}/theirs", rig.corner.mount);
    rig.corner
        .amend_policy(|policy| format!("{policy}\npath \"{denied}\" {{\n  capabilities = [\"deny\"]\n}}\n"))
        .await;
    let ended = rig.rotate().await;
    assert!(!ended.events().contains(&"pass.blind".to_owned()), "{ended:?}");
    let lines = ended.lines();
    let told =
        lines.iter().find(|line| line["event"] == "secrets.unreadable").expect("it may be one of ours");
    assert_eq!(told["paths"], format!("{FOLDER}/theirs"));
    assert!(rig.has_converged().await);
}
