//! `vault.address`: a server, or a socket of this machine.

use std::path::PathBuf;

use url::Url;

use super::effective::quoted;
use super::error::Complaint;
use super::server::server_url;
use super::value::Given;

/// What a socket's name may be long at most: `sun_path` has an end of its own.
const LONGEST_SOCKET: usize = 107;

/// Where Vault is asked.
pub(super) struct Address {
    /// Scheme, host and port.
    pub(super) url: Url,
    /// The socket that leads there.
    pub(super) socket: Option<PathBuf>,
}

pub(super) fn address(given: &mut Given<'_>) -> Result<Address, Complaint> {
    let text = given.filled()?;
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        given.shown = quoted(&format!("unix://{path}"));
        return socket(path);
    }
    let url = server_url(text)?;
    if url.path() != "/" {
        return Err(Complaint::new(
            "has a path, which the Vault client cannot use",
            "write scheme, host and port only, such as https://vault.example.com:8200",
        ));
    }
    Ok(Address { url, socket: None })
}

fn socket(path: &str) -> Result<Address, Complaint> {
    let remedy = "write the whole path, such as unix:///run/vault/agent.sock";
    if !path.starts_with('/') || path.ends_with('/') || path.contains(char::is_control) {
        return Err(Complaint::new("does not name a socket by its whole path", remedy));
    }
    if path.len() > LONGEST_SOCKET {
        let problem = format!("names a socket by more than {LONGEST_SOCKET} bytes, which no system allows");
        return Err(Complaint::new(problem, "let the agent listen at a shorter path"));
    }
    // Who listens there speaks HTTP, and does not care how it is called.
    let url = server_url("http://localhost")?;
    Ok(Address { url, socket: Some(path.into()) })
}
