//! The part of `[vault]` that says by which certificates the two sides know each other.
//!
//! The files are read here to see that they can be read, and dropped. Whether they fit together is seen where they are
//! used, which is also where they are read anew when they change.

use std::path::PathBuf;

use url::{Host, Url};
use zeroize::Zeroizing;

use super::Proxy;
use super::effective::quoted;
use super::error::Complaint;
use super::reader::Section;
use super::sources::{Layer, Place, Sources};
use super::value::Given;

/// A certificate and its private key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and the authorities between it and the one that the server knows.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

pub(super) fn ca_file(given: &mut Given<'_>, sources: &Sources) -> Result<Option<PathBuf>, Complaint> {
    let name = given.text()?;
    if name.is_empty() {
        return Ok(None);
    }
    // The vault CLI reads VAULT_CACERT from where it is called.
    let path = match given.layer {
        Layer::VaultVariable => PathBuf::from(name),
        Layer::Default | Layer::File | Layer::Variable => sources.secrets.beside_file(name),
    };
    let remedy = "write the name of a PEM file that this user may read";
    match std::fs::read(&path) {
        Err(error) => {
            Err(Complaint::new(format!("the file {} cannot be read: {error}", path.display()), remedy))
        }
        Ok(bytes) if !holds_certificate(&bytes) => {
            Err(Complaint::new(format!("the file {} holds no PEM certificate", path.display()), remedy))
        }
        Ok(_) => {
            given.shown = quoted(&path.display().to_string());
            Ok(Some(path))
        }
    }
}

/// Both files or none; `None` when one of them is a problem.
pub(super) fn client_certificate(
    section: &mut Section<'_>,
    sources: &Sources,
) -> Option<Option<ClientCertificate>> {
    let cert = file(section, sources, "client_cert_file", |path, pem| {
        let problem = || format!("the file {path} holds no PEM certificate");
        let remedy = "write the name of a PEM file with the client certificate";
        if holds_certificate(pem) { Ok(()) } else { Err(Complaint::new(problem(), remedy)) }
    });
    let key = file(section, sources, "client_key_file", private_key);
    match (cert?, key?) {
        (Some(cert_file), Some(key_file)) => Some(Some(ClientCertificate { cert_file, key_file })),
        (None, None) => Some(None),
        (Some(_), None) => alone(section, "client_cert_file", "client_key_file"),
        (None, Some(_)) => alone(section, "client_key_file", "client_cert_file"),
    }
}

fn alone<T>(section: &mut Section<'_>, given: &'static str, missing: &'static str) -> Option<T> {
    let problem = format!("has no use without {missing}");
    section.complain_of_pair(given, Complaint::new(problem, format!("write {missing} as well, or neither")));
    None
}

fn file(
    section: &mut Section<'_>,
    sources: &Sources,
    key: &'static str,
    fits: impl FnOnce(std::path::Display<'_>, &[u8]) -> Result<(), Complaint>,
) -> Option<Option<PathBuf>> {
    let place = section.place(key).unwrap_or_else(Place::built_in);
    section.required(key, "\"\"", |given| {
        let name = given.text()?;
        if name.is_empty() {
            return Ok(None);
        }
        let path = match given.layer {
            // As the vault CLI reads it, from where it is called.
            Layer::VaultVariable => PathBuf::from(name),
            Layer::Default | Layer::File | Layer::Variable => sources.secrets.locate(name),
        };
        match std::fs::read(&path).map(Zeroizing::new) {
            Err(error) => Err(sources.secrets.unreadable(&place, &path, &error)),
            Ok(pem) => {
                fits(path.display(), &pem)?;
                given.shown = quoted(&path.display().to_string());
                Ok(Some(path))
            }
        }
    })
}

/// The name that Vault's certificate has, where that is not the one in its address.
pub(super) fn server_name(given: &mut Given<'_>) -> Result<Option<String>, Complaint> {
    let name = given.text()?.trim();
    if name.is_empty() {
        return Ok(None);
    }
    match Url::parse(&format!("https://{name}/")).as_ref().map(Url::host) {
        Ok(Some(Host::Domain(host))) if host.eq_ignore_ascii_case(name) => Ok(Some(host.to_owned())),
        _ => Err(Complaint::new(
            "is not a host name",
            "write a name in the certificate, without a port, such as \"vault.example.com\"",
        )),
    }
}

/// The proxy would be told the other name as the host to connect to.
pub(super) fn name_behind(proxy: &Proxy) -> Complaint {
    Complaint::new(
        format!("cannot be used over the proxy {proxy}"),
        "write a name that is in the certificate into vault.address, or name its host in NO_PROXY",
    )
}

fn holds_certificate(pem: &[u8]) -> bool {
    has(pem, b"-----BEGIN CERTIFICATE-----")
}

fn private_key(path: std::path::Display<'_>, pem: &[u8]) -> Result<(), Complaint> {
    // The older form says so in a header below its first line.
    if has(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(Complaint::new(
            format!("the key in {path} is encrypted, and nobody is there to be asked for its passphrase"),
            "decrypt it, as with openssl pkey, into a file that only the rotator may read",
        ));
    }
    if has(pem, b"PRIVATE KEY-----") {
        return Ok(());
    }
    Err(Complaint::new(
        format!("the file {path} holds no PEM private key"),
        "write the name of a PEM file with the private key of the client certificate",
    ))
}

fn has(pem: &[u8], words: &[u8]) -> bool {
    pem.windows(words.len()).any(|window| window == words)
}
