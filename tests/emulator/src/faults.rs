//! Things that go wrong, on purpose (contract 10.12).
//!
//! A fault waits for a matching request and then strikes, once or more. Two questions are kept apart because a client
//! cannot tell the answers apart either: what arrives at the client ([`Kind`]), and whether the server had done its
//! work by then ([`Fault::applied`]).

mod altered;
mod strike;

use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::request::Request;
use crate::route::Route;
pub(crate) use strike::{Lost, Origin, strike};

/// One planned misfortune.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method it waits for; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A route template such as `projects/{id}/tokens`, or the start of a path if it begins with a slash; any route
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// How many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many requests it strikes then; without end if null.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// Whether the request takes effect although its answer is spoiled. Kinds that alter the real answer need one,
    /// so they always let it take effect.
    #[serde(default)]
    pub applied: bool,
    /// What the client sees.
    pub kind: Kind,
}

/// What a fault makes of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A problem document with this status, made where the handler would have been called: authorization and the
    /// throttle have passed.
    Status(u16),
    /// The connection is closed without an answer.
    Drop,
    /// No answer for this long, then the connection is closed.
    #[serde(with = "duration")]
    Hang(Duration),
    /// The answer comes this late. Unless applied first, the request takes effect after the wait, even if the client
    /// has gone away by then.
    #[serde(with = "duration")]
    Slow(Duration),
    /// 429 as the throttle makes it, without any header that helps.
    TooManyRequests,
    /// 503 in plain text with `Retry-After: 10`, as while the server starts (contract 6.2).
    Starting,
    /// 200 with a page of HTML, as from a proxy or a captive portal.
    Html,
    /// 200 with this JSON document, whoever asks, as from a proxy that answers from a cache.
    Cached(String),
    /// The real document cut in the middle, with a `Content-Length` that fits the cut.
    CutJson,
    /// The real document cut in the middle under the length of the whole; then the connection is closed.
    ShortBody,
    /// 200 with a JSON document of about this many bytes.
    HugeBody(u64),
    /// The real answer, one byte per interval.
    #[serde(with = "duration")]
    Drip(Duration),
    /// 307 to this address.
    Redirect(String),
    /// The real document under another content type.
    ContentType(String),
    /// The real document of a create, claiming something else than what was made.
    WrongProject {
        /// Claimed instead of the key's project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<String>,
        /// Claimed instead of the key's organization.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<String>,
        /// Claimed instead of the key's scopes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scopes: Option<Vec<String>>,
    },
    /// 401 `Login failed.`, as when Elasticsearch fails during a login (contract 1.5).
    LoginFailed,
    /// The real listing without its last entries, under an unchanged `X-Result-Count`.
    ShortListing(usize),
    /// The real answer with another value of a header, `Date` included.
    Header {
        /// The header.
        name: String,
        /// Its value.
        value: String,
    },
    /// An error of this status in Vault's words, which quotes the body and the token of the request, as what stands before
    /// Vault may.
    Quoting(u16),
    /// The real document with other words.
    Replace {
        /// What is replaced, wherever it stands.
        from: String,
        /// What stands there then.
        to: String,
    },
}

impl Kind {
    /// Whether the client sees something made from the real answer, so that there must be one.
    fn alters(&self) -> bool {
        match self {
            Self::CutJson
            | Self::ShortBody
            | Self::Drip(_)
            | Self::ContentType(_)
            | Self::WrongProject { .. }
            | Self::ShortListing(_)
            | Self::Header { .. }
            | Self::Replace { .. } => true,
            Self::Status(_)
            | Self::Drop
            | Self::Hang(_)
            | Self::Slow(_)
            | Self::TooManyRequests
            | Self::Starting
            | Self::Html
            | Self::Cached(_)
            | Self::HugeBody(_)
            | Self::Quoting(_)
            | Self::Redirect(_)
            | Self::LoginFailed => false,
        }
    }
}

impl Fault {
    /// A fault that strikes the next matching request once, before it takes effect.
    ///
    /// # Panics
    ///
    /// If the route is neither a template of the server nor the start of a path: a fault that can never strike is a
    /// mistake in the test.
    pub fn new(method: &str, route: &str, kind: Kind) -> Self {
        let fault = Self {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            skip: 0,
            times: once(),
            applied: false,
            kind,
        };
        assert!(fault.check().is_ok(), "the server has no route {route:?}");
        fault
    }

    /// A fault of every request, until cleared.
    pub fn everywhere(kind: Kind) -> Self {
        Self { method: None, route: None, skip: 0, times: None, applied: false, kind }
    }

    /// Lets some matching requests pass first.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Strikes that often.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// Strikes until cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// The request takes effect; only its answer is lost.
    #[must_use]
    pub fn applied(mut self) -> Self {
        self.applied = true;
        self
    }

    /// Tells what is wrong with a fault that could never strike.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.route {
            Some(route) if !route.starts_with('/') && Route::from_template(route).is_none() => {
                Err(format!("the server has no route {route:?}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn matches(&self, request: &Request) -> bool {
        let method = self.method.as_deref();
        let route = self.route.as_deref();
        method.is_none_or(|method| is_method(&request.method, method))
            && route.is_none_or(|route| match route.starts_with('/') {
                true => request.path.starts_with(route),
                false => request.route.template() == route,
            })
    }
}

fn once() -> Option<u64> {
    Some(1)
}

fn is_method(method: &Method, name: &str) -> bool {
    method.as_str().eq_ignore_ascii_case(name)
}

/// The faults that still wait. The oldest that matches strikes.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.0
    }

    /// The fault this request meets. A request spends one `skip` of every fault it passes.
    pub(crate) fn meet(&mut self, request: &Request) -> Option<Fault> {
        let mut struck = None;
        for (position, fault) in self.0.iter_mut().enumerate() {
            if fault.times == Some(0) || !fault.matches(request) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            struck = Some(position);
            break;
        }
        let position = struck?;
        let fault = self.0[position].clone();
        if let Some(times) = &mut self.0[position].times {
            *times -= 1;
            if *times == 0 {
                self.0.remove(position);
            }
        }
        Some(fault)
    }
}
