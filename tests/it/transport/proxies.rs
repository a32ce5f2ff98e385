//! Vault behind a proxy, whose password nobody sees.

use std::collections::BTreeSet;

use crate::support::bao::Bao;
use crate::support::listener::Listener;
use crate::support::process::Ended;
use crate::support::proxy::Proxy;
use crate::support::rig::Rig;
use crate::support::secrets;

const FINEST: &str = "\"trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,rustify=trace\"";

/// `rotator:pass/word for proxies`, as it stands in a URL and as it is sent.
const USER: &str = "rotator:pass%2Fword%20for%20proxies";
const SENT: &str = "Basic cm90YXRvcjpwYXNzL3dvcmQgZm9yIHByb3hpZXM=";

fn says_no_password(ended: &Ended) {
    let password = ["pass%2Fword", "pass/word", "cm90YXRvcjpwYXNzL3dvcmQ"].map(str::to_owned);
    for text in [&ended.stdout, &ended.stderr] {
        assert_eq!(secrets::leak(text, &BTreeSet::from(password.clone())), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_a_password_leads_to_vault_and_is_told_it_alone() {
    let listener = Listener::named(&["vault.test"]).await;
    let proxy = Proxy::start(Some(SENT));
    let mut rig = Rig::on(listener.bao, super::small()).await;
    let address = listener.address.replace("127.0.0.1", "vault.test");
    rig.set("vault", "address", &format!("{address:?}")).set("vault", "timeout", "\"5s\"");
    rig.set("vault", "ca_file", &format!("{:?}", listener.ca_file())).set("log", "level", FINEST);
    let through = |user: &str| format!("http://{user}@{}", proxy.address);
    rig.environment.insert("HTTPS_PROXY".to_owned(), through(USER));
    let ended = rig.rotate().await;
    says_no_password(&ended);
    let check = rig.run(&["check"]).await;
    says_no_password(&check);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains(&format!("over the proxy http://{}", proxy.address)), "{}", check.stdout);
    let seen = proxy.seen();
    let tunnel = address.replace("https://", "CONNECT ");
    assert!(!seen.is_empty() && seen.iter().all(|line| *line == tunnel), "Exceptionless is here: {seen:?}");

    let rows = [
        (through("rotator:wrong"), "wants another user and password"),
        ("http://127.0.0.1:1".to_owned(), "because the proxy cannot; check the variable"),
    ];
    for (text, words) in rows {
        rig.environment.insert("HTTPS_PROXY".to_owned(), text);
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 69, "{ended:?}");
        let said = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(said.contains(words) && said.contains("($HTTPS_PROXY)"), "{said}");
        says_no_password(&ended);
    }
    let asked = proxy.seen().len();
    rig.environment.insert("NO_PROXY".to_owned(), ".test".to_owned());
    let ended = rig.run(&["rotate"]).await;
    assert!(ended.stderr.contains("cannot be resolved"), "{ended:?}");
    assert_eq!(proxy.seen().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_without_tls_is_asked_over_the_proxy_for_it() {
    let proxy = Proxy::start(None);
    let mut rig = Rig::on(Bao::shared().await, super::small()).await;
    let address = rig.corner.bao.address.clone();
    rig.set("vault", "timeout", "\"5s\"");
    // Every server is on this machine, which no proxy is asked for, unless it is one for Vault alone.
    rig.environment.insert("HTTP_PROXY".to_owned(), format!("http://{}", proxy.address));
    rig.rotate().await;
    assert_eq!(proxy.seen(), Vec::<String>::new());
    rig.set("vault", "address", &format!("{:?}", address.replace("127.0.0.1", "vault.test")));
    rig.rotate().await;
    let forwarded = |line: &String| line.contains(" http://vault.test:") && line.contains("/v1/");
    assert!(!proxy.seen().is_empty() && proxy.seen().iter().all(forwarded), "{:?}", proxy.seen());

    let own = Proxy::start(None);
    rig.set("vault", "address", &format!("{address:?}"));
    rig.environment.insert("VAULT_PROXY_ADDR".to_owned(), format!("http://{}", own.address));
    rig.rotate().await;
    assert!(!own.seen().is_empty());
}
