//! A real OpenBao with a further listener, which speaks TLS under our own authority and can demand the same of clients.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::authority::{Authority, Pair};
use super::bao::Bao;

pub struct Listener {
    /// The server. Root talks to it without TLS.
    pub bao: &'static Bao,
    /// The authority that signed the server's certificate, and that it knows for clients.
    pub authority: Authority,
    /// The further listener.
    pub address: String,
    dir: TempDir,
}

impl Listener {
    /// One that lets only clients in that show a certificate of the authority.
    pub async fn demanding() -> Self {
        Self::start(&["127.0.0.1", "localhost"], "tls_require_and_verify_client_cert = true").await
    }

    /// One whose certificate has these names.
    pub async fn named(names: &[&str]) -> Self {
        Self::start(names, "").await
    }

    async fn start(names: &[&str], more: &str) -> Self {
        let planned = Planned::new(names, more);
        // Rigs want servers that live as long as the process.
        let bao = Box::leak(Box::new(Bao::own_with(&planned.configuration).await));
        planned.on(bao)
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A client's certificate on disk: the names of both files.
    pub fn keep(&self, pair: &Pair) -> [PathBuf; 2] {
        pair.write(self.dir.path(), "client")
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }
}

/// A listener whose server is still to be started with it.
pub struct Planned {
    /// Its part of the server's configuration.
    pub configuration: String,
    authority: Authority,
    address: String,
    dir: TempDir,
}

impl Planned {
    pub fn new(names: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("the tests' authority");
        fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let [cert, key] = authority.server(names).write(dir.path(), "server");
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, inner] = ports.each_ref().map(|port| port.local_addr().unwrap().port());
        let configuration = format!(
            r#"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{inner}"
  tls_cert_file = "{}"
  tls_key_file = "{}"
  tls_client_ca_file = "{}"
  {more}
}}
"#,
            cert.display(),
            key.display(),
            dir.path().join("ca.pem").display()
        );
        Self { configuration, authority, address: format!("https://127.0.0.1:{port}"), dir }
    }

    /// When the server is there.
    pub fn on(self, bao: &'static Bao) -> Listener {
        let Self { configuration: _, authority, address, dir } = self;
        Listener { bao, authority, address, dir }
    }
}
