//! How many requests per second the emulator answers.
//!
//! A benchmark of the rotator is worth nothing when the emulator is its bottleneck, so this measures the two hot calls
//! (making a key, and verifying one), both ways: one request at a time per connection, and pipelined.
//!
//! `cargo run --release -p exceptionless-emulator --example load [--connections N] [--seconds N] [--projects N]`
//!
//! The emulator runs in this process, on the same runtime: its figure includes the cost of the load.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use exceptionless_emulator::{EMAIL, Emulator, PASSWORD, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Debug, Parser)]
struct Arguments {
    /// Concurrent keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How many projects the emulator in this process has.
    #[arg(long, default_value_t = 1000)]
    projects: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let Arguments { connections, seconds, projects } = Arguments::parse();
    let emulator = Emulator::start(Settings { projects, rate_limit: 0, ..Settings::default() }).await?;
    let project = emulator.projects().remove(0);
    let key = emulator.live_keys(&project.id).remove(0).id;
    let basic = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));

    let body = r#"{"scopes":["client"],"notes":"exceptionless-rotator/1 instance=load rotation=0198"}"#;
    let create = format!(
        "POST /api/v2/projects/{}/tokens HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {basic}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        project.id,
        body.len(),
    );
    let verify = format!(
        "GET /api/v2/projects/config HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
    );

    for (name, request) in [("POST projects/{id}/tokens", create), ("GET projects/config", verify)] {
        for depth in [1, 16] {
            let run = Run {
                address: emulator.address(),
                request: request.repeat(depth).into_bytes(),
                depth,
                time: Duration::from_secs(seconds),
            };
            let Figure { rate, cost } = run.measure(connections).await?;
            println!(
                "{name:<26} {connections} connections, {depth:>2} in flight on each: \
                 {rate:>6.0} requests/s, {cost:>4.1} us of processor time each"
            );
        }
    }
    emulator.shutdown().await;
    Ok(())
}

struct Run {
    address: SocketAddr,
    request: Vec<u8>,
    depth: usize,
    time: Duration,
}

/// The rate says what this machine gave; the cost stays true on a busy one.
struct Figure {
    rate: f64,
    cost: f64,
}

impl Run {
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn measure(self, connections: usize) -> Result<Figure, Failure> {
        let run = Arc::new(self);
        let answered = Arc::new(AtomicU64::new(0));
        let (start, used) = (Instant::now(), processor_time()?);
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (run, answered) = (Arc::clone(&run), Arc::clone(&answered));
            tasks.spawn(async move { run.connection(&answered, start).await });
        }
        while let Some(finished) = tasks.join_next().await {
            finished??;
        }
        let answered = f64::from(u32::try_from(answered.load(Ordering::Relaxed))?);
        Ok(Figure {
            rate: answered / start.elapsed().as_secs_f64(),
            cost: (processor_time()? - used) / answered * 1e6,
        })
    }

    async fn connection(&self, answered: &AtomicU64, start: Instant) -> Result<(), Failure> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut filled = 0;
        while start.elapsed() < self.time {
            stream.write_all(&self.request).await?;
            let mut missing = self.depth;
            while missing > 0 {
                match whole_response(&buffer[..filled])? {
                    Some(length) => {
                        buffer.copy_within(length..filled, 0);
                        filled -= length;
                        missing -= 1;
                    }
                    None => {
                        let read = stream.read(&mut buffer[filled..]).await?;
                        if read == 0 {
                            return Err("the server closed the connection".into());
                        }
                        filled += read;
                    }
                }
            }
            answered.fetch_add(u64::try_from(self.depth)?, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The seconds of processor time this process used so far: the fields `utime` and `stime`, in ticks of 10 ms.
fn processor_time() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may contain anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

/// The length of the first response in the buffer, if it is complete. Anything but a success ends the measurement:
/// refusals are cheap to make and would flatter the figure.
fn whole_response(bytes: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 2") {
        return Err(format!("unexpected answer: {text}").into());
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or("an answer without length")?;
    let whole = head + 4 + length.parse::<usize>()?;
    Ok((bytes.len() >= whole).then_some(whole))
}
