//! What is no word of Exceptionless about a password, and what stands in the way of a change that could be kept.

use chrono::TimeDelta;
use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use super::{PLACE, held, in_force, in_vault};
use crate::support::rig::{PASSWORD, Rig};

const QUESTION: &str = "users/me";

/// The document of a user, as a cache would give it to everybody.
fn document(email: &str) -> Kind {
    Kind::Cached(json!({"id": "6506b1a0c7a9d1f2e3b4c5d6", "email_address": email}).to_string())
}

/// A change that was begun: the server has not been told of the next password.
async fn begun() -> (Rig, Value) {
    let rig = in_vault(1).await;
    let both = json!({"password": PASSWORD, "password_next": "battery staple", "owner": "operations"});
    rig.corner.put_raw(PLACE, both.clone()).await;
    (rig, both)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_users_own_document_is_no_word_about_a_password() {
    let huge = Kind::HugeBody(1 << 20);
    for kind in [Kind::Html, huge, Kind::CutJson, Kind::Cached("{}".into()), document("other@example.test")] {
        for auth in ["\"login\"", "\"basic\""] {
            let (mut rig, both) = begun().await;
            rig.set("exceptionless", "auth", auth);
            rig.emulator.add_fault(Fault::new("GET", QUESTION, kind.clone()).always());
            for command in ["rotate-credential", "rotate"] {
                let ended = rig.run(&[command]).await;
                assert_eq!(ended.code, 69, "{kind:?} {command}: {ended:?}");
                assert!(ended.stderr.contains("users/me at"), "{kind:?} {command}: {ended:?}");
            }
            assert_eq!((held(&rig).await, in_force(&rig)), (both, PASSWORD.to_owned()), "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_yes_to_every_password_is_not_believed_about_the_next_one() {
    let (rig, both) = begun().await;
    rig.emulator.add_fault(Fault::new("GET", QUESTION, document(" Rotator@Example.test")).always());
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("accepted one that was just made up"), "{ended:?}");
    assert_eq!((held(&rig).await, in_force(&rig)), (both, PASSWORD.to_owned()));
    rig.emulator.clear_faults();
    assert_eq!(rig.run(&["rotate-credential"]).await.code, 0);
    assert_eq!(in_force(&rig), "battery staple");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_clocks_that_are_days_apart_a_change_is_ended_but_none_is_begun() {
    for days in [-2, 2] {
        let (rig, _) = begun().await;
        rig.emulator.set_date_offset(TimeDelta::days(days));
        assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "finished");
        let before = held(&rig).await;
        for arguments in [&["rotate-credential"][..], &["rotate-credential", "--plan"]] {
            let ended = rig.run(arguments).await;
            assert_eq!(ended.code, 1, "{ended:?}");
            assert!(ended.stderr.contains("differ by more than a day"), "{ended:?}");
        }
        assert!(rig.run(&["check"]).await.stdout.contains("no change of the password is begun"));
        assert_eq!(held(&rig).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_deleted_is_told_from_one_that_never_was() {
    let rig = in_vault(1).await;
    let mount = &rig.corner.mount;
    rig.corner.put_raw(PLACE, json!({"password": PASSWORD})).await;
    rig.corner.bao.root("DELETE", &format!("{mount}/data/{PLACE}"), Value::Null).await;
    for command in ["rotate", "check", "rotate-credential"] {
        let ended = rig.run(&[command]).await;
        assert_eq!(ended.code, 78, "{command}: {ended:?}");
        let remedy = format!("vault kv undelete -mount={mount} -versions=2 {PLACE}");
        assert!((ended.stdout.clone() + &ended.stderr).contains(&remedy), "{command}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_put_where_vault_deletes_it_by_itself() {
    let rig = in_vault(1).await;
    let metadata = format!("{}/metadata/{PLACE}", rig.corner.mount);
    rig.corner.bao.root("POST", &metadata, json!({"delete_version_after": "1h"})).await;
    rig.corner.put_raw(PLACE, json!({"password": PASSWORD, "owner": "operations"})).await;
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains("deletes this version") && check.stdout.contains("warning"), "{check:?}");
    for arguments in [&["rotate-credential"][..], &["rotate-credential", "--plan"]] {
        let ended = rig.run(arguments).await;
        assert_eq!(ended.code, 78, "{ended:?}");
        assert!(ended.stderr.contains("delete-version-after=0s"), "{ended:?}");
    }
    assert_eq!(in_force(&rig), PASSWORD);
    assert!(held(&rig).await["password_next"].is_null());
    rig.corner.bao.root("POST", &metadata, json!({"delete_version_after": "0s"})).await;
    rig.corner.put_raw(PLACE, json!({"password": PASSWORD, "owner": "operations"})).await;
    assert_eq!(rig.run(&["rotate-credential"]).await.code, 0);
}
