//! Why a server could not be reached, in the operator's words.
//!
//! reqwest says "error sending request" to everything; what happened stands in the chain underneath.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::CertificateError;

use super::attempt::Attempt;
use super::error::VaultError;

/// Turns what reqwest reports into one of our errors. The URL is dropped: the address says enough.
pub(super) fn explain(attempt: &Attempt, address: &str, error: reqwest::Error) -> VaultError {
    let (attempt, address) = (attempt.clone(), address.to_owned());
    let error = error.without_url();
    if let Some(problem) = find(&error, tls_problem) {
        return VaultError::Tls { attempt, address, problem, source: Arc::new(error) };
    }
    if !error.is_connect() {
        return VaultError::Lost { attempt, address, source: Arc::new(error) };
    }
    let problem = if error.is_timeout() {
        "does not accept the connection in time; check the address, and the firewall in between"
    } else if find(&error, |cause| cause.to_string().contains("dns error").then_some(())).is_some() {
        "has a host name that cannot be resolved; check vault.address"
    } else if find(&error, connection_refused).is_some() {
        "refuses connections; check vault.address and that Vault is running"
    } else {
        "cannot be reached; check vault.address and the network"
    };
    VaultError::Unreachable { attempt, address, problem, source: Arc::new(error) }
}

fn tls_problem(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    Some(match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it, or correct this machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; correct this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name; set vault.address to a name in the certificate"
            }
            _ => {
                "its certificate is not signed by an authority that is trusted here; set vault.ca_file to the PEM file of that authority"
            }
        },
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS; check the port, or write http:// in vault.address if that is meant"
        }
        _ => "the handshake failed; see the cause",
    })
}

fn connection_refused(cause: &(dyn Error + 'static)) -> Option<()> {
    let error = cause.downcast_ref::<io::Error>()?;
    (error.kind() == io::ErrorKind::ConnectionRefused).then_some(())
}

/// Looks along the chain of causes, and into `io::Error`s, which hide the error that they wrap.
fn find<T>(error: &reqwest::Error, look: impl Fn(&(dyn Error + 'static)) -> Option<T>) -> Option<T> {
    let mut next = error.source();
    while let Some(cause) = next {
        let mut wrapped: Option<&(dyn Error + 'static)> = Some(cause);
        while let Some(inner) = wrapped {
            if let Some(found) = look(inner) {
                return Some(found);
            }
            wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as _);
        }
        next = cause.source();
    }
    None
}
