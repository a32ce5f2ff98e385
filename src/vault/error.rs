//! What can go wrong with Vault, each with what the operator can do about it.
//!
//! Callers branch on [`Kind`] alone. Texts name the attempt, the path and the remedy; they may carry
//! Vault's own `errors` list, cleaned and cut, but never a body, a token or a header.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Said};
use super::connections::UnusableFile;
use crate::config::SecretUnreadable;

pub use kind::Kind;
pub use login::LoginRefused;

mod kind;
mod login;

/// A request that failed, or a client that could not be built.
///
/// It can be cloned because callers that wait for the same login share its failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// A file with certificates cannot be used.
    #[error(transparent)]
    File(#[from] UnusableFile),
    /// The HTTP client cannot be built.
    #[error(
        "cannot set up TLS for {address}; install the system's CA certificates (the package ca-certificates), or set vault.ca_file"
    )]
    Client {
        /// The server.
        address: String,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// A namespace that does not fit in a header.
    #[error("vault.namespace {name:?} cannot be sent; it must be printable ASCII")]
    Namespace {
        /// The namespace.
        name: String,
    },
    /// A request that no HTTP client can send.
    #[error("cannot {attempt}: it does not make a valid request")]
    Request {
        /// What was attempted.
        attempt: Attempt,
    },

    /// Nobody answers at the address.
    #[error("cannot {attempt}: {address} {problem}")]
    Unreachable {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// What is wrong, and what to do.
        problem: &'static str,
        /// The error underneath.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The TLS handshake failed.
    #[error("cannot {attempt}: TLS with {address} failed: {problem}")]
    Tls {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// What is wrong, and what to do.
        problem: &'static str,
        /// The error underneath.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The connection broke after it was made.
    #[error("cannot {attempt}: the connection to {address} {problem}")]
    Lost {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// What is wrong, and what to do.
        problem: &'static str,
        /// The error underneath.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No answer in time.
    #[error(
        "cannot {attempt}: {address} did not answer within {after:.1?}; if that is its usual pace, raise vault.timeout"
    )]
    TimedOut {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// How long we waited.
        after: Duration,
    },
    /// The deadline had passed before the request was sent.
    #[error("did not {attempt}: its deadline had passed before it could be sent")]
    Late {
        /// What was not attempted.
        attempt: Attempt,
    },
    /// Vault is sealed or not initialized.
    #[error("cannot {attempt}: Vault at {address} is sealed or not initialized; unseal it")]
    Sealed {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
    },
    /// A standby that cannot pass the request on.
    #[error(
        "cannot {attempt}: {address} is a standby that cannot reach its active node; set vault.address to the cluster or to the active node"
    )]
    Standby {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
    },
    /// 429: the health of a standby, or a quota.
    #[error(
        "cannot {attempt}: {address} answered with status 429: it is a standby, or a rate limit quota is spent; set vault.address to the cluster or to the active node, or raise the quota"
    )]
    Throttled {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// Whether a quota was spent before the request was looked at.
        unheard: bool,
        /// How long Vault wants not to be asked.
        retry_after: Option<Duration>,
    },
    /// An answer that sends us elsewhere.
    #[error(
        "cannot {attempt}: {address} redirects ({status}{to}), which is not followed because it would carry the token to another host; set vault.address to the cluster or to the active node"
    )]
    Redirected {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// The HTTP status.
        status: u16,
        /// To where, if that can be told.
        to: String,
    },
    /// An answer that Vault would not give.
    #[error(
        "cannot {attempt}: the answer of {address} (status {status}) is not Vault's; check that vault.address has the right host, scheme and port, and that no proxy answers in Vault's place"
    )]
    NotVault {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer larger than any that makes sense.
    #[error("cannot {attempt}: the answer of {address} is larger than {limit} bytes; check vault.address")]
    TooLarge {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// The limit.
        limit: usize,
    },
    /// Vault cannot serve the request now.
    #[error("cannot {attempt}: Vault at {address} fails with status {status}: {said}; see its log")]
    Failing {
        /// What was attempted.
        attempt: Attempt,
        /// The server.
        address: String,
        /// The HTTP status.
        status: u16,
        /// Vault's own words.
        said: Said,
    },
    /// Vault refuses the request for another reason than rights.
    #[error("cannot {attempt}: Vault refuses it with status {status}: {said}")]
    Rejected {
        /// What was attempted.
        attempt: Attempt,
        /// The HTTP status.
        status: u16,
        /// Vault's own words.
        said: Said,
    },

    /// The token lives but has no right to this.
    #[error(
        "not permitted to {attempt}; add to the policy of this token: {} (config/vault-policy.hcl has all that is needed)",
        attempt.policy_line()
    )]
    Forbidden {
        /// What was attempted.
        attempt: Attempt,
        /// Vault's own words, which say more than the rest only where there is no token yet.
        said: Said,
    },
    /// The token method has no living token.
    #[error("the Vault token in {place} is expired, revoked or not a token; put a new one there")]
    TokenDead {
        /// Where the token comes from.
        place: String,
    },
    /// Vault does not accept the credential.
    #[error(transparent)]
    Login(LoginRefused),
    /// The credential itself cannot be read.
    #[error("cannot log in to Vault without its credential")]
    Credential {
        /// Why.
        #[source]
        source: Arc<SecretUnreadable>,
    },

    /// The mount does not exist.
    #[error(
        "Vault has no secrets engine at {mount}/; set vault.mount, or enable one: vault secrets enable -path={mount} kv-v2"
    )]
    NoMount {
        /// The mount.
        mount: String,
    },
    /// The mount does not exist, or this token may not know.
    #[error(
        "Vault shows this token no secrets engine at {mount}/; check vault.mount and vault.namespace, and that a policy of the token grants something below that mount"
    )]
    MountHidden {
        /// The mount.
        mount: String,
    },
    /// The mount is a KV of the old kind, without versions.
    #[error(
        "the secrets engine at {mount}/ is KV version 1, which has no check-and-set; set vault.mount to a KV version 2, or upgrade this one: vault kv enable-versioning {mount}/"
    )]
    KvVersion1 {
        /// The mount.
        mount: String,
    },
    /// The mount is of another kind.
    #[error("the secrets engine at {mount}/ is a {engine}; set vault.mount to a KV version 2")]
    WrongEngine {
        /// The mount.
        mount: String,
        /// What it is.
        engine: String,
    },

    /// Somebody else wrote since we read.
    #[error("did not {attempt}: somebody else wrote it since it was read")]
    Conflict {
        /// What was attempted.
        attempt: Attempt,
    },
    /// A write whose fate is unknown.
    #[error("{attempt}: it is not known whether it was applied")]
    Ambiguous {
        /// What was attempted.
        attempt: Attempt,
        /// What happened to the answer.
        #[source]
        source: Box<Self>,
    },
}

impl VaultError {
    /// What a caller can branch on.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Standby { .. }
            | Self::Throttled { .. }
            | Self::Tls { .. }
            | Self::Redirected { .. }
            | Self::NotVault { .. }
            | Self::Failing { .. } => Kind::Unreachable,
            Self::Forbidden { .. } | Self::TokenDead { .. } | Self::Login(_) => Kind::NotPermitted,
            Self::File(_)
            | Self::Client { .. }
            | Self::Namespace { .. }
            | Self::Credential { .. }
            | Self::NoMount { .. }
            | Self::MountHidden { .. }
            | Self::KvVersion1 { .. }
            | Self::WrongEngine { .. } => Kind::Misconfigured,
            Self::Conflict { .. } => Kind::Conflict,
            Self::Ambiguous { .. } => Kind::Ambiguous,
            Self::Request { .. } | Self::Late { .. } | Self::TooLarge { .. } | Self::Rejected { .. } => {
                Kind::Other
            }
        }
    }

    /// Whether the same read may succeed in a moment.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Sealed { .. }
            | Self::Standby { .. }
            | Self::Throttled { .. }
            | Self::Failing { .. } => true,
            // A standby that could not forward it.
            Self::Redirected { status, .. } => *status == 307,
            // A read that follows a write to another node (Vault Enterprise's eventual consistency).
            Self::Rejected { status, .. } => *status == 412,
            _ => false,
        }
    }

    /// Whether it is certain that Vault has not even begun to do what was asked: no connection was made, a quota was
    /// spent, or a node waits for what another has written.
    pub(super) fn was_unheard(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Throttled { unheard, .. } => *unheard,
            Self::Rejected { status, .. } => *status == 412,
            _ => false,
        }
    }

    /// How long Vault wants not to be asked.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether another node at the same address may answer otherwise. Somebody who seems to have written first
    /// may have done so long ago, when what was read came from a node that lags behind.
    pub(super) fn speaks_for_one_node(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. }
                | Self::Sealed { .. }
                | Self::Standby { .. }
                | Self::Redirected { .. }
                | Self::Failing { .. }
                | Self::Conflict { .. }
        )
    }

    /// Whether Vault may have done what was asked before this happened. A 5xx may come from a gateway
    /// that gave up waiting, so even a precise one proves nothing.
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Standby { .. }
            | Self::TooLarge { .. }
            | Self::Failing { .. } => true,
            // A connection that was made can break in a way that TLS notices first.
            Self::Tls { source, .. } => !source.is_connect(),
            // A standby forwards before it redirects, and does not tell an active node that was never reached from
            // one whose answer was lost.
            Self::Redirected { status, .. } => *status == 307,
            Self::NotVault { status, .. } => !(400..500).contains(status),
            _ => false,
        }
    }
}
