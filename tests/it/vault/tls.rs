//! Who the two sides are in the handshake, against a real listener.

use std::fs;

use exceptionless_rotator::config::{self, ClientCertificate};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{Kind, UnusableFile, VaultError, VaultStore};

use super::text;
use crate::support::authority::{Authority, Pair};
use crate::support::bao::{Corner, instance};
use crate::support::listener::Listener;

async fn settings(listener: &Listener, corner: &Corner<'_>, pair: Option<&Pair>) -> config::Vault {
    let client_certificate = pair.map(|pair| {
        let [cert_file, key_file] = listener.keep(pair);
        ClientCertificate { cert_file, key_file }
    });
    config::Vault {
        address: listener.address.parse().unwrap(),
        ca_file: Some(listener.ca_file()),
        client_certificate,
        ..corner.settings().await
    }
}

fn store(settings: &config::Vault) -> Result<VaultStore, VaultError> {
    VaultStore::new(settings, instance(), &Traffic::default())
}

#[tokio::test]
async fn a_listener_that_demands_a_client_certificate_is_shown_one() {
    let listener = Listener::demanding().await;
    let corner = listener.bao.corner().await;
    let pair = listener.authority.client("rotator");
    store(&settings(&listener, &corner, Some(&pair)).await).unwrap().preflight().await.unwrap();

    let stranger = Authority::new("another authority").client("rotator");
    let late = listener.authority.late_client("rotator");
    let rows = [
        (None, ["wants to know a client certificate", "set vault.client_cert_file"]),
        (Some(&stranger), ["does not accept the client certificate", "has its authority"]),
        (Some(&late), ["finds the client certificate expired", "renew the one in vault.client_cert_file"]),
    ];
    for (pair, words) in rows {
        let refused = store(&settings(&listener, &corner, pair).await).unwrap();
        let error = refused.preflight().await.unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), Kind::Unreachable, "{}", text(&error));
        let said = error.to_string();
        // The server may have closed the connection before its reason was read.
        let closed = ["demands another client certificate", "check vault.client_cert_file"];
        let tells = |words: [&str; 2]| words.iter().all(|word| said.contains(word));
        assert!(tells(words) || tells(closed), "{}", text(&error));
    }
}

#[tokio::test]
async fn a_certificate_and_its_key_may_stand_in_one_file_among_others() {
    let listener = Listener::demanding().await;
    let corner = listener.bao.corner().await;
    let Pair { cert, key } = listener.authority.client("rotator");
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let all = format!("{parameters}{key}{cert}{}", listener.authority.pem());
    let both = Pair { cert: all.clone(), key: all };
    store(&settings(&listener, &corner, Some(&both)).await).unwrap().preflight().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_renewed_on_disk_is_the_next_to_be_shown() {
    let listener = Listener::demanding().await;
    let corner = listener.bao.corner().await;
    let store =
        store(&settings(&listener, &corner, Some(&listener.authority.client("rotator"))).await).unwrap();
    store.preflight().await.unwrap();

    // That it is the one on disk shows in that it is refused.
    let late = listener.authority.late_client("rotator");
    let [cert, key] = ["client.crt", "client.key"].map(|name| listener.folder().join(name));
    fs::write(&cert, &late.cert).unwrap();
    store.health().await.expect("the old pair, while the new one is half written");
    fs::write(&key, &late.key[..late.key.len() / 2]).unwrap();
    store.health().await.expect("the old pair, while the new one is half written");
    fs::remove_file(&key).unwrap();
    store.health().await.expect("the old pair, while the new one is half written");
    fs::write(&key, &late.key).unwrap();
    let error = store.health().await.unwrap_err();
    assert!(error.to_string().contains("client certificate"), "{}", text(&error));

    listener.keep(&listener.authority.client("rotator"));
    store.health().await.unwrap();
}

#[tokio::test]
async fn an_authority_that_is_replaced_on_disk_is_the_next_to_be_trusted() {
    let listener = Listener::named(&["127.0.0.1"]).await;
    let corner = listener.bao.corner().await;
    let store = store(&settings(&listener, &corner, None).await).unwrap();
    store.health().await.unwrap();
    fs::write(listener.ca_file(), "-----BEGIN CERTIFICATE-----\nTUlJ").unwrap();
    store.health().await.expect("the old authority, while the new one is half written");
    fs::write(listener.ca_file(), Authority::new("another authority").pem()).unwrap();
    let error = store.health().await.unwrap_err();
    assert!(error.to_string().contains("vault.ca_file"), "{}", text(&error));
    fs::write(listener.ca_file(), listener.authority.pem()).unwrap();
    store.health().await.unwrap();
}

#[tokio::test]
async fn what_is_no_pair_is_refused_before_anything_is_sent() {
    let authority = Authority::new("an authority");
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| authority.client(name).write(folder.path(), name));
    let corner = crate::support::bao::Bao::shared().await.corner().await;
    let plain = corner.settings().await;
    let refused = |cert_file: &std::path::PathBuf, key_file: &std::path::PathBuf| {
        let (cert_file, key_file) = (cert_file.clone(), key_file.clone());
        let client_certificate = Some(ClientCertificate { cert_file, key_file });
        let error = store(&config::Vault { client_certificate, ..plain.clone() }).unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured, "{}", text(&error));
        error
    };
    let error = refused(&one[0], &other[1]);
    assert!(matches!(error, VaultError::File(UnusableFile::NoPair { .. })), "{}", text(&error));
    for word in ["one.crt", "other.key", "vault.client_key_file"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = refused(&one[1], &one[1]);
    assert!(matches!(error, VaultError::File(UnusableFile::NoCertificate { .. })), "{}", text(&error));
    let error = refused(&one[0], &one[0]);
    assert!(matches!(error, VaultError::File(UnusableFile::NoKey { .. })), "{}", text(&error));
    let error = refused(&one[0], &folder.path().join("absent"));
    assert!(matches!(error, VaultError::File(UnusableFile::Unreadable { .. })), "{}", text(&error));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_accepted_when_that_name_is_asked_for() {
    let listener = Listener::named(&["vault.internal"]).await;
    let corner = listener.bao.corner().await;
    let straight = settings(&listener, &corner, None).await;
    let error = store(&straight).unwrap().health().await.unwrap_err();
    assert!(error.to_string().contains("is for another name"), "{}", text(&error));
    assert!(error.to_string().contains("vault.tls_server_name"), "{}", text(&error));

    let called = |name: &str| config::Vault { tls_server_name: Some(name.to_owned()), ..straight.clone() };
    store(&called("vault.internal")).unwrap().preflight().await.unwrap();
    let error = store(&called("vault.elsewhere")).unwrap().health().await.unwrap_err();
    assert!(error.to_string().contains("under the name vault.elsewhere"), "{}", text(&error));
}
