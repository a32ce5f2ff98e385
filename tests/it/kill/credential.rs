//! `rotate-credential` ends before and after every request, of a change from its beginning and of one that another had
//! begun. The service user can always log in with what Vault holds, and the next run ends the change.

use futures_util::StreamExt;

use super::{AT_ONCE, killed};
use crate::credentials::{breaches, held, in_force, in_vault};
use crate::support::proof;
use crate::support::rig::Rig;

const COMMAND: [&str; 1] = ["rotate-credential"];

/// Where the run is killed that comes before the one in question; or none comes.
const BEGUN: [Option<&str>; 3] =
    [None, Some("vault.store_credential.after:1"), Some("exceptionless.change_password.after:1")];

async fn set_up(begun: Option<&str>) -> Rig {
    let mut rig = in_vault(1).await;
    rig.set("log", "level", "\"warn\"");
    if let Some(point) = begun {
        assert!(killed(&rig, &COMMAND, point).await);
    }
    rig
}

async fn points(begun: Option<&str>) -> Vec<String> {
    let rig = set_up(begun).await;
    let file = rig.path("points");
    let output = rig.command(&COMMAND).env("KILL_POINTS", &file).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

async fn breaches_after(begun: Option<&'static str>, point: String) -> (String, Vec<String>) {
    let rig = set_up(begun).await;
    let mut found = Vec::new();
    if !killed(&rig, &COMMAND, &point).await {
        found.push("the point was not reached".to_owned());
    }
    let held = held(&rig).await;
    if !["password", "password_next"].iter().any(|name| held[name] == in_force(&rig)) {
        found.push("Vault does not hold the password that works".to_owned());
    }
    if rig.run(&["rotate"]).await.code != 0 {
        found.push("the rotator cannot log in".to_owned());
    }
    if rig.emulator.requests().count("POST", "auth/login") > 1 {
        found.push("it was tried more often than once".to_owned());
    }
    let ended = rig.run(&COMMAND).await;
    if ended.code != 0 {
        found.push(format!("the next run did not end the change: {ended:?}"));
    }
    found.extend(breaches(&rig).await);
    (point, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_change_of_the_password_is_killed_vault_holds_what_works_and_the_next_run_ends_it() {
    let mut runs = Vec::new();
    for begun in BEGUN {
        runs.extend(points(begun).await.into_iter().map(|point| breaches_after(begun, point)));
    }
    let results: Vec<_> = futures_util::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    for effect in ["exceptionless.change_password", "vault.store_credential"] {
        for moment in ["before", "after"] {
            let name = format!("{effect}.{moment}");
            assert!(results.iter().any(|(point, _)| point.starts_with(&name)), "{name} was never reached");
        }
    }
    let broken: Vec<_> = results.iter().filter(|(_, found)| !found.is_empty()).collect();
    proof::record(
        "kills of the password",
        &format!("{} kills of `rotate-credential`, {} breaches.\n", results.len(), broken.len()),
    );
    assert!(broken.is_empty(), "{broken:#?}");
}
