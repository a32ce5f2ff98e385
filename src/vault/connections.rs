//! The connections to Vault, and how to leave a node.
//!
//! One address may stand for several nodes, with a balancer that chooses a node for each connection. A node that is
//! sealed, or has lost its leader, keeps the connections that it has; a client that keeps them as well asks this node
//! again and again, for as long as the fault lasts, while its neighbours would serve. So after an answer that speaks
//! for one node only, all connections are given up, and the next request is balanced anew.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Certificate;

use super::error::VaultError;
use crate::config;
use crate::tls;

/// A handshake takes a few round trips. What is not connected by then was certainly not applied.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The client, which can be replaced.
pub(super) struct Connections {
    recipe: Recipe,
    current: Mutex<Connection>,
}

/// A client with the connections that it has made.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: reqwest::Client,
    serial: u64,
}

/// How a client is made.
struct Recipe {
    /// Whom to trust; `None` for the system's authorities.
    authorities: Option<Vec<Certificate>>,
    plain: bool,
    connect_timeout: Duration,
}

impl Connections {
    pub(super) fn new(settings: &config::Vault) -> Result<Self, VaultError> {
        tls::install_provider();
        let plain = settings.address.scheme() == "http";
        let authorities = match &settings.ca_file {
            Some(file) => Some(authorities(file)?),
            // Without TLS the system's are not needed, and to load them fails in an image that has none.
            None => plain.then(Vec::new),
        };
        let recipe = Recipe { authorities, plain, connect_timeout: settings.timeout.min(LONGEST_CONNECT) };
        let client = recipe.client().map_err(|source| VaultError::Client {
            address: settings.address.origin().ascii_serialization(),
            source: Arc::new(source),
        })?;
        Ok(Self { recipe, current: Mutex::new(Connection { client, serial: 0 }) })
    }

    /// What to ask by.
    pub(super) fn current(&self) -> Connection {
        self.lock().clone()
    }

    /// Gives up the connections of this client, unless somebody else has done so already. Requests under way end on
    /// theirs.
    pub(super) fn leave(&self, left: &Connection) {
        let mut current = self.lock();
        // The recipe has worked before. If it fails now, the old connections are better than none.
        if current.serial == left.serial
            && let Ok(client) = self.recipe.client()
        {
            *current = Connection { client, serial: left.serial + 1 };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recipe {
    fn client(&self) -> reqwest::Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout);
        if let Some(authorities) = &self.authorities {
            builder = builder.tls_certs_only(authorities.clone());
        }
        if self.plain {
            builder = builder.no_proxy();
        }
        builder.build()
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, VaultError> {
    let pem = std::fs::read(file)
        .map_err(|source| VaultError::CaUnreadable { path: file.to_owned(), source: Arc::new(source) })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(VaultError::CaInvalid { path: file.to_owned() }),
    }
}
