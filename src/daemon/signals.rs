//! Signals, turned into states that the loop can look at whenever it gets there.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the operator has asked for. Each request is remembered once until it is served.
#[derive(Clone)]
pub struct Signals {
    /// SIGTERM or SIGINT: begin nothing new.
    pub stop: CancellationToken,
    /// SIGHUP: read the configuration anew.
    pub reload: Arc<Notify>,
    /// SIGUSR1: a pass now.
    pub now: Arc<Notify>,
}

impl Signals {
    /// Begins to catch signals. A second SIGTERM or SIGINT ends the process at once, which is what a
    /// crash would do, and as safe.
    ///
    /// # Errors
    ///
    /// Fails when the operating system refuses to install a handler.
    pub fn catch() -> std::io::Result<Self> {
        let caught = Self { stop: CancellationToken::new(), reload: Arc::default(), now: Arc::default() };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        let user = signal(SignalKind::user_defined1())?;
        let stop = caught.stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if stop.is_cancelled() {
                    std::process::exit(1);
                }
                stop.cancel();
                tracing::info!(
                    event = "daemon.stopping",
                    "asked to stop; projects under way come to their end"
                );
            }
        });
        forward(hangup, Arc::clone(&caught.reload));
        forward(user, Arc::clone(&caught.now));
        Ok(caught)
    }
}

fn forward(mut signal: Signal, request: Arc<Notify>) {
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            request.notify_one();
        }
    });
}
