//! The holder of the lease ends before and after every request about it. That stops its replica for no longer than
//! the lease lasts, and costs no key.

use crate::support::patience;
use crate::support::process::Process;
use crate::support::rig::Rig;

/// The claim and the mark that follows it, and two renewals.
const HOLDING: [&str; 8] = [
    "vault.hold_lease.before:1",
    "vault.hold_lease.after:1",
    "vault.mark_lease.before:1",
    "vault.mark_lease.after:1",
    "vault.hold_lease.before:2",
    "vault.hold_lease.after:2",
    "vault.hold_lease.before:3",
    "vault.hold_lease.after:3",
];

/// Of one that is told to stop before its first renewal is due.
const RENOUNCING: [&str; 2] = ["vault.hold_lease.before:2", "vault.hold_lease.after:2"];

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_holder_of_the_lease_is_killed_a_replica_goes_on() {
    let holding = HOLDING.map(|point| breaches(point, "3s", false));
    let renouncing = RENOUNCING.map(|point| breaches(point, "15s", true));
    let found = futures_util::future::join_all(holding.into_iter().chain(renouncing)).await.concat();
    assert!(found.is_empty(), "{found:#?}");
}

async fn breaches(point: &str, ttl: &str, told_to_stop: bool) -> Vec<String> {
    let mut rig = Rig::sized(1).await;
    rig.set("ha", "enabled", "true").set("ha", "lease_ttl", &format!("\"{ttl}\""));
    rig.set("log", "level", "\"info\"");
    let mut breaches = Vec::new();
    let mut command = rig.command(&["run"]);
    command.env("KILL_AT", point);
    let mut holder = Process::start(command, rig.path("holder.log"));
    if told_to_stop {
        holder.until("pass.finished", 1).await;
        holder.signal("TERM");
    }
    if holder.child.wait().await.unwrap().code().is_some() {
        breaches.push(format!("{point} was not reached"));
    }
    let mut replica = Process::start(rig.command(&["run"]), rig.path("replica.log"));
    replica.until("pass.finished", 1).await;
    patience("one live key of ours", async || rig.has_converged().await).await;
    replica.signal("TERM");
    if replica.ended().await != 0 {
        breaches.push(format!("{point}: the replica did not end well"));
    }
    if !rig.emulator.authenticates(&rig.key(&rig.projects()[0]).await) {
        breaches.push(format!("{point}: the published key does not work"));
    }
    if rig.corner.get_raw("exceptionless-rotator/leader").await["holder"] != "" {
        breaches.push(format!("{point}: the replica did not renounce the lease"));
    }
    breaches
}
