//! Over which proxy a server is reached, if over any.
//!
//! The variables are those that everybody knows, with the meaning that they have for the vault CLI: `HTTPS_PROXY` and
//! `HTTP_PROXY` by the scheme of the server, unless `NO_PROXY` names it or it is this machine. `VAULT_PROXY_ADDR` and
//! `VAULT_HTTP_PROXY` are for Vault alone, and nothing is an exception from them.
//!
//! A proxy's address may hold a password. It is taken out here and goes into a header that does not print itself.

use std::collections::BTreeMap;
use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::error::Complaint;
use super::reader::Report;
use super::sources::Place;

/// A proxy, and who named it. It prints without the password.
#[derive(Clone)]
pub struct Proxy {
    shown: String,
    variable: String,
    client: reqwest::Proxy,
}

impl Proxy {
    /// What the HTTP client wants to know of it.
    pub fn client(&self) -> reqwest::Proxy {
        self.client.clone()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (${})", self.shown, self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Exceptionless,
    Vault,
}

/// What the environment says of proxies.
#[derive(Default)]
pub(super) struct Proxies {
    vault: Option<Variable>,
    https: Option<Variable>,
    http: Option<Variable>,
    exceptions: String,
}

struct Variable {
    name: String,
    value: SecretString,
}

impl Proxies {
    pub(super) fn take(environment: &BTreeMap<String, String>) -> Self {
        let first = |names: &[&str]| {
            let found = names.iter().find_map(|name| environment.get_key_value(*name));
            found.map(|(name, value)| Variable { name: name.clone(), value: value.as_str().into() })
        };
        let no = ["NO_PROXY", "no_proxy"].iter().find_map(|name| environment.get(*name));
        Self {
            vault: first(&["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"]),
            https: first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            http: first(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]),
            exceptions: no.cloned().unwrap_or_default(),
        }
    }

    /// The proxy between us and a server. `None` when its variable cannot be understood, which is reported.
    pub(super) fn towards(&self, url: &Url, server: Server, report: &mut Report) -> Option<Option<Proxy>> {
        let (variable, exceptions) = match (&self.vault, server) {
            (Some(variable), Server::Vault) => (variable, String::new()),
            _ if is_loopback(url) => return Some(None),
            // It would log the keys in the URLs of Exceptionless.
            (_, Server::Exceptionless) if url.scheme() == "http" => return Some(None),
            _ => match if url.scheme() == "http" { &self.http } else { &self.https } {
                Some(variable) => (variable, self.exceptions(url)),
                None => return Some(None),
            },
        };
        match variable.towards(url, &exceptions) {
            Ok(proxy) => Some(proxy),
            Err(complaint) => {
                let place = Place::variable(&variable.name).to_string();
                // Both servers may have met it.
                if !report.problems.iter().any(|problem| problem.key == place) {
                    report.problems.push(complaint.at(place.clone(), Some(place)));
                }
                None
            }
        }
    }

    /// The exceptions that are for this port, or for any, without their ports.
    fn exceptions(&self, url: &Url) -> String {
        let port = url.port_or_known_default().map(|port| port.to_string());
        let is_ours = |only: &str| only.is_empty() || only.strip_prefix(':') == port.as_deref();
        let entries = self.exceptions.split(',').map(str::trim).filter_map(|entry| {
            if let Some((host, only)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                return is_ours(only).then_some(host);
            }
            match entry.find(':') {
                Some(colon) if entry.matches(':').count() == 1 => {
                    is_ours(&entry[colon..]).then(|| &entry[..colon])
                }
                _ => Some(entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry)),
            }
        });
        entries.collect::<Vec<_>>().join(",")
    }
}

impl Variable {
    fn towards(&self, server: &Url, exceptions: &str) -> Result<Option<Proxy>, Complaint> {
        let remedy = "write it like http://proxy.example.com:3128, with user:password@ before the host if the proxy wants that, percent-encoded";
        let not = || Complaint::new("is not the address of a proxy", remedy);
        let text = self.value.expose_secret();
        let scheme = text.split_once("://").map_or("http", |(scheme, _)| scheme).to_lowercase();
        if scheme.starts_with("socks") {
            return Err(Complaint::new(
                "names a SOCKS proxy, and the rotator speaks HTTP to proxies only",
                "name one that does, or except the server with NO_PROXY",
            ));
        }
        if scheme != "http" && scheme != "https" {
            return Err(not());
        }
        // Where an `@` is not the one before the host, readers differ in what of it is the password.
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if host.matches('@').count() > 1 || path.contains('@') {
            return Err(not());
        }
        let matcher = Matcher::builder().all(text).build();
        let target: http::Uri = server.as_str().parse().map_err(|_| not())?;
        let proxy = matcher.intercept(&target).ok_or_else(not)?;
        if Matcher::builder().all(text).no(exceptions).build().intercept(&target).is_none() {
            return Ok(None);
        }
        let shown = proxy.uri().to_string().trim_end_matches('/').to_owned();
        let mut client = reqwest::Proxy::all(&shown).map_err(|_| not())?;
        if let Some(authorization) = proxy.basic_auth() {
            client = client.custom_http_auth(authorization.clone());
        }
        Ok(Some(Proxy { shown, variable: self.name.clone(), client }))
    }
}

/// Whether a server is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
