//! From the command line's file name to an engine: the composition root.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tokio::runtime::Builder;

use crate::config::{Config, ConfigError, Loaded};
use crate::daemon::telemetry::{self, Stream};
use crate::engine::{Engine, clock};
use crate::traffic::Traffic;

use super::exit::Failure;

/// Reads the configuration from the file and this process's environment.
#[expect(clippy::disallowed_methods, reason = "the environment is read here, once, and passed on")]
pub(super) fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    Config::load(file, std::env::vars(), clock::now())
}

/// Reads the configuration, begins to log on standard error, and connects to nothing yet. `quiet` is for
/// commands whose output a person reads.
pub(super) fn command(file: Option<&Path>, quiet: bool) -> Result<(Hired, Loaded), Failure> {
    let loaded = load(file)?;
    telemetry::install(&loaded.config.log, Stream::Stderr, quiet);
    warn(&loaded.warnings);
    Ok((Hired(Engine::new(&loaded.config, &Traffic::default())?), loaded))
}

/// The engine of one command. However that ends, its login at Vault ends with it.
pub(super) struct Hired(Engine);

impl Deref for Hired {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Drop for Hired {
    fn drop(&mut self) {
        // The command has done its work, and nothing that happens here is its failure.
        let _ = catch_unwind(AssertUnwindSafe(|| block_on(self.vault.log_out())));
    }
}

/// Says what is legal but unwise.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(event = "config.unwise", "{warning}");
    }
}

/// Does the work of a command. One thread: the work is waiting, and what little is computed between two answers is less
/// than it costs to wake a second thread for each of them.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A name that is still being resolved, for somebody who has given up, is not waited for.
    runtime.shutdown_background();
    Ok(done)
}
