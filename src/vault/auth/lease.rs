//! How long a token serves, as arithmetic: when to renew it, when it is over, and how long to leave Vault alone after
//! a failure. Every function is told the time.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use vaultrs::api::AuthInfo;

use super::Lookup;
use crate::vault::error::VaultError;

/// So that a lease of nearly nothing does not become a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause while there is no token. A pass that failed is tried again after ten seconds or more, and so each
/// of them finds out whether Vault is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Five wrong secret ids or passwords within a quarter of an hour lock an account for as long, and then the right one
/// is refused as well. Vault has forgotten one before it is shown the next, because each replica shows it on its own.
const AFTER_REFUSAL: Duration = Duration::from_secs(16 * 60);

/// The longest pause while the old token lives.
const LONGEST_RENEWAL_PAUSE: Duration = Duration::from_secs(5 * 60);

/// As good as one without end; the arithmetic of longer ones could overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(10 * 366 * 86_400);

/// How many tenths of the time until its renewal a lease may be renewed early, so that rotators that logged in
/// together do not renew together for ever.
const EARLY: f64 = 0.1;

/// A token, and which login it came from.
#[derive(Clone)]
pub(in crate::vault) struct Token {
    pub(super) secret: SecretString,
    pub(super) serial: u64,
}

/// A token with its time.
pub(super) struct Lease {
    pub(super) token: Token,
    /// How long the login was good for at first.
    pub(super) full: Duration,
    /// How long it was good for when it was last renewed.
    pub(super) lasts: Duration,
    pub(super) renewable: bool,
    /// When to do something about its end. `None` for a token that does not end, such as a root token, or that is used
    /// until it does.
    pub(super) renew_at: Option<Instant>,
    /// When it ends, whether or not something can be done about it.
    pub(super) ends: Option<Instant>,
}

/// A login or a renewal that failed, and for how long nothing is tried again.
pub(super) struct Setback {
    pub(super) error: VaultError,
    /// The failures in a row.
    failures: u32,
    /// Vault has refused the credential, and counted that.
    pub(super) is_refusal: bool,
    pub(super) retry_at: Instant,
    /// What was shown to Vault. Another one is tried at once.
    credential: Option<SecretString>,
}

impl Token {
    pub(in crate::vault) fn secret(&self) -> &SecretString {
        &self.secret
    }
}

impl Lease {
    /// `share` is a random one, from 0 to below 1.
    pub(super) fn new(token: Token, now: Instant, lasts: Duration, renewable: bool, share: f64) -> Self {
        let full = lasts.min(LONGEST_LEASE);
        let ends = (!full.is_zero()).then(|| now + full);
        let pause = (full * 2 / 3).mul_f64(1.0 - EARLY * share);
        let renew_at = ends.map(|_| now + pause.max(SHORTEST_PAUSE.min(full)));
        Self { token, full, lasts: full, renewable, renew_at, ends }
    }

    /// What a login brought.
    pub(super) fn granted(info: AuthInfo, serial: u64, now: Instant, share: f64) -> Self {
        let token = Token { secret: info.client_token.into(), serial };
        Self::new(token, now, Duration::from_secs(info.lease_duration), info.renewable, share)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.renew_at.is_some_and(|renew_at| now >= renew_at)
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }

    /// After a renewal that failed: not before half of what remains is over.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.renew_at = self.ends.map(|ends| now + while_it_lives(ends, now));
    }
}

impl Setback {
    /// The pause after a failure. While the old token lives it is half of what remains of that, unless it is the
    /// credential that must not be shown again.
    pub(super) fn new(
        error: VaultError,
        former: Option<&Self>,
        living: Option<&Lease>,
        credential: Option<SecretString>,
        now: Instant,
        share: f64,
    ) -> Self {
        let failures = former.map_or(1, |former| former.failures.saturating_add(1));
        let growing = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE);
        let is_refusal = matches!(&error, VaultError::Login(refused) if refused.may_lock());
        let pause = match living.map(|lease| lease.ends) {
            _ if is_refusal => AFTER_REFUSAL,
            Some(Some(ends)) => while_it_lives(ends, now),
            Some(None) => LONGEST_RENEWAL_PAUSE,
            None => growing.mul_f64(1.0 - share / 2.0),
        };
        Self { error, failures, is_refusal, retry_at: now + pause, credential }
    }

    /// Whether Vault is still left alone with this credential.
    pub(super) fn stands(&self, now: Instant, credential: Option<&SecretString>) -> bool {
        let is_about_it = match (&self.credential, credential) {
            (Some(shown), Some(found)) => same_secret(shown, found),
            (shown, found) => shown.is_none() && found.is_none(),
        };
        is_about_it && now < self.retry_at
    }
}

fn while_it_lives(ends: Instant, now: Instant) -> Duration {
    (ends.saturating_duration_since(now) / 2).min(LONGEST_RENEWAL_PAUSE).max(SHORTEST_PAUSE)
}

/// Whether two secrets are the same one.
pub(super) fn same_secret(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// How long a token still lives, a second at least; `None` for one that does not end. Vault counts whole
/// seconds, so that 0 alone can mean either.
pub(in crate::vault) fn remaining(found: &Lookup) -> Option<Duration> {
    let ends = found.ttl > 0 || found.expire_time.is_some();
    ends.then(|| Duration::from_secs(found.ttl.max(1)))
}

#[cfg(test)]
mod tests;
