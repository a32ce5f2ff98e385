//! The connections to Vault, and how to leave a node.
//!
//! One address may stand for several nodes, with a balancer that chooses a node for each connection. A node that is
//! sealed, or has lost its leader, keeps the connections that it has; a client that keeps them as well asks this node
//! again and again, for as long as the fault lasts, while its neighbours would serve. So after an answer that speaks
//! for one node only, all connections are given up, and the next request is balanced anew.
//!
//! They are given up as well when a certificate in a file has changed: a connection goes on with the one with which it
//! began. What cannot be used, such as a pair of which one half is written, changes nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use super::error::VaultError;
use crate::config;
use crate::tls;
use files::{Contents, Credentials, Files};
use route::Route;

pub use files::UnusableFile;

mod files;
mod route;
mod validity;

/// A handshake takes a few round trips. What is not connected by then was certainly not applied.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The client, which can be replaced.
pub(super) struct Connections {
    recipe: Recipe,
    base: Url,
    current: Mutex<Current>,
}

/// A client with the connections that it has made.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: reqwest::Client,
    serial: u64,
}

struct Current {
    connection: Connection,
    credentials: Credentials,
    /// What was in the files when they were last read, or why that cannot be used.
    seen: Result<[u8; 32], String>,
}

/// How a client is made.
struct Recipe {
    address: String,
    route: Route,
    plain: bool,
    connect_timeout: Duration,
    files: Files,
}

impl Connections {
    pub(super) fn new(settings: &config::Vault) -> Result<Self, VaultError> {
        tls::install_provider();
        let route = Route::of(settings);
        let (base, address) = (route.base(settings), route.shown(settings));
        let recipe = Recipe {
            address,
            route,
            plain: settings.address.scheme() == "http",
            connect_timeout: settings.timeout.min(LONGEST_CONNECT),
            files: Files::of(settings),
        };
        let contents = recipe.files.read()?;
        let (credentials, client) = recipe.make(&contents)?;
        let connection = Connection { client, serial: 0 };
        let current = Current { connection, credentials, seen: Ok(contents.digest()) };
        Ok(Self { recipe, base, current: Mutex::new(current) })
    }

    /// Where requests are sent: scheme, host and port.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The server, and the way to it, as they may be shown.
    pub(super) fn address(&self) -> &str {
        &self.recipe.address
    }

    /// What to ask by, with the certificates that the files hold now.
    pub(super) fn current(&self) -> Connection {
        let mut current = self.lock();
        if self.recipe.files.exist() {
            self.look_again(&mut current);
        }
        current.connection.clone()
    }

    /// Gives up the connections of this client, unless somebody else has done so already. Requests under way end on
    /// theirs.
    pub(super) fn leave(&self, left: &Connection) {
        let mut current = self.lock();
        // The recipe has worked before. If it fails now, the old connections are better than none.
        if current.connection.serial == left.serial
            && let Ok(client) = self.recipe.client(&current.credentials)
        {
            current.connection = Connection { client, serial: left.serial + 1 };
        }
    }

    /// Changes to what the files hold now, if that is new and can be used.
    fn look_again(&self, current: &mut Current) {
        let contents = self.recipe.files.read();
        if let Ok(contents) = &contents
            && current.seen == Ok(contents.digest())
        {
            return;
        }
        let seen = contents.as_ref().map(|contents| contents.digest());
        let made = contents
            .as_ref()
            .map_err(|error| VaultError::from(error.clone()))
            .and_then(|contents| self.recipe.make(contents));
        match made {
            Ok((credentials, client)) => {
                let serial = current.connection.serial + 1;
                let connection = Connection { client, serial };
                *current = Current { connection, credentials, seen: seen.map_err(ToString::to_string) };
                tracing::info!(
                    event = "vault.certificates_renewed",
                    "uses the certificates that changed on disk"
                );
            }
            Err(error) => {
                let seen = seen.map_err(ToString::to_string);
                // Once for each thing that is wrong, and not for each request.
                if current.seen != seen {
                    tracing::warn!(
                        event = "vault.certificates_kept",
                        error = &error as &dyn std::error::Error,
                        "goes on with the certificates that it has, because those on disk cannot be used"
                    );
                }
                current.seen = seen;
            }
        }
    }

    /// When our certificate ends, if we have one that tells it.
    pub(super) fn certificate_ends(&self) -> Option<DateTime<Utc>> {
        self.lock().credentials.ends
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recipe {
    fn make(&self, contents: &Contents) -> Result<(Credentials, reqwest::Client), VaultError> {
        let credentials = self.files.understand(contents)?;
        let client = self.client(&credentials)?;
        Ok((credentials, client))
    }

    fn client(&self, credentials: &Credentials) -> Result<reqwest::Client, VaultError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout);
        let authorities = match &credentials.authorities {
            Some(authorities) => Some(authorities.clone()),
            // Without TLS the system's are not needed, and to load them fails in an image that has none.
            None => self.plain.then(Vec::new),
        };
        if let Some(authorities) = authorities {
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(identity) = &credentials.identity {
            builder = builder.identity(identity.clone());
        }
        self.route
            .lead(builder)
            .build()
            .map_err(|source| VaultError::Client { address: self.address.clone(), source: Arc::new(source) })
    }
}
