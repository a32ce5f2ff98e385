//! `health`: whoever supervises the daemon learns by an exit code whether it is well.

use std::net::TcpListener;

use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::stand_in::{Reply, StandIn};

/// What `health` says when the daemon listens there. Both servers are away, and so are the secrets.
async fn health(listen: &str) -> Ended {
    let mut rig = Rig::sized(1).await;
    rig.set("exceptionless", "url", "\"http://127.0.0.1:1\"");
    rig.set("exceptionless", "password_file", "\"for-the-daemon-alone\"");
    rig.set("vault", "address", "\"http://127.0.0.1:1\"");
    rig.set("rotation", "shedule", "\"a mistake that the running daemon has refused\"");
    rig.set("admin", "listen", &format!("\"{listen}\""));
    rig.run(&["health"]).await
}

fn daemon(status: &'static str) -> StandIn {
    StandIn::start(move |request| match request {
        "GET /healthz" => Reply::Answer(status, "", "ok".to_owned()),
        _ => Reply::HangUp,
    })
}

fn address(daemon: &StandIn) -> &str {
    daemon.address.strip_prefix("http://").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_answers_is_well() {
    let daemon = daemon("200 OK");
    let ended = health(address(&daemon)).await;
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (0, "ok\n", ""));
    assert_eq!(daemon.seen(), ["GET /healthz"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_listens_everywhere_is_asked_on_the_loopback() {
    let daemon = daemon("200 OK");
    let everywhere = address(&daemon).replace("127.0.0.1", "0.0.0.0");
    assert_eq!(health(&everywhere).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_says_no_or_nothing_or_is_not_there_is_not() {
    let unwell = daemon("503 Service Unavailable");
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap().to_string();
    for (listen, cause) in [(address(&unwell), "503"), (&mute, "timed out"), ("127.0.0.1:1", "refused")] {
        let ended = health(listen).await;
        assert_eq!((ended.code, &*ended.stdout), (69, ""), "{ended:?}");
        assert!(ended.stderr.contains(cause) && ended.stderr.contains("what its log says"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_nowhere_cannot_be_asked() {
    for (listen, cause) in [("", "is empty"), ("127.0.0.1:0", "port 0"), ("here", "not an IP address")] {
        let ended = health(listen).await;
        assert_eq!(ended.code, 78, "{ended:?}");
        assert!(ended.stderr.contains("admin.listen") && ended.stderr.contains(cause), "{ended:?}");
        assert!(ended.stderr.contains("127.0.0.1:9184"), "{ended:?}");
    }
}
