//! One login for the whole process, kept alive and replaced when it dies.
//!
//! The lock is held during a login and during a renewal, so there is never more than one in flight, and whoever waited
//! for one that failed shares its failure. So does, for a pause, whoever comes after it: a pass over a thousand
//! projects shall not ask a thousand times of a server that is down, nor show it a wrong password as often. A
//! credential that has changed meanwhile ends the pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};
use vaultrs::api::{AuthInfo, EndpointResult};

use super::attempt::{Attempt, Operation};
use super::error::{Kind, VaultError};
use super::transport::{Answer, Transport};
use crate::config::{SecretSource, VaultAuth};
use crate::jitter;
use lease::{Lease, Setback, same_secret};
use wrapped::Unwrapping;

pub(super) use lease::{Token, remaining};
pub(super) use lookup::Lookup;
pub use wrapped::Wrapped;

mod lease;
mod login;
mod logout;
mod lookup;
mod wrapped;

/// The login of this process.
pub(super) struct Session {
    method: VaultAuth,
    attempts: AtomicU64,
    state: Mutex<State>,
    unwrapping: Unwrapping,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    /// The credential that stood there when it was brought, for methods whose file is watched.
    shown: Option<SecretString>,
    /// The last failure, and before it each refusal that still stands: a credential that was taken away for a moment must
    /// not be shown anew because of that.
    setbacks: Vec<Setback>,
}

impl State {
    /// The token, if it still serves.
    fn living(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.is_alive(Instant::now()))
    }

    fn add(&mut self, setback: Setback) {
        let now = Instant::now();
        self.setbacks.retain(|former| former.is_refusal && now < former.retry_at);
        self.setbacks.push(setback);
    }
}

impl Session {
    pub(super) fn new(method: VaultAuth) -> Self {
        let (attempts, state, unwrapping) = Default::default();
        Self { method, attempts, state, unwrapping }
    }

    /// Takes over what can be had only once.
    pub(super) fn inherit(&self, former: &Self) {
        self.unwrapping.inherit(&former.unwrapping);
    }

    /// What the method would unwrap, which stays as it is; `None` if nothing is wrapped.
    pub(super) async fn wrapped(&self, transport: &Transport) -> Result<Option<Wrapped>, VaultError> {
        match &self.method {
            VaultAuth::AppRole { mount, secret_id, wrapped: true, .. } => {
                wrapped::inspect(transport, mount, secret_id).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A token, after a login or a renewal if one is due. A renewal that fails is no failure as long as
    /// the token lives.
    pub(super) async fn token(&self, transport: &Arc<Transport>) -> Result<Token, VaultError> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(lease) = &state.lease
            && !self.is_due(&state, lease)
        {
            return Ok(lease.token.clone());
        }
        let somebody_tried = self.attempts.load(Ordering::Acquire) != seen;
        let failed = if somebody_tried { state.setbacks.last() } else { None };
        if let Some(setback) = failed.or_else(|| self.pause(&state)) {
            let error = setback.error.clone();
            self.hold(&mut state, transport).await;
            return state.living().map(|lease| lease.token.clone()).ok_or(error);
        }
        match self.refresh(&mut state, transport).await {
            Ok(token) => Ok(token),
            Err(error) => match state.living() {
                Some(lease) => {
                    tracing::warn!(
                        event = "vault.renewal_failed",
                        error = &error as &dyn std::error::Error,
                        "cannot renew the Vault token yet"
                    );
                    Ok(lease.token.clone())
                }
                None => Err(error),
            },
        }
    }

    /// Renews the token if that is due. Returns the time until it is due next; `None` when it never is,
    /// or before the first login.
    pub(super) async fn renew_if_due(
        &self,
        transport: &Arc<Transport>,
    ) -> Result<Option<Duration>, VaultError> {
        let mut state = self.state.lock().await;
        let due = state.lease.as_ref().is_some_and(|lease| self.is_due(&state, lease));
        if due && self.pause(&state).is_some() {
            self.hold(&mut state, transport).await;
        } else if due {
            self.refresh(&mut state, transport).await?;
        }
        let held = self.is_held(&state);
        let due = state.lease.as_ref().and_then(|lease| lease.renew_at);
        let next = due.map(|due| match state.setbacks.last() {
            Some(setback) if held => due.min(setback.retry_at),
            Some(setback) => due.max(setback.retry_at),
            None => due,
        });
        Ok(next.map(|next| next.saturating_duration_since(Instant::now())))
    }

    /// When the token ends, unless it never does or is being replaced at this moment.
    pub(super) fn ends(&self) -> Option<Instant> {
        let state = self.state.try_lock().ok()?;
        state.lease.as_ref().and_then(|lease| lease.ends)
    }

    /// Why the last attempt failed, as long as another is due, and unless that is under way at this moment.
    pub(super) fn trouble(&self) -> Option<VaultError> {
        let state = self.state.try_lock().ok()?;
        if state.lease.as_ref().is_some_and(|lease| !self.is_due(&state, lease)) {
            return None;
        }
        state.setbacks.last().map(|setback| setback.error.clone())
    }

    /// Called when Vault refuses `refused`. A dead token is replaced and its successor returned; `None`
    /// means that the token lives, so that a right is missing.
    pub(super) async fn replace_if_dead(
        &self,
        transport: &Arc<Transport>,
        refused: &Token,
    ) -> Result<Option<Token>, VaultError> {
        let current = self.token(transport).await?;
        if current.serial != refused.serial {
            return Ok(Some(current));
        }
        if self.is_alive(transport, refused).await? {
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
    ) -> Result<Lookup, VaultError> {
        let attempt = Attempt::new(Operation::LookUp, "auth/token/lookup-self".to_owned());
        let call = transport.prepare(attempt, &LookupTokenSelfRequest {})?;
        let answer = transport.send(&call, Some(token), None).await?;
        transport.data(&call.attempt, &answer)
    }

    /// Whether it is time to renew it, or its credential was replaced.
    fn is_due(&self, state: &State, lease: &Lease) -> bool {
        lease.is_due(Instant::now()) || self.is_replaced(state)
    }

    /// Whether the operator, or an agent, has put another credential in the place of one that does not wait for the next
    /// login: a token serves at once, and a wrapping token soon expires. What cannot be read now is no other.
    fn is_replaced(&self, state: &State) -> bool {
        match &self.method {
            VaultAuth::Token { token: SecretSource::File(_) }
            | VaultAuth::AppRole { secret_id: SecretSource::File(_), wrapped: true, .. } => {}
            _ => return false,
        }
        let shown = |found| state.shown.as_ref().is_some_and(|shown| same_secret(&found, shown));
        self.credential().is_some_and(|found| !shown(found))
    }

    /// Why nothing is tried now.
    fn pause<'a>(&self, state: &'a State) -> Option<&'a Setback> {
        let (now, credential) = (Instant::now(), self.credential());
        state.setbacks.iter().rev().find(|setback| setback.stands(now, credential.as_ref()))
    }

    /// What we would show to Vault now.
    fn credential(&self) -> Option<SecretString> {
        self.method.credential()?.read().ok()
    }

    /// Whether a lease is kept alive although its credential was replaced, because what stands there is not accepted.
    fn is_held(&self, state: &State) -> bool {
        self.is_replaced(state) && state.living().is_some_and(|lease| lease.renewable)
    }

    /// Renews such a lease if that is due: it depends on nobody's mending the file.
    async fn hold(&self, state: &mut State, transport: &Transport) {
        if !self.is_held(state) {
            return;
        }
        let Some(lease) = state.lease.as_mut().filter(|lease| lease.is_due(Instant::now())) else { return };
        match self.prolong(transport, lease).await {
            Ok(renewed) => *lease = renewed,
            Err(error) => {
                tracing::warn!(
                    event = "vault.renewal_failed",
                    error = &error as &dyn std::error::Error,
                    "cannot renew the Vault token, whose successor is not accepted either"
                );
                lease.put_off(Instant::now());
            }
        }
    }

    /// Logs in or renews. On failure a lease that lives stays, with a later attempt in view.
    async fn refresh(&self, state: &mut State, transport: &Arc<Transport>) -> Result<Token, VaultError> {
        let credential = self.credential();
        let refreshed = match &state.lease {
            Some(lease) if lease.renewable && !self.is_replaced(state) => self.renew(transport, lease).await,
            lease => {
                let needed = lease.as_ref().is_none_or(|lease| lease.is_due(Instant::now()));
                self.log_in(transport, needed).await
            }
        };
        self.attempts.fetch_add(1, Ordering::AcqRel);
        match refreshed {
            Ok(lease) => {
                let token = lease.token.clone();
                let shown = match self.method {
                    // A successor that was spent is not what was shown.
                    VaultAuth::AppRole { wrapped: true, .. } => self.unwrapping.unwrapped().await,
                    // The token itself, which is held anyway. What other methods show is read anew for each login, and
                    // not kept.
                    VaultAuth::Token { .. } => credential,
                    _ => None,
                };
                *state = State { lease: Some(lease), shown, setbacks: Vec::new() };
                Ok(token)
            }
            Err(error) => {
                self.hold(state, transport).await;
                if state.living().is_none() {
                    // Nothing is left to keep alive: the next request logs in, and nobody before it.
                    state.lease = None;
                }
                let (former, living) = (state.setbacks.last(), state.lease.as_ref());
                let (now, share) = (Instant::now(), jitter::share());
                let setback = Setback::new(error.clone(), former, living, credential, now, share);
                state.add(setback);
                Err(error)
            }
        }
    }

    /// `needed` is whether no token would be there for long otherwise.
    async fn log_in(&self, transport: &Arc<Transport>, needed: bool) -> Result<Lease, VaultError> {
        let serial = self.attempts.load(Ordering::Acquire);
        let granted = |info| Lease::granted(info, serial, Instant::now(), jitter::share());
        let lease = match &self.method {
            VaultAuth::Token { token } => self.take(transport, token, serial).await?,
            VaultAuth::AppRole { mount, role_id, secret_id, wrapped } => {
                let secret = match wrapped {
                    true => self.unwrapping.secret_id(transport, mount, secret_id, needed).await?,
                    false => read(secret_id)?,
                };
                let place = secret_id.to_string();
                granted(login::with_approle(transport, mount, role_id, secret, place, *wrapped).await?)
            }
            VaultAuth::Kubernetes { mount, role, jwt } => {
                granted(login::with_kubernetes(transport, mount, role, jwt).await?)
            }
            VaultAuth::Jwt { mount, role, jwt } => {
                granted(login::with_jwt(transport, mount, role, jwt).await?)
            }
            VaultAuth::UserPass { mount, username, password } => {
                granted(login::with_password(transport, mount, username, password).await?)
            }
            VaultAuth::Cert { mount, role } => {
                granted(login::with_certificate(transport, mount, role.as_deref()).await?)
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

    /// A token that somebody else obtained. Vault is asked how long it lives.
    async fn take(
        &self,
        transport: &Transport,
        token: &SecretSource,
        serial: u64,
    ) -> Result<Lease, VaultError> {
        let secret = read(token)?;
        let found = match self.look_up(transport, &secret).await {
            Err(VaultError::Forbidden { .. }) => {
                return Err(VaultError::TokenDead { place: token.to_string() });
            }
            other => other?,
        };
        let (lasts, renewable) = (remaining(&found).unwrap_or_default(), found.renewable.unwrap_or(false));
        let lease = Lease::new(Token { secret, serial }, Instant::now(), lasts, renewable, jitter::share());
        // A token that cannot be renewed is used until it ends: nothing else is to be had.
        Ok(Lease { renew_at: lease.renew_at.filter(|_| renewable), ..lease })
    }

    async fn renew(&self, transport: &Arc<Transport>, lease: &Lease) -> Result<Lease, VaultError> {
        match self.prolong(transport, lease).await {
            // The token is dead, may not renew itself, or is not renewable after all.
            Err(VaultError::Forbidden { .. } | VaultError::Rejected { .. }) => {}
            // The token nears its longest life.
            Ok(renewed) if renewed.lasts < lease.full / 2 => {}
            other => return other,
        }
        self.log_in(transport, true).await
    }

    async fn prolong(&self, transport: &Transport, lease: &Lease) -> Result<Lease, VaultError> {
        let attempt = Attempt::new(Operation::Renew, "auth/token/renew-self".to_owned());
        let call = transport.prepare(attempt, &RenewTokenSelfRequest { increment: None })?;
        let answer = transport.send(&call, Some(lease.token.secret()), None).await?;
        let info = auth_info(transport, &call.attempt, &answer)?;
        let granted = Duration::from_secs(info.lease_duration);
        let (token, now) = (lease.token.clone(), Instant::now());
        let renewed = Lease::new(token, now, granted, info.renewable, jitter::share());
        tracing::debug!(event = "vault.renewed", lease_s = granted.as_secs(), "renewed the Vault token");
        Ok(Lease { full: lease.full, ..renewed })
    }

    async fn is_alive(&self, transport: &Transport, token: &Token) -> Result<bool, VaultError> {
        match self.look_up(transport, token.secret()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotPermitted => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn discard(&self, token: &Token) {
        let mut state = self.state.lock().await;
        if state.lease.as_ref().is_some_and(|lease| lease.token.serial == token.serial) {
            (state.lease, state.shown) = (None, None);
            state.setbacks.retain(|setback| setback.is_refusal);
        }
    }
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
