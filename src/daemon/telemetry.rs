//! Where log lines go, and in which form.
//!
//! A rotation is a span, so that whatever is said while it lasts, by whichever layer, says to which it belongs. In each
//! form the fields of the span stand beside those of the event: in JSON on the same level (`json`), in the journal as
//! fields of their own, and as text in front.
//!
//! Traces over OTLP are another layer beside the lines, if the program was built with them (`otlp`).
//!
//! The filter may change while the process runs; the form may not, because whoever reads the output would have to change
//! with it.

mod json;
#[cfg(feature = "otlp")]
mod otlp;

use std::io::IsTerminal;

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{Log, LogFormat};

/// What the crates below us may say. vaultrs and rustify call every missing secret an error, so they are
/// silent and our own wrapper reports what matters.
const BELOW: &str = "warn,vaultrs=off,rustify=off,rustls_platform_verifier=off";

/// The level when nobody asks for another.
const USUAL: &str = "info";

/// What `journalctl -t` knows us by.
const IDENTIFIER: &str = "exceptionless-rotator";

/// What the names of our fields begin with in the journal, where all programs share one space of names.
const FIELD_PREFIX: &str = "EXCEPTIONLESS";

/// Where the log goes: the daemon's is its output, a command's output is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The log of this process.
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// Installs the log of this process. With `quiet` only warnings are written, unless the operator asked
/// for another level than the usual one.
pub fn install(log: &Log, stream: Stream, quiet: bool) -> Telemetry {
    let level = if quiet && log.level == USUAL { "warn" } else { &log.level };
    let (filter, handle) = reload::Layer::new(filter(level));
    // Who reads a command's output is not looking at the journal.
    let format = if quiet && log.format == LogFormat::Journald { LogFormat::Text } else { log.format };
    let (layer, unheard) = match format {
        LogFormat::Journald => match journal() {
            Ok(layer) => (layer, None),
            Err(error) => (written(LogFormat::Json, stream), Some(error)),
        },
        LogFormat::Json | LogFormat::Text => (written(format, stream), None),
    };
    let (traces, untraced) =
        traces().transpose().map_or_else(|error| (None, Some(error)), |layer| (layer, None));
    let layers: Vec<Lines> = [layer.with_filter(filter).boxed()].into_iter().chain(traces).collect();
    // A second installation in one process can only happen in a test, and the first one serves it.
    let _ = Registry::default().with(layers).try_init();
    if let Some(error) = unheard {
        tracing::warn!(
            event = "log.no_journal",
            %error,
            "log.format is \"journald\", but journald does not answer at /run/systemd/journal/socket ({error}); \
             writing JSON instead; start systemd-journald, or write log.format = \"json\""
        );
    }
    if let Some(error) = untraced {
        tracing::warn!(
            event = "traces.lost",
            error,
            "no traces are exported ({error}); check the OTEL_ variables of the environment"
        );
    }
    Telemetry { filter: handle }
}

/// Before the process ends: sends what traces are still here.
pub fn finish() {
    #[cfg(feature = "otlp")]
    otlp::finish();
}

/// Where traces go, if they go anywhere.
fn traces() -> Option<Result<Lines, String>> {
    #[cfg(feature = "otlp")]
    return otlp::layer();
    #[cfg(not(feature = "otlp"))]
    None
}

impl Telemetry {
    /// Takes over another filter.
    pub fn set_level(&self, log: &Log) {
        // Only a subscriber that is gone can refuse, and then nobody listens.
        let _ = self.filter.reload(filter(&log.level));
    }
}

fn written(format: LogFormat, stream: Stream) -> Lines {
    let (writer, terminal) = match stream {
        Stream::Stdout => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Stream::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    lines(format, writer, terminal)
}

fn lines<W>(format: LogFormat, writer: W, terminal: bool) -> Lines
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    match format {
        LogFormat::Text if terminal => layer.boxed(),
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json | LogFormat::Journald => {
            layer.fmt_fields(JsonFields::new()).event_format(json::Flat).boxed()
        }
    }
}

/// The journal's own protocol. Its `notice` is for what is unusual and no error, which our `info` is not.
fn journal() -> std::io::Result<Lines> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    Ok(tracing_journald::layer()?
        .with_field_prefix(Some(FIELD_PREFIX.to_owned()))
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_priority_mappings(priorities)
        .boxed())
}

/// A bare level is ours alone; directives such as `hyper=debug` reach further and are the operator's
/// explicit wish.
fn filter(level: &str) -> EnvFilter {
    let ours =
        if level.contains(['=', ',']) { level.to_owned() } else { format!("exceptionless_rotator={level}") };
    EnvFilter::new(format!("{BELOW},{ours}"))
}
