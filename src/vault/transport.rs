//! The one door: every request to Vault leaves through it, and every answer comes in through it.
//!
//! Redirects are refused: reqwest would send `X-Vault-Token`, and the body, to whatever host the answer
//! names.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Request;
use rustify::Endpoint;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;
use url::Url;
use vaultrs::api::{EndpointError, EndpointResult};

use super::attempt::{Attempt, Operation, Said};
use super::connections::Connections;
use super::error::VaultError;
use super::reach;
use crate::config;
use crate::domain::clocks::plausible;
use crate::kill_point::kill_point;
use crate::traffic::{Ending, Traffic};
use again::Patience;

mod again;
mod quoted;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Agents and proxies of Vault can demand it as a protection against forged requests.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// The listing of the fullest folder that is still sensible, some 100,000 names, is a quarter of it.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// More than any host name with its scheme and port.
const LONGEST_NAME: usize = 300;

/// The connections and what was learned over them of the server's clock.
pub(super) struct Transport {
    connections: Connections,
    address: String,
    /// Where the API begins.
    base: Url,
    namespace: Option<HeaderValue>,
    mount: String,
    timeout: Duration,
    clock: Mutex<Option<(DateTime<Utc>, Instant)>>,
    traffic: Traffic,
}

/// A request that is ready but for its token.
pub(super) struct Call {
    pub(super) attempt: Attempt,
    request: Request,
}

/// A 2xx, or the 404 by which Vault says that there is nothing, or only deleted versions.
pub(super) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    hints: Hints,
}

/// What the headers of an answer say.
#[derive(Default)]
pub(super) struct Hints {
    /// How long Vault wants not to be asked.
    retry_after: Option<Duration>,
    /// The server that it names in its place: scheme, host and port.
    elsewhere: Option<String>,
}

/// What tells Vault's 404 from that of another server.
#[derive(Deserialize)]
struct Shape {
    data: Option<IgnoredAny>,
    errors: Option<IgnoredAny>,
}

impl Transport {
    pub(super) fn new(settings: &config::Vault, traffic: &Traffic) -> Result<Self, VaultError> {
        let connections = Connections::new(settings)?;
        let address = connections.address().to_owned();
        let mut base = connections.base().clone();
        base.set_path("v1");
        base.set_query(None);
        let namespace = match settings.namespace.as_deref() {
            None | Some("") => None,
            Some(name) => Some(
                HeaderValue::from_str(name).map_err(|_| VaultError::Namespace { name: name.to_owned() })?,
            ),
        };
        let (mount, timeout) = (settings.mount.clone(), settings.timeout);
        let (clock, traffic) = (Mutex::default(), traffic.clone());
        Ok(Self { connections, address, base, namespace, mount, timeout, clock, traffic })
    }

    /// The server, and the way to it, as they may be shown.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// When our certificate ends, if we have one that tells it.
    pub(super) fn certificate_ends(&self) -> Option<DateTime<Utc>> {
        self.connections.certificate_ends()
    }

    /// Whether the other asks the same server, and the same namespace.
    pub(super) fn is_same_server(&self, other: &Self) -> bool {
        self.address == other.address && self.namespace == other.namespace
    }

    /// The server's time now, going by its last answer.
    pub(super) fn server_time(&self) -> Option<DateTime<Utc>> {
        let clock = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, heard) = clock?;
        Some(date + TimeDelta::from_std(heard.elapsed()).ok()?)
    }

    /// Makes a request of one of vaultrs' endpoints, or of ours.
    pub(super) fn prepare(&self, attempt: Attempt, endpoint: &impl Endpoint) -> Result<Call, VaultError> {
        let Some(request) = self.request(endpoint) else { return Err(VaultError::Request { attempt }) };
        Ok(Call { attempt, request })
    }

    /// As rustify would, but with the API version, which the endpoints leave out, and the content type.
    fn request(&self, endpoint: &impl Endpoint) -> Option<Request> {
        let mut url = self.base.clone();
        // Some of vaultrs' paths begin with a slash, and one with a tab.
        url.path_segments_mut().ok()?.extend(endpoint.path().trim_start_matches(['/', '\t']).split('/'));
        url.set_query(endpoint.query().ok()?.as_deref());
        let mut request = Request::new(endpoint.method().into(), url);
        *request.body_mut() = endpoint.body().ok()?.map(Into::into);
        let patch = request.method() == Method::PATCH;
        let headers = request.headers_mut();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        let content = if patch { "application/merge-patch+json" } else { "application/json" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
        if let Some(namespace) = &self.namespace {
            headers.insert(NAMESPACE, namespace.clone());
        }
        Some(request)
    }

    /// Sends a request, again if it is harmless and the failure may pass: see [`again`]. A write that was sent and
    /// leaves a doubt whether it was applied is [`VaultError::Ambiguous`].
    pub(super) async fn send(
        &self,
        call: &Call,
        token: Option<&SecretString>,
        deadline: Option<Instant>,
    ) -> Result<Answer, VaultError> {
        let operation = call.attempt.operation();
        let mut patience = Patience::new(operation, self.timeout, deadline);
        loop {
            let error = match self.send_once(call, token, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if operation.writes() && error.leaves_doubt() {
                return Err(ambiguous(&call.attempt, error));
            }
            match patience.pause(&error) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn send_once(
        &self,
        call: &Call,
        token: Option<&SecretString>,
        deadline: Option<Instant>,
    ) -> Result<Answer, VaultError> {
        let Call { attempt, request } = call;
        let invalid = || VaultError::Request { attempt: attempt.clone() };
        let mut request = request.try_clone().ok_or_else(invalid)?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret()).map_err(|_| invalid())?;
            value.set_sensitive(true);
            request.headers_mut().insert(TOKEN, value);
        } else {
            // Only sys/health and logins go without a token, and sys/health without a namespace too.
            if attempt.operation() == Operation::AskHealth {
                request.headers_mut().remove(NAMESPACE);
            }
        }
        let start = Instant::now();
        let end = deadline.map_or(start + self.timeout, |deadline| deadline.min(start + self.timeout));
        if end <= start {
            return Err(VaultError::Late { attempt: attempt.clone() });
        }
        kill_point!("vault", attempt.operation().label(), "before");
        let connection = self.connections.current();
        let span = tracing::debug_span!("request", server = "vault", operation = attempt.operation().label());
        let exchange = self.exchange(attempt, &connection.client, request).instrument(span);
        let outcome = timeout_at(end, exchange).await;
        kill_point!("vault", attempt.operation().label(), "after");
        tracing::debug!(
            event = "vault.request",
            operation = attempt.operation().label(),
            attempt = %attempt,
            outcome = outcome_label(&outcome),
            duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            "asked Vault"
        );
        let timed_out = |_| VaultError::TimedOut {
            attempt: attempt.clone(),
            address: self.address.clone(),
            after: end - start,
        };
        let status = outcome
            .as_ref()
            .ok()
            .and_then(|answer| answer.as_ref().ok())
            .map(|answer| answer.status.as_u16());
        let secrets = || quoted::secrets(attempt.operation(), &call.request, token);
        let judged =
            outcome.map_err(timed_out).flatten().and_then(|answer| self.judge(attempt, answer, secrets));
        let ending = match (&judged, status) {
            (Ok(_), _) => Ending::Ok,
            (Err(_), Some(status)) => Ending::of(status),
            (Err(_), None) => Ending::Lost,
        };
        self.traffic.count("vault", attempt.operation().label(), ending, start.elapsed());
        if !attempt.operation().is_upkeep() {
            self.traffic.alive();
        }
        if judged.as_ref().is_err_and(VaultError::speaks_for_one_node) {
            self.connections.leave(&connection);
        }
        judged
    }

    async fn exchange(
        &self,
        attempt: &Attempt,
        client: &reqwest::Client,
        request: Request,
    ) -> Result<Answer, VaultError> {
        let failed = |error| reach::explain(attempt, &self.address, error);
        let mut response = client.execute(request).await.map_err(failed)?;
        self.hear(response.headers().get(DATE));
        let hints = Hints::of(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let (attempt, address) = (attempt.clone(), self.address.clone());
                return Err(VaultError::TooLarge { attempt, address, limit: LARGEST_ANSWER });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), body, hints })
    }

    fn hear(&self, date: Option<&HeaderValue>) {
        let Some(Ok(text)) = date.map(HeaderValue::to_str) else { return };
        let date = DateTime::parse_from_rfc2822(text).ok().and_then(|date| plausible(date.to_utc()));
        if let Some(date) = date {
            let heard = Some((date, Instant::now()));
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        }
    }

    /// The one place that knows what status codes and `errors` mean.
    fn judge(
        &self,
        attempt: &Attempt,
        answer: Answer,
        secrets: impl FnOnce() -> Vec<SecretString>,
    ) -> Result<Answer, VaultError> {
        let status = answer.status.as_u16();
        let attempt = attempt.clone();
        let address = self.address.clone();
        if answer.status.is_success() {
            return Ok(answer);
        }
        if answer.status.is_redirection() {
            let to = answer.hints.elsewhere.map(|server| format!(" to {server}")).unwrap_or_default();
            return Err(VaultError::Redirected { attempt, address, status, to });
        }
        let errors = answer.errors();
        let says = |words: &str| errors.iter().flatten().any(|error| error.contains(words));
        let said = Said::new(errors.as_deref().unwrap_or_default(), &secrets());
        Err(match status {
            404 if says("no handler for route") => VaultError::NoMount { mount: self.mount.clone() },
            404 if answer.is_empty() || answer.has_vaults_shape() => return Ok(answer),
            400 if says("check-and-set parameter did not match") => VaultError::Conflict { attempt },
            403 if errors.is_some() => VaultError::Forbidden { attempt, said },
            429 => {
                let unheard = says("rate limit quota exceeded");
                VaultError::Throttled { attempt, address, unheard, retry_after: answer.hints.retry_after }
            }
            472 | 473 => VaultError::Standby { attempt, address },
            500..=599 if says("node not active") => VaultError::Standby { attempt, address },
            501 => VaultError::Sealed { attempt, address },
            503 if says("sealed") => VaultError::Sealed { attempt, address },
            500..=599 => VaultError::Failing { attempt, address, status, said },
            _ if errors.is_none() => VaultError::NotVault { attempt, address, status },
            _ => VaultError::Rejected { attempt, status, said },
        })
    }

    /// Reads an answer as JSON. What serde says is dropped: it may quote the body.
    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        attempt: &Attempt,
        answer: &Answer,
    ) -> Result<T, VaultError> {
        serde_json::from_slice(&answer.body).map_err(|_| self.not_vault(attempt, answer))
    }

    /// Reads the `data` of an answer as JSON.
    pub(super) fn data<T: DeserializeOwned>(
        &self,
        attempt: &Attempt,
        answer: &Answer,
    ) -> Result<T, VaultError> {
        let envelope: EndpointResult<T> = self.parse(attempt, answer)?;
        envelope.data.ok_or_else(|| self.not_vault(attempt, answer))
    }

    /// The error of an answer that does not have the shape of Vault's.
    pub(super) fn not_vault(&self, attempt: &Attempt, answer: &Answer) -> VaultError {
        let (attempt, address) = (attempt.clone(), self.address.clone());
        VaultError::NotVault { attempt, address, status: answer.status.as_u16() }
    }
}

impl Hints {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let elsewhere = text(LOCATION).and_then(|location| Url::parse(location).ok());
        Self {
            retry_after: text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
            // The rest of it may say anything.
            elsewhere: elsewhere
                .filter(Url::has_host)
                .map(|url| url.origin().ascii_serialization())
                .filter(|origin| origin.len() < LONGEST_NAME),
        }
    }
}

impl Answer {
    /// Whether Vault says that there is nothing, not even a deleted version: an empty list of errors.
    pub(super) fn is_absence(&self) -> bool {
        self.is_not_found() && self.errors().is_some_and(|errors| errors.is_empty())
    }

    /// Whether it is a 404, of whatever meaning.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Whether it has one of the members that Vault puts into every document.
    fn has_vaults_shape(&self) -> bool {
        let shape = serde_json::from_slice::<Shape>(&self.body);
        shape.is_ok_and(|Shape { data, errors }| data.is_some() || errors.is_some())
    }

    /// Whether Vault had nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Vault's own list of errors; `None` when there is no such list.
    pub(super) fn errors(&self) -> Option<Vec<String>> {
        serde_json::from_slice(&self.body).ok().map(|EndpointError { errors }| errors)
    }
}

pub(super) fn ambiguous(attempt: &Attempt, source: VaultError) -> VaultError {
    VaultError::Ambiguous { attempt: attempt.clone(), source: Box::new(source) }
}

fn outcome_label<E>(outcome: &Result<Result<Answer, VaultError>, E>) -> String {
    match outcome {
        Ok(Ok(answer)) => answer.status.as_u16().to_string(),
        Ok(Err(error)) => error.kind().label().to_owned(),
        Err(_) => "timeout".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod fuzz;
