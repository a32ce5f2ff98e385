//! A single OpenBao that keeps what it was told on disk, so that it can be killed and started again.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bao::{Bao, ask, binary};
use super::guard::Guard;
use super::listener::{Listener, Planned};
use super::patience;

pub struct Durable {
    pub bao: &'static Bao,
    /// It answers there as well.
    pub listener: &'static Listener,
    config: PathBuf,
    unseal_key: String,
    server: Option<Guard>,
    dir: TempDir,
}

impl Durable {
    pub async fn start() -> Self {
        exceptionless_rotator::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [api, inner] = ports.each_ref().map(|port| port.local_addr().unwrap());
        drop(ports);
        let planned = Planned::new(&["127.0.0.1"], "");
        let config = dir.path().join("server.hcl");
        let text = format!(
            "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"alone\"\n  performance_multiplier = 1\n}}\n\
             listener \"tcp\" {{\n  address = \"{api}\"\n  cluster_address = \"{inner}\"\n  tls_disable = true\n}}\n\
             api_addr = \"http://{api}\"\ncluster_addr = \"https://{inner}\"\n{}",
            dir.path().display(),
            planned.configuration
        );
        fs::write(&config, text).unwrap();
        let server = Some(serve(&config, &dir));
        let address = format!("http://{api}");
        let mut keys = Value::Null;
        patience("the server can be initialized", async || {
            let shares = json!({"secret_shares": 1, "secret_threshold": 1});
            let answer = ask(&address, Vec::new(), None, Method::PUT, "sys/init", Some(shares)).await;
            keys = answer.unwrap_or_default().1;
            keys["root_token"].is_string()
        })
        .await;
        // Rigs want servers that live as long as the process; this one is an address and a token.
        let bao = Box::leak(Box::new(Bao::at(&address, keys["root_token"].as_str().unwrap())));
        let unseal_key = keys["keys_base64"][0].as_str().unwrap().to_owned();
        let listener = Box::leak(Box::new(planned.on(bao)));
        let durable = Self { bao, listener, config, unseal_key, server, dir };
        durable.unseal().await;
        durable
    }

    /// Ends it without a word, and starts it again with what it had.
    pub async fn restart(&mut self) {
        self.server.take().unwrap().kill();
        self.server = Some(serve(&self.config, &self.dir));
        self.unseal().await;
    }

    async fn unseal(&self) {
        let root = Some(self.bao.root_token());
        patience("it is unsealed, and leads", async || {
            let key = Some(json!({"key": self.unseal_key}));
            ask(&self.bao.address, Vec::new(), None, Method::PUT, "sys/unseal", key).await;
            let mounts = ask(&self.bao.address, Vec::new(), root, Method::GET, "sys/mounts", None).await;
            mounts.is_some_and(|(status, _)| status.is_success())
        })
        .await;
    }
}

/// Nothing is written any more when the folder is removed.
impl Drop for Durable {
    fn drop(&mut self) {
        self.server.iter().for_each(Guard::kill);
    }
}

fn serve(config: &std::path::Path, dir: &TempDir) -> Guard {
    let arguments = ["server".to_owned(), format!("-config={}", config.display())];
    Guard::start(&binary(), &arguments, dir.path(), None)
}
