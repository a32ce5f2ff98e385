//! What a caller chooses before the emulator starts, and the habits that can be switched while it runs.
//!
//! The two are apart because they live differently: [`Settings`] shape the world once, [`Switches`] are looked at
//! on every request, so that a test can change the server's behaviour in the middle of a story.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::duration;

/// The world an emulator starts with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many organizations exist.
    pub organizations: usize,
    /// How many projects exist; they are spread round-robin over the organizations.
    pub projects: usize,
    /// Requests allowed per window and identity (contract 5). 0 switches throttling off, as -1 does on a server.
    pub rate_limit: u32,
    /// The length of the window; windows are aligned to the epoch, so 15 minutes means the UTC quarter hours.
    pub rate_window: Duration,
    /// How long every API call waits before it is looked at.
    pub latency: Duration,
    /// Adds what old installations contain: short ids, empty scopes, dates without zone, other people's tokens.
    pub legacy: bool,
    /// Stops the clock at this moment; it then moves only by [`crate::Emulator::advance`].
    pub frozen_at: Option<DateTime<Utc>>,
    /// The habits to start with.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            organizations: 3,
            projects: 7,
            rate_limit: 3500,
            rate_window: Duration::from_secs(15 * 60),
            latency: Duration::ZERO,
            legacy: false,
            frozen_at: None,
            switches: Switches::default(),
        }
    }
}

/// Habits of the server that the contract calls rare, old or dependent on the installation. All are off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Projects carry full `usage` and `usage_hours` arrays, about 18 KB each (contract 2.2).
    pub big_bodies: bool,
    /// Elasticsearch fails: logins and Basic credentials answer 401, tokens 500 (contract 1.3), /health 503 (6.4).
    pub elasticsearch_down: bool,
    /// A deleted key goes on authenticating for five minutes (contract 7).
    pub stale_authentication: bool,
    /// How long a PATCH waits between reading and writing. A DELETE in the gap is undone (contract 3.5).
    #[serde(with = "duration")]
    pub patch_gap: Duration,
    /// How long a login waits between counting the attempt and checking the password, so that a burst of
    /// concurrent logins locks itself out (contract 1.5).
    #[serde(with = "duration")]
    pub login_gap: Duration,
    /// How long new and renamed projects stay unseen in listings; one second on a real server (contract 7).
    #[serde(with = "duration")]
    pub project_list_delay: Duration,
    /// As which release the server behaves.
    pub server_version: ServerVersion,
    /// Event posts answer 503 (contract 6.2).
    pub event_submission_disabled: bool,
    /// Every request is kept, in order, for [`crate::Emulator::journal`]. Grows without bound.
    pub journal: bool,
}

/// A release, by what a client of tokens notices of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServerVersion {
    /// The last one that lets API keys manage API keys (v8.1.0, `TokenController.cs`). Not all of them: creating one asks
    /// for the user's id, so a key with scope `user` that belongs to nobody ends as 500 there, and as 404 at `users/me`.
    #[serde(rename = "8.1")]
    V8_1,
    /// The MVC controllers from 8.2 to 8.6.2: no API key manages keys, and refusals have no words of their own.
    #[serde(rename = "8.6")]
    V8_6,
    /// The Minimal APIs from 8.6.3 on.
    #[default]
    #[serde(rename = "8.8")]
    V8_8,
}

impl ServerVersion {
    /// What `about` says.
    pub(crate) fn informational(self) -> &'static str {
        match self {
            Self::V8_1 => "8.1.0+emulator",
            Self::V8_6 => "8.6.2+emulator",
            Self::V8_8 => "8.8.0+emulator",
        }
    }

    /// Whether refusals have words of their own.
    pub(crate) fn words_its_refusals(self) -> bool {
        self >= Self::V8_8
    }
}

impl std::str::FromStr for ServerVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "8.1" => Ok(Self::V8_1),
            "8.6" => Ok(Self::V8_6),
            "8.8" => Ok(Self::V8_8),
            other => Err(format!("{other} is none of 8.1, 8.6 and 8.8")),
        }
    }
}
