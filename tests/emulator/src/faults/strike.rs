//! The moment a fault meets a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Fault, Kind, altered};
use crate::answer::{Answer, Rendered};
use crate::request::{Payload, Request};
use crate::wire::Body;

const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

/// The connection ends without an answer.
#[derive(Debug)]
pub(crate) struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a fault dropped the connection")
    }
}

impl std::error::Error for Lost {}

/// Whoever answers when no fault is in the way.
pub(crate) trait Origin: Send + Sync + 'static {
    /// Lets the request take effect. `instead` is a status, sent at the moment the handler would have been called.
    fn handled(
        &self,
        request: &Request,
        instead: Option<StatusCode>,
    ) -> impl Future<Output = Result<Rendered, Lost>> + Send;
}

/// Lets the request take effect or not, as the fault says, and makes the answer the fault wants.
pub(crate) async fn strike(
    origin: Arc<impl Origin>,
    request: Arc<Request>,
    fault: Fault,
) -> Result<(Rendered, Body), Lost> {
    let Fault { applied, kind, .. } = fault;
    let real = if applied || kind.alters() {
        origin.handled(&request, None).await?
    } else {
        match &kind {
            Kind::Status(status) => origin.handled(&request, Some(code(*status))).await?,
            Kind::Slow(time) => late(&origin, &request, *time).await?,
            _ => plain(StatusCode::OK, "text/plain", ""),
        }
    };
    let problem = |answer: Answer| answer.render(&request.method, &request.path, request.accepts_json());
    let (answer, body): (Rendered, MakeBody) = match kind {
        Kind::Drop => return Err(Lost),
        Kind::Hang(time) => {
            sleep(time).await;
            return Err(Lost);
        }
        Kind::Slow(time) if applied => {
            sleep(time).await;
            (real, whole())
        }
        Kind::Slow(_) => (real, whole()),
        Kind::Status(status) if applied => (problem(Answer::bare_problem(code(status))), whole()),
        Kind::Status(_) => (real, whole()),
        Kind::TooManyRequests => (problem(Answer::bare_problem(StatusCode::TOO_MANY_REQUESTS)), whole()),
        Kind::LoginFailed => (problem(login_failed()), whole()),
        Kind::Starting => (problem(starting()), whole()),
        Kind::Html => (plain(StatusCode::OK, "text/html; charset=utf-8", PAGE), whole()),
        Kind::Cached(document) => {
            let mut answer = plain(StatusCode::OK, "application/json; charset=utf-8", "");
            answer.body = document.into();
            (answer, whole())
        }
        Kind::Quoting(status) => (quoting(&request, status), whole()),
        Kind::Redirect(to) => (redirect(&to), whole()),
        Kind::HugeBody(length) => {
            let answer = plain(StatusCode::OK, "application/json; charset=utf-8", "");
            (answer, Box::new(move |_| Body::huge(length)))
        }
        Kind::Drip(interval) => (real, Box::new(move |bytes| Body::drip(bytes, interval))),
        Kind::CutJson => (altered::cut(real), whole()),
        Kind::ShortBody => {
            (altered::declare_length(real), Box::new(|bytes| Body::broken(altered::half(&bytes))))
        }
        Kind::ContentType(value) => (altered::relabel(real, &value), whole()),
        Kind::WrongProject { project_id, organization_id, scopes } => {
            let claims = [
                ("project_id", project_id.map(Value::from)),
                ("organization_id", organization_id.map(Value::from)),
                ("scopes", scopes.map(Value::from)),
            ];
            (altered::claim(real, claims), whole())
        }
        Kind::ShortListing(missing) => (altered::shorten(real, missing), whole()),
        Kind::Header { name, value } => (altered::restate(real, &name, &value), whole()),
        Kind::Replace { from, to } => (altered::replace(real, &from, &to), whole()),
    };
    let body = body(answer.body.clone());
    Ok((answer, body))
}

/// How the bytes of an answer become a body.
type MakeBody = Box<dyn FnOnce(Bytes) -> Body + Send>;

fn whole() -> MakeBody {
    Box::new(Body::whole)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// In a task of its own: a client that gives up does not stop what the server has begun.
async fn late(origin: &Arc<impl Origin>, request: &Arc<Request>, time: Duration) -> Result<Rendered, Lost> {
    let (origin, request) = (Arc::clone(origin), Arc::clone(request));
    let task = tokio::spawn(async move {
        sleep(time).await;
        origin.handled(&request, None).await
    });
    task.await.map_err(|_| Lost)?
}

fn login_failed() -> Answer {
    Answer::problem(StatusCode::UNAUTHORIZED, "Login failed.")
}

fn starting() -> Answer {
    Answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        .with(RETRY_AFTER, HeaderValue::from_static("10"))
}

fn quoting(request: &Request, status: u16) -> Rendered {
    let token =
        request.headers.get("x-vault-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let Payload::Whole(body) = &request.payload else { return plain(code(status), "text/plain", "") };
    let body = String::from_utf8_lossy(body);
    let mut answer = plain(code(status), "application/json", "");
    answer.body = json!({ "errors": [format!("blocked: {body} of {token}")] }).to_string().into();
    answer
}

fn redirect(to: &str) -> Rendered {
    let mut answer = plain(StatusCode::TEMPORARY_REDIRECT, "text/plain", "");
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers.insert(LOCATION, to);
    }
    answer
}

fn plain(status: StatusCode, content_type: &'static str, body: &'static str) -> Rendered {
    Rendered {
        status,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
        body: Bytes::from_static(body.as_bytes()),
    }
}
