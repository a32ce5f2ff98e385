//! The daemon changes the password by a schedule, between two passes.

use serde_json::json;

use super::{PLACE, breaches, held, in_force, in_vault};
use crate::support::patience;
use crate::support::rig::PASSWORD;
use crate::support::visitor::Visitor;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_changes_the_password_when_its_time_comes_and_goes_on() {
    let mut rig = in_vault(1).await;
    rig.set("exceptionless", "password_schedule", "\"*/2 * * * * *\"").set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    daemon.until("credential.rotated", 3).await;
    daemon.until("pass.finished", 3).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    assert_eq!(daemon.count("credential.failed") + daemon.count("pass.failed"), 0, "{}", daemon.text());
    assert_ne!(in_force(&rig), PASSWORD);
    assert_eq!(breaches(&rig).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_the_request_budget_in_the_midst_of_a_change_stops_at_once_and_without_complaint()
 {
    let mut rig = in_vault(1).await;
    rig.set("exceptionless", "password_schedule", "\"0 4 1 1 *\"").set("exceptionless", "rate_reserve", "0");
    rig.emulator.state(|state| state.rate_limit = 1);
    let mut daemon = rig.daemon();
    daemon.until("budget.waiting", 1).await;
    assert!(held(&rig).await["password_next"].is_string(), "it is in the midst of it");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    assert_eq!(daemon.count("credential.failed") + daemon.count("pass.abandoned"), 0, "{}", daemon.text());
    rig.emulator.state(|state| state.rate_limit = 0);
    assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "finished");
    assert_eq!(breaches(&rig).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_changed_once_and_then_when_it_is_due_again() {
    let mut rig = in_vault(1).await;
    rig.set("exceptionless", "password_schedule", "\"0 4 1 1 *\"").set(
        "rotation",
        "reconcile_every",
        "\"1s\"",
    );
    rig.set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    daemon.until("pass.finished", 4).await;
    assert_eq!(daemon.count("credential.rotated"), 1, "nobody knew since when it was in force");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    let check = rig.run(&["check"]).await;
    assert!(check.stdout.contains("the daemon changes it at 20"), "{check:?}");
    assert!(rig.json(&["rotate-credential", "--plan"]).await["next_change_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_being_changed_is_told_and_tried_again_while_keys_are_rotated() {
    let mut rig = in_vault(1).await;
    rig.corner.amend_policy(|policy| policy.replace(r#"["read", "patch"]"#, r#"["read"]"#)).await;
    rig.set("exceptionless", "password_schedule", "\"0 4 1 1 *\"").set(
        "rotation",
        "reconcile_every",
        "\"1s\"",
    );
    Visitor::prepare(&mut rig).set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    let started = visitor.metric("last_success_timestamp_seconds", "").await;
    daemon.until("credential.failed", 2).await;
    daemon.until("key.published", 1).await;
    let told = "the password was not changed: ";
    patience("it is shown", async || visitor.status().await["problems"].to_string().contains(told)).await;
    assert_eq!(visitor.metric("last_success_timestamp_seconds", "").await, started, "which the alert asks");
    assert!(held(&rig).await["password_next"].is_null());
    rig.corner
        .amend_policy(|policy| {
            let line = format!("data/{PLACE}\" {{\n  capabilities = [\"read\"");
            policy.replace(&line, &line.replace("\"read\"", "\"read\", \"patch\""))
        })
        .await;
    daemon.until("credential.rotated", 1).await;
    patience("nothing is wrong", async || visitor.status().await["problems"] == json!([])).await;
    assert!(visitor.metric("last_success_timestamp_seconds", "").await > started);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    patience("one password", async || breaches(&rig).await.is_empty()).await;
}
