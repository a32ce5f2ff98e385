//! Who we are at Exceptionless, and how it is kept current.
//!
//! A login token lives three months from its first creation, does not tell when it ends, and every login
//! returns the same one until then (`AuthHandler.cs`). So it is used until a 401 and then obtained again,
//! by one task while the others wait. `login` has an eye on what that costs.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use self::login::{Logins, Password};
use super::door::{Authorization, Door};
use super::error::ExceptionlessError;
use super::health::Health;
use super::keeper::{Keeper, Kept};
use super::operation::Operation;
use super::refusal::CredentialForm;
use crate::config::{CredentialSource, ExceptionlessAuth};

pub(super) mod choice;
mod login;

/// The credential of one process.
pub(super) struct Credential {
    auth: ExceptionlessAuth,
    keeper: Arc<dyn Keeper>,
    /// Held during a login, which is what makes the others wait for it.
    held: Mutex<Held>,
    /// The secret that was accepted last, by its number.
    proven: AtomicU64,
    /// Whether its keeper's latest password is refused, so that an older one is used.
    outdated: AtomicBool,
}

#[derive(Default)]
struct Held {
    pass: Option<Pass>,
    issued: u64,
    logins: Logins,
}

/// An authorization, and which one it is.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) authorization: Authorization,
    issue: u64,
    /// The issue in which its secret came first.
    secret: u64,
}

/// By which a secret is known again without being kept.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Imprint([u8; 32]);

impl Imprint {
    fn of(secret: &SecretString) -> Self {
        Self(Sha256::digest(secret.expose_secret()).into())
    }
}

impl Credential {
    pub(super) fn new(auth: &ExceptionlessAuth, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            auth: auth.clone(),
            keeper,
            held: Mutex::default(),
            proven: AtomicU64::default(),
            outdated: AtomicBool::default(),
        }
    }

    /// Takes over what is known of the logins of the same user.
    pub(super) async fn inherit(&self, former: &Self) {
        if let (ExceptionlessAuth::Login { email, .. }, ExceptionlessAuth::Login { email: before, .. }) =
            (&self.auth, &former.auth)
            && email == before
        {
            let logins = mem::take(&mut former.held.lock().await.logins);
            self.held.lock().await.logins = logins.of_a_successor();
        }
    }

    /// The current authorization; logs in if there is none.
    pub(super) async fn present(&self, door: &Door) -> Result<Pass, ExceptionlessError> {
        let mut held = self.held.lock().await;
        match &held.pass {
            Some(pass) => Ok(pass.clone()),
            None => self.obtain(&mut held, None, door).await,
        }
    }

    /// After a 401: a fresh authorization, or `None` when asking again would be of no use.
    pub(super) async fn renew(&self, door: &Door, old: &Pass) -> Result<Option<Pass>, ExceptionlessError> {
        let mut held = self.held.lock().await;
        match held.pass.take() {
            Some(pass) if pass.issue != old.issue => {
                held.pass = Some(pass.clone());
                return Ok(Some(pass));
            }
            Some(_) | None => {}
        }
        let new = self.obtain(&mut held, Some(old), door).await?;
        // With HTTP Basic a 401 may be trouble of the server's database; it costs no attempt.
        let useless = matches!(self.auth, ExceptionlessAuth::Token { .. }) && new.secret == old.secret;
        Ok((!useless).then_some(new))
    }

    /// Notes that the server accepted it.
    pub(super) fn note_accepted(&self, pass: &Pass) {
        self.proven.store(pass.secret, Ordering::Relaxed);
    }

    /// After the last 401 to a password: an error if it may not have been meant.
    pub(super) async fn doubt(
        &self,
        door: &Door,
        pass: &Pass,
        operation: &Operation,
    ) -> Option<ExceptionlessError> {
        let ExceptionlessAuth::Basic { email, password } = &self.auth else { return None };
        let sick = Health::ask(door).await == Health::Sick;
        if !sick && self.proven.load(Ordering::Relaxed) != pass.secret {
            return None;
        }
        let (operation, server) = (operation.clone(), door.server.clone());
        let (email, place) = (email.clone(), password.to_string());
        Some(ExceptionlessError::DoubtfulRefusal { operation, server, email, place, sick })
    }

    pub(super) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    pub(super) fn note_mended(&self) {
        self.outdated.store(false, Ordering::Relaxed);
    }

    /// Whether this text is the token in use. While it is being obtained nobody knows, and it may be.
    pub(super) fn is(&self, text: &str) -> bool {
        let Ok(held) = self.held.try_lock() else { return true };
        match held.pass.as_ref().map(|pass| &pass.authorization) {
            Some(Authorization::Bearer(token)) => token.expose_secret() == text,
            Some(Authorization::Basic { .. } | Authorization::Nothing) | None => false,
        }
    }

    /// Whether it was given to us as a token, which may be an API key by mistake.
    pub(super) fn is_foreign_token(&self) -> bool {
        matches!(self.auth, ExceptionlessAuth::Token { .. })
    }

    /// The credential by its origin.
    pub(super) fn form(&self) -> CredentialForm {
        match &self.auth {
            ExceptionlessAuth::Login { email, .. } => CredentialForm::Login { email: email.clone() },
            ExceptionlessAuth::Basic { email, password } => {
                CredentialForm::Basic { email: email.clone(), place: password.to_string() }
            }
            ExceptionlessAuth::Token { token } => CredentialForm::Token { place: token.to_string() },
        }
    }

    /// What an operator would call it.
    pub(super) fn name(&self) -> String {
        match &self.auth {
            ExceptionlessAuth::Login { email, .. } => format!("the login token of {email}"),
            ExceptionlessAuth::Basic { password, .. } => format!("the password in {password}"),
            ExceptionlessAuth::Token { token } => format!("the token in {token}"),
        }
    }

    async fn obtain(
        &self,
        held: &mut Held,
        old: Option<&Pass>,
        door: &Door,
    ) -> Result<Pass, ExceptionlessError> {
        let mut outdated = false;
        let authorization = match &self.auth {
            ExceptionlessAuth::Login { email, password: source } => {
                let kept = self.read(source).await?;
                let password = choice::which(door, email, kept).await?;
                let of = Password { email, password: &password, place: source.to_string() };
                let token = match held.logins.log_in(door, &of).await {
                    Err(error) if error.is_about_the_password() => {
                        let older = self.older(door, email, source).await;
                        let Some(password) = older else { return Err(error) };
                        outdated = true;
                        held.logins.log_in(door, &Password { password: &password, ..of }).await?
                    }
                    token => token?,
                };
                Authorization::Bearer(token)
            }
            ExceptionlessAuth::Basic { email, password: source } => {
                let kept = self.read(source).await?;
                let password = choice::which(door, email, kept).await?;
                let authorization = choice::basic(email, password)?;
                // It has just been refused.
                let same = old.is_some_and(|old| old.authorization.has_the_secret_of(&authorization));
                let older = if same { self.older(door, email, source).await } else { None };
                outdated = older.is_some();
                older.map_or(Ok(authorization), |password| choice::basic(email, password))?
            }
            ExceptionlessAuth::Token { token } => Authorization::Bearer(self.read(token).await?.current),
        };
        self.outdated.store(outdated, Ordering::Relaxed);
        if outdated {
            tracing::warn!(
                event = "exceptionless.older_password",
                "Exceptionless does not accept {}, but one of an older version; rotate-credential, or the daemon's next pass, \
                 puts that back",
                self.name()
            );
        }
        held.issued += 1;
        let same = old.filter(|old| old.authorization.has_the_secret_of(&authorization));
        let secret = same.map_or(held.issued, |old| old.secret);
        let pass = Pass { authorization, issue: held.issued, secret };
        held.pass = Some(pass.clone());
        Ok(pass)
    }

    /// A password that its keeper held before and that is accepted: a person may have rolled the secret back, or written an
    /// old one over it. Whatever goes wrong, the refusal of the present one is the better error.
    async fn older(&self, door: &Door, email: &str, source: &CredentialSource) -> Option<SecretString> {
        let CredentialSource::Vault(field) = source else { return None };
        let mut older = self.keeper.older(field).await.ok()?;
        let mut seen = Vec::new();
        older.retain(|password| {
            let imprint = Imprint::of(password);
            let is_new = !seen.contains(&imprint);
            seen.push(imprint);
            is_new
        });
        choice::accepted(door, email, &older.iter().collect::<Vec<_>>()).await.ok()?
    }

    async fn read(&self, source: &CredentialSource) -> Result<Kept, ExceptionlessError> {
        match source {
            CredentialSource::Here(source) => {
                source.read().map(Kept::from).map_err(|source| ExceptionlessError::Secret { source })
            }
            CredentialSource::Vault(field) => {
                let refused = |source| ExceptionlessError::Kept { field: field.clone(), source };
                self.keeper.read(field).await.map_err(refused)
            }
        }
    }
}
