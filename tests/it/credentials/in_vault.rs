//! The password is kept in Vault, and Vault's login is the only secret on the machine.

use serde_json::{Value, json};

use super::{PLACE, in_vault};
use crate::support::rig::{PASSWORD, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_vault_serves_every_command_under_the_shipped_policy() {
    for auth in ["\"login\"", "\"basic\""] {
        let mut rig = in_vault(2).await;
        rig.set("exceptionless", "auth", auth);
        rig.rotate().await;
        let ended = rig.run(&["check"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.stdout.contains(&format!("kept in Vault's {}/data/{PLACE}", rig.corner.mount)),
            "{ended:?}"
        );
        assert!(ended.stdout.contains("nobody knows since when"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_can_name_the_place_too_and_a_login_token_can_be_kept_there() {
    let mut rig = in_vault(1).await;
    rig.unset("exceptionless", "password");
    let field = |name: &str| format!("{}/data/{PLACE}#{name}", rig.corner.mount);
    rig.environment.insert("ROTATOR__EXCEPTIONLESS__PASSWORD__VAULT".to_owned(), field("password"));
    rig.rotate().await;
    let token = rig.emulator.state(|state| state.logins()[0].id.clone());
    let field = format!("{{ vault = \"{}\" }}", field("token"));
    rig.corner.put_raw(PLACE, json!({"token": token})).await;
    rig.environment.clear();
    rig.unset("exceptionless", "email").set("exceptionless", "auth", "\"token\"");
    rig.set("exceptionless", "token", &field);
    rig.rotate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_vault_is_named_with_its_remedy() {
    async fn says(rig: &Rig, code: i32, words: &[&str]) {
        for command in ["rotate", "check", "rotate-credential"] {
            let ended = rig.run(&[command]).await;
            assert_eq!(ended.code, code, "{command}: {ended:?}");
            let said = ended.stdout.clone() + &ended.stderr;
            assert!(words.iter().all(|word| said.contains(word)), "{command}: {words:?} {ended:?}");
        }
    }
    let rig = in_vault(1).await;
    let mount = rig.corner.mount.clone();
    rig.corner.put_raw(PLACE, json!({"owner": "operations"})).await;
    says(&rig, 78, &["has no field password", &format!("vault kv patch -mount={mount} {PLACE} password=-")])
        .await;
    rig.corner.put_raw(PLACE, json!({"password": "two\nlines"})).await;
    says(&rig, 78, &["holds more than one line", PLACE]).await;
    rig.corner.bao.root("DELETE", &format!("{mount}/metadata/{PLACE}"), Value::Null).await;
    says(&rig, 78, &["has no secret there", &format!("vault kv put -mount={mount} {PLACE} password=-")])
        .await;

    rig.corner.put_raw(PLACE, json!({"password": PASSWORD})).await;
    rig.corner.amend_policy(|policy| policy.replace(r#"["read", "patch"]"#, r#"["read"]"#)).await;
    rig.rotate().await;
    let ended = rig.run(&["rotate-credential"]).await;
    assert_eq!(ended.code, 77, "{ended:?}");
    let line = format!("path \"{mount}/data/{PLACE}\" {{ capabilities = [\"read\", \"patch\"] }}");
    assert!(ended.stderr.contains(&line), "{ended:?}");
    assert_eq!(super::in_force(&rig), PASSWORD, "nothing is changed that could not be kept");
    rig.corner.amend_policy(|policy| policy.replace(&format!("data/{PLACE}"), "data/elsewhere")).await;
    let line = format!("path \"{mount}/data/{PLACE}\" {{ capabilities = [\"read\"] }}");
    says(&rig, 77, &["not permitted to read", &line]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_notices_by_itself_that_a_person_has_put_another_password_there() {
    let mut rig = in_vault(1).await;
    rig.set("rotation", "reconcile_every", "\"1s\"").set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    daemon.until("pass.finished", 1).await;
    rig.emulator.change_password("rotator@example.test", "battery staple");
    daemon.until("pass.failed", 1).await;
    rig.corner.put_raw(PLACE, json!({"password": "battery staple"})).await;
    let finished = daemon.count("pass.finished");
    daemon.until("pass.finished", finished + 1).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    assert!(rig.emulator.requests().count("POST", "auth/login") <= 5);
}
