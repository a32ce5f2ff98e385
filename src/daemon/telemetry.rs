//! Where log lines go, and in which form.

use std::io::IsTerminal;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Log, LogFormat};

/// What the crates below us may say. vaultrs and rustify call every missing secret an error, so they are
/// silent and our own wrapper reports what matters.
const BELOW: &str = "warn,vaultrs=off,rustify=off";

/// The level when nobody asks for another.
const USUAL: &str = "info";

/// Where the log goes: the daemon's is its output, a command's output is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Installs the log of this process. With `quiet` only warnings are written, unless the operator asked
/// for another level than the usual one.
pub fn install(log: &Log, stream: Stream, quiet: bool) {
    let (writer, terminal) = match stream {
        Stream::Stdout => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Stream::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let level = if quiet && log.level == USUAL { "warn" } else { &log.level };
    let layer = lines(log.format, writer, terminal).with_filter(filter(level));
    // A second installation in one process can only happen in a test, and the first one serves it.
    let _ = Registry::default().with(layer).try_init();
}

fn lines<W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    match format {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => layer.with_ansi(colours).boxed(),
    }
}

/// A bare level is ours alone; directives such as `hyper=debug` reach further and are the operator's
/// explicit wish.
fn filter(level: &str) -> EnvFilter {
    let ours =
        if level.contains(['=', ',']) { level.to_owned() } else { format!("exceptionless_rotator={level}") };
    EnvFilter::new(format!("{BELOW},{ours}"))
}
