//! The bare load generator: the requests of a pass, with the same concurrency, and nothing else.
//!
//! It keeps as many connections as the pass has projects under way, and looks at nothing in an answer but its end, and the
//! new key. What asks the same, with as much side by side, can hardly be faster.
//! It comes in two kinds: one that writes to bare sockets, and one that asks by way of the HTTP client that the rotator
//! uses, which tells the client's share from that of our own work.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use exceptionless_rotator::exceptionless::MAX_DELETED_AT_ONCE;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// As many listings as the rotator lets run at once.
const LISTINGS: usize = 4;

/// What to ask, and where.
pub struct Load {
    pub exceptionless: SocketAddr,
    pub vault: SocketAddr,
    pub login: String,
    pub vault_login: (String, String),
    pub mount: String,
    pub folder: String,
    pub organizations: Vec<String>,
    pub projects: Vec<String>,
    /// The version of each secret, for the check-and-set.
    pub version: usize,
    /// The keys that are to be revoked.
    pub retiring: Vec<String>,
    /// Of each organization.
    pub key_pages: usize,
    pub concurrency: usize,
    /// The HTTP client to ask by; `None` for bare sockets.
    pub client: Option<Client>,
}

/// How long it took, and the keys that were made.
pub struct Done {
    pub wall: Duration,
    pub keys: Vec<String>,
}

impl Load {
    /// What is true after a run, for the next.
    pub fn follow(&mut self, keys: Vec<String>) {
        self.retiring = keys;
        self.version += 1;
    }

    async fn wire(&self, server: SocketAddr) -> Wire {
        if let Some(client) = &self.client {
            return Wire::Client { client: client.clone(), server };
        }
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::Socket { stream, buffer: Vec::with_capacity(256 * 1024) }
    }

    /// Lets the load loose.
    pub async fn run(&self) -> Done {
        let started = Instant::now();
        let mut exceptionless = self.wire(self.exceptionless).await;
        let mut vault = self.wire(self.vault).await;
        let pool = &Pool::default();
        let answer = exceptionless.ask(&post("auth/login", &Header::Nothing, &self.login)).await;
        let bearer = &Header::Bearer(between(&answer, "\"token\":\"", "\""));
        let answer = vault
            .ask(&vault_request("POST", &self.vault_login.0, &Header::Nothing, &self.vault_login.1))
            .await;
        let token = &Header::Token(between(&answer, "\"client_token\":\"", "\""));
        self.look(pool, &mut exceptionless, &mut vault, bearer, token).await;
        let keys = self.rotate(pool, bearer, token).await;
        self.revoke(pool, &mut exceptionless, bearer, token).await;
        Done { wall: started.elapsed(), keys }
    }

    async fn look(
        &self,
        pool: &Pool,
        exceptionless: &mut Wire,
        vault: &mut Wire,
        bearer: &Header,
        token: &Header,
    ) {
        let Self { mount, folder, organizations, .. } = self;
        vault.ask(&vault_request("GET", &format!("sys/internal/ui/mounts/{mount}"), token, "")).await;
        exceptionless.ask(&get("users/me", bearer)).await;
        exceptionless.ask(&get("organizations", bearer)).await;
        let project_pages = (self.projects.len() / organizations.len()).div_ceil(100);
        self.list(bearer, "projects?sort=created_utc&", project_pages).await;
        self.read_all(pool, token, &self.projects).await;
        vault.ask(&vault_request("LIST", &format!("{mount}/metadata/{folder}"), token, "")).await;
        self.list(bearer, "tokens?", self.key_pages).await;
        for paths in self.projects.chunks(200) {
            let paths: Vec<_> = paths.iter().map(|id| format!("\"{mount}/data/{folder}/{id}\"")).collect();
            let body = format!("{{\"paths\":[{}]}}", paths.join(","));
            vault.ask(&vault_request("POST", "sys/capabilities-self", token, &body)).await;
        }
    }

    /// Every page of a listing of each organization.
    async fn list(&self, bearer: &Header, what: &str, pages: usize) {
        self.side_by_side(LISTINGS, self.organizations.len(), async |next| {
            let mut exceptionless = self.wire(self.exceptionless).await;
            while let Some(index) = next() {
                for page in 1..=pages {
                    let path =
                        format!("organizations/{}/{what}limit=100&page={page}", self.organizations[index]);
                    exceptionless.ask(&get(&path, bearer)).await;
                }
            }
        })
        .await;
    }

    async fn read_all(&self, pool: &Pool, token: &Header, projects: &[String]) {
        let Self { mount, folder, .. } = self;
        self.side_by_side(self.concurrency, projects.len(), async |next| {
            let mut vault = pool.take(self, self.vault).await;
            while let Some(index) = next() {
                let path = format!("{mount}/data/{folder}/{}", projects[index]);
                vault.ask(&vault_request("GET", &path, token, "")).await;
            }
            pool.give(vault);
        })
        .await;
    }

    async fn rotate(&self, pool: &Pool, bearer: &Header, token: &Header) -> Vec<String> {
        let Self { mount, folder, version, .. } = self;
        let keys = Mutex::new(vec![String::new(); self.projects.len()]);
        self.side_by_side(self.concurrency, self.projects.len(), async |next| {
            let (mut exceptionless, mut vault) =
                (self.wire(self.exceptionless).await, pool.take(self, self.vault).await);
            while let Some(index) = next() {
                let id = &self.projects[index];
                let body = r#"{"scopes":["client"],"notes":"0198b5a0-0000-7000-8000-000000000000"}"#;
                let answer = exceptionless.ask(&post(&format!("projects/{id}/tokens"), bearer, body)).await;
                let key = between(&answer, "\"id\":\"", "\"");
                let as_key = Header::Bearer(key.clone());
                exceptionless.ask(&get("projects/config", &as_key)).await;
                let body = secret(&key, id, &self.organizations[0], *version);
                vault.ask(&vault_request("POST", &format!("{mount}/data/{folder}/{id}"), token, &body)).await;
                keys.lock().unwrap()[index] = key;
            }
            pool.give(vault);
        })
        .await;
        keys.into_inner().unwrap()
    }

    async fn revoke(&self, pool: &Pool, exceptionless: &mut Wire, bearer: &Header, token: &Header) {
        for (batch, projects) in
            self.retiring.chunks(MAX_DELETED_AT_ONCE).zip(self.projects.chunks(MAX_DELETED_AT_ONCE))
        {
            self.read_all(pool, token, projects).await;
            exceptionless.ask(&request("DELETE", &format!("tokens/{}", batch.join(",")), bearer, "")).await;
        }
    }

    async fn side_by_side(
        &self,
        at_once: usize,
        count: usize,
        work: impl AsyncFn(&dyn Fn() -> Option<usize>),
    ) {
        let begun = AtomicUsize::new(0);
        let next = || {
            let index = begun.fetch_add(1, Ordering::Relaxed);
            (index < count).then_some(index)
        };
        futures_util::future::join_all((0..at_once.min(count)).map(|_| work(&next))).await;
    }
}

/// By what a request is authorized.
enum Header {
    Nothing,
    Bearer(String),
    Token(String),
}

struct Request<'a> {
    method: &'static str,
    path: String,
    header: &'a Header,
    body: &'a str,
}

fn get<'a>(path: &str, header: &'a Header) -> Request<'a> {
    request("GET", path, header, "")
}

fn post<'a>(path: &str, header: &'a Header, body: &'a str) -> Request<'a> {
    request("POST", path, header, body)
}

fn request<'a>(method: &'static str, path: &str, header: &'a Header, body: &'a str) -> Request<'a> {
    Request { method, path: format!("/api/v2/{path}"), header, body }
}

fn vault_request<'a>(method: &'static str, path: &str, header: &'a Header, body: &'a str) -> Request<'a> {
    Request { method, path: format!("/v1/{path}"), header, body }
}

/// As long as what the rotator writes.
fn secret(key: &str, project: &str, organization: &str, version: usize) -> String {
    format!(
        r#"{{"data":{{"api_key":"{key}","server_url":"http://127.0.0.1:30000","project_id":"{project}","project_name":"Project 1000","organization_id":"{organization}","organization_name":"Organization 1","rotation_id":"0198b5a0-0000-7000-8000-000000000000","rotated_at":"2026-11-22T03:00:00Z","overlap_seconds":"1","retiring":"9f86d081884c@2026-11-21T03:00:22Z","managed_by":"exceptionless-rotator/1 instance=default"}},"options":{{"cas":{version}}}}}"#
    )
}

fn between(answer: &str, begin: &str, end: &str) -> String {
    let (_, rest) = answer.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {answer}"));
    rest.split_once(end).unwrap().0.to_owned()
}

/// Connections to Vault that nobody uses at the moment.
#[derive(Default)]
struct Pool(Mutex<Vec<Wire>>);

impl Pool {
    async fn take(&self, load: &Load, server: SocketAddr) -> Wire {
        let kept = self.0.lock().unwrap().pop();
        match kept {
            Some(wire) => wire,
            None => load.wire(server).await,
        }
    }

    fn give(&self, wire: Wire) {
        self.0.lock().unwrap().push(wire);
    }
}

/// A connection that is kept.
enum Wire {
    Socket { stream: TcpStream, buffer: Vec<u8> },
    Client { client: Client, server: SocketAddr },
}

impl Wire {
    async fn ask(&mut self, request: &Request<'_>) -> String {
        let (status, answer) = match self {
            Self::Socket { stream, buffer } => exchange(stream, buffer, request).await,
            Self::Client { client, server } => send(client, *server, request).await,
        };
        assert!(status.starts_with('2'), "{} {} got {status} {answer}", request.method, request.path);
        answer
    }
}

async fn send(client: &Client, server: SocketAddr, request: &Request<'_>) -> (String, String) {
    let Request { method, path, header, body } = request;
    let asked = client.request(method.parse().unwrap(), format!("http://{server}{path}"));
    let asked = match header {
        Header::Nothing => asked,
        Header::Bearer(token) => asked.bearer_auth(token),
        Header::Token(token) => asked.header("x-vault-token", token),
    };
    let asked = asked.header("content-type", "application/json").body((*body).to_owned());
    let answer = asked.send().await.unwrap();
    (answer.status().as_str().to_owned(), answer.text().await.unwrap())
}

async fn exchange(stream: &mut TcpStream, buffer: &mut Vec<u8>, request: &Request<'_>) -> (String, String) {
    let Request { method, path, header, body } = request;
    let header = match header {
        Header::Nothing => String::new(),
        Header::Bearer(token) => format!("authorization: Bearer {token}\r\n"),
        Header::Token(token) => format!("x-vault-token: {token}\r\n"),
    };
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\
         content-type: application/json\r\n{header}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    buffer.clear();
    while !is_whole(buffer) {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up on {method} {path}");
    }
    let answer = String::from_utf8_lossy(buffer).into_owned();
    (answer.split(' ').nth(1).unwrap_or_default().to_owned(), answer)
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    match head.split("content-length: ").nth(1) {
        Some(rest) => {
            let length: usize = rest.split("\r\n").next().unwrap().trim().parse().unwrap();
            answer.len() >= end + 4 + length
        }
        None if head.contains("chunked") => answer.ends_with(b"0\r\n\r\n"),
        None => head.contains(" 204 "),
    }
}
