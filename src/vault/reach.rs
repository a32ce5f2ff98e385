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
        // In TLS 1.3 a server looks at the client's certificate when the client has begun to speak. Its reason for closing
        // is then lost more often than not.
        let problem = if address.starts_with("https:") && find(&error, closed_unused).is_some() {
            "was closed before anything was answered, as a listener does that demands another client certificate, or one at all; check vault.client_cert_file, when it ends and who signed it, and Vault's log"
        } else {
            "was lost; check the network and Vault's log"
        };
        return VaultError::Lost { attempt, address, problem, source: Arc::new(error) };
    }
    let problem = if let Some(problem) = find(&error, proxy_problem) {
        problem
    } else if let Some(problem) = address.starts_with("unix:").then(|| find(&error, socket_problem)).flatten()
    {
        problem
    } else if error.is_timeout() {
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
    // h2 keeps of an error only what it says, behind words of its own.
    if let Some(alert) = cause.to_string().split_once("received fatal alert: ") {
        return Some(refused(alert.1));
    }
    Some(match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it, or correct this machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; correct this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name; set vault.address, or vault.tls_server_name, to a name in the certificate"
            }
            _ => {
                "its certificate is not signed by an authority that is trusted here; set vault.ca_file to the PEM file of that authority"
            }
        },
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS; check the port, or write http:// in vault.address if that is meant"
        }
        rustls::Error::AlertReceived(alert) => refused(&format!("{alert:?}")),
        _ => "the handshake failed; see the cause",
    })
}

/// What a server means that ends the handshake, by the name of its alert.
fn refused(alert: &str) -> &'static str {
    match alert {
        "CertificateRequired" => {
            "it wants to know a client certificate; set vault.client_cert_file and vault.client_key_file"
        }
        "CertificateExpired" => {
            "it finds the client certificate expired; renew the one in vault.client_cert_file, or correct the clocks"
        }
        "CertificateRevoked" => {
            "it finds the client certificate revoked; put a new one into vault.client_cert_file"
        }
        "UnknownCA" | "BadCertificate" | "UnsupportedCertificate" | "CertificateUnknown" | "AccessDenied" => {
            "it does not accept the client certificate, or misses one; check vault.client_cert_file, and that the tls_client_ca_file of Vault's listener has its authority"
        }
        "UnrecognisedName" => {
            "it does not know the name by which it is called; set vault.address, or vault.tls_server_name, to a name in its certificate"
        }
        "ProtocolVersion" | "HandshakeFailure" | "InsufficientSecurity" => {
            "both have no version or cipher in common; let the listener speak TLS 1.2 or 1.3"
        }
        _ => "it ended the handshake; see the cause, and Vault's log",
    }
}

/// What the proxy answered when it was told where to connect. The words are hyper-util's, which has no type for them.
fn proxy_problem(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    let said = cause.to_string();
    let said = said.strip_prefix("tunnel error: ")?;
    Some(match said {
        "proxy authorization required" => {
            "cannot be reached, because the proxy wants another user and password; write them into the variable that names it"
        }
        "failed to create underlying connection" => {
            "cannot be reached, because the proxy cannot; check the variable that names it, or except Vault with NO_PROXY"
        }
        _ => {
            "cannot be reached, because the proxy does not connect to it; check vault.address and the proxy's log, or except Vault with NO_PROXY"
        }
    })
}

fn socket_problem(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::NotFound => Some(
            "does not exist; check vault.address, and that the agent runs and has a listener \"unix\" there",
        ),
        io::ErrorKind::PermissionDenied => Some(
            "does not let this user in; give it the group of the socket (socket_group), or the socket another mode",
        ),
        io::ErrorKind::ConnectionRefused => Some("has nobody who listens; start the agent"),
        _ => None,
    }
}

fn closed_unused(cause: &(dyn Error + 'static)) -> Option<()> {
    let unsent = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
    // We were still writing.
    let closed = cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe);
    (unsent || closed).then_some(())
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
