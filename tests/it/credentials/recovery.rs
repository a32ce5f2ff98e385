//! The secret is written by others, as a whole, and the server loses what it has taken. The right password comes back.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};
use serde_json::json;

use super::{PLACE, breaches, held, in_force, in_vault};
use crate::support::patience;
use crate::support::rig::{PASSWORD, Rig};
use crate::support::visitor::Visitor;

const CHANGE: &str = "auth/change-password";

/// What a tool writes that knows the first password only.
async fn overwrite(rig: &Rig) {
    rig.corner.put_raw(PLACE, json!({"password": PASSWORD, "owner": "operations"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_is_overwritten_during_the_change_is_put_back_before_the_process_ends() {
    let rig = in_vault(1).await;
    let slow = Kind::Slow(Duration::from_millis(1500));
    rig.emulator.add_fault(Fault::new("POST", CHANGE, slow).applied());
    let mut change = rig.start(&["rotate-credential"]);
    rig.emulator.until_called("POST", CHANGE, 1).await;
    overwrite(&rig).await;
    assert_eq!(change.ended().await, 1, "{}", change.text());
    assert!(change.text().contains("somebody else wrote"), "{}", change.text());
    assert_eq!(change.count("credential.recovered"), 1, "{}", change.text());
    assert_ne!(in_force(&rig), PASSWORD);
    assert_eq!(breaches(&rig).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_an_older_version_is_used_at_once_and_put_back_by_the_next_change() {
    for (auth, logins) in [("\"login\"", 2), ("\"basic\"", 0)] {
        for at_the_server in [false, true] {
            let mut rig = in_vault(1).await;
            rig.set("exceptionless", "auth", auth);
            assert_eq!(rig.run(&["rotate-credential"]).await.code, 0);
            let right = if at_the_server {
                rig.emulator.change_password("rotator@example.test", PASSWORD);
                PASSWORD.to_owned()
            } else {
                overwrite(&rig).await;
                in_force(&rig)
            };
            // A version that is deleted stands in nobody's way.
            let deleted = json!({"versions": [2]});
            rig.corner.bao.root("POST", &format!("{}/delete/{PLACE}", rig.corner.mount), deleted).await;
            rig.emulator.reset_requests();
            rig.rotate().await;
            assert_eq!(rig.emulator.requests().count("POST", "auth/login"), logins);
            assert_eq!(rig.json(&["rotate-credential", "--plan"]).await["outcome"], "would_recover");
            let check = rig.run(&["check"]).await;
            assert_eq!(check.code, 0, "{check:?}");
            assert!(check.stdout.contains("but one of an older version"), "{check:?}");
            let ended = rig.run(&["rotate-credential"]).await;
            assert_eq!(ended.code, 0, "{ended:?}");
            assert!(ended.events().iter().any(|event| event == "credential.recovered"), "{ended:?}");
            assert_eq!(breaches(&rig).await, Vec::<String>::new());
            assert_ne!(in_force(&rig), right, "and then it was changed");
            assert_ne!(held(&rig).await["password"], PASSWORD);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_back_on_the_word_of_a_cache() {
    let rig = in_vault(1).await;
    assert_eq!(rig.run(&["rotate-credential"]).await.code, 0);
    overwrite(&rig).await;
    let before = held(&rig).await;
    let user = json!({"id": "6506b1a0c7a9d1f2e3b4c5d6", "email_address": "rotator@example.test"});
    let cached = Fault::new("GET", "users/me", Kind::Cached(user.to_string()));
    // The present password is refused by the server itself.
    rig.emulator.add_fault(cached.skip(1).always());
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("just made up"), "{ended:?}");
    assert_eq!(held(&rig).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_puts_the_password_back_before_vault_forgets_it_and_says_so_meanwhile() {
    let mut rig = in_vault(1).await;
    // As a shell writes it, with the end of its line.
    let right = json!({"password": format!("{PASSWORD}\n"), "owner": "operations"});
    rig.corner.put_raw(PLACE, right).await;
    rig.corner.put_raw(PLACE, json!({"password": "battery staple", "owner": "operations"})).await;
    Visitor::prepare(&mut rig).set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("exceptionless.older_password", 1).await;
    daemon.until("pass.finished", 1).await;
    let told = "but one of an older version";
    patience("it is shown", async || visitor.status().await["problems"].to_string().contains(told)).await;
    daemon.until("credential.recovered", 1).await;
    patience("nothing is wrong", async || visitor.status().await["problems"] == json!([])).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    assert_eq!(
        (breaches(&rig).await, in_force(&rig)),
        (Vec::new(), PASSWORD.to_owned()),
        "{}",
        daemon.text()
    );
    assert_eq!(daemon.count("exceptionless.older_password"), 1, "{}", daemon.text());
}
