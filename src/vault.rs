//! The Vault store: KV version 2 of HashiCorp Vault or OpenBao.
//!
//! # What of vaultrs is used, and what is not
//!
//! The API is vaultrs': its request types know the paths, methods and bodies, its response types the
//! shape of the answers. For the few endpoints that it lacks there are request types of our own beside
//! the methods that use them, derived in the same way.
//!
//! Its client is not used, and neither is rustify's, because they
//! - follow redirects with the token and the body of the request,
//! - drop the headers of every answer that is not a 2xx, and so the server's `Date`,
//! - keep whole bodies in errors whose `Debug` prints them, as it prints tokens and secret ids,
//! - panic on a token with a line break, and read `VAULT_SKIP_VERIFY=no` as yes,
//! - log each secret that does not exist as three errors.
//!
//! So requests are built by rustify and sent by reqwest, through the one door of `transport`, which
//! gives them token, namespace and time limit and turns every answer that is not a success into a
//! [`VaultError`]. Nothing from vaultrs or rustify leaves this module.
//!
//! # What may be repeated
//!
//! Reads are repeated a few times when the failure may pass. A write is repeated only when it has certainly
//! changed nothing: no connection was made, a quota was spent (429), the node lags behind (412), or, with
//! a new token, after a 403. A write whose answer is lost is [`Kind::Ambiguous`], and the caller reads back.
//! A dropped future is such a write, too.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::config;
use crate::domain::ids::Instance;
use crate::traffic::Traffic;
use auth::{Lookup, Session, Token};
use secret::Layout;
use transport::{Answer, Call, Transport};

pub use attempt::{Attempt, Said};
pub use auth::Wrapped;
pub use connections::UnusableFile;
pub use credential::{CredentialSecret, Found};
pub use error::{Kind, LoginRefused, VaultError};
pub use lease::LeaseRead;
pub use preflight::{Health, Identity, MAX_ASKED_AT_ONCE, grants};
pub use secret::Secret;

mod attempt;
mod auth;
mod connections;
mod credential;
mod error;
mod kv;
mod lease;
mod preflight;
mod reach;
mod secret;
mod transport;

/// The secrets of one KV mount. Clones share one connection pool and one login.
#[derive(Clone)]
pub struct VaultStore(Arc<Inner>);

struct Inner {
    transport: Arc<Transport>,
    session: Session,
    layout: Layout,
    mount: String,
}

impl VaultStore {
    /// Prepares a store, without any request.
    pub fn new(settings: &config::Vault, instance: Instance, traffic: &Traffic) -> Result<Self, VaultError> {
        Ok(Self(Arc::new(Inner {
            transport: Arc::new(Transport::new(settings, traffic)?),
            session: Session::new(settings.auth.clone()),
            layout: Layout::new(&settings.write, &settings.secret, instance),
            mount: settings.mount.clone(),
        })))
    }

    /// The server, and the way to it, for people.
    pub fn way(&self) -> &str {
        self.0.transport.address()
    }

    /// When our certificate ends, if we have one that tells it.
    pub fn certificate_ends(&self) -> Option<DateTime<Utc>> {
        self.0.transport.certificate_ends()
    }

    /// The server's time, going by its last answer; early by up to a second and the way of the answer.
    pub fn server_time(&self) -> Option<DateTime<Utc>> {
        self.0.transport.server_time()
    }

    /// Whether the same secrets stand there as in another store.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.0.mount == other.0.mount && self.0.transport.is_same_server(&other.0.transport)
    }

    /// Keeps the login alive while nothing else is asked of Vault: renews the token if that is due and
    /// returns the time until it is due next. `None` when it never is, or before the first login.
    pub async fn renew_if_due(&self) -> Result<Option<Duration>, VaultError> {
        self.0.session.renew_if_due(&self.0.transport).await
    }

    /// Takes over from the store that this one follows what can be had only once: a secret id that was unwrapped.
    pub fn inherit(&self, former: &Self) {
        self.0.session.inherit(&former.0.session);
    }

    /// The wrapped secret id that a login would unwrap, looked at and left as it is; `None` if there is none.
    pub async fn wrapped_secret_id(&self) -> Result<Option<Wrapped>, VaultError> {
        self.0.session.wrapped(&self.0.transport).await
    }

    /// Ends the login of this process, if it has one of its own: the last thing to ask of Vault. It never fails and
    /// takes a moment at most.
    pub async fn log_out(&self) {
        self.0.session.log_out(&self.0.transport).await;
    }

    /// When the token ends, unless it never does or is being replaced at this moment.
    pub fn token_ends(&self) -> Option<Instant> {
        self.0.session.ends()
    }

    /// Why the last attempt to renew the login, or to log in anew, failed; `None` if it did not.
    pub fn trouble(&self) -> Option<VaultError> {
        self.0.session.trouble()
    }

    /// Sends a request with our token. A 403 leads to one more attempt if the token turns out to be dead.
    async fn call(&self, call: &Call, deadline: Option<Instant>) -> Result<Answer, VaultError> {
        let Inner { transport, .. } = &*self.0;
        let token = self.token().await?;
        let refused = match transport.send(call, Some(token.secret()), deadline).await {
            Err(refused @ VaultError::Forbidden { .. }) => refused,
            other => return other,
        };
        match self.replace_if_dead(&token).await? {
            Some(successor) => transport.send(call, Some(successor.secret()), deadline).await,
            None => Err(refused),
        }
    }

    async fn token(&self) -> Result<Token, VaultError> {
        self.0.session.token(&self.0.transport).await
    }

    async fn replace_if_dead(&self, refused: &Token) -> Result<Option<Token>, VaultError> {
        self.0.session.replace_if_dead(&self.0.transport, refused).await
    }

    async fn look_up(&self, token: &Token) -> Result<Lookup, VaultError> {
        self.0.session.look_up(&self.0.transport, token.secret()).await
    }

    fn transport(&self) -> &Transport {
        &self.0.transport
    }

    fn layout(&self) -> &Layout {
        &self.0.layout
    }

    fn mount(&self) -> String {
        self.0.mount.clone()
    }
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultStore({}, {}/)", self.0.transport.address(), self.0.mount)
    }
}
