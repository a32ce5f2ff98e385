//! Whether a refusal was meant.
//!
//! While the server cannot reach its database, it refuses right passwords in the words in which it refuses wrong ones
//! (`AuthHandler.cs`, `ApiKeyAuthenticationHandler.cs`). `GET /health` pings that database, needs no credential and is
//! not counted (`Program.cs`), so it is asked after such a refusal. Not every proxy lets it through, and a database that
//! answers a ping may still fail a search: that the server finds nothing wrong proves less than that it does.

use super::door::{Authorization, Call, Door};
use super::operation::Operation;

/// What the server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Something that it needs fails.
    Sick,
    /// It finds nothing wrong, or nobody could say.
    Unproven,
}

impl Health {
    pub(super) async fn ask(door: &Door) -> Self {
        let call = Call { throttled: false, ..Call::get(Operation::AskHealth, "/health") };
        match door.pass(&call, &Authorization::Nothing).await {
            Ok(answer) if answer.status.is_server_error() => Self::Sick,
            Ok(_) | Err(_) => Self::Unproven,
        }
    }
}
