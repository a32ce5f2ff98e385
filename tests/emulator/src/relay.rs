//! The same misfortune for any other server: a relay in front of it that passes everything on, but for what a fault
//! spoils.
//!
//! To what the faults can do it adds what only somebody between two parties can: ends that are resets, and a port
//! that refuses connections from a chosen request on. So the matrix of all endpoints and all faults is made by one
//! mechanism for both servers that the product talks to.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::answer::{Answer, Rendered};
use crate::faults::{self, Fault, Faults, Lost, Origin};
use crate::request::{Payload, Request};
use crate::server;
use crate::wire::Body;

/// A relay to one server. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    line: Arc<Line>,
    server: JoinHandle<()>,
}

/// What all connections of a relay share.
#[derive(Debug)]
struct Line {
    target: String,
    state: Mutex<State>,
    port: watch::Sender<Port>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    seen: Vec<String>,
    struck: usize,
    refusal: Option<Refusal>,
    alteration: Option<Alteration>,
}

/// What becomes of an answer: its headers, and its body if that is text.
struct Alteration(Box<Alter>);

type Alter = dyn Fn(&mut HeaderMap, String) -> String + Send;

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alteration")
    }
}

/// The port closes before the answer to this request leaves, for so long, or until somebody opens it.
#[derive(Debug)]
struct Refusal {
    after: usize,
    pause: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Opening,
    Open,
    Closing,
    Closed,
}

impl Relay {
    /// A relay to a server, such as `http://127.0.0.1:8200`.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn to(server: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let target = server.trim_start_matches("http://").to_owned();
        let line = Arc::new(Line { target, state: Mutex::default(), port: watch::Sender::new(Port::Open) });
        let server = tokio::spawn(accept(listener, address, Arc::clone(&line)));
        Ok(Self { address, line, server })
    }

    /// The base URL, without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets a fault wait for its request.
    pub fn add_fault(&self, fault: Fault) {
        self.line.lock().faults.add(fault);
    }

    /// Alters every answer of the server from now on, before a fault may spoil it.
    pub fn alter_answers(&self, alter: impl Fn(&mut HeaderMap, String) -> String + Send + 'static) {
        self.line.lock().alteration = Some(Alteration(Box::new(alter)));
    }

    /// From now on, refuses connections once so many requests are answered: no request after them is even sent. The
    /// port opens again after the pause; without one, when [`clear_faults`](Self::clear_faults) is called. Until then
    /// every request has a connection of its own.
    pub async fn refuse_after(&self, requests: usize, pause: Option<Duration>) {
        let after = {
            let mut state = self.line.lock();
            let after = state.seen.len() + requests;
            state.refusal = Some(Refusal { after, pause });
            after
        };
        if requests == 0 {
            self.line.refuse(after).await;
        }
    }

    /// Forgets every fault, and listens again if it did not.
    pub async fn clear_faults(&self) {
        {
            let mut state = self.line.lock();
            state.faults.clear();
            state.refusal = None;
        }
        self.line.open().await;
    }

    /// The requests so far, as `GET /v1/sys/health`, in order of arrival. Paths may contain keys.
    pub fn seen(&self) -> Vec<String> {
        self.line.lock().seen.clone()
    }

    /// How many requests met a fault, closed ports included.
    pub fn struck(&self) -> usize {
        self.line.lock().struck
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Line {
    /// A test that panicked inside the lock does not silence the others.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether answers end their connection, so that a closed port is met by the very next request.
    fn is_about_to_refuse(&self) -> bool {
        self.lock().refusal.is_some()
    }

    /// Closes the port if this was the last request before the refusal. Returns when it is closed.
    async fn refuse(self: &Arc<Self>, answered: usize) {
        let pause = {
            let mut state = self.lock();
            match &state.refusal {
                Some(Refusal { after, pause }) if *after == answered => {
                    let pause = *pause;
                    state.struck += 1;
                    pause
                }
                _ => return,
            }
        };
        self.move_to(Port::Closing, Port::Closed).await;
        if let Some(pause) = pause {
            let line = Arc::clone(self);
            tokio::spawn(async move {
                sleep(pause).await;
                line.open().await;
            });
        }
    }

    async fn open(&self) {
        if *self.port.borrow() != Port::Open {
            self.move_to(Port::Opening, Port::Open).await;
        }
    }

    async fn move_to(&self, order: Port, state: Port) {
        let mut port = self.port.subscribe();
        self.port.send_replace(order);
        // It fails only when the relay is gone.
        let _ = port.wait_for(|now| *now == state).await;
    }
}

/// Accepts connections until it is aborted, except while the port is closed. Open connections go on.
async fn accept(listener: TcpListener, address: SocketAddr, line: Arc<Line>) {
    let mut connections = JoinSet::new();
    let mut port = line.port.subscribe();
    let mut listener = Some(listener);
    loop {
        let order = *port.borrow_and_update();
        match order {
            Port::Closing => {
                listener = None;
                line.port.send_replace(Port::Closed);
            }
            Port::Opening => {
                while listener.is_none() {
                    listener = TcpListener::bind(address).await.ok();
                }
                line.port.send_replace(Port::Open);
            }
            Port::Open | Port::Closed => {}
        }
        tokio::select! {
            Some(Ok((stream, peer))) = accepted(listener.as_ref()) => {
                connections.spawn(serve(stream, peer, Arc::clone(&line)));
            }
            _ = port.changed() => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accepted(listener: Option<&TcpListener>) -> Option<std::io::Result<(TcpStream, SocketAddr)>> {
    match listener {
        Some(listener) => Some(listener.accept().await),
        None => std::future::pending().await,
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, line: Arc<Line>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&line), request, peer)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    // What a fault ends, ends with a reset, as when a process dies or a firewall forgets.
    if ended.is_err() {
        let _ = stream.set_zero_linger();
    }
}

async fn answer(
    line: Arc<Line>,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let payload = server::read(body).await.map_err(|_| Lost)?;
    let request = Arc::new(Request::new(head, peer.ip(), payload));
    let (fault, number) = {
        let mut state = line.lock();
        state.seen.push(format!("{} {}", request.method, request.path));
        let fault = state.faults.meet(&request);
        state.struck += usize::from(fault.is_some());
        (fault, state.seen.len())
    };
    let passage = Arc::new(Passage { line: Arc::clone(&line), target });
    let answered = match fault {
        None => passage.handled(&request, None).await.map(|rendered| {
            let body = Body::whole(rendered.body.clone());
            (rendered, body)
        }),
        Some(fault) => Box::pin(faults::strike(passage, request, fault)).await,
    };
    let closing = line.is_about_to_refuse();
    // Before the client learns that this request is over, in whatever way, and sends the next one.
    line.refuse(number).await;
    let (answer, body) = answered?;
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if closing {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The way of one request to the server behind the relay.
struct Passage {
    line: Arc<Line>,
    target: String,
}

impl Origin for Passage {
    async fn handled(&self, request: &Request, instead: Option<StatusCode>) -> Result<Rendered, Lost> {
        match instead {
            Some(status) => Ok(Answer::bare_problem(status).render(&request.method, &request.path, true)),
            None => self.forward(request).await.map_err(|_| Lost),
        }
    }
}

impl Passage {
    async fn forward(&self, request: &Request) -> Result<Rendered, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.line.target).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
        // It ends with the sender.
        tokio::spawn(connection);
        let Payload::Whole(body) = &request.payload else { return Err("too large to pass on".into()) };
        let mut passed = hyper::Request::new(Body::whole(body.clone()));
        *passed.method_mut() = request.method.clone();
        *passed.uri_mut() = self.target.parse()?;
        *passed.headers_mut() = end_to_end(request.headers.clone());
        let (head, body) = sender.send_request(passed).await?.into_parts();
        let (mut headers, mut body) = (end_to_end(head.headers), whole(body).await?);
        if let Some(Alteration(alter)) = &self.line.lock().alteration {
            body = alter(&mut headers, String::from_utf8(body.to_vec())?).into();
        }
        Ok(Rendered { status: head.status, headers, body })
    }
}

/// Without the headers that speak of one connection only.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

async fn whole(mut body: Incoming) -> hyper::Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}
