//! The end of a login: its token is revoked, for otherwise each command would leave one behind that lives on.
//!
//! Nothing depends on it. A token that could not be revoked ends with its lease, as after a crash.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout};
use vaultrs::api::token::requests::RevokeTokenSelfRequest;

use super::{Session, Token};
use crate::config::VaultAuth;
use crate::vault::attempt::{Attempt, Operation};
use crate::vault::error::VaultError;
use crate::vault::transport::Transport;

/// Nobody waits for longer at the end of a command.
const LONGEST: Duration = Duration::from_secs(2);

impl Session {
    /// Revokes the token of our own login. One that somebody else brought is not ours to end.
    pub(in crate::vault) async fn log_out(&self, transport: &Transport) {
        match self.method {
            VaultAuth::Token { .. } => return,
            VaultAuth::AppRole { .. }
            | VaultAuth::Kubernetes { .. }
            | VaultAuth::Jwt { .. }
            | VaultAuth::UserPass { .. }
            | VaultAuth::Cert { .. } => {}
        }
        let revoked = timeout(LONGEST, async {
            let mut state = self.state.lock().await;
            let Some(lease) = state.lease.take().filter(|lease| lease.is_alive(Instant::now())) else {
                return Ok(());
            };
            self.revoke(transport, &lease.token).await
        });
        if let Ok(Err(error)) = revoked.await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(
                event = "vault.logout_failed",
                error,
                "the Vault token lives on until its lease ends"
            );
        }
    }

    async fn revoke(&self, transport: &Transport, token: &Token) -> Result<(), VaultError> {
        // An agent between us and Vault may put its own token in place of ours, and others live by that one. It hides
        // which token that is.
        let shown = self.look_up(transport, token.secret()).await?.id;
        if shown.is_none_or(|shown| shown.expose_secret() != token.secret().expose_secret()) {
            return Ok(());
        }
        let attempt = Attempt::new(Operation::LogOut, "auth/token/revoke-self".to_owned());
        let call = transport.prepare(attempt, &RevokeTokenSelfRequest {})?;
        transport.send(&call, Some(token.secret()), None).await?;
        tracing::debug!(event = "vault.logout", "revoked the Vault token");
        Ok(())
    }
}
