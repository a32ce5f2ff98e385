//! A wire to a server that can be cut, before the server is reached or after it has done its work, and that
//! can lie about what the server said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A relay to one server.
pub struct Lossy {
    pub address: String,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    cut: AtomicBool,
    /// The start of the requests whose answers are lost.
    losing: Mutex<Option<String>>,
    altering: Mutex<Option<Alteration>>,
}

/// The start of the requests whose answers are altered, and what becomes of these.
struct Alteration {
    start: String,
    alter: Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>,
}

impl Lossy {
    /// A relay to a server, such as `http://127.0.0.1:8200`.
    pub async fn to(server: &str) -> Self {
        let target = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let wire = Arc::new(Wire::default());
        let shared = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, wire }
    }

    /// Lets nobody through.
    pub fn cut(&self, cut: bool) {
        self.wire.cut.store(cut, Ordering::SeqCst);
    }

    /// Lets the next request that starts like this through, and loses its answer.
    pub fn lose_answer_to(&self, request: &str) {
        *self.wire.losing.lock().unwrap() = Some(request.to_owned());
    }

    /// Alters the answers to all requests that start like this.
    pub fn alter_answers_to(&self, request: &str, alter: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) {
        *self.wire.altering.lock().unwrap() =
            Some(Alteration { start: request.to_owned(), alter: Box::new(alter) });
    }
}

impl Wire {
    fn loses(&self, question: &[u8]) -> bool {
        let mut losing = self.losing.lock().unwrap();
        losing.take_if(|start| question.starts_with(start.as_bytes())).is_some()
    }

    fn alters(&self, question: &[u8]) -> bool {
        let altering = self.altering.lock().unwrap();
        altering.as_ref().is_some_and(|alteration| question.starts_with(alteration.start.as_bytes()))
    }

    fn altered(&self, answer: Vec<u8>) -> Vec<u8> {
        match &*self.altering.lock().unwrap() {
            Some(Alteration { alter, .. }) => alter(answer),
            None => answer,
        }
    }
}

async fn relay(mut client: TcpStream, target: String, wire: Arc<Wire>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut question, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut lost, mut altering) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut question) => {
                let Ok(length @ 1..) = read else { return };
                if wire.cut.load(Ordering::SeqCst) {
                    return;
                }
                lost |= wire.loses(&question[..length]);
                // The rest of a long question says nothing about its answer.
                if is_head(&question[..length]) {
                    altering = wire.alters(&question[..length]);
                }
                if server.write_all(&question[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                let said = answer[..length].to_vec();
                let told = if altering { wire.altered(said) } else { said };
                if lost || client.write_all(&told).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn is_head(question: &[u8]) -> bool {
    let line = question.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.ends_with(b" HTTP/1.1")
}
