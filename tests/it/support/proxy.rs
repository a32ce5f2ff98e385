//! A proxy as companies have them: it tunnels on CONNECT, forwards plain HTTP, and can want a password.
//!
//! Every name leads to this machine. A rotator that resolved the names itself would not come far.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    pub address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one that wants this header, such as `Basic ...`, or none.
    pub fn start(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(&stream, authorization, &log));
            }
        });
        Self { address, seen }
    }

    /// What it was asked for, such as `CONNECT vault.test:8200`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, authorization: Option<&str>, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let (mut headers, mut length, mut presented) = (String::new(), 0, None);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        match name.to_lowercase().as_str() {
            "proxy-authorization" => presented = Some(value.to_owned()),
            "content-length" => {
                length = value.parse().unwrap();
                headers += &line;
            }
            "connection" => {}
            _ => headers += &line,
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    log.lock().unwrap().push(format!("{method} {target}"));
    let mut client = stream;
    if presented.as_deref() != authorization {
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let authority = target.trim_start_matches("http://").split('/').next().unwrap();
    let port = authority.rsplit_once(':').unwrap().1;
    let Ok(mut server) = TcpStream::connect(format!("127.0.0.1:{port}")) else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut up, mut down) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut down, &mut client);
    } else {
        let path = &target["http://".len() + authority.len()..];
        write!(server, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").unwrap();
        server.write_all(&body).unwrap();
        let _ = std::io::copy(&mut server, &mut client);
    }
    let _ = stream.shutdown(Shutdown::Both);
}
