//! A server for the tests of the door: it answers every request with what a function says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// Method and path with query.
    pub(super) target: String,
    /// The request line and the headers.
    pub(super) head: String,
    pub(super) body: String,
}

/// The bytes of an answer; none drops the connection.
pub(super) type Reply = Option<String>;

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on a free port. The function is told how many requests came before.
    pub(super) async fn start(answer: impl Fn(&Arrival, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (arrivals, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let seen = arrivals.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self { address, arrivals, task }
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().expect("sound").clone()
    }

    pub(super) fn targets(&self) -> Vec<String> {
        self.arrivals().into_iter().map(|arrival| arrival.target).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Arrival>>,
    answer: &(dyn Fn(&Arrival, usize) -> Reply + Send + Sync),
) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            // The beginning of a TLS handshake.
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        };
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_owned(), body.as_bytes().to_vec());
        }
    };
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.map_or(0, |text| text.parse().expect("a number"));
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    let target = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let arrival = Arrival { target, head, body: String::from_utf8(body).ok()? };
    let before = {
        let mut seen = seen.lock().expect("sound");
        seen.push(arrival.clone());
        seen.len() - 1
    };
    stream.write_all(answer(&arrival, before)?.as_bytes()).await.ok()
}

/// A JSON answer.
pub(super) fn json(status: u16, headers: &str, body: &str) -> Reply {
    raw(status, &format!("content-type: application/json\r\n{headers}"), body)
}

/// Any answer. Headers end with a line break each.
pub(super) fn raw(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}
