//! The bare load generator: the requests of a pass, with the same concurrency, and nothing else.
//!
//! It writes bytes that were put together before the clock starts, keeps as many connections as the pass has projects
//! under way, and looks at nothing in an answer but its end, and the new key. No program that rotates can be faster than this
//! against the same servers, as long as it asks the same of them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

    /// Lets the load loose.
    pub async fn run(&self) -> Done {
        let started = Instant::now();
        let mut exceptionless = Wire::to(self.exceptionless).await;
        let mut vault = Wire::to(self.vault).await;
        let pool = &Pool::default();
        let answer = exceptionless.ask(&post("auth/login", "", &self.login)).await;
        let bearer = format!("authorization: Bearer {}\r\n", between(&answer, "\"token\":\"", "\""));
        let answer = vault.ask(&vault_request("POST", &self.vault_login.0, "", &self.vault_login.1)).await;
        let token = format!("x-vault-token: {}\r\n", between(&answer, "\"client_token\":\"", "\""));
        self.look(pool, &mut exceptionless, &mut vault, &bearer, &token).await;
        let keys = self.rotate(pool, &bearer, &token).await;
        self.revoke(pool, &mut exceptionless, &bearer, &token).await;
        Done { wall: started.elapsed(), keys }
    }

    async fn look(&self, pool: &Pool, exceptionless: &mut Wire, vault: &mut Wire, bearer: &str, token: &str) {
        let Self { mount, folder, organizations, .. } = self;
        vault.ask(&vault_request("GET", &format!("sys/internal/ui/mounts/{mount}"), token, "")).await;
        exceptionless.ask(&get("users/me", bearer)).await;
        exceptionless.ask(&get("organizations", bearer)).await;
        for organization in organizations {
            for page in 1..=(self.projects.len() / organizations.len()).div_ceil(100) {
                let path =
                    format!("organizations/{organization}/projects?sort=created_utc&limit=100&page={page}");
                exceptionless.ask(&get(&path, bearer)).await;
            }
        }
        self.read_all(pool, token, &self.projects).await;
        vault.ask(&vault_request("LIST", &format!("{mount}/metadata/{folder}"), token, "")).await;
        for organization in organizations {
            for page in 1..=self.key_pages {
                let path = format!("organizations/{organization}/tokens?limit=100&page={page}");
                exceptionless.ask(&get(&path, bearer)).await;
            }
        }
        for paths in self.projects.chunks(200) {
            let paths: Vec<_> = paths.iter().map(|id| format!("\"{mount}/data/{folder}/{id}\"")).collect();
            let body = format!("{{\"paths\":[{}]}}", paths.join(","));
            vault.ask(&vault_request("POST", "sys/capabilities-self", token, &body)).await;
        }
    }

    async fn read_all(&self, pool: &Pool, token: &str, projects: &[String]) {
        let Self { mount, folder, .. } = self;
        self.side_by_side(projects.len(), async |next| {
            let mut vault = pool.take(self.vault).await;
            while let Some(index) = next() {
                let path = format!("{mount}/data/{folder}/{}", projects[index]);
                vault.ask(&vault_request("GET", &path, token, "")).await;
            }
            pool.give(vault);
        })
        .await;
    }

    async fn rotate(&self, pool: &Pool, bearer: &str, token: &str) -> Vec<String> {
        let Self { mount, folder, version, .. } = self;
        let keys = Mutex::new(vec![String::new(); self.projects.len()]);
        self.side_by_side(self.projects.len(), async |next| {
            let (mut exceptionless, mut vault) =
                (Wire::to(self.exceptionless).await, pool.take(self.vault).await);
            while let Some(index) = next() {
                let id = &self.projects[index];
                let body = r#"{"scopes":["client"],"notes":"0198b5a0-0000-7000-8000-000000000000"}"#;
                let answer = exceptionless.ask(&post(&format!("projects/{id}/tokens"), bearer, body)).await;
                let key = between(&answer, "\"id\":\"", "\"");
                let as_key = format!("authorization: Bearer {key}\r\n");
                exceptionless.ask(&get("projects/config", &as_key)).await;
                let body = secret(&key, id, &self.organizations[0], *version);
                vault.ask(&vault_request("POST", &format!("{mount}/data/{folder}/{id}"), token, &body)).await;
                keys.lock().unwrap()[index] = key;
            }
        })
        .await;
        keys.into_inner().unwrap()
    }

    async fn revoke(&self, pool: &Pool, exceptionless: &mut Wire, bearer: &str, token: &str) {
        for (batch, projects) in self.retiring.chunks(90).zip(self.projects.chunks(90)) {
            self.read_all(pool, token, projects).await;
            exceptionless.ask(&request("DELETE", &format!("tokens/{}", batch.join(",")), bearer, "")).await;
        }
    }

    async fn side_by_side(&self, count: usize, work: impl AsyncFn(&dyn Fn() -> Option<usize>)) {
        let begun = AtomicUsize::new(0);
        let next = || {
            let index = begun.fetch_add(1, Ordering::Relaxed);
            (index < count).then_some(index)
        };
        futures_util::future::join_all((0..self.concurrency).map(|_| work(&next))).await;
    }
}

fn get(path: &str, headers: &str) -> String {
    request("GET", path, headers, "")
}

fn post(path: &str, headers: &str, body: &str) -> String {
    request("POST", path, headers, body)
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    http(method, &format!("/api/v2/{path}"), headers, body)
}

fn vault_request(method: &str, path: &str, token: &str, body: &str) -> String {
    http(method, &format!("/v1/{path}"), token, body)
}

fn http(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\ncontent-type: application/json\r\n\
         {headers}content-length: {length}\r\n\r\n{body}"
    )
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
    async fn take(&self, server: SocketAddr) -> Wire {
        let kept = self.0.lock().unwrap().pop();
        match kept {
            Some(wire) => wire,
            None => Wire::to(server).await,
        }
    }

    fn give(&self, wire: Wire) {
        self.0.lock().unwrap().push(wire);
    }
}

/// A connection that is kept.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(256 * 1024) }
    }

    async fn ask(&mut self, request: &str) -> String {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server hung up on {}", request.lines().next().unwrap());
            if is_whole(&self.buffer) {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&self.buffer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 2"), "{} got {answer}", request.lines().next().unwrap());
        answer
    }
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
