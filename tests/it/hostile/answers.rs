//! Servers, and what stands between them and us, say the last thing anybody expects.

use std::io::ErrorKind;
use std::net::TcpListener;

use chrono::TimeDelta;
use exceptionless_emulator::{Fault, Kind, Relay};

use super::rotate;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_no_proxy_is_asked() {
    let mut rig = Rig::sized(1).await;
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        rig.environment.insert(name.to_owned(), address.clone());
    }
    rig.set("exceptionless", "timeout", "\"2s\"");
    let ended = rig.run(&["rotate"]).await;
    let asked = proxy.accept();
    assert!(asked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{ended:?}");
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_at_the_end_of_all_calendars_is_no_date() {
    let mut rig = Rig::sized(1).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let relays = [
        ("exceptionless", "url", Relay::to(&rig.emulator.url()).await.unwrap()),
        ("vault", "address", Relay::to(&rig.corner.bao.address).await.unwrap()),
    ];
    for (section, key, relay) in &relays {
        let value = "31 Dec 262142 23:59:59 GMT".to_owned();
        relay.add_fault(Fault::everywhere(Kind::Header { name: "date".to_owned(), value }));
        let before = rig.config.clone();
        rig.set(section, key, &format!("\"{}\"", relay.url()));
        for arguments in [&["rotate"][..], &["rotate", "--all"], &["status"], &["check"]] {
            let ended = rig.run(arguments).await;
            assert_eq!(ended.code, 0, "{section} {arguments:?}: {ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        }
        rig.config = before;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_centuries_apart_publish_nothing_and_mint_nothing() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.emulator.set_date_offset(TimeDelta::days(300 * 365));
    for arguments in [&[][..], &["--all"]] {
        let ended = rotate(&rig, arguments).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        let document = ended.document();
        assert_eq!(document["published"], 0);
        let problem = document["projects"][0]["problem"].as_str().unwrap();
        assert!(problem.contains("clocks") && problem.contains("exceptionless-rotator check"), "{problem}");
        assert_eq!(rig.version(&project).await, 0);
    }
    assert_eq!(rig.own_keys(&project), [""; 0], "a key is dated by the wrong clock for ever");
    rig.emulator.set_date_offset(TimeDelta::zero());
    rig.rotate().await;
    assert!(rig.has_converged().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_characters_in_names_reach_no_terminal() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.emulator
        .rename_project(&project, "Pay\u{1b}[2J\u{1b}]0;owned\u{7}\r\nAcme/Forged \u{9b}31m\t\u{8}end");
    for arguments in [&["status"][..], &["plan"], &["rotate"], &["status"], &["explain", &project]] {
        let ended = rig.run(arguments).await;
        assert_eq!(ended.code, if arguments == ["plan"] { ended.code } else { 0 }, "{ended:?}");
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{arguments:?}: {text:?}");
        }
        assert!(ended.stdout.contains("Pay\u{fffd}"), "{arguments:?}: {}", ended.stdout);
        let forged = ended.stdout.lines().any(|line| line.starts_with("Acme/Forged"));
        assert!(!forged, "a name makes a line of its own: {}", ended.stdout);
    }
    let status = rig.run(&["status"]).await;
    assert_eq!(status.stdout.lines().count(), 2, "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_carry_our_marker_is_neither_published_nor_deleted() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    let (from, to) = ("instance=default".to_owned(), "instance=another".to_owned());
    rig.emulator.fail_next("POST", "projects/{id}/tokens", Kind::Replace { from, to });
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let document = ended.document();
    assert!(document["projects"][0]["problem"].as_str().unwrap().contains("our marker"), "{document}");
    assert_eq!(rig.version(&project).await, 0);
    assert_eq!(rig.own_keys(&project).len(), 1);
    assert_eq!(rig.emulator.requests().count("DELETE", "tokens/{ids}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_whose_keys_cannot_be_listed_does_not_blind_the_others_of_a_crowded_organization() {
    let rig = Rig::sized(3).await;
    rig.rotate().await;
    let organization = rig.emulator.organizations().remove(0).id;
    rig.emulator.add_tokens(&organization, 10_000);
    let [unseen, first, second] = <[String; 3]>::try_from(rig.projects()).unwrap();
    let listing = format!("/api/v2/projects/{unseen}/tokens");
    for status in [403, 500] {
        rig.emulator.add_fault(Fault::new("GET", &listing, Kind::Status(status)).always());
        let before = [rig.version(&unseen).await, rig.version(&first).await, rig.version(&second).await];
        let ended = rotate(&rig, &["--all"]).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        let document = ended.document();
        assert_eq!((&document["published"], &document["failed"]), (&2.into(), &1.into()), "{document}");
        let problem = document["projects"][0]["problem"].as_str().unwrap();
        assert!(problem.contains("keys could not be listed"), "{problem}");
        let after = [rig.version(&unseen).await, rig.version(&first).await, rig.version(&second).await];
        assert_eq!(after, [before[0], before[1] + 1, before[2] + 1]);
        rig.emulator.clear_faults();
    }
}
