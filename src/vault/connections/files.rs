//! The certificates that lie in files, and whether they have changed.
//!
//! Certificates are renewed in place, by tools that write one file after the other. So what is used is what was last
//! read whole: a certificate and the key that belongs to it. Whether a file has changed is seen from what is in it,
//! because its time tells nothing of two changes in a row. The files are small.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::{Certificate, Identity};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::validity::not_after;
use crate::config::{self, ClientCertificate};

/// A file with certificates that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnusableFile {
    /// It cannot be read.
    #[error("cannot read {path}; check that {key} exists and that this user may read it", path = path.display())]
    Unreadable {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// It holds no certificate, or only a part of one.
    #[error("{path} holds no certificate; {key} must name a PEM file with {wanted}", path = path.display())]
    NoCertificate {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What belongs there.
        wanted: &'static str,
    },
    /// It holds no private key, or only a part of one.
    #[error("{path} holds no private key; vault.client_key_file must name a PEM file with one that is not encrypted", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Both can be read, and do not belong together.
    #[error(
        "the private key in {key} is not that of the certificate in {cert}; vault.client_key_file and vault.client_cert_file must name a pair",
        key = key.display(),
        cert = cert.display()
    )]
    NoPair {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What the cryptography says of them.
        #[source]
        source: rustls::Error,
    },
}

/// Where the certificates lie.
pub(super) struct Files {
    authorities: Option<PathBuf>,
    client: Option<ClientCertificate>,
}

/// What was in the files.
pub(super) struct Contents {
    authorities: Option<Vec<u8>>,
    client: Option<[Zeroizing<Vec<u8>>; 2]>,
}

/// The same, understood.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    /// Whom to trust; `None` for the system's authorities.
    pub(super) authorities: Option<Vec<Certificate>>,
    /// Who we are.
    pub(super) identity: Option<Identity>,
    /// When our certificate ends, if it tells that.
    pub(super) ends: Option<DateTime<Utc>>,
}

impl Files {
    pub(super) fn of(settings: &config::Vault) -> Self {
        Self { authorities: settings.ca_file.clone(), client: settings.client_certificate.clone() }
    }

    /// Whether there is any.
    pub(super) fn exist(&self) -> bool {
        self.authorities.is_some() || self.client.is_some()
    }

    pub(super) fn read(&self) -> Result<Contents, UnusableFile> {
        let authorities = self.authorities.as_deref().map(|path| read("vault.ca_file", path)).transpose()?;
        let client = match &self.client {
            None => None,
            Some(ClientCertificate { cert_file, key_file }) => Some([
                read("vault.client_cert_file", cert_file)?.into(),
                read("vault.client_key_file", key_file)?.into(),
            ]),
        };
        Ok(Contents { authorities, client })
    }

    pub(super) fn understand(&self, contents: &Contents) -> Result<Credentials, UnusableFile> {
        let mut credentials = Credentials::default();
        if let (Some(path), Some(pem)) = (&self.authorities, &contents.authorities) {
            credentials.authorities = match Certificate::from_pem_bundle(pem) {
                Ok(certificates) if !certificates.is_empty() => Some(certificates),
                _ => {
                    let (key, wanted) = ("vault.ca_file", "the authorities to trust");
                    return Err(UnusableFile::NoCertificate { key, path: path.clone(), wanted });
                }
            };
        }
        if let (Some(files), Some([cert, key])) = (&self.client, &contents.client) {
            credentials.identity = Some(identity(files, cert, key)?);
            let first = CertificateDer::pem_slice_iter(cert).next().and_then(Result::ok);
            credentials.ends = first.and_then(|der| not_after(&der));
        }
        Ok(credentials)
    }
}

impl Contents {
    /// Tells them from others without keeping them.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let client = self.client.iter().flatten().map(|pem| pem.as_slice());
        for pem in self.authorities.iter().map(Vec::as_slice).chain(client) {
            hash.update(pem.len().to_le_bytes());
            hash.update(pem);
        }
        hash.finalize().into()
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, UnusableFile> {
    std::fs::read(path).map_err(|source| UnusableFile::Unreadable {
        key,
        path: path.to_owned(),
        source: Arc::new(source),
    })
}

fn identity(files: &ClientCertificate, cert: &[u8], key: &[u8]) -> Result<Identity, UnusableFile> {
    let ClientCertificate { cert_file, key_file } = files;
    let no_certificate = || UnusableFile::NoCertificate {
        key: "vault.client_cert_file",
        path: cert_file.clone(),
        wanted: "the client certificate",
    };
    let no_key = || UnusableFile::NoKey { path: key_file.clone() };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
    if chain.is_empty() {
        return Err(no_certificate());
    }
    let private = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key())?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|source| {
        let (cert, key) = (cert_file.clone(), key_file.clone());
        UnusableFile::NoPair { cert, key, source }
    })?;
    // Both files may hold more than that, such as each other, or the parameters of a curve.
    let mut pem = Zeroizing::new(sections(cert, |label| label == "CERTIFICATE").join("\n"));
    if let Some(section) = sections(key, |label| label.ends_with("PRIVATE KEY")).first() {
        pem.push('\n');
        pem.push_str(section);
    }
    Identity::from_pem(pem.as_bytes()).map_err(|_| no_key())
}

/// The sections of a PEM file whose label is wanted.
fn sections(pem: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let text = std::str::from_utf8(pem).unwrap_or_default();
    let begins = text.match_indices("-----BEGIN ");
    let section = |(start, begin): (usize, &str)| {
        let label = text[start + begin.len()..].split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let length = text[start..].find(&end)? + end.len();
        wanted(label).then(|| &text[start..start + length])
    };
    begins.filter_map(section).collect()
}
