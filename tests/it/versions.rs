//! The same rotator against every kind of Exceptionless that is still around: up to 8.1, from 8.2 to 8.6.2, and after it.

use exceptionless_emulator::{ServerVersion, Settings, Switches, Token};

use crate::support::rig::Rig;

const ALL: [ServerVersion; 3] = [ServerVersion::V8_1, ServerVersion::V8_6, ServerVersion::V8_8];

async fn rig(server_version: ServerVersion) -> Rig {
    let switches = Switches { server_version, ..Switches::default() };
    let mut rig =
        Rig::with(Settings { organizations: 1, projects: 2, switches, ..Settings::default() }).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig
}

/// From the first publication to the end of the key that it replaced.
async fn rotates(rig: &Rig) {
    for command in [&["check"][..], &["rotate"], &["rotate", "--all"]] {
        let ended = rig.run(command).await;
        assert_eq!(ended.code, 0, "{command:?}: {ended:?}");
    }
    rig.rotate_until("the old keys are revoked", async || rig.has_converged().await).await;
    let ended = rig.run(&["rotate", "--all", "--revoke-previous-now", "--yes"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(rig.has_converged().await);
    for key in rig.keys().await.values() {
        assert!(rig.emulator.authenticates(key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_rotates_the_keys_of_every_release() {
    for version in ALL {
        for auth in ["\"login\"", "\"basic\""] {
            let mut rig = rig(version).await;
            rig.set("exceptionless", "auth", auth);
            rotates(&rig).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_at_every_release() {
    for version in ALL {
        let rig = crate::credentials::in_vault(1).await;
        rig.emulator.switch(|switches| switches.server_version = version);
        for _ in 0..2 {
            assert_eq!(rig.json(&["rotate-credential"]).await["outcome"], "changed");
        }
        rig.rotate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_once_by_every_release() {
    for version in ALL {
        let rig = rig(version).await;
        std::fs::write(rig.path("password"), "battery staple").unwrap();
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        assert!(ended.stderr.contains("e-mail or password of rotator@example.test"), "{ended:?}");
        assert_eq!(rig.emulator.requests().count("POST", "auth/login"), 1);
    }
}

/// A rig that has an API key with scope `user` in place of a user.
async fn by_key(version: ServerVersion, owned: bool) -> Rig {
    let mut rig = rig(version).await;
    let project = rig.emulator.projects().remove(0);
    let key = rig.emulator.state(|state| {
        let secret = "userscopedkey".repeat(4)[..40].to_owned();
        let mut token = Token::client(secret, &project.organization_id, &project.id, state.now());
        token.scopes = vec!["client".to_owned(), "user".to_owned()];
        token.user_id = owned.then(|| state.users[0].id.clone());
        state.put_token(token.clone());
        token.id
    });
    std::fs::write(rig.path("token"), key).unwrap();
    rig.unset("exceptionless", "email").unset("exceptionless", "password_file");
    rig.set("exceptionless", "auth", "\"token\"").set("exceptionless", "token_file", "\"token\"");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn up_to_8_1_an_api_key_of_a_user_rotates_too_until_the_server_is_upgraded() {
    let rig = by_key(ServerVersion::V8_1, true).await;
    rotates(&rig).await;
    for version in [ServerVersion::V8_6, ServerVersion::V8_8] {
        rig.emulator.switch(|switches| switches.server_version = version);
        is_told_apart(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_that_is_nobodys_is_told_apart_by_every_release() {
    for version in ALL {
        let rig = by_key(version, false).await;
        is_told_apart(&rig).await;
        assert!(rig.projects().iter().all(|project| rig.own_keys(project).is_empty()));
    }
}

async fn is_told_apart(rig: &Rig) {
    for command in ["check", "rotate"] {
        let ended = rig.run(&[command]).await;
        assert_ne!(ended.code, 0, "{ended:?}");
        let said = ended.stdout.clone() + &ended.stderr;
        for words in ["an API key", "manages keys only for a user", "auth = \"login\""] {
            assert!(said.contains(words), "{command}: {ended:?}");
        }
    }
}
