//! A listener that demands a client certificate, which is renewed under a daemon that runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::authority::Pair;
use crate::support::listener::Listener;
use crate::support::rig::Rig;
use crate::support::{patience, secrets};

/// A rig that reaches Vault over this listener, with a client certificate beside its configuration.
async fn rig(listener: &Listener) -> (Rig, Pair) {
    let mut rig = Rig::on(listener.bao, super::small()).await;
    let pair = listener.authority.client("rotator");
    pair.write(rig.corner.dir.path(), "client");
    rig.set("vault", "address", &format!("{:?}", listener.address));
    rig.set("vault", "ca_file", &format!("{:?}", listener.ca_file()));
    rig.set("vault", "client_cert_file", "\"client.crt\"").set("vault", "client_key_file", "\"client.key\"");
    (rig, pair)
}

/// The lines of a private key, any of which is too much.
fn lines(pair: &Pair) -> BTreeSet<String> {
    pair.key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect()
}

fn replace(folder: &Path, name: &str, text: &str) {
    let fresh = folder.join("fresh");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, folder.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_under_a_running_daemon_which_says_so_and_keeps_its_key_to_itself() {
    let listener = Listener::demanding().await;
    let (mut rig, first) = rig(&listener).await;
    rig.set("rotation", "schedule", "\"* * * * * *\"").set("rotation", "overlap", "\"1s\"");
    rig.set("log", "level", "\"trace,rustls=trace,hyper=trace,reqwest=trace\"");
    let mut daemon = rig.daemon();
    daemon.until("key.published", 2).await;

    let second = listener.authority.client("rotator");
    let folder = rig.corner.dir.path();
    replace(folder, "client.crt", &second.cert);
    daemon.until("vault.certificates_kept", 1).await;
    let published = daemon.count("key.published");
    daemon.until("key.published", published + 2).await;
    replace(folder, "client.key", &second.key);
    daemon.until("vault.certificates_renewed", 1).await;
    let published = daemon.count("key.published");
    daemon.until("key.published", published + 2).await;
    assert_eq!(daemon.count("vault.certificates_kept"), 1, "it is said once");
    patience("a pass without an error", async || daemon.count("pass.finished") > 3).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);

    let said = daemon.text();
    assert!(said.contains("client.key"), "the file is named");
    let ended = rig.run(&["config"]).await;
    for text in [&said, &ended.stdout, &ended.stderr] {
        assert_eq!(secrets::leak(text, &lines(&first)), None);
        assert_eq!(secrets::leak(text, &lines(&second)), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_when_the_certificate_ends_and_when_it_has() {
    let listener = Listener::demanding().await;
    let (rig, _) = rig(&listener).await;
    let good = rig.run(&["check"]).await;
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.contains("client.crt lasts until 4096-01-01"), "{}", good.stdout);
    listener.authority.late_client("rotator").write(rig.corner.dir.path(), "client");
    let late = rig.run(&["check"]).await;
    assert_eq!(late.code, 69, "{late:?}");
    assert!(late.stdout.contains("client.crt ended on 2021-02-03; renew it"), "{}", late.stdout);
}
