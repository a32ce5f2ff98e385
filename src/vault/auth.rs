//! One login for the whole process, kept alive and replaced when it dies.
//!
//! The lock is held during a login and during a renewal, so there is never more than one in flight, and
//! whoever waited for one that failed shares its failure instead of trying the same credential again:
//! Vault locks an account after a few wrong attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};
use vaultrs::api::token::responses::LookupTokenResponse;
use vaultrs::api::{AuthInfo, EndpointResult};

use super::attempt::{Attempt, Operation};
use super::error::{Kind, VaultError};
use super::transport::{Answer, Transport};
use crate::config::{SecretSource, VaultAuth};

mod login;

/// So that a lease of nearly nothing does not become a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// As good as one without end; the arithmetic of longer ones could overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(10 * 366 * 86_400);

/// The login of this process.
pub(super) struct Session {
    method: VaultAuth,
    attempts: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    failure: Option<VaultError>,
}

/// A token, and which login it came from.
#[derive(Clone)]
pub(super) struct Token {
    secret: SecretString,
    serial: u64,
}

struct Lease {
    token: Token,
    /// How long a login, or a renewal, is good for at first.
    full: Duration,
    renewable: bool,
    /// `None` for a token that does not end, such as a root token, or that is used until its end.
    term: Option<Term>,
    /// When it ends, whether or not something can be done about it.
    ends: Option<Instant>,
}

struct Term {
    ends: Instant,
    renew_at: Instant,
}

impl Token {
    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }
}

impl Session {
    pub(super) fn new(method: VaultAuth) -> Self {
        Self { method, attempts: AtomicU64::new(0), state: Mutex::default() }
    }

    /// A token, after a login or a renewal if one is due. A renewal that fails is no failure as long as
    /// the token lives.
    pub(super) async fn token(&self, transport: &Transport) -> Result<Token, VaultError> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(lease) = &state.lease
            && !lease.is_due()
        {
            return Ok(lease.token.clone());
        }
        if let Some(failure) = &state.failure
            && self.attempts.load(Ordering::Acquire) != seen
        {
            return Err(failure.clone());
        }
        match self.refresh(&mut state, transport).await {
            Ok(token) => Ok(token),
            Err(error) => match &state.lease {
                Some(lease) if lease.is_alive() => {
                    tracing::warn!(
                        event = "vault.renewal_failed",
                        error = &error as &dyn std::error::Error,
                        "cannot renew the Vault token yet"
                    );
                    Ok(lease.token.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// Renews the token if that is due. Returns the time until it is due next; `None` when it never is,
    /// or before the first login.
    pub(super) async fn renew_if_due(&self, transport: &Transport) -> Result<Option<Duration>, VaultError> {
        let mut state = self.state.lock().await;
        if state.lease.as_ref().is_some_and(Lease::is_due) {
            self.refresh(&mut state, transport).await?;
        }
        let term = state.lease.as_ref().and_then(|lease| lease.term.as_ref());
        Ok(term.map(|term| term.renew_at.saturating_duration_since(Instant::now())))
    }

    /// When the token ends, unless it never does or is being replaced at this moment.
    pub(super) fn ends(&self) -> Option<Instant> {
        let state = self.state.try_lock().ok()?;
        state.lease.as_ref().and_then(|lease| lease.ends)
    }

    /// Called when Vault refuses `refused`. A dead token is replaced and its successor returned; `None`
    /// means that the token lives, so that a right is missing.
    pub(super) async fn succeed(
        &self,
        transport: &Transport,
        refused: &Token,
    ) -> Result<Option<Token>, VaultError> {
        let current = self.token(transport).await?;
        if current.serial != refused.serial {
            return Ok(Some(current));
        }
        if !self.is_replaced(refused)? && self.is_alive(transport, refused).await? {
            return Ok(None);
        }
        self.discard(refused).await;
        self.token(transport).await.map(Some)
    }

    /// What Vault says about the token.
    pub(super) async fn look_up(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<LookupTokenResponse, VaultError> {
        let attempt = Attempt::new(Operation::LookUp, "auth/token/lookup-self".to_owned());
        let call = transport.prepare(attempt, &LookupTokenSelfRequest {})?;
        let answer = transport.send(&call, Some(token), None).await?;
        transport.data(&call.attempt, &answer)
    }

    /// Logs in or renews. On failure the lease stays, with a later attempt in view.
    async fn refresh(&self, state: &mut State, transport: &Transport) -> Result<Token, VaultError> {
        let refreshed = match &state.lease {
            Some(lease) if lease.renewable => self.renew(transport, lease).await,
            Some(_) | None => self.log_in(transport).await,
        };
        self.attempts.fetch_add(1, Ordering::AcqRel);
        match refreshed {
            Ok(lease) => {
                let token = lease.token.clone();
                *state = State { lease: Some(lease), failure: None };
                Ok(token)
            }
            Err(error) => {
                state.failure = Some(error.clone());
                match state.lease.as_mut().and_then(|lease| lease.term.as_mut()) {
                    Some(term) if Instant::now() < term.ends => term.postpone(),
                    // Nothing is left to keep alive: the next request logs in, and nobody before it.
                    _ => state.lease = None,
                }
                Err(error)
            }
        }
    }

    async fn log_in(&self, transport: &Transport) -> Result<Lease, VaultError> {
        let serial = self.attempts.load(Ordering::Acquire);
        let lease = match &self.method {
            VaultAuth::Token { token } => {
                let secret = read(token)?;
                let found = match self.look_up(transport, &secret).await {
                    Err(VaultError::Forbidden { .. }) => {
                        return Err(VaultError::TokenDead { place: token.to_string() });
                    }
                    other => other?,
                };
                let renewable = found.renewable.unwrap_or(false);
                let ttl = remaining(&found).unwrap_or_default();
                let lease = Lease::new(Token { secret, serial }, ttl, renewable);
                // A token that cannot be renewed is used until it ends: nothing else is to be had.
                Lease { term: lease.term.filter(|_| renewable), ..lease }
            }
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                Lease::granted(login::with_approle(transport, mount, role_id, secret_id).await?, serial)
            }
            VaultAuth::Kubernetes { mount, role, jwt } => {
                Lease::granted(login::with_kubernetes(transport, mount, role, jwt).await?, serial)
            }
        };
        tracing::info!(
            event = "vault.login",
            lease_s = lease.full.as_secs(),
            renewable = lease.renewable,
            "logged in to Vault"
        );
        Ok(lease)
    }

    async fn renew(&self, transport: &Transport, lease: &Lease) -> Result<Lease, VaultError> {
        let attempt = Attempt::new(Operation::Renew, "auth/token/renew-self".to_owned());
        let call = transport.prepare(attempt, &RenewTokenSelfRequest { increment: None })?;
        let answer = match transport.send(&call, Some(&lease.token.secret), None).await {
            // The token is dead, may not renew itself, or is not renewable after all.
            Err(VaultError::Forbidden { .. } | VaultError::Rejected { .. }) => {
                return self.log_in(transport).await;
            }
            other => other?,
        };
        let info = auth_info(transport, &call.attempt, &answer)?;
        let granted = Duration::from_secs(info.lease_duration);
        if granted < lease.full / 2 {
            // The token nears its longest life.
            return self.log_in(transport).await;
        }
        let renewed = Lease { full: lease.full, ..Lease::new(lease.token.clone(), granted, info.renewable) };
        tracing::debug!(event = "vault.renewed", lease_s = granted.as_secs(), "renewed the Vault token");
        Ok(renewed)
    }

    /// Whether the operator has put another token in the file.
    fn is_replaced(&self, refused: &Token) -> Result<bool, VaultError> {
        match &self.method {
            VaultAuth::Token { token } => Ok(read(token)?.expose_secret() != refused.secret.expose_secret()),
            VaultAuth::AppRole { .. } | VaultAuth::Kubernetes { .. } => Ok(false),
        }
    }

    async fn is_alive(&self, transport: &Transport, token: &Token) -> Result<bool, VaultError> {
        match self.look_up(transport, &token.secret).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotPermitted => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn discard(&self, token: &Token) {
        let mut state = self.state.lock().await;
        if state.lease.as_ref().is_some_and(|lease| lease.token.serial == token.serial) {
            state.lease = None;
        }
    }
}

impl Lease {
    fn new(token: Token, duration: Duration, renewable: bool) -> Self {
        let (now, duration) = (Instant::now(), duration.min(LONGEST_LEASE));
        let term = (!duration.is_zero()).then(|| Term {
            ends: now + duration,
            renew_at: now + (duration * 2 / 3).max(SHORTEST_PAUSE.min(duration)),
        });
        let ends = term.as_ref().map(|term| term.ends);
        Self { token, full: duration, renewable, term, ends }
    }

    /// What a login brought.
    fn granted(info: AuthInfo, serial: u64) -> Self {
        let token = Token { secret: info.client_token.into(), serial };
        Self::new(token, Duration::from_secs(info.lease_duration), info.renewable)
    }

    fn is_due(&self) -> bool {
        self.term.as_ref().is_some_and(|term| Instant::now() >= term.renew_at.min(term.ends))
    }

    fn is_alive(&self) -> bool {
        self.term.as_ref().is_none_or(|term| Instant::now() < term.ends)
    }
}

impl Term {
    /// Tries again after half of what remains.
    fn postpone(&mut self) {
        let now = Instant::now();
        let remaining = self.ends.saturating_duration_since(now);
        self.renew_at = now + (remaining / 2).max(SHORTEST_PAUSE);
    }
}

/// How long a token still lives, a second at least; `None` for one that does not end. Vault counts whole
/// seconds, so that 0 alone can mean either.
pub(super) fn remaining(found: &LookupTokenResponse) -> Option<Duration> {
    let ends = found.ttl > 0 || found.expire_time.is_some();
    ends.then(|| Duration::from_secs(found.ttl.max(1)))
}

fn auth_info(transport: &Transport, attempt: &Attempt, answer: &Answer) -> Result<AuthInfo, VaultError> {
    let envelope: EndpointResult<()> = transport.parse(attempt, answer)?;
    envelope.auth.ok_or_else(|| transport.not_vault(attempt, answer))
}

fn read(source: &SecretSource) -> Result<SecretString, VaultError> {
    source.read().map_err(|source| VaultError::Credential { source: Arc::new(source) })
}

#[cfg(test)]
mod fuzz;
