//! Answers, and how they become bytes.
//!
//! A handler runs under the state's lock, so it only decides; the document is written afterwards, from shared
//! pointers it took along. Problem documents get their `instance` here, because it repeats the request's path, the
//! secrets in it included (contract 6.1).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use rand::Rng;
use serde::Serialize;

use crate::json;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The default title of answers with `errors`.
const INVALID: &str = "One or more validation errors occurred.";

/// What a handler decided.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
}

enum Content {
    Empty,
    Text(&'static str),
    Json(Box<dyn FnOnce() -> Vec<u8> + Send>),
    Problem(Problem),
}

struct Problem {
    title: Cow<'static, str>,
    errors: BTreeMap<&'static str, Vec<Cow<'static, str>>>,
}

/// An answer as it goes on the wire, unless a fault changes it first.
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self::new(status, Content::Empty)
    }

    pub(crate) fn text(status: StatusCode, text: &'static str) -> Self {
        Self::new(status, Content::Text(text))
    }

    /// The value is serialised later, outside the lock.
    pub(crate) fn json(status: StatusCode, value: impl Serialize + Send + 'static) -> Self {
        Self::new(status, Content::Json(Box::new(move || json::to_vec(&value))))
    }

    pub(crate) fn problem(status: StatusCode, title: impl Into<Cow<'static, str>>) -> Self {
        let problem = Problem { title: title.into(), errors: BTreeMap::new() };
        Self::new(status, Content::Problem(problem))
    }

    /// An answer with the title the status-code pages give to an empty one.
    pub(crate) fn bare_problem(status: StatusCode) -> Self {
        Self::problem(status, title_of(status))
    }

    pub(crate) fn not_found(title: &'static str) -> Self {
        Self::problem(StatusCode::NOT_FOUND, title)
    }

    pub(crate) fn invalid(
        status: StatusCode,
        field: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let problem =
            Problem { title: INVALID.into(), errors: BTreeMap::from([(field, vec![message.into()])]) };
        Self::new(status, Content::Problem(problem))
    }

    /// The same refusal without words of its own, as MVC made it: only what is wrong with a field is told.
    pub(crate) fn without_words(mut self) -> Self {
        if let Content::Problem(Problem { title, errors }) = &mut self.content
            && errors.is_empty()
        {
            *title = title_of(self.status).into();
        }
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A value that cannot be a header is left out; only a hostile `Host` could cause that.
    pub(crate) fn with_text(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }

    fn new(status: StatusCode, content: Content) -> Self {
        Self { status, headers: Vec::new(), content }
    }

    /// Writes the document. `detailed` is false when the client's `Accept` excludes JSON: the members beyond the
    /// standard ones are then left out (contract 6.1).
    pub(crate) fn render(self, method: &Method, path: &str, detailed: bool) -> Rendered {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        let body = match self.content {
            Content::Empty => Bytes::new(),
            Content::Text(text) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                Bytes::from_static(text.as_bytes())
            }
            Content::Json(write) => {
                headers.insert(CONTENT_TYPE, JSON);
                write().into()
            }
            Content::Problem(problem) => {
                headers.insert(CONTENT_TYPE, PROBLEM);
                if self.status == StatusCode::INTERNAL_SERVER_ERROR {
                    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
                }
                problem.document(self.status, method, path, detailed).into()
            }
        };
        Rendered { status: self.status, headers, body }
    }
}

impl Problem {
    fn document(&self, status: StatusCode, method: &Method, path: &str, detailed: bool) -> Vec<u8> {
        #[derive(Serialize)]
        struct Document<'a> {
            #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
            kind: Option<&'static str>,
            title: &'a str,
            status: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            instance: Option<String>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            errors: &'a BTreeMap<&'static str, Vec<Cow<'static, str>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            trace_id: Option<String>,
        }

        let mut rng = rand::rng();
        json::to_vec(&Document {
            kind: kind(status),
            title: &self.title,
            status: status.as_u16(),
            instance: detailed.then(|| format!("{method} {path}")),
            errors: &self.errors,
            trace_id: detailed
                .then(|| format!("00-{:032x}-{:016x}-00", rng.random::<u128>(), rng.random::<u64>())),
        })
    }
}

/// The title that the status-code pages give.
fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => "An error occurred while processing your request.",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}

/// Codes without a default have no `type`; 402 and 429 are such (contract 6.1).
fn kind(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        400 => Some("https://tools.ietf.org/html/rfc9110#section-15.5.1"),
        401 => Some("https://tools.ietf.org/html/rfc9110#section-15.5.2"),
        403 => Some("https://tools.ietf.org/html/rfc9110#section-15.5.4"),
        404 => Some("https://tools.ietf.org/html/rfc9110#section-15.5.5"),
        409 => Some("https://tools.ietf.org/html/rfc9110#section-15.5.10"),
        422 => Some("https://tools.ietf.org/html/rfc4918#section-11.2"),
        500 => Some("https://tools.ietf.org/html/rfc9110#section-15.6.1"),
        503 => Some("https://tools.ietf.org/html/rfc9110#section-15.6.4"),
        _ => None,
    }
}
