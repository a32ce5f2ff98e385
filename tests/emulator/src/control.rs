//! The same levers for a shell: `curl` against `/__emulator/...`, without credentials and outside every count.
//!
//! Answers are small JSON documents. Durations are strings with units, as everywhere in this program.

mod world;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::Rendered;
use crate::faults::Fault;
use crate::json as writer;
use crate::request::{Payload, Request};
use crate::state::{State, delta};

const PREFIX: &str = "/__emulator/";

/// A refusal is a status and a sentence.
type Reply = Result<Value, (StatusCode, String)>;

pub(crate) fn is_control(request: &Request) -> bool {
    request.path.starts_with(PREFIX)
}

pub(crate) fn handle(state: &mut State, request: &Request) -> Reply {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["requests"]) => Ok(json!(state.requests())),
        ("DELETE", ["requests"]) => {
            state.counters.reset();
            done()
        }
        ("GET", ["journal"]) => Ok(json!(state.counters.journal)),
        ("GET", ["faults"]) => Ok(json!(state.faults.waiting())),
        ("POST", ["faults"]) => add_fault(state, body(request)?),
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            done()
        }
        ("GET", ["clock"]) => Ok(time(state)),
        ("POST", ["clock"]) => set_clock(state, body(request)?),
        ("GET", ["switches"]) => Ok(json!(state.switches)),
        ("POST", ["switches"]) => set_switches(state, body(request)?),
        ("POST", ["limits"]) => set_limits(state, &body(request)?),
        _ => world::handle(state, &request.method, &segments, request),
    }
}

pub(crate) fn render(reply: Reply) -> Rendered {
    let (status, document) = match reply {
        Ok(document) => (StatusCode::OK, document),
        Err((status, sentence)) => (status, json!({ "error": sentence })),
    };
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    Rendered {
        status,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
        body: Bytes::from(writer::to_vec(&document)),
    }
}

fn add_fault(state: &mut State, fault: Fault) -> Reply {
    fault.check().map_err(bad)?;
    state.faults.add(fault);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    advance: Option<String>,
    offset: Option<String>,
    freeze: Option<DateTime<Utc>>,
    thaw: Option<bool>,
}

fn set_clock(state: &mut State, wish: ClockBody) -> Reply {
    let ClockBody { advance, offset, freeze, thaw } = wish;
    if let Some(at) = freeze {
        state.clock.freeze(at);
    }
    if thaw == Some(true) {
        state.clock.thaw();
    }
    if let Some(text) = offset {
        state.clock.set_offset(signed(&text)?);
    }
    if let Some(text) = advance {
        state.clock.advance(signed(&text)?);
    }
    Ok(time(state))
}

fn time(state: &State) -> Value {
    json!({ "now": state.now() })
}

/// A change of some switches; those not named stay.
fn set_switches(state: &mut State, changes: serde_json::Map<String, Value>) -> Reply {
    let mut all = json!(state.switches);
    if let Some(switches) = all.as_object_mut() {
        switches.extend(changes);
    }
    state.switches = serde_json::from_value(all).map_err(|error| bad(error.to_string()))?;
    Ok(json!(state.switches))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    rate_limit: Option<u32>,
    rate_window: Option<String>,
    latency: Option<String>,
}

fn set_limits(state: &mut State, wish: &LimitsBody) -> Reply {
    let window = wish.rate_window.as_deref().map(unsigned).transpose()?;
    let latency = wish.latency.as_deref().map(unsigned).transpose()?;
    state.rate_limit = wish.rate_limit.unwrap_or(state.rate_limit);
    state.latency = latency.unwrap_or(state.latency);
    if let Some(window) = window {
        state.set_rate_window(window);
    }
    done()
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, (StatusCode, String)> {
    let bytes: &[u8] = match &request.payload {
        Payload::Whole(bytes) if bytes.is_empty() => b"{}",
        Payload::Whole(bytes) => bytes,
        Payload::TooLarge => b"",
    };
    serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))
}

fn unsigned(text: &str) -> Result<std::time::Duration, (StatusCode, String)> {
    humantime::parse_duration(text).map_err(|error| bad(error.to_string()))
}

fn signed(text: &str) -> Result<TimeDelta, (StatusCode, String)> {
    match text.strip_prefix('-') {
        Some(amount) => Ok(-delta(unsigned(amount)?)),
        None => Ok(delta(unsigned(text)?)),
    }
}

fn bad(sentence: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, sentence.into())
}

fn done() -> Reply {
    Ok(json!({ "done": true }))
}

fn missing(method: &Method, request: &Request) -> Reply {
    let sentence = format!("there is no {method} {}", request.path);
    Err((StatusCode::NOT_FOUND, sentence))
}
