//! One line on a terminal that says how far a long pass has come.

use std::io::{IsTerminal, Write};

use tokio::sync::watch;

use crate::engine::report::{Phase, Progress};

/// Runs `work` and shows its progress on standard error, if that is a terminal.
pub(super) async fn shown<T>(mut progress: watch::Receiver<Progress>, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let watch = async {
        while progress.changed().await.is_ok() {
            let line = line(*progress.borrow_and_update());
            let mut terminal = std::io::stderr().lock();
            // Erase the line, then write it anew; a terminal that went away is not our concern.
            let _ = write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush());
        }
        std::future::pending().await
    };
    let done = tokio::select! {
        done = work => done,
        never = watch => never,
    };
    let _ = write!(std::io::stderr(), "\r\x1b[2K");
    done
}

fn line(progress: Progress) -> String {
    let Progress { phase, total, done, failed } = progress;
    match phase {
        Phase::Idle => String::new(),
        Phase::Listing => "listing projects and keys".to_owned(),
        Phase::Reading => format!("reading secrets {done}/{total}"),
        Phase::Executing if failed == 0 => format!("rotating {done}/{total}"),
        Phase::Executing => format!("rotating {done}/{total}, {failed} failed"),
    }
}
