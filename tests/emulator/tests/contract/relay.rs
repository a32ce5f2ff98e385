//! The relay: what it passes on, what it spoils, and the port that it closes.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind, Relay};
use serde_json::json;

use crate::server::Server;

async fn relayed() -> (Server, Relay) {
    let server = Server::start().await;
    let relay = Relay::to(&server.emulator.url()).await.unwrap();
    (server, relay)
}

/// A request that needs no credential.
async fn ask(relay: &Relay) -> Result<reqwest::Response, reqwest::Error> {
    reqwest::get(format!("{}/api/v2/about?x=1", relay.url())).await
}

async fn log_in(relay: &Relay) -> Result<reqwest::Response, reqwest::Error> {
    let body = json!({"email": "rotator@example.test", "password": "correct horse"});
    reqwest::Client::new().post(format!("{}/api/v2/auth/login", relay.url())).json(&body).send().await
}

#[tokio::test]
async fn what_no_fault_meets_is_passed_on_both_ways() {
    let (server, relay) = relayed().await;
    let answer = log_in(&relay).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("date"));
    assert!(answer.json::<serde_json::Value>().await.unwrap()["token"].is_string());
    assert_eq!(server.emulator.requests().count("POST", "auth/login"), 1);
    assert_eq!(relay.seen(), ["POST /api/v2/auth/login"]);
    assert_eq!(relay.struck(), 0);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_the_effect() {
    let (server, relay) = relayed().await;
    for (applied, effects) in [(false, 0), (true, 1)] {
        let fault = Fault::new("POST", "auth/login", Kind::Drop);
        relay.add_fault(if applied { fault.applied() } else { fault });
        assert!(log_in(&relay).await.unwrap_err().is_request());
        assert_eq!(server.emulator.requests().count("POST", "auth/login"), effects);
    }
    assert_eq!(relay.struck(), 2);
    assert_eq!(log_in(&relay).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_status_takes_the_place_of_the_effect_or_of_its_answer() {
    let (server, relay) = relayed().await;
    relay.add_fault(Fault::new("POST", "/api/v2/auth/", Kind::Status(473)));
    assert_eq!(log_in(&relay).await.unwrap().status(), 473);
    assert_eq!(server.emulator.requests().count("POST", "auth/login"), 0);
    relay.add_fault(Fault::everywhere(Kind::Status(500)).applied());
    assert_eq!(log_in(&relay).await.unwrap().status(), 500);
    assert_eq!(server.emulator.requests().count("POST", "auth/login"), 1);
    relay.clear_faults().await;
    assert_eq!(log_in(&relay).await.unwrap().status(), 200);
}

#[tokio::test]
async fn headers_and_words_can_be_others_than_the_servers() {
    let (server, relay) = relayed().await;
    let date = "Tue, 01 Jan 2030 00:00:00 GMT".to_owned();
    let header = Kind::Header { name: "date".to_owned(), value: date.clone() };
    let words = Kind::Replace { from: "token".to_owned(), to: "tokens".to_owned() };
    // With a relay or without it.
    for url in [relay.url(), server.emulator.url()] {
        for kind in [&header, &words] {
            let fault = Fault::everywhere(kind.clone()).times(1);
            match url == relay.url() {
                true => relay.add_fault(fault),
                false => server.emulator.add_fault(fault),
            }
        }
        let login = format!("{url}/api/v2/auth/login");
        let body = json!({"email": "rotator@example.test", "password": "correct horse"});
        let send = || reqwest::Client::new().post(&login).json(&body).send();
        assert_eq!(send().await.unwrap().headers()["date"], *date);
        assert!(send().await.unwrap().text().await.unwrap().contains("\"tokens\""));
    }
}

#[tokio::test]
async fn after_a_chosen_answer_connections_are_refused_until_the_port_opens_again() {
    let (server, relay) = relayed().await;
    ask(&relay).await.unwrap();
    relay.refuse_after(2, None).await;
    for _ in 0..2 {
        ask(&relay).await.unwrap();
    }
    for _ in 0..2 {
        assert!(ask(&relay).await.unwrap_err().is_connect());
    }
    assert_eq!((relay.seen().len(), relay.struck()), (3, 1));
    relay.clear_faults().await;
    ask(&relay).await.unwrap();

    relay.refuse_after(0, Some(Duration::from_millis(50))).await;
    assert!(ask(&relay).await.unwrap_err().is_connect());
    while ask(&relay).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.emulator.requests().count("GET", "about"), 5);
}
