//! One JSON object a line, in which what happened and what it belongs to stand side by side.
//!
//! `tracing-subscriber` would put the fields of a span into an object of their own, where who looks for a rotation would
//! have to know which events are inside of one. So an event inside a span of ours does not repeat the span's fields, and
//! this format adds them.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The spans of the crates below us have names that nobody has compared with ours.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// The format.
pub(super) struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut line)?;
        write!(line, r#"","level":"{}""#, event.metadata().level())?;
        let mut fields = String::new();
        context.field_format().format_fields(Writer::new(&mut fields), event)?;
        add(&mut line, &fields)?;
        for span in context.event_scope().into_iter().flatten() {
            if span.metadata().target().starts_with(OURS)
                && let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
            {
                add(&mut line, fields)?;
            }
        }
        line.write_str("}\n")
    }
}

/// Adds the members of one object to another that is being written.
fn add(line: &mut Writer<'_>, object: &str) -> fmt::Result {
    match object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None | Some("") => Ok(()),
        Some(members) => write!(line, ",{members}"),
    }
}
