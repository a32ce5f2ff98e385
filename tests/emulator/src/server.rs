//! Sockets: accepting, reading requests, and the way of a request through faults and pipeline.
//!
//! hyper is used without a framework on top because the contract has things to say about the wire itself: request
//! lines that are too long, connections that end without an answer, bodies that break off.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::answer::Rendered;
use crate::control;
use crate::faults::{self, Fault, Lost, Origin};
use crate::pipeline::{self, Outcome};
use crate::request::{Payload, Request};
use crate::state::State;
use crate::wire::{self, Body};

/// Kestrel's default for the request line, its line break included (contract 3.6).
const LONGEST_REQUEST_LINE: usize = 8192;

/// `MaximumEventPostSize` and a little more (contract 3.3).
const LARGEST_BODY: usize = 204_096;

/// How long to wait when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    touched: Notify,
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), touched: Notify::new() }
    }

    /// A look at the state, or an edit of it; whoever waits for something looks again.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let seen = look(&mut self.lock());
        self.touched.notify_waiters();
        seen
    }

    /// Returns as soon as the look finds something.
    pub(crate) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Made before the look, so that a change between look and wait is not missed.
            let touched = self.touched.notified();
            let found = look(&mut self.lock());
            match found {
                Some(found) => return found,
                None => touched.await,
            }
        }
    }

    /// A test that panicked inside the lock does not silence the others.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until it is aborted. The connections end with it, answered or not.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer, Arc::clone(&shared)));
                }
                // Out of file descriptors, usually: without the pause this would spin until some are free.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            // Finished connections are collected so that the set does not grow for ever.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Small answers must not wait for the client's acknowledgement of the previous one. If the option cannot be set
    // the connection is gone already.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(shared, request, peer).await }
    });
    // Errors here are the clients' or the faults' doing, and both expect no more than a closed connection.
    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
}

/// Whether a request could be run when it arrived, or has to wait or suffer first.
enum Turn {
    Taken(Outcome),
    Later(Duration, Option<Fault>),
}

async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    if request_line(&head) > LONGEST_REQUEST_LINE {
        return Ok(too_long(&shared));
    }
    let payload = read(body).await.map_err(|_| Lost)?;
    let request = Request::new(head, peer.ip(), payload);
    if control::is_control(&request) {
        let answer = shared.with(|state| control::handle(state, &request));
        return Ok(bare(&shared, control::render(answer)));
    }
    let (_presence, turn) = shared.with(|state| {
        let presence = state.arrived(&request);
        let fault = state.meet_fault(&request);
        // The usual request needs no second visit to the lock.
        let turn = match fault {
            None if state.latency.is_zero() => Turn::Taken(pipeline::run(state, &request, None)),
            fault => Turn::Later(state.latency, fault),
        };
        (presence, turn)
    });
    let rendered = match turn {
        Turn::Taken(outcome) => finished(&shared, &request, outcome).await,
        Turn::Later(latency, fault) => {
            sleep(latency).await;
            match fault {
                None => handled(&shared, &request, None).await,
                Some(fault) => return struck(&shared, request, fault).await,
            }
        }
    };
    let body = Body::whole(rendered.body.clone());
    Ok(wire::response(&shared, &request, rendered, body))
}

/// Boxed, so that the rare way does not make the future of the common one larger.
async fn struck(shared: &Arc<Shared>, request: Request, fault: Fault) -> Result<Response<Body>, Lost> {
    let request = Arc::new(request);
    let (answer, body) = Box::pin(faults::strike(Arc::clone(shared), Arc::clone(&request), fault)).await?;
    Ok(wire::response(shared, &request, answer, body))
}

impl Origin for Shared {
    async fn handled(&self, request: &Request, instead: Option<StatusCode>) -> Result<Rendered, Lost> {
        Ok(handled(self, request, instead).await)
    }
}

/// Runs the request through the pipeline and writes its document.
async fn handled(shared: &Shared, request: &Request, instead: Option<StatusCode>) -> Rendered {
    let outcome = shared.with(|state| pipeline::run(state, request, instead));
    finished(shared, request, outcome).await
}

/// Lets a pause pass, if there is one, and writes the document.
async fn finished(shared: &Shared, request: &Request, outcome: Outcome) -> Rendered {
    let answer = match outcome {
        Outcome::Done(answer) => answer,
        Outcome::Paused(pause, second) => {
            sleep(pause).await;
            shared.with(second)
        }
    };
    answer.render(&request.method, &request.path, request.accepts_json())
}

fn request_line(head: &hyper::http::request::Parts) -> usize {
    let target = head.uri.path_and_query().map_or(1, |target| target.as_str().len());
    head.method.as_str().len() + 1 + target + " HTTP/1.1\r\n".len()
}

/// Kestrel's own answer: no document, and the connection closes.
fn too_long(shared: &Shared) -> Response<Body> {
    let mut rendered =
        Rendered { status: StatusCode::URI_TOO_LONG, headers: hyper::HeaderMap::new(), body: Bytes::new() };
    rendered.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    bare(shared, rendered)
}

fn bare(shared: &Shared, rendered: Rendered) -> Response<Body> {
    let mut response = Response::new(Body::whole(rendered.body));
    *response.status_mut() = rendered.status;
    *response.headers_mut() = rendered.headers;
    let date = shared.with(State::date_header);
    response.headers_mut().insert(DATE, date);
    response
}

pub(crate) async fn read(mut body: Incoming) -> hyper::Result<Payload> {
    if body.is_end_stream() {
        return Ok(Payload::Whole(Bytes::new()));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > LARGEST_BODY {
            return Ok(Payload::TooLarge);
        }
        // The usual body comes in one piece, which needs no copy.
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(Payload::Whole(data));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Payload::Whole(bytes.freeze()))
}
