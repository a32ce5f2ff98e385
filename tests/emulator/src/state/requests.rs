//! What was asked of the server, counted.
//!
//! Tests assert on these numbers (a quiet rotator sends nothing; a pass costs what it said), benchmarks print them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Serialize;

use super::gauge::{Gauge, Presence};
use crate::route::{Policy, Route};

/// Counts since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// All API requests (the control plane is not counted).
    pub total: u64,
    /// By method and route template, such as `POST projects/{id}/tokens`.
    pub by_route: BTreeMap<String, u64>,
    /// By the status that was sent. A dropped connection has none.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests that counted against some throttle, including those it refused.
    pub counted: u64,
    /// Answers 429, by the throttle or by a fault.
    pub too_many: u64,
    /// POST, PUT, PATCH and DELETE requests on token routes.
    pub writes: u64,
    /// Keys made by requests.
    pub tokens_created: u64,
    /// Keys changed by requests.
    pub tokens_updated: u64,
    /// Keys removed by requests.
    pub tokens_deleted: u64,
    /// Requests that met a fault.
    pub faults: u64,
    /// Requests being answered now.
    pub in_flight: u64,
    /// The most that were being answered at once.
    pub peak_in_flight: u64,
    /// Accepted events by organization.
    pub events_by_organization: BTreeMap<String, u64>,
    /// Accepted events by project.
    pub events_by_project: BTreeMap<String, u64>,
    /// Accepted events by the client that sent them, as its `User-Agent` says.
    pub events_by_client: BTreeMap<String, u64>,
    /// Event posts that were answered with 401.
    pub events_rejected: u64,
    /// Requests to what a client key may use (contract 4) that ended with 400 or more, whatever the reason, by
    /// client.
    pub refused_by_client: BTreeMap<String, u64>,
}

impl Requests {
    /// How often a route was called, by template: `count("POST", "projects/{id}/tokens")`.
    pub fn count(&self, method: &str, route: &str) -> u64 {
        self.by_route.get(&format!("{method} {route}")).copied().unwrap_or(0)
    }

    /// How often a status was sent.
    pub fn answered(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }
}

/// One request of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// When it arrived, by the emulator's clock.
    pub at: DateTime<Utc>,
    /// Its method.
    pub method: String,
    /// The template it matched.
    pub route: &'static str,
    /// Its path, secrets included.
    pub path: String,
}

/// The counts while they are being kept: routes as array positions, so that counting costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sums: Requests,
    routes: BTreeMap<(Verb, Route), u64>,
    /// Accepted events by client and key. Not among the sums, because those are shown.
    uses: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) journal: Vec<Seen>,
    gauge: Arc<Gauge>,
}

impl Counters {
    pub(crate) fn arrived(&mut self, method: &Method, route: Route) -> Presence {
        self.sums.total += 1;
        *self.routes.entry((Verb::of(method), route)).or_insert(0) += 1;
        if route.is_token_route() && !method.is_safe() {
            self.sums.writes += 1;
        }
        self.gauge.enter()
    }

    pub(crate) fn answered(&mut self, status: u16, route: Route, client: Option<&str>) {
        *self.sums.by_status.entry(status).or_insert(0) += 1;
        if status == 429 {
            self.sums.too_many += 1;
        }
        if status == 401 && route.is_event_post() {
            self.sums.events_rejected += 1;
        }
        if status >= 400 && route.policy() == Policy::Client {
            let client = client.unwrap_or_default().to_owned();
            *self.sums.refused_by_client.entry(client).or_insert(0) += 1;
        }
    }

    pub(crate) fn accepted(&mut self, client: &str, key: &str, events: u64) {
        let keys = self.uses.entry(client.to_owned()).or_default();
        *keys.entry(key.to_owned()).or_insert(0) += events;
    }

    /// Accepted events of a client by the key they came with.
    pub(crate) fn events_by_key(&self, client: &str) -> BTreeMap<String, u64> {
        self.uses.get(client).cloned().unwrap_or_default()
    }

    pub(crate) fn snapshot(&self) -> Requests {
        let mut requests = self.sums.clone();
        requests.in_flight = self.gauge.now();
        requests.peak_in_flight = self.gauge.peak();
        for (client, keys) in &self.uses {
            requests.events_by_client.insert(client.clone(), keys.values().sum());
        }
        for ((verb, route), count) in &self.routes {
            requests.by_route.insert(format!("{} {}", verb.name(), route.template()), *count);
        }
        requests
    }

    /// Starts again from nothing, except for the requests that are still being answered.
    pub(crate) fn reset(&mut self) {
        self.gauge.reset();
        *self = Self { gauge: Arc::clone(&self.gauge), ..Self::default() };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match method.as_str() {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Other => "other",
        }
    }
}
