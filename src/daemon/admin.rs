//! What the daemon shows over HTTP: probes, metrics, the status document and the status page.
//!
//! Read-only, without a secret, and from the board alone: no request here makes one to a server, and none changes
//! anything. It has no login, so by default it listens on the loopback address only, where a web page that has led a
//! browser here by a name of its own is turned away (DNS rebinding).

mod page;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::clock;

use super::board::Board;
use super::metrics::Metrics;
use super::pulse::Pulse;
use super::status::{Lease, Status};

/// The page carries its own style and script and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// How often an address that is taken is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// How many may look at once. Each takes a file descriptor, and the rotation needs some too.
const VISITORS: usize = 128;

/// How long one connection lives, whatever comes over it.
const LONGEST_VISIT: Duration = Duration::from_secs(10);

/// How long somebody may be connected and not say what they want: less than what probes wait for a place.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);

/// What is shown.
pub(super) struct Shown {
    pub(super) board: Board,
    pub(super) metrics: Metrics,
    pub(super) pulse: Pulse,
}

/// Listens until the guard is dropped. An address that cannot be had stops no rotation: it is logged, and tried again.
pub(super) fn serve(address: SocketAddr, shown: Arc<Shown>) -> DropGuard {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { stopped.run_until_cancelled(listen(address, shown)).await });
    stop.drop_guard()
}

async fn listen(address: SocketAddr, shown: Arc<Shown>) -> Infallible {
    let mut said = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) if !said => {
                said = true;
                tracing::error!(
                    event = "admin.unavailable",
                    address = %address,
                    error = &error as &dyn std::error::Error,
                    "nothing is served at admin.listen ({address}): {error}; free the address or choose another; trying again"
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    };
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(event = "admin.listening", address = %address, "serving http://{address}/");
    receive(&listener, &router(address.ip(), shown)).await
}

/// Serves one connection after another. Whoever holds many, or sends nothing, takes nothing from the rotation.
async fn receive(listener: &TcpListener, router: &Router) -> Infallible {
    let places = Arc::new(Semaphore::new(VISITORS));
    loop {
        let (place, visitor) = (Arc::clone(&places).acquire_owned().await, listener.accept().await);
        let Ok((stream, _)) = visitor else {
            // No file descriptor is left, or the visitor has gone already.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(LONGEST_SILENCE).keep_alive(false);
            let served = server.serve_connection(TokioIo::new(stream), service);
            // A visitor who leaves early, or speaks no HTTP, is no concern of ours.
            let _ = tokio::time::timeout(LONGEST_VISIT, served).await;
            drop(place);
        });
    }
}

fn router(ip: IpAddr, shown: Arc<Shown>) -> Router {
    let local = ip.is_loopback();
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(async || (typed("text/css; charset=utf-8"), page::STYLE)))
        .route("/page.js", get(async || (typed("text/javascript; charset=utf-8"), page::SCRIPT)))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .with_state(shown)
        .layer(middleware::from_fn(move |request, next| guard(local, request, next)))
        .layer(middleware::map_response(async |mut response: Response| {
            response.headers_mut().extend(HEADERS);
            response
        }))
}

fn typed(kind: &'static str) -> [(HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, kind)]
}

/// Who asks the loopback address by another name than it has was sent by a stranger.
async fn guard(local: bool, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if local && !host.is_some_and(is_local) {
        let why = "this is served to its own machine only: ask by 127.0.0.1, [::1] or localhost\n";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    next.run(request).await
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let ip: Result<IpAddr, _> = name.trim_matches(['[', ']']).parse();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The loop lives.
async fn healthz(State(shown): State<Arc<Shown>>) -> (StatusCode, &'static str) {
    if shown.pulse.is_felt() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the reconcile loop gives no sign of life; restart the process\n")
    }
}

/// The loop does its work.
async fn readyz(State(shown): State<Arc<Shown>>) -> (StatusCode, String) {
    let reasons = shown.board.view().unready(clock::now());
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    let text = shown.metrics.render(&shown.board.view(), clock::now());
    (typed(prometheus::TEXT_FORMAT), text)
}

/// The document of `status --output json`, as the last pass left things. A replica that stands by knows no projects.
async fn status(State(shown): State<Arc<Shown>>) -> Response {
    let (view, now) = (shown.board.view(), clock::now());
    let lease = view.engine.lease().map(Lease::from);
    let document = match view.fleet() {
        Some(fleet) => Status::new(&fleet.standings, lease, fleet.problems.clone(), now),
        None if lease.is_some() => Status::new([], lease, view.unready(now), now),
        None => {
            let reasons = view.unready(now).join("\n") + "\n";
            return (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response();
        }
    };
    match serde_json::to_string_pretty(&document) {
        Ok(text) => (typed("application/json"), text + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn page(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    (typed("text/html; charset=utf-8"), page::render(&shown.board.view(), clock::now()).into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for host in ["127.0.0.1:9184", "127.0.0.1", "localhost", "localhost:1", "[::1]:9184", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "example.com:9184",
            "10.0.0.1:9184",
            "127.0.0.1.example.com",
            "localhost.example.com:80",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
