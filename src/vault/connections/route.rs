//! The way to the server: straight, over a proxy, over a socket, or under the name that its certificate has.
//!
//! A certificate is compared with the name that was asked for, and servers choose their certificate by it. So a name of
//! its own (`vault.tls_server_name`) becomes the name that is asked for, and is resolved to the server's own address.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use crate::config::{self, Proxy};

pub(super) enum Route {
    Straight,
    Over(Box<Proxy>),
    Socket(PathBuf),
    Called(Arc<Server>),
}

/// Where the server is, whatever it is called.
pub(super) struct Server {
    host: String,
    port: u16,
}

impl Route {
    pub(super) fn of(settings: &config::Vault) -> Self {
        let address = &settings.address;
        if let Some(path) = &settings.socket {
            return Self::Socket(path.clone());
        }
        if let Some(proxy) = &settings.proxy {
            return Self::Over(Box::new(proxy.clone()));
        }
        match (&settings.tls_server_name, address.host_str(), address.port_or_known_default()) {
            (Some(_), Some(host), Some(port)) if address.scheme() == "https" => {
                let host = host.trim_matches(['[', ']']).to_owned();
                Self::Called(Arc::new(Server { host, port }))
            }
            _ => Self::Straight,
        }
    }

    /// Where requests are sent: scheme, host and port.
    pub(super) fn base(&self, settings: &config::Vault) -> Url {
        let mut base = settings.address.clone();
        if let (Self::Called(_), Some(name)) = (self, &settings.tls_server_name) {
            // It fails for what is no host name, and that is no configuration.
            let _ = base.set_host(Some(name));
        }
        base
    }

    /// How the server is called in messages.
    pub(super) fn shown(&self, settings: &config::Vault) -> String {
        let address = settings.address.origin().ascii_serialization();
        match self {
            Self::Straight => address,
            Self::Over(proxy) => format!("{address} over the proxy {proxy}"),
            Self::Socket(path) => format!("unix://{}", path.display()),
            Self::Called(_) => match &settings.tls_server_name {
                Some(name) => format!("{address} under the name {name}"),
                None => address,
            },
        }
    }

    pub(super) fn lead(&self, builder: ClientBuilder) -> ClientBuilder {
        // The environment was read with the configuration, and nobody else reads it.
        let builder = builder.no_proxy();
        match self {
            Self::Straight => builder,
            Self::Over(proxy) => builder.proxy(proxy.client()),
            Self::Socket(path) => builder.unix_socket(path.clone()),
            Self::Called(server) => builder.dns_resolver(Arc::clone(server)),
        }
    }
}

impl Resolve for Server {
    fn resolve(&self, _: Name) -> Resolving {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: io::Result<Vec<SocketAddr>> =
                tokio::net::lookup_host((host, port)).await.map(Iterator::collect);
            let found: Addrs = Box::new(found?.into_iter());
            Ok(found)
        })
    }
}
