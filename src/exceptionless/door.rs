//! The one door through which every response of Exceptionless passes.
//!
//! Here, and only here, a response is a response: URLs are taken off errors, the headers that matter are
//! read, the body is bounded and wiped after use, redirects are refused. Whoever is behind the door sees
//! an [`Answer`].

use std::error::Error;
use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;
use zeroize::Zeroizing;

use super::error::ExceptionlessError;
use super::gate::{Gate, Permit};
use super::limiter::Outcome;
use super::operation::Operation;
use super::refusal::Unreadable;
use crate::config;
use crate::domain::clocks::plausible;
use crate::kill_point::kill_point;
use crate::tls;
use crate::traffic::{Ending, Traffic};

const USER_AGENT: &str = concat!("exceptionless-rotator/", env!("CARGO_PKG_VERSION"));

/// A project can weigh 20 KB, so a page of a hundred is 2 MB; this is for a server gone mad.
const LARGEST_BODY: usize = 64 << 20;

/// A server that accepts no connection for so long will not do so within the rest of the time.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

const API: &str = "/api/v2/";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The connection to one server.
#[derive(Debug)]
pub(super) struct Door {
    http: reqwest::Client,
    /// Where the API begins, with a final slash.
    base: Url,
    /// Host and port, for errors.
    pub(super) server: String,
    /// The longest that one request may take.
    pub(super) timeout: Duration,
    /// The budget, and the server's clock.
    pub(super) gate: Gate,
    traffic: Traffic,
}

/// A request, to be sent as often as it takes.
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// What follows `/api/v2/`; with a slash in front, what follows the server's address. It may contain keys.
    pub(super) path: Zeroizing<String>,
    pub(super) query: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
    /// Whether the server counts it against the user's budget.
    pub(super) throttled: bool,
}

/// What a request is authorized by.
#[derive(Clone)]
pub(super) enum Authorization {
    Nothing,
    Bearer(SecretString),
    Basic { email: String, password: SecretString },
}

impl Authorization {
    /// Whether both are by one and the same secret.
    pub(super) fn has_the_secret_of(&self, other: &Self) -> bool {
        let secret = |authorization: &Self| match authorization {
            Self::Nothing => None,
            Self::Bearer(secret) | Self::Basic { password: secret, .. } => Some(secret.clone()),
        };
        let [one, another] = [secret(self), secret(other)];
        one.zip(another).is_some_and(|(one, another)| one.expose_secret() == another.expose_secret())
    }
}

/// A response that has passed the door.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `X-Result-Count`
    pub(super) count: Option<u64>,
    pub(super) retry_after: Option<Duration>,
    is_html: bool,
    body: Zeroizing<Vec<u8>>,
}

impl Call {
    pub(super) fn get(operation: Operation, path: impl Into<String>) -> Self {
        let path = Zeroizing::new(path.into());
        Self { operation, method: Method::GET, path, query: Vec::new(), body: None, throttled: true }
    }
}

impl Door {
    /// Prepares the connection; nothing is sent.
    pub(super) fn new(
        settings: &config::Exceptionless,
        traffic: &Traffic,
    ) -> Result<Self, ExceptionlessError> {
        tls::install_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .referer(false)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(LONGEST_CONNECT))
            .tcp_nodelay(true);
        // The environment was read with the configuration, and nobody else reads it.
        builder = builder.no_proxy();
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(proxy.client());
        }
        if settings.url.scheme() == "http" {
            // Without TLS there is nothing to trust, and an image may come without authorities.
            builder = builder.tls_certs_only([]);
        }
        let http =
            builder.build().map_err(|error| ExceptionlessError::Setup { source: error.without_url() })?;
        let mut base = settings.url.clone();
        base.set_path(&format!("{}{API}", settings.url.path().trim_end_matches('/')));
        Ok(Self {
            http,
            base,
            server: host_and_port(&settings.url),
            timeout: settings.timeout,
            gate: Gate::new(settings.rate_window, settings.rate_reserve, traffic.clone()),
            traffic: traffic.clone(),
        })
    }

    /// Sends a request once, when the budget allows it. Any status but a redirect is an answer.
    pub(super) async fn pass(
        &self,
        call: &Call,
        authorization: &Authorization,
    ) -> Result<Answer, ExceptionlessError> {
        let permit = if call.throttled { Some(self.gate.permit().await) } else { None };
        self.pass_with(permit, call, authorization).await
    }

    /// The same for a request whose turn has come already.
    pub(super) async fn pass_with(
        &self,
        permit: Option<Permit<'_>>,
        call: &Call,
        authorization: &Authorization,
    ) -> Result<Answer, ExceptionlessError> {
        let sent = Instant::now();
        let span =
            tracing::debug_span!("request", server = "exceptionless", operation = call.operation.label());
        let passed = self.exchange(permit, sent, call, authorization).instrument(span).await;
        let ending = match &passed {
            Ok(answer) if call.operation.is_answered_by(answer.status.as_u16()) => Ending::Ok,
            Ok(answer) => Ending::of(answer.status.as_u16()),
            Err(_) => Ending::Lost,
        };
        self.traffic.count("exceptionless", call.operation.label(), ending, sent.elapsed());
        self.traffic.alive();
        passed
    }

    async fn exchange(
        &self,
        permit: Option<Permit<'_>>,
        sent: Instant,
        call: &Call,
        authorization: &Authorization,
    ) -> Result<Answer, ExceptionlessError> {
        kill_point!("exceptionless", call.operation.label(), "before");
        let response = match self.request(call, authorization).send().await {
            Ok(response) => response,
            Err(error) => {
                let error = self.failure(call, error);
                if let Some(permit) = permit
                    && error.was_not_sent()
                {
                    permit.settle(Outcome::Uncounted);
                }
                return Err(error);
            }
        };
        kill_point!("exceptionless", call.operation.label(), "after");
        let date = date(response.headers());
        if let Some(date) = date {
            self.gate.observe(date, sent);
        }
        if let Some(permit) = permit {
            permit.settle(outcome(response.status(), response.headers()));
        }
        self.receive(call, response, date).await
    }

    fn request(&self, call: &Call, authorization: &Authorization) -> RequestBuilder {
        let mut url = self.base.clone();
        let root = if call.path.starts_with('/') {
            self.base.path().trim_end_matches(API)
        } else {
            self.base.path()
        };
        url.set_path(&Zeroizing::new(format!("{root}{}", call.path.as_str())));
        let mut request = self.http.request(call.method.clone(), url).header(ACCEPT, JSON);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            // Without it the server finds no route and answers 404.
            request = request.header(CONTENT_TYPE, JSON).body(body.to_vec());
        }
        match authorization {
            Authorization::Nothing => request,
            Authorization::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Authorization::Basic { email, password } => {
                request.basic_auth(email, Some(password.expose_secret()))
            }
        }
    }

    async fn receive(
        &self,
        call: &Call,
        mut response: Response,
        date: Option<DateTime<Utc>>,
    ) -> Result<Answer, ExceptionlessError> {
        let status = response.status();
        if status.is_redirection() {
            let (operation, server) = (call.operation.clone(), self.server.clone());
            return Err(ExceptionlessError::Redirected { operation, server, status });
        }
        let headers = response.headers();
        let mut answer = Answer {
            status,
            count: number(headers, "x-result-count"),
            retry_after: retry_after(headers, date),
            is_html: headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")),
            body: Zeroizing::default(),
        };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.body.len() + chunk.len() <= LARGEST_BODY => {
                    answer.body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(self.unreadable(&call.operation, Unreadable::TooLarge)),
                Ok(None) => return Ok(answer),
                // What a refusal has to say beyond its status is not worth an error.
                Err(_) if !status.is_success() => return Ok(answer),
                Err(error) => return Err(self.failure(call, error)),
            }
        }
    }

    /// The only place where an error of the HTTP client is looked at.
    fn failure(&self, call: &Call, error: reqwest::Error) -> ExceptionlessError {
        let (operation, server) = (call.operation.clone(), self.server.clone());
        let source = error.without_url();
        if is_tls(&source) {
            ExceptionlessError::Untrusted { operation, server, source }
        } else if source.is_timeout() && !source.is_connect() {
            ExceptionlessError::TimedOut { operation, server, timeout: self.timeout }
        } else {
            ExceptionlessError::Unreachable { operation, server, source }
        }
    }

    /// An answer that is not what the API sends.
    pub(super) fn unreadable(&self, operation: &Operation, problem: Unreadable) -> ExceptionlessError {
        let (operation, server) = (operation.clone(), self.server.clone());
        ExceptionlessError::Unreadable { operation, server, problem }
    }
}

impl Answer {
    /// Reads the body. The parser's own message is dropped: it quotes the body.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Unreadable> {
        if self.is_html {
            return Err(Unreadable::Html);
        }
        serde_json::from_slice(&self.body).map_err(|error| Unreadable::Json {
            line: error.line(),
            column: error.column(),
            well_formed: error.is_data(),
        })
    }

    /// Whether a person was meant to read it, in which case it does not come from the API.
    pub(super) fn is_html(&self) -> bool {
        self.is_html
    }
}

/// What an answer means for the budget. Authorization comes before the counting and the start-up page
/// before everything, so neither carries the headers; a 429 carries none either.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let told = number(headers, "x-ratelimit-limit").zip(number(headers, "x-ratelimit-remaining"));
    match told {
        _ if status == StatusCode::TOO_MANY_REQUESTS => Outcome::Refused,
        Some((limit, remaining)) => Outcome::Told { limit, remaining },
        None if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Outcome::Uncounted,
        None if status.is_success() => Outcome::Silent,
        None => Outcome::Lost,
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    http_date(headers.get(DATE)?)
}

fn http_date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.to_str().ok()?).ok().and_then(|date| plausible(date.to_utc()))
}

/// Both forms of RFC 9110, section 10.2.3; a date is taken relative to the answer's own.
fn retry_after(headers: &HeaderMap, date: Option<DateTime<Utc>>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    match number(headers, RETRY_AFTER.as_str()) {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => (http_date(value)? - date?).to_std().ok(),
    }
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Looks for TLS in the chain. An `io::Error` skips what it wraps when it is asked for its source.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        if error.is::<rustls::Error>() || wrapped.is_some_and(|error| error.is::<rustls::Error>()) {
            return true;
        }
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
