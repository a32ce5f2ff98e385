//! The emulator as a program, for the demo and for benchmarks from outside.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use exceptionless_emulator::{Emulator, ServerVersion, Settings, Switches};
use tokio::signal::unix::{SignalKind, signal};

/// An Exceptionless server in memory. Its user is rotator@example.test with the password "correct horse".
#[derive(Debug, Parser)]
#[command(name = "exceptionless-emulator", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// How many projects exist, spread over the organizations.
    #[arg(long, default_value_t = 7, value_name = "N")]
    projects: usize,
    /// How many organizations exist.
    #[arg(long, default_value_t = 3, value_name = "N")]
    organizations: usize,
    /// How long every call waits before it is looked at.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    latency: Duration,
    /// Requests allowed per window and user; 0 for no limit.
    #[arg(long, default_value_t = 3500, value_name = "N")]
    rate_limit: u32,
    /// The length of the window.
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration, value_name = "DURATION")]
    rate_window: Duration,
    /// Adds what old installations contain: short keys, empty scopes, organization-level keys.
    #[arg(long)]
    legacy: bool,
    /// As which release it behaves: 8.1, 8.6 (8.2 to 8.6.2) or 8.8 (8.6.3 on).
    #[arg(long, default_value = "8.8", value_name = "RELEASE")]
    server_version: ServerVersion,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exceptionless-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let Arguments {
        listen,
        projects,
        organizations,
        latency,
        rate_limit,
        rate_window,
        legacy,
        server_version,
    } = arguments;
    // Before the line that says "ready", so that a signal sent on reading it is not missed.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let emulator = Emulator::start(Settings {
        listen,
        projects,
        organizations,
        latency,
        rate_limit,
        rate_window,
        legacy,
        switches: Switches { server_version, ..Switches::default() },
        ..Settings::default()
    })
    .await?;
    announce(&emulator.url())?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

/// Flushed at once: whoever started this waits for the line, usually through a pipe.
fn announce(url: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}")?;
    stdout.flush()
}
