//! The wires between the nodes: a relay in front of each, which one node can be cut off from.
//!
//! A cut wire is silent, as when packets are lost: both ends keep their connections, write into them, and hear
//! nothing. When it is mended, what was under way is gone. Who has dialled stands in no address, because all nodes
//! live on one machine; the kernel's books tell whose socket it is.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::NODES;

pub struct Network {
    relays: [SocketAddr; NODES],
    processes: Mutex<[Option<u32>; NODES]>,
    isolated: watch::Sender<Option<usize>>,
}

impl Network {
    /// A relay to each of these addresses.
    pub async fn to(nodes: [SocketAddr; NODES]) -> Arc<Self> {
        let mut listeners = Vec::new();
        for _ in nodes {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let relays = std::array::from_fn(|number| listeners[number].local_addr().unwrap());
        let processes = Mutex::default();
        let network = Arc::new(Self { relays, processes, isolated: watch::Sender::new(None) });
        for (to, (listener, target)) in listeners.into_iter().zip(nodes).enumerate() {
            let network = Arc::clone(&network);
            tokio::spawn(async move {
                while let Ok((client, caller)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&network).connect(client, caller, to, target));
                }
            });
        }
        network
    }

    /// Where the others reach a node.
    pub fn relay(&self, number: usize) -> SocketAddr {
        self.relays[number]
    }

    /// Says which process a node is.
    pub fn introduce(&self, number: usize, process: u32) {
        self.processes.lock().unwrap()[number] = Some(process);
    }

    /// Cuts all wires of a node, or mends all.
    pub fn isolate(&self, number: Option<usize>) {
        self.isolated.send_replace(number);
    }

    async fn connect(
        self: Arc<Self>,
        mut client: TcpStream,
        caller: SocketAddr,
        to: usize,
        target: SocketAddr,
    ) {
        // A caller that is gone already wants no answer.
        let Some(from) = self.node_at(caller) else { return };
        let cut = |isolated: &Option<usize>| isolated.is_some_and(|node| node == from || node == to);
        let mut isolated = self.isolated.subscribe();
        let mut server = None;
        if !cut(&isolated.borrow()) {
            let Ok(stream) = TcpStream::connect(target).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, server.insert(stream)) => return,
                _ = isolated.wait_for(cut) => {}
            }
        }
        // Both ends stay open meanwhile.
        let _ = isolated.wait_for(|isolated| !cut(isolated)).await;
        drop((client, server));
    }

    /// The node whose socket has this address.
    fn node_at(&self, caller: SocketAddr) -> Option<usize> {
        let port = format!(":{:04X}", caller.port());
        let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
        let row = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut own = row.filter(|row| row.len() > 9 && row[1] == format!("0100007F{port}"));
        let name = format!("socket:[{}]", own.next()?[9]);
        let processes = *self.processes.lock().unwrap();
        processes.iter().position(|process| process.is_some_and(|process| has_open(process, &name)))
    }
}

fn has_open(process: u32, name: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == name))
}
