//! A request once it has been read: everything the pipeline may look at, and nothing that still needs the wire.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap};

use crate::route::{self, Route};

/// The body, if it was within the limit.
pub(crate) enum Payload {
    Whole(Bytes),
    /// Above 204096 bytes; the handler that wants it answers 413 (contract 3.3).
    TooLarge,
}

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: IpAddr,
    pub(crate) payload: Payload,
    pub(crate) route: Route,
    /// The id in the path, or the comma list of token ids.
    pub(crate) id: String,
}

impl Request {
    pub(crate) fn new(head: hyper::http::request::Parts, peer: IpAddr, payload: Payload) -> Self {
        let path = decoded(head.uri.path()).into_owned();
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (route, id) = route::find(&head.method, &path, content_type);
        let id = id.to_owned();
        Self {
            query: head.uri.query().unwrap_or_default().to_owned(),
            method: head.method,
            path,
            headers: head.headers,
            peer,
            payload,
            route,
            id,
        }
    }

    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first query parameter of that name; names are case-insensitive.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    }

    /// Scheme and host as this server sees them; a proxy's idea of them does not count (contract 2.1).
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.header(HOST).unwrap_or("localhost"))
    }

    /// Whose requests an anonymous one is counted with: the forwarded address is believed (contract 5).
    pub(crate) fn client_address(&self) -> String {
        self.header("x-forwarded-for")
            .and_then(|list| list.rsplit(',').next())
            .map(|address| address.trim().to_owned())
            .filter(|address| !address.is_empty())
            .unwrap_or_else(|| self.peer.to_string())
    }

    /// Whether problem documents may carry the extended members (contract 6.1).
    pub(crate) fn accepts_json(&self) -> bool {
        self.header(ACCEPT).is_none_or(|accept| {
            accept.contains("json") || accept.contains("*/*") || accept.contains("application/*")
        })
    }
}

/// Kestrel decodes the path before routing, so `%2C` separates ids as a comma does; `%2F` stays as it is.
fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => hexadecimal(*high, *low).filter(|byte| *byte != b'/'),
            _ => None,
        };
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}
