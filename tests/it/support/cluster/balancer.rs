//! One address in front of all nodes. It chooses for each connection, and knows nothing of requests: what it has
//! chosen stays, as with any balancer that does not look into the stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::NODES;
use crate::support::bao::ask;

/// Which node gets a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The next one that accepts it.
    InTurn,
    /// The active one. If there is none, it is waited for.
    Active,
}

pub struct Balancer {
    pub address: String,
    task: JoinHandle<()>,
}

impl Balancer {
    pub async fn start(nodes: [SocketAddr; NODES], choice: Choice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let turn = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let turn = Arc::clone(&turn);
                tokio::spawn(async move {
                    let server = match choice {
                        Choice::InTurn => next(nodes, &turn).await,
                        Choice::Active => active(nodes).await,
                    };
                    if let Some(mut server) = server {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn next(nodes: [SocketAddr; NODES], turn: &AtomicUsize) -> Option<TcpStream> {
    for _ in nodes {
        let node = nodes[turn.fetch_add(1, Ordering::Relaxed) % NODES];
        if let Ok(Ok(stream)) = timeout(Duration::from_secs(1), TcpStream::connect(node)).await {
            return Some(stream);
        }
    }
    None
}

async fn active(nodes: [SocketAddr; NODES]) -> Option<TcpStream> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        for node in nodes {
            let address = format!("http://{node}");
            let health = ask(&address, Vec::new(), None, Method::GET, "sys/health", None).await;
            if health.is_some_and(|(status, _)| status == StatusCode::OK) {
                return TcpStream::connect(node).await.ok();
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    None
}
