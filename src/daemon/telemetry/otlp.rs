//! Traces over OTLP: a pass, the rotations in it, and the requests of each.
//!
//! Where they go is said by the variables of OpenTelemetry itself, and without an endpoint nothing is exported. Spans hold
//! what a log line may hold: names and ids of projects and rotations, servers and operations. No key, URL or body is in them.
//!
//! The exporter runs in a thread of its own, with a blocking client. A collector that is away costs traces, and nothing else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;

use super::{IDENTIFIER, Lines};
use crate::tls;

/// In our own words: the exporter's quote the endpoint, in which a password may stand.
const UNUSABLE: &str = "the endpoint is no URL that can be used";

/// Each of them names an endpoint; without one, nothing is exported.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// The end of the process waits so long for the last spans.
const PATIENCE: Duration = Duration::from_secs(3);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer, if an endpoint is named; the error is for people.
pub(super) fn layer() -> Option<Result<Lines, String>> {
    is_wanted().then(|| {
        // The client of the exporter finds its cryptography as ours do.
        tls::install_provider();
        let exporter = Otlp::builder().with_http().build().map_err(|_| UNUSABLE.to_owned())?;
        let exporter = Told { exporter, is_away: AtomicBool::new(false) };
        let provider =
            SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(IDENTIFIER))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // The exporter's own requests would be spans in turn.
            .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::DEBUG))
            .boxed();
        let _ = PROVIDER.set(provider);
        Ok(layer)
    })
}

/// Sends what is still here.
pub(super) fn finish() {
    if let Some(provider) = PROVIDER.get() {
        // What could not be sent was told by the exporter.
        let _ = provider.shutdown_with_timeout(PATIENCE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variables are OpenTelemetry's, and its library reads them itself"
)]
fn is_wanted() -> bool {
    ENDPOINTS.iter().any(|variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty()))
}

/// As the variables say, and with our name where they are silent.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&Key::from_static_str("service.name")).map(|name| name.to_string());
    let silent = name.is_none_or(|name| name.starts_with("unknown_service"));
    let name = silent.then(|| KeyValue::new("service.name", IDENTIFIER));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_attributes(name.into_iter().chain([version])).build()
}

/// An exporter that says when its spans are not taken, once each time. What the client says is left out: it may quote
/// the endpoint, and a password in it.
#[derive(Debug)]
struct Told {
    exporter: Otlp,
    is_away: AtomicBool,
}

impl SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        if !self.is_away.swap(result.is_err(), Ordering::Relaxed) && result.is_err() {
            tracing::warn!(
                event = "traces.lost",
                "the collector did not take the traces, which are lost until it does; check OTEL_EXPORTER_OTLP_ENDPOINT, \
                 and that it takes OTLP over HTTP"
            );
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
