//! From a password to a login token, with an eye on the counters.
//!
//! Five attempts in a quarter hour lock the account for people too, even if the password is right by then, and several
//! replicas may make them. So a refusal is remembered until the quarter hour ends, unless there is another password to try
//! by then; and once an attempt has failed, HTTP Basic, which has no counter (`ApiKeyAuthenticationHandler.cs`), is asked
//! whether another one is worth it. Its yes is certain. Its no is not, where Active Directory keeps the passwords, so it
//! counts only for a password that the login itself has refused.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{Imprint, choice};
use crate::exceptionless::door::{Answer, Authorization, Call, Door};
use crate::exceptionless::error::ExceptionlessError;
use crate::exceptionless::health::Health;
use crate::exceptionless::operation::Operation;
use crate::exceptionless::refusal::{LoginRefusal, Unreadable};
use crate::exceptionless::wire;
use crate::jitter;

/// The counters of attempts start anew at each quarter hour of the server (`AuthHandler.cs`).
const QUARTER_HOUR: i64 = 15 * 60;

/// Attempts in a quarter hour that may end in trouble of the server, which can count them all the same.
/// Two of the five stay with people and with other replicas.
const MAX_LOGINS: u32 = 3;

/// After so many refusals in a row a password that had worked is taken to be wrong.
const MAX_DOUBTS: u32 = 3;

/// How often a login that found no connection is tried again.
const CONNECTION_RETRIES: u32 = 2;

/// What is known of the logins of this process.
#[derive(Default)]
pub(super) struct Logins {
    /// In a row without success; the server counts them.
    attempts: u32,
    /// Refusals in a row, by the login or by HTTP Basic.
    refusals: u32,
    /// The password that the login refused last.
    refused: Option<Imprint>,
    last_attempt: Option<Instant>,
    /// The password that let us in last.
    proven: Option<Imprint>,
    withheld: Option<Withheld>,
}

struct Withheld {
    refusal: Option<LoginRefusal>,
    password: Imprint,
    until: Option<DateTime<Utc>>,
    ends: Instant,
}

/// A password, and what people need to know of it.
pub(super) struct Password<'a> {
    pub(super) email: &'a str,
    pub(super) password: &'a SecretString,
    /// Where it comes from.
    pub(super) place: String,
}

impl Logins {
    /// What the server goes on counting. That a password has worked for another is no reason to doubt its refusal.
    pub(super) fn of_a_successor(self) -> Self {
        Self { proven: None, ..self }
    }

    pub(super) async fn log_in(
        &mut self,
        door: &Door,
        of: &Password<'_>,
    ) -> Result<SecretString, ExceptionlessError> {
        let body = wire::Login { email: of.email, password: of.password.expose_secret() };
        let call = Call {
            method: Method::POST,
            body: Some(wire::encode(&body)),
            throttled: false,
            ..Call::get(Operation::LogIn, "auth/login")
        };
        if self.last_attempt.is_some_and(|last| last.elapsed().as_secs() > QUARTER_HOUR.unsigned_abs()) {
            self.forget();
        }
        self.check_withheld(door, of)?;
        if self.attempts > 0 {
            let worth_it = self.ask_without_counter(door, of).await?;
            if let Some(withheld) =
                self.withheld.as_ref().filter(|_| !worth_it && self.attempts >= MAX_LOGINS)
            {
                return Err(withheld.error(door, self.attempts));
            }
        }
        self.withheld = None;
        self.last_attempt = Some(Instant::now());
        // Counted before it is sent: an attempt whose future is dropped may have been made.
        self.attempts += 1;
        let answer = match attempt(door, &call).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.was_not_sent() {
                    self.attempts -= 1;
                }
                return Err(self.after_trouble(door, of, error));
            }
        };
        match answer.status {
            StatusCode::OK => {
                let token = answer
                    .json::<wire::LoggedIn<'_>>()
                    .and_then(|answer| answer.read())
                    .map_err(|problem| door.unreadable(&Operation::LogIn, problem))?;
                self.forget();
                self.proven = Some(Imprint::of(of.password));
                Ok(token)
            }
            StatusCode::UNAUTHORIZED if !answer.is_html() => {
                self.refused = Some(Imprint::of(of.password));
                Err(self.after_refusal(door, of, Operation::LogIn, &answer).await)
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                let refusal = LoginRefusal::Malformed { email: of.email.to_owned(), place: of.place.clone() };
                Err(self.withhold(door, of, Some(refusal)))
            }
            _ => {
                let error = refuse(door, Operation::LogIn, &answer);
                Err(self.after_trouble(door, of, error))
            }
        }
    }

    async fn after_refusal(
        &mut self,
        door: &Door,
        of: &Password<'_>,
        operation: Operation,
        answer: &Answer,
    ) -> ExceptionlessError {
        let (email, place) = (of.email.to_owned(), of.place.clone());
        // Releases before 8.6.3 say no more than that it failed (`AuthController.cs`).
        if answer.json::<wire::Problem<'_>>().is_ok_and(|problem| problem.title == "Login denied.") {
            return self.withhold(door, of, Some(LoginRefusal::LockedOut { email }));
        }
        self.refusals += 1;
        let sick = Health::ask(door).await == Health::Sick;
        if !sick && (self.proven != Some(Imprint::of(of.password)) || self.refusals >= MAX_DOUBTS) {
            return self.withhold(door, of, Some(LoginRefusal::WrongPassword { email, place }));
        }
        let server = door.server.clone();
        let doubtful = ExceptionlessError::DoubtfulRefusal { operation, server, email, place, sick };
        self.after_trouble(door, of, doubtful)
    }

    /// Whether HTTP Basic accepts the password; an error where another attempt would fail for certain.
    async fn ask_without_counter(
        &mut self,
        door: &Door,
        of: &Password<'_>,
    ) -> Result<bool, ExceptionlessError> {
        let Ok(authorization) = choice::basic(of.email, of.password.clone()) else { return Ok(false) };
        let answer = door.pass(&choice::question(), &authorization).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED if self.refused == Some(Imprint::of(of.password)) => {
                Err(self.after_refusal(door, of, Operation::TryPassword, &answer).await)
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(refuse(door, Operation::TryPassword, &answer))
            }
            _ => Ok(choice::is_accepted(door, of.email, &answer).unwrap_or(false)),
        }
    }

    fn forget(&mut self) {
        (self.attempts, self.refusals, self.refused) = (0, 0, None);
    }

    /// A refusal is about one password: another is tried, as long as there are attempts to spare, or it is certain to work.
    fn check_withheld(&mut self, door: &Door, of: &Password<'_>) -> Result<(), ExceptionlessError> {
        match &self.withheld {
            Some(withheld) if Instant::now() >= withheld.ends => {
                self.withheld = None;
                self.forget();
                Ok(())
            }
            Some(withheld) if !withheld.is_about_another_than(of.password) => {
                Err(withheld.error(door, self.attempts))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn after_trouble(
        &mut self,
        door: &Door,
        of: &Password<'_>,
        error: ExceptionlessError,
    ) -> ExceptionlessError {
        if self.attempts >= MAX_LOGINS { self.withhold(door, of, None) } else { error }
    }

    fn withhold(
        &mut self,
        door: &Door,
        of: &Password<'_>,
        refusal: Option<LoginRefusal>,
    ) -> ExceptionlessError {
        let now = door.gate.server_time();
        let until = now.and_then(|now| {
            let number = now.timestamp().div_euclid(QUARTER_HOUR) + 1;
            DateTime::from_timestamp(number * QUARTER_HOUR, 0)
        });
        let wait =
            until.zip(now).and_then(|(until, now)| (until - now + TimeDelta::seconds(1)).to_std().ok());
        let wait = wait.unwrap_or(Duration::from_secs(QUARTER_HOUR.unsigned_abs()));
        let password = Imprint::of(of.password);
        let withheld = Withheld { refusal, password, until, ends: Instant::now() + wait };
        let error = withheld.error(door, self.attempts);
        self.withheld = Some(withheld);
        error
    }
}

impl Withheld {
    fn is_about_another_than(&self, password: &SecretString) -> bool {
        let of_one = self.refusal.as_ref().is_some_and(LoginRefusal::is_about_the_password);
        of_one && self.password != Imprint::of(password)
    }

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

fn refuse(door: &Door, operation: Operation, answer: &Answer) -> ExceptionlessError {
    let (server, status) = (door.server.clone(), answer.status);
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
