//! A real three-node Raft cluster of OpenBao, whose leader can be killed, cut off and told to step down.
//!
//! Each node advertises a relay as its cluster address, so everything that the nodes say to each other passes
//! [`network`], which can cut one of them off while its API still answers. Clients have what an operator gives them:
//! one address, behind which a [`balancer`] chooses a node for each connection.

mod balancer;
mod network;

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exceptionless_emulator::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bao::{Bao, ask, binary};
use super::guard::Guard;
use super::patience;
use super::rig::Rig;
use balancer::{Balancer, Choice};
use network::Network;

pub const NODES: usize = 3;

pub struct Cluster {
    /// What root sees: the active node, whichever it is. It is waited for.
    pub root: &'static Bao,
    nodes: [Node; NODES],
    network: Arc<Network>,
    unseal_key: String,
    everyone: Balancer,
    _active: Balancer,
    _dir: TempDir,
}

struct Node {
    api: SocketAddr,
    dir: PathBuf,
    config: PathBuf,
    server: Option<Guard>,
}

impl Cluster {
    /// Starts three nodes, and waits until they agree on a leader.
    pub async fn start() -> Self {
        exceptionless_rotator::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let (apis, inner) = ports.split_at(NODES);
        let network = Network::to(inner.try_into().unwrap()).await;
        let mut nodes = std::array::from_fn(|number| {
            let config = dir.path().join(format!("{number}.hcl"));
            let folder = dir.path().join(number.to_string());
            fs::write(&config, describe(number, apis, inner[number], network.relay(number), &folder))
                .unwrap();
            Node { api: apis[number], dir: folder, config, server: None }
        });
        for (number, node) in nodes.iter_mut().enumerate() {
            node.start();
            network.introduce(number, node.server.as_ref().unwrap().server());
        }
        let mut keys = Value::Null;
        patience("the first node can be initialized", async || {
            let shares = json!({"secret_shares": 1, "secret_threshold": 1});
            keys = nodes[0].ask(Method::PUT, "sys/init", None, shares).await.unwrap_or_default();
            keys["root_token"].is_string()
        })
        .await;
        let apis = apis.try_into().unwrap();
        let active = Balancer::start(apis, Choice::Active).await;
        let everyone = Balancer::start(apis, Choice::InTurn).await;
        let root = Bao::at(&active.address, keys["root_token"].as_str().unwrap());
        let mut cluster = Self {
            // Rigs want servers that live as long as the process; this one is an address and a token.
            root: Box::leak(Box::new(root)),
            nodes,
            network,
            unseal_key: keys["keys_base64"][0].as_str().unwrap().to_owned(),
            everyone,
            _active: active,
            _dir: dir,
        };
        for number in 0..NODES {
            cluster.unseal(number).await;
        }
        // A node that has joined may vote once it has been stable for so long.
        let stable = json!({"server_stabilization_time": "1s"});
        cluster.root.root("POST", "sys/storage/raft/autopilot/configuration", stable).await;
        let leader = cluster.is_whole().await;
        // A node that became a standby in the process in which it joined does not notice that it has lost its
        // leadership (OpenBao 2.7). One that was started since does, as the nodes of any cluster that is not new.
        for number in (0..NODES).filter(|number| *number != leader) {
            cluster.kill(number);
            cluster.restart(number).await;
            cluster.is_whole().await;
        }
        cluster
    }

    /// A rotator's whole arrangement with four projects, which looks soon for what befalls the cluster.
    pub async fn rig(&self, latency: Duration) -> Rig {
        let (organizations, projects, rate_limit) = (1, 4, 0);
        let settings = Settings { latency, organizations, projects, rate_limit, ..Settings::default() };
        let mut rig = Rig::on(self.root, settings).await;
        rig.corner.keep_versions().await;
        rig.set("vault", "address", &format!("\"{}\"", self.address())).set("vault", "timeout", "\"2s\"");
        rig.set("rotation", "reconcile_every", "\"1s\"").set("log", "level", "\"info\"");
        rig
    }

    /// The address for clients: each connection goes to the next node that accepts it, leader or not.
    pub fn address(&self) -> &str {
        &self.everyone.address
    }

    /// Waits until all nodes are there, may vote, and follow the same one, and returns that.
    pub async fn is_whole(&self) -> usize {
        let mut leader = None;
        patience("three nodes agree on a leader", async || {
            let mut leaders = Vec::new();
            for node in &self.nodes {
                let answer = node.ask(Method::GET, "sys/leader", None, Value::Null).await.unwrap_or_default();
                leaders.push(answer["leader_address"].as_str().unwrap_or_default().to_owned());
            }
            let named = |node: &Node| leaders.iter().all(|named| *named == format!("http://{}", node.api));
            leader = self.nodes.iter().position(named);
            match leader {
                Some(leader) => self.leads(leader).await && self.voters(leader).await == NODES,
                None => false,
            }
        })
        .await;
        leader.unwrap()
    }

    async fn voters(&self, asked: usize) -> usize {
        let root = Some(self.root.root_token());
        let path = "sys/storage/raft/configuration";
        let answer = self.nodes[asked].ask(Method::GET, path, root, Value::Null).await.unwrap_or_default();
        let servers = answer["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
        servers.iter().filter(|server| server["voter"] == true).count()
    }

    /// Whether the node says that it leads.
    pub async fn leads(&self, number: usize) -> bool {
        let answer = self.nodes[number].ask(Method::GET, "sys/leader", None, Value::Null).await;
        answer.is_some_and(|answer| answer["is_self"] == true)
    }

    /// Ends a node without a word.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].server.take().unwrap().kill();
    }

    /// Starts a node again with what it had, as its operator would.
    pub async fn restart(&mut self, number: usize) {
        self.nodes[number].start();
        self.network.introduce(number, self.nodes[number].server.as_ref().unwrap().server());
        self.unseal(number).await;
    }

    /// Cuts a node off from the other two. Clients still reach it.
    pub fn isolate(&self, number: usize) {
        self.network.isolate(Some(number));
    }

    /// Ends the partition.
    pub fn heal(&self) {
        self.network.isolate(None);
    }

    /// Tells the leader to let another lead.
    pub async fn step_down(&self, number: usize) {
        let root = Some(self.root.root_token());
        self.nodes[number].ask(Method::PUT, "sys/step-down", root, Value::Null).await;
    }

    async fn unseal(&self, number: usize) {
        patience("a node can be unsealed", async || {
            let key = json!({"key": self.unseal_key});
            let answer = self.nodes[number].ask(Method::PUT, "sys/unseal", None, key).await;
            answer.is_some_and(|answer| answer["sealed"] == false)
        })
        .await;
    }
}

/// Nothing is written any more when the folder is removed.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter().filter_map(|node| node.server.as_ref()).for_each(Guard::kill);
    }
}

impl Node {
    fn start(&mut self) {
        fs::create_dir_all(&self.dir).unwrap();
        let arguments = ["server".to_owned(), format!("-config={}", self.config.display())];
        self.server = Some(Guard::start(&binary(), &arguments, &self.dir, None));
    }

    /// What the node itself answers, if it does so soon.
    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: Value) -> Option<Value> {
        let (address, body) = (format!("http://{}", self.api), (!body.is_null()).then_some(body));
        ask(&address, Vec::new(), token, method, path, body).await.map(|(_, answer)| answer)
    }
}

/// Two for each node, found at once, so that no two are the same.
fn free_ports() -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..2 * NODES).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|port| port.local_addr().unwrap()).collect()
}

/// A node's configuration. The performance multiplier of 1 is what production clusters are told to set.
fn describe(
    number: usize,
    apis: &[SocketAddr],
    inner: SocketAddr,
    relay: SocketAddr,
    dir: &std::path::Path,
) -> String {
    let mut text = format!(
        "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"node-{number}\"\n  performance_multiplier = 1\n",
        dir.display()
    );
    for other in apis.iter().filter(|other| **other != apis[number]) {
        writeln!(text, "  retry_join {{ leader_api_addr = \"http://{other}\" }}").unwrap();
    }
    let api = apis[number];
    write!(
        text,
        "}}\nlistener \"tcp\" {{\n  address = \"{api}\"\n  cluster_address = \"{inner}\"\n  tls_disable = true\n}}\n\
         api_addr = \"http://{api}\"\ncluster_addr = \"https://{relay}\"\n"
    )
    .unwrap();
    text
}
