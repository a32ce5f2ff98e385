//! Who we are at Exceptionless, and how it is kept current.
//!
//! A login token lives three months from its first creation, does not tell when it ends, and every login
//! returns the same one until then (`AuthHandler.cs`). So it is used until a 401 and then obtained again,
//! by one task while the others wait. Five attempts in a quarter hour lock the account for people too,
//! even if the password is right by then: a refusal is therefore remembered until the quarter hour ends,
//! and trouble of the server is not answered with more than a few attempts.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::door::{Answer, Authorization, Call, Door};
use super::error::ExceptionlessError;
use super::operation::Operation;
use super::refusal::{CredentialForm, LoginRefusal, Unreadable};
use super::{jitter, wire};
use crate::config::{ExceptionlessAuth, SecretSource};

/// The counters of attempts start anew at each quarter hour of the server (`AuthHandler.cs`).
const QUARTER_HOUR: i64 = 15 * 60;

/// Attempts in a quarter hour that may end in trouble of the server, which can count them all the same.
/// Two of the five stay with people.
const MAX_ATTEMPTS: u32 = 3;

/// How often a login that found no connection is tried again.
const CONNECTION_RETRIES: u32 = 2;

/// The credential of one process.
pub(super) struct Credential {
    auth: ExceptionlessAuth,
    /// Held during a login, which is what makes the others wait for it.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    pass: Option<Pass>,
    issued: u64,
    failures: u32,
    last_attempt: Option<Instant>,
    withheld: Option<Withheld>,
}

struct Withheld {
    refusal: Option<LoginRefusal>,
    until: Option<DateTime<Utc>>,
    ends: Instant,
}

/// An authorization, and which one it is.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) authorization: Authorization,
    issue: u64,
}

impl Credential {
    pub(super) fn new(auth: &ExceptionlessAuth) -> Self {
        Self { auth: auth.clone(), held: Mutex::default() }
    }

    /// The current authorization; logs in if there is none.
    pub(super) async fn present(&self, door: &Door) -> Result<Pass, ExceptionlessError> {
        let mut held = self.held.lock().await;
        match &held.pass {
            Some(pass) => Ok(pass.clone()),
            None => self.obtain(&mut held, door).await,
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
        let new = self.obtain(&mut held, door).await?;
        match (&self.auth, &old.authorization, &new.authorization) {
            (ExceptionlessAuth::Token { .. }, Authorization::Bearer(old), Authorization::Bearer(new))
                if old.expose_secret() == new.expose_secret() =>
            {
                Ok(None)
            }
            // With HTTP Basic a 401 may be trouble of the server's database; it costs no attempt.
            _ => Ok(Some(new)),
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

    async fn obtain(&self, held: &mut Held, door: &Door) -> Result<Pass, ExceptionlessError> {
        let authorization = match &self.auth {
            ExceptionlessAuth::Login { email, password } => {
                Authorization::Bearer(held.log_in(door, email, password).await?)
            }
            ExceptionlessAuth::Basic { email, password } => {
                let password = read(password)?;
                if email.contains(':') || password.expose_secret().contains(':') {
                    return Err(ExceptionlessError::Colon { email: email.clone() });
                }
                Authorization::Basic { email: email.clone(), password }
            }
            ExceptionlessAuth::Token { token } => Authorization::Bearer(read(token)?),
        };
        held.issued += 1;
        let pass = Pass { authorization, issue: held.issued };
        held.pass = Some(pass.clone());
        Ok(pass)
    }
}

impl Held {
    async fn log_in(
        &mut self,
        door: &Door,
        email: &str,
        source: &SecretSource,
    ) -> Result<SecretString, ExceptionlessError> {
        self.check_withheld(door)?;
        let password = read(source)?;
        let body = wire::Login { email, password: password.expose_secret() };
        let call = Call {
            method: Method::POST,
            body: Some(wire::encode(&body)),
            throttled: false,
            ..Call::get(Operation::LogIn, "auth/login")
        };
        if self.last_attempt.is_some_and(|last| last.elapsed().as_secs() > QUARTER_HOUR.unsigned_abs()) {
            self.failures = 0;
        }
        self.last_attempt = Some(Instant::now());
        // Counted before it is sent: an attempt whose future is dropped may have been made.
        self.failures += 1;
        let answer = match attempt(door, &call).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.was_not_sent() {
                    self.failures -= 1;
                }
                return Err(self.after_trouble(door, error));
            }
        };
        let place = source.to_string();
        match answer.status {
            StatusCode::OK => {
                let token = answer
                    .json::<wire::LoggedIn<'_>>()
                    .and_then(|answer| answer.read())
                    .map_err(|problem| door.unreadable(&Operation::LogIn, problem))?;
                self.failures = 0;
                Ok(token)
            }
            StatusCode::UNAUTHORIZED => {
                let email = email.to_owned();
                let locked = answer.json::<wire::Problem<'_>>().is_ok_and(|p| p.title == "Login denied.");
                let refusal = if locked {
                    LoginRefusal::LockedOut { email }
                } else {
                    LoginRefusal::WrongPassword { email, place }
                };
                Err(self.withhold(door, Some(refusal)))
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                let refusal = LoginRefusal::Malformed { email: email.to_owned(), place };
                Err(self.withhold(door, Some(refusal)))
            }
            _ => {
                let error = refuse(door, &answer);
                Err(self.after_trouble(door, error))
            }
        }
    }

    fn check_withheld(&mut self, door: &Door) -> Result<(), ExceptionlessError> {
        let Some(withheld) = &self.withheld else { return Ok(()) };
        if Instant::now() < withheld.ends {
            return Err(withheld.error(door, self.failures));
        }
        self.withheld = None;
        self.failures = 0;
        Ok(())
    }

    fn after_trouble(&mut self, door: &Door, error: ExceptionlessError) -> ExceptionlessError {
        if self.failures >= MAX_ATTEMPTS { self.withhold(door, None) } else { error }
    }

    fn withhold(&mut self, door: &Door, refusal: Option<LoginRefusal>) -> ExceptionlessError {
        let now = door.gate.server_time();
        let until = now.and_then(|now| {
            let number = now.timestamp().div_euclid(QUARTER_HOUR) + 1;
            DateTime::from_timestamp(number * QUARTER_HOUR, 0)
        });
        let wait =
            until.zip(now).and_then(|(until, now)| (until - now + TimeDelta::seconds(1)).to_std().ok());
        let wait = wait.unwrap_or(Duration::from_secs(QUARTER_HOUR.unsigned_abs()));
        let withheld = Withheld { refusal, until, ends: Instant::now() + wait };
        let error = withheld.error(door, self.failures);
        self.withheld = Some(withheld);
        error
    }
}

impl Withheld {
    fn error(&self, door: &Door, attempts: u32) -> ExceptionlessError {
        let (server, until) = (door.server.clone(), self.until);
        match self.refusal.clone() {
            Some(refusal) => ExceptionlessError::LoginRefused { server, refusal, until },
            None => ExceptionlessError::LoginWithheld { server, attempts, until },
        }
    }
}

/// Only a login that found no connection is repeated: it cannot have been counted.
async fn attempt(door: &Door, call: &Call) -> Result<Answer, ExceptionlessError> {
    let mut retries = 0;
    loop {
        match door.pass(call, &Authorization::Nothing).await {
            Err(error) if error.was_not_sent() && error.is_transient() && retries < CONNECTION_RETRIES => {
                retries += 1;
                tokio::time::sleep(jitter::below(Duration::from_secs(1))).await;
            }
            result => return result,
        }
    }
}

fn refuse(door: &Door, answer: &Answer) -> ExceptionlessError {
    let (operation, server, status) = (Operation::LogIn, door.server.clone(), answer.status);
    if answer.is_html() {
        door.unreadable(&operation, Unreadable::Html)
    } else if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        door.unreadable(&operation, Unreadable::Status(status))
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        ExceptionlessError::Throttled { operation, server, times: 1 }
    } else if status.is_server_error() {
        ExceptionlessError::Trouble { operation, server, status }
    } else {
        ExceptionlessError::Rejected { operation, server, status }
    }
}

fn read(source: &SecretSource) -> Result<SecretString, ExceptionlessError> {
    source.read().map_err(|source| ExceptionlessError::Secret { source })
}
