//! How often a request is sent before its answer counts.
//!
//! | answer | is repeated |
//! | --- | --- |
//! | 401, once | after a fresh login, or with the credential that is in the file by now; nothing was done |
//! | 429 | in the next window; nothing was done |
//! | 5xx, 408, no connection, no answer | after a random pause, unless the request creates something |

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::credential::{Credential, Pass};
use super::door::{Answer, Authorization, Call, Door};
use super::error::ExceptionlessError;
use super::gate::Permit;
use super::keeper::Keeper;
use super::operation::Operation;
use super::refusal::Unreadable;
use crate::config;
use crate::domain::key::ApiKey;
use crate::jitter;
use crate::traffic::Traffic;

/// A third attempt catches a node that is being replaced; more only add load to a server in trouble,
/// and the next pass comes anyway.
const MAX_ATTEMPTS: u32 = 3;

/// The longest pause before the first repetition; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A server that asks for more, or for more than an answer may take, gets an error instead: the next pass
/// is soon enough.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The windows that a request may wait for before its error is worth more than its patience.
const MAX_REFUSALS: u32 = 5;

const API_KEY: &str = "an API key";
const USER_KEY: &str = "an API key with scope user";
const CLIENT_KEY: &str = "an API key with scope client";

/// A credential at a server.
pub(super) struct Session {
    pub(super) door: Door,
    credential: Credential,
}

/// How much patience a request has used up.
#[derive(Default)]
struct Patience {
    troubles: u32,
    refusals: u32,
}

impl Session {
    pub(super) fn new(
        settings: &config::Exceptionless,
        keeper: Arc<dyn Keeper>,
        traffic: &Traffic,
    ) -> Result<Self, ExceptionlessError> {
        let credential = Credential::new(&settings.auth, keeper);
        Ok(Self { door: Door::new(settings, traffic)?, credential })
    }

    /// Takes over what is known of the logins, if they are of the same account.
    pub(super) async fn inherit(&self, former: &Self) {
        if self.door.server == former.door.server {
            self.credential.inherit(&former.credential).await;
        }
    }

    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Whether a key is the credential itself. While a login is under way nobody knows, and then it may be.
    pub(super) fn presents(&self, key: &ApiKey) -> bool {
        self.credential.is(key.expose())
    }

    /// Sends a request as the user. The answer is a success, or one that the caller looks at itself.
    pub(super) async fn ask(&self, call: &Call) -> Result<Answer, ExceptionlessError> {
        let mut patience = Patience::default();
        let mut pass = self.credential.present(&self.door).await?;
        let mut renewed = false;
        loop {
            let result = self.door.pass(call, &pass.authorization).await;
            if let Ok(answer) = &result
                && answer.status == StatusCode::UNAUTHORIZED
                && !renewed
                && let Some(fresh) = self.credential.renew(&self.door, &pass).await?
            {
                renewed = true;
                pass = fresh;
                continue;
            }
            if let Ok(answer) = &result {
                self.judge_credential(&pass, call, answer.status).await?;
            }
            if let Some(result) = self.judge(call, result, &mut patience).await {
                return result;
            }
        }
    }

    /// Sends a request as the user, once, in a turn that was waited for before. After a 401 the credential is
    /// renewed for whoever asks next.
    pub(super) async fn ask_in_turn(
        &self,
        permit: Permit<'_>,
        call: &Call,
    ) -> Result<Answer, ExceptionlessError> {
        let pass = self.credential.present(&self.door).await?;
        let answer = self.ask_once(permit, call, &pass.authorization).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.credential.renew(&self.door, &pass).await?;
        }
        self.judge_credential(&pass, call, answer.status).await?;
        Ok(answer)
    }

    /// Sends a request as whoever is authorized by this, once, in a turn that was waited for before.
    pub(super) async fn ask_once(
        &self,
        permit: Permit<'_>,
        call: &Call,
        authorization: &Authorization,
    ) -> Result<Answer, ExceptionlessError> {
        let answer = self.door.pass_with(Some(permit), call, authorization).await?;
        let (operation, server, status) = (call.operation.clone(), self.door.server.clone(), answer.status);
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ExceptionlessError::Throttled { operation, server, times: 1 });
        } else if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Err(ExceptionlessError::Trouble { operation, server, status });
        }
        Ok(answer)
    }

    /// Notes what a status says of the credential. A 401 that may not have been meant is an error.
    async fn judge_credential(
        &self,
        pass: &Pass,
        call: &Call,
        status: StatusCode,
    ) -> Result<(), ExceptionlessError> {
        if status.is_success() {
            self.credential.note_accepted(pass);
        } else if status == StatusCode::UNAUTHORIZED
            && let Some(doubt) = self.credential.doubt(&self.door, pass, &call.operation).await
        {
            return Err(doubt);
        }
        Ok(())
    }

    /// Sends a request under a project's key.
    pub(super) async fn ask_as(&self, key: &ApiKey, call: &Call) -> Result<Answer, ExceptionlessError> {
        self.ask_with(&Authorization::Bearer(key.expose().into()), call).await
    }

    /// Sends a request as whoever is authorized by this.
    pub(super) async fn ask_with(
        &self,
        authorization: &Authorization,
        call: &Call,
    ) -> Result<Answer, ExceptionlessError> {
        let mut patience = Patience::default();
        loop {
            let result = self.door.pass(call, authorization).await;
            if let Some(result) = self.judge(call, result, &mut patience).await {
                return result;
            }
        }
    }

    /// Waits and returns `None` when the request is to be sent again.
    async fn judge(
        &self,
        call: &Call,
        result: Result<Answer, ExceptionlessError>,
        patience: &mut Patience,
    ) -> Option<Result<Answer, ExceptionlessError>> {
        let (operation, server) = (call.operation.clone(), self.door.server.clone());
        let (error, retry_after) = match result {
            Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                patience.refusals += 1;
                if call.throttled && patience.refusals < MAX_REFUSALS {
                    // The gate knows when.
                    return None;
                }
                let times = patience.refusals;
                return Some(Err(ExceptionlessError::Throttled { operation, server, times }));
            }
            // 408 comes from proxies, which cannot know what the server has done.
            Ok(answer) if answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT => {
                let status = answer.status;
                (ExceptionlessError::Trouble { operation, server, status }, answer.retry_after)
            }
            Ok(answer) => return Some(Ok(answer)),
            Err(error) if error.is_transient() => (error, None),
            Err(error) => return Some(Err(error)),
        };
        patience.troubles += 1;
        let repeatable = call.method != Method::POST;
        let longest = LONGEST_RETRY_AFTER.min(self.door.timeout);
        if !repeatable || patience.troubles >= MAX_ATTEMPTS || retry_after > Some(longest) {
            return Some(Err(error));
        }
        let pause = jitter::below(FIRST_PAUSE * 2u32.pow(patience.troubles - 1));
        tracing::debug!(
            event = "exceptionless.retry",
            operation = call.operation.label(),
            attempt = patience.troubles,
            "{error}; trying again"
        );
        tokio::time::sleep(retry_after.unwrap_or_default() + pause).await;
        None
    }

    /// What an answer means that is no success.
    pub(super) fn refusal(&self, call: &Call, answer: &Answer) -> ExceptionlessError {
        let (operation, server, status) = (call.operation.clone(), self.door.server.clone(), answer.status);
        if answer.is_html() {
            return self.door.unreadable(&operation, Unreadable::Html);
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                let credential = self.credential.form();
                ExceptionlessError::CredentialRefused { operation, server, credential }
            }
            StatusCode::FORBIDDEN if operation.concerns_keys() || self.credential.is_foreign_token() => {
                self.api_key(operation, API_KEY)
            }
            StatusCode::FORBIDDEN => ExceptionlessError::Forbidden { operation, server },
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if operation.always_exists() => {
                self.door.unreadable(&operation, Unreadable::Status(status))
            }
            StatusCode::NOT_FOUND => match operation.project().cloned() {
                Some(project) => ExceptionlessError::ProjectGone { operation, project },
                None => ExceptionlessError::NotFound { operation, server },
            },
            _ => ExceptionlessError::Rejected { operation, server, status },
        }
    }

    /// After `users/me` was refused: an API key has no user and is refused there like an unknown token,
    /// but the list of organizations tells the two apart.
    pub(super) async fn refusal_of_user(&self, call: &Call, answer: &Answer) -> ExceptionlessError {
        let error = self.refusal(call, answer);
        // Releases up to 8.1 say that there is no such user (`UserController.cs`).
        let userless = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND);
        if !userless || answer.is_html() || !self.credential.is_foreign_token() {
            return error;
        }
        let probe = self.ask(&Call::get(Operation::Organizations, "organizations")).await;
        let found = match probe.map(|answer| answer.status) {
            Ok(StatusCode::OK) => USER_KEY,
            Ok(StatusCode::FORBIDDEN) => CLIENT_KEY,
            Ok(_) | Err(_) => return error,
        };
        self.api_key(call.operation.clone(), found)
    }

    fn api_key(&self, operation: Operation, found: &'static str) -> ExceptionlessError {
        let (server, credential) = (self.door.server.clone(), self.credential.name());
        ExceptionlessError::ApiKeyCredential { operation, server, credential, found }
    }
}
