//! A few lines of HTTP for what no real server does on demand: redirects, foreign pages, silence.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// A server that answers each request as it is told.
pub struct StandIn {
    pub address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What to do with a request.
pub enum Reply {
    /// Answer with a status line's end, such as `200 OK`, further header lines, and a body.
    Answer(&'static str, &'static str, String),
    /// Close the connection without a word.
    HangUp,
}

impl StandIn {
    /// Starts a server; `reply` sees request lines such as `GET /v1/sys/health`.
    pub fn start(reply: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        Self::reading(move |request, _| reply(request))
    }

    /// The same; `reply` sees the body too.
    pub fn reading(reply: impl Fn(&str, &[u8]) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                let mut length = 0;
                reader.read_line(&mut line).unwrap();
                let mut header = String::new();
                while reader.read_line(&mut header).unwrap() > 2 {
                    if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    header.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let request = line.rsplit_once(' ').map_or("", |(request, _)| request).to_owned();
                log.lock().unwrap().push(request.clone());
                if let Reply::Answer(status, headers, body) = reply(&request, &body) {
                    let length = body.len();
                    let _ = write!(
                        &stream,
                        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
                    );
                }
            }
        });
        Self { address, seen }
    }

    /// The request lines so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}
