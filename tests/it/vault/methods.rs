//! Every way to log in, against a real OpenBao: that it works, what it says when it does not, and that neither the end
//! of a token nor that of the server in the middle of a pass leaves anything behind.

use std::time::Duration;

use chrono::TimeDelta;
use exceptionless_emulator::{Fault, Kind, Settings};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::secrecy::FINEST;
use crate::support::durable::Durable;
use crate::support::issuer::Issuer;
use crate::support::login::{Login, METHODS, WRAPPED};
use crate::support::process::{Ended, Process};
use crate::support::rig::Rig;
use crate::support::secrets;

/// What was printed holds no secret of the arrangement, and none of the login.
fn assert_silent(rig: &Rig, login: &Login, ended: &Ended) {
    let mut all = secrets::known(rig);
    all.extend(login.secrets.iter().cloned());
    for text in [&ended.stdout, &ended.stderr] {
        assert_eq!(secrets::leak(text, &all), None, "{}", login.method);
    }
}

/// A rig whose passes take two seconds or more, with keys published by an earlier one.
async fn slow(method: &'static str) -> Rig {
    let (organizations, projects, latency) = (1, 3, Duration::from_millis(150));
    let settings = Settings { organizations, projects, latency, ..Settings::default() };
    let mut rig = Login::rig(method, settings).await;
    rig.set("rotation", "concurrency", "1").set("rotation", "overlap", "\"1h\"");
    rig
}

/// A pass that is under way: its first new key is minted, and nothing is published.
async fn amid(rig: &Rig) -> Process {
    let before = rig.emulator.requests().writes;
    let pass = Process::start(rig.command(&["rotate", "--all"]), rig.path("pass.log"));
    crate::support::patience("a key is minted", async || rig.emulator.requests().writes > before).await;
    pass
}

/// The keys are what was promised: every project has one that works.
async fn assert_served(rig: &Rig, method: &str) {
    for (project, key) in rig.keys().await {
        assert!(rig.emulator.authenticates(&key), "{method}: {project}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_logs_in_and_publishes_and_check_names_it_and_prints_no_secret() {
    join_all(METHODS.map(async |method| {
        let settings = Settings { organizations: 1, projects: 1, ..Settings::default() };
        let mut rig = Login::rig(method, settings).await;
        let login = Login::by(method, &mut rig).await;
        rig.set("log", "level", FINEST);
        let checked = rig.run(&["check", "--output", "json"]).await;
        assert_eq!(checked.code, 0, "{checked:?}");
        let findings = checked.document();
        let token =
            findings["findings"].as_array().unwrap().iter().find(|found| found["check"] == "vault token");
        let said = token.unwrap()["detail"].as_str().unwrap();
        let word = if method == WRAPPED {
            "by approle, whose secret id"
        } else {
            &format!("by {method}, policies ")
        };
        assert!(said.starts_with(word), "{said}");
        let rotated = rig.rotate().await;
        assert_served(&rig, method).await;
        for ended in [&checked, &rotated] {
            assert!(ended.stderr.contains("vault.login") || method == WRAPPED, "{ended:?}");
            assert_silent(&rig, &login, ended);
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_and_the_daemon_end_their_login_and_leave_a_token_of_others_alone() {
    join_all(METHODS.map(async |method| {
        let settings = Settings { organizations: 1, projects: 1, ..Settings::default() };
        let mut rig = Login::rig(method, settings).await;
        let mut login = Login::by(method, &mut rig).await;
        for arguments in [&["plan"][..], &["rotate", "--all"], &["explain", "nothing like it"]] {
            login.renew(&rig).await;
            let ended = rig.run(arguments).await;
            assert!(ended.stderr.contains("vault.login") || arguments[0] != "rotate", "{ended:?}");
            assert_eq!(login.logins(&rig).await, 0, "{method}: {arguments:?}");
        }
        login.renew(&rig).await;
        let mut daemon = rig.daemon();
        daemon.until("daemon.sleeping", 1).await;
        assert_eq!(login.logins(&rig).await, usize::from(method != "token"), "{method}");
        daemon.signal("HUP");
        daemon.until("daemon.sleeping", 2).await;
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, 0, "{method}: {}", daemon.text());
        assert_eq!(login.logins(&rig).await, 0, "{method}: neither the first login nor that of the reload");
        if method == "token" {
            let token = std::fs::read_to_string(rig.path("vault-token")).unwrap();
            let path = "auth/token/lookup";
            let (status, _) = rig.corner.bao.any("POST", path, json!({"token": token})).await;
            assert!(status.is_success(), "it is not ours to revoke");
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_cannot_be_ended_is_no_failure() {
    let mut rig = Rig::sized(1).await;
    rig.rotate().await;
    let name = rig.corner.mount.clone();
    let batch = json!({"token_type": "batch", "token_ttl": "1m"});
    rig.corner.bao.root("POST", &format!("auth/{name}/role/{name}"), batch).await;
    let ended = rig.rotate().await;
    assert!(ended.stderr.contains("vault.logout_failed"), "{ended:?}");

    let service = json!({"token_type": "service"});
    rig.corner.bao.root("POST", &format!("auth/{name}/role/{name}"), service).await;
    let relay = rig.relay_vault().await;
    relay.add_fault(
        Fault::new("POST", "/v1/auth/token/revoke-self", Kind::Hang(Duration::from_secs(60))).always(),
    );
    let begun = std::time::Instant::now();
    rig.rotate().await;
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_in_the_middle_of_a_pass_is_replaced_and_nothing_is_lost() {
    join_all(METHODS.map(async |method| {
        let mut rig = slow(method).await;
        let mut login = Login::by(method, &mut rig).await;
        rig.rotate().await;
        login.renew(&rig).await;
        let mut pass = amid(&rig).await;
        login.revoke(&rig).await;
        let code = pass.ended().await;
        if method != "token" {
            assert_eq!(code, 0, "{method}: {}", pass.text());
            assert!(pass.count("vault.login") <= 2, "{method}: {}", pass.text());
        }
        assert_served(&rig, method).await;
        login.renew(&rig).await;
        rig.rotate().await;
        assert_served(&rig, method).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_live_for_a_second_carry_a_pass_that_takes_longer() {
    join_all(METHODS.map(async |method| {
        let mut rig = slow(method).await;
        let mut login = Login::by(method, &mut rig).await;
        rig.rotate().await;
        let before = rig.keys().await;
        login.renew(&rig).await;
        login.shorten(&rig).await;
        let mut pass = amid(&rig).await;
        login.renew(&rig).await;
        assert_eq!(pass.ended().await, 0, "{method}: {}", pass.text());
        assert!(pass.count("vault.login") >= 2, "{method}: {}", pass.text());
        let after = rig.keys().await;
        assert!(before.iter().all(|(project, key)| after[project] != *key), "{method}");
        assert_served(&rig, method).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_in_the_middle_of_a_pass_finds_every_login_alive_or_made_anew() {
    let mut server = Durable::start().await;
    let mut begun = join_all(METHODS.map(async |method| {
        let (organizations, projects, latency) = (1, 3, Duration::from_millis(150));
        let settings = Settings { organizations, projects, latency, ..Settings::default() };
        let mut rig = Rig::on(server.bao, settings).await;
        rig.set("rotation", "concurrency", "1").set("rotation", "overlap", "\"1h\"");
        if method == "cert" {
            Login::show_certificate(&mut rig, server.listener);
        }
        let mut login = Login::by(method, &mut rig).await;
        rig.rotate().await;
        login.renew(&rig).await;
        (login, rig)
    }))
    .await;
    let mut passes = join_all(begun.iter().map(async |(_, rig)| amid(rig).await)).await;
    server.restart().await;
    for ((login, rig), pass) in begun.iter_mut().zip(&mut passes) {
        let code = pass.ended().await;
        assert!(matches!(code, 0 | 1 | 69), "{}: {code}: {}", login.method, pass.text());
        assert_served(rig, login.method).await;
        login.renew(rig).await;
        rig.rotate().await;
        assert_served(rig, login.method).await;
        assert_silent(rig, login, &Ended { code, stdout: String::new(), stderr: pass.text() });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_refused_is_reported_with_its_place_and_what_to_check() {
    for (method, file, words) in [
        ("jwt", "signed-token", ["vault.auth.role", "vault read auth/", "has not expired"]),
        (
            "userpass",
            "vault-password",
            ["vault.auth.username", "invalid username or password", "quarter of an hour"],
        ),
    ] {
        let mut rig = Rig::sized(1).await;
        let login = Login::by(method, &mut rig).await;
        let wrong = "a-wrong-credential-that-nobody-issued";
        std::fs::write(rig.path(file), wrong).unwrap();
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        let place = rig.path(file).display().to_string();
        for word in words.into_iter().chain([place.as_str()]) {
            assert!(ended.stderr.contains(word), "{word:?} is not in {ended:?}");
        }
        assert!(!ended.stderr.contains(wrong), "{ended:?}");
        assert_silent(&rig, &login, &ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_no_role_knows_or_that_nobody_sees_is_reported_with_what_to_check() {
    let settings = Settings { organizations: 1, projects: 1, ..Settings::default() };
    let mut rig = Login::rig("cert", settings).await;
    let _login = Login::by("cert", &mut rig).await;
    let words =
        ["vault.auth.role", "/certs knows the certificate", "begins with https", "vault.client_cert_file"];
    let refused = async |rig: &Rig| {
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is not in {ended:?}");
        }
    };
    let known = rig.config["vault.auth"].clone();
    rig.set("vault.auth", "role", "\"another\"");
    refused(&rig).await;
    rig.config.insert("vault.auth".to_owned(), known);
    rig.rotate().await;
    // Without TLS nothing is shown.
    let plain = format!("{:?}", rig.corner.bao.address);
    rig.set("vault", "address", &plain).unset("vault", "ca_file");
    refused(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_that_is_not_for_us_is_refused_with_the_reason() {
    let mut rig = Rig::sized(1).await;
    let _login = Login::by("jwt", &mut rig).await;
    let stranger = Issuer::new();
    for (token, reason) in [
        (stranger.token(), "no known key successfully validated the token signature"),
        ("e30.e30.e30".to_owned(), "error validating token"),
    ] {
        std::fs::write(rig.path("signed-token"), &token).unwrap();
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
        assert_eq!(secrets::leak(&ended.stderr, &[token].into()), None);
    }
    let (mut rig, issuer) = (Rig::sized(1).await, Issuer::new());
    let mount = issuer.trusted_by(&rig.corner).await;
    let role = rig.corner.mount.clone();
    for (token, reason) in [
        (issuer.issue("somebody-else", TimeDelta::hours(1)), "invalid subject (sub) claim"),
        (issuer.issue("exceptionless-rotator", -TimeDelta::hours(1)), "expired"),
    ] {
        std::fs::write(rig.path("signed-token"), token).unwrap();
        let lines = "method = \"jwt\"\njwt_file = \"signed-token\"";
        let section = format!("{lines}\nmount = \"{mount}\"\nrole = \"{role}\"");
        rig.config.insert("vault.auth".to_owned(), section);
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{ended:?}");
        assert!(ended.stderr.contains(reason), "{reason}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_takes_another_method_over_by_a_reload() {
    let mut rig = Rig::sized(1).await;
    let daemon = rig.daemon();
    daemon.until("daemon.sleeping", 1).await;
    let login = Login::by("userpass", &mut rig).await;
    assert_eq!(login.logins(&rig).await, 0);
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.sleeping", 2).await;
    assert_eq!(login.logins(&rig).await, 1);
    let disabled = format!("sys/auth/{}", rig.corner.mount);
    rig.corner.bao.root("DELETE", &disabled, Value::Null).await;
    daemon.signal("USR1");
    daemon.until("daemon.sleeping", 3).await;
    assert_eq!(daemon.count("pass.failed"), 0, "nothing is left of the old method");
}
