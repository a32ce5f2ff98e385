//! A fleet of projects at an emulated Exceptionless, a corner of a real OpenBao, and how far both are away.

use std::net::SocketAddr;
use std::time::Duration;

use exceptionless_emulator::Settings;
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use crate::generator::Load;
use crate::latency;
use crate::measure::{self, Cost};
use crate::support::bao::FOLDER;
use crate::support::rig::{PASSWORD, Rig};
use crate::support::until;

/// Counted, as a real server counts, but never spent.
const UNLIMITED: u32 = 100_000_000;
/// Beyond 9,900 keys the keys of an organization cannot be listed at once.
const LARGEST_ORGANIZATION: usize = 1000;
/// How long a replaced key works, and how long a write to Vault may take: both short, so that the next pass revokes.
const OVERLAP: Duration = Duration::from_secs(1);
const VAULT_TIMEOUT: Duration = Duration::from_secs(4);
/// What the rotator does side by side, unless it is told otherwise.
pub const CONCURRENCY: usize = 8;

pub struct Stage {
    pub rig: Rig,
    exceptionless: SocketAddr,
    vault: SocketAddr,
}

impl Stage {
    /// So many projects, each with one key of a person's, and no secret yet. Both servers are near.
    pub async fn new(projects: usize) -> Self {
        let settings = Settings {
            organizations: projects.div_ceil(LARGEST_ORGANIZATION),
            projects,
            rate_limit: UNLIMITED,
            ..Settings::default()
        };
        let mut rig = Rig::with(settings).await;
        rig.set("vault", "timeout", &format!("\"{}s\"", VAULT_TIMEOUT.as_secs()));
        rig.set("rotation", "overlap", &format!("\"{}s\"", OVERLAP.as_secs()));
        rig.set("log", "level", "\"info\"");
        let (exceptionless, vault) = (rig.emulator.address(), address(&rig.corner.bao.address));
        Self { rig, exceptionless, vault }
    }

    /// From now on each answer of both servers takes so much longer.
    pub async fn move_away(&mut self, latency: Duration) {
        if latency > Duration::ZERO {
            self.exceptionless = latency::door(self.exceptionless, latency).await;
            self.vault = latency::door(self.vault, latency).await;
        }
        self.rig.set("exceptionless", "url", &format!("\"http://{}\"", self.exceptionless));
        self.rig.set("vault", "address", &format!("\"http://{}\"", self.vault));
    }

    /// The rotator, to rotate everything.
    pub fn rotation(&self) -> Command {
        self.rig.command(&["rotate", "--all", "--output", "json"])
    }

    /// Everything is rotated once by the rotator, and what that replaced waits for its end.
    pub async fn rotate(&self) -> (Cost, Value) {
        let cost = measure::run(self.rotation()).await;
        let document = serde_json::from_slice(&cost.output.stdout).unwrap();
        (cost, document)
    }

    /// Waits until what the last run replaced may be revoked.
    pub async fn ripen(&self) {
        until(chrono::Utc::now() + OVERLAP + VAULT_TIMEOUT).await;
    }

    /// The requests that Exceptionless has counted against the user's budget since it was last asked.
    pub fn counted(&self) -> u64 {
        let counted = self.rig.emulator.requests().counted;
        self.rig.emulator.reset_requests();
        counted
    }

    /// What the rivals are told.
    pub async fn tell(&self, command: &mut Command) {
        let corner = &self.rig.corner;
        command
            .env("EXCEPTIONLESS_URL", format!("http://{}", self.exceptionless))
            .env("EXCEPTIONLESS_EMAIL", exceptionless_emulator::EMAIL)
            .env("EXCEPTIONLESS_PASSWORD_FILE", self.rig.path("password"))
            .env("VAULT_ADDR", format!("http://{}", self.vault))
            .env("VAULT_MOUNT", &corner.mount)
            .env("VAULT_FOLDER", FOLDER)
            .env("VAULT_AUTH_MOUNT", &corner.mount)
            .env("VAULT_ROLE_ID", corner.role_id().await)
            .env("VAULT_SECRET_ID_FILE", corner.secret_id_file())
            .env("OVERLAP_SECONDS", "0");
    }

    /// Leads the generator to where the servers are now.
    pub fn lead(&self, load: &mut Load) {
        (load.exceptionless, load.vault) = (self.exceptionless, self.vault);
    }

    /// The same requests for the generator, which has a fleet of its own.
    pub async fn load(&self) -> Load {
        let Rig { emulator, corner, .. } = &self.rig;
        let secret_id = std::fs::read_to_string(corner.secret_id_file()).unwrap();
        let login = json!({"role_id": corner.role_id().await, "secret_id": secret_id.trim()});
        Load {
            exceptionless: self.exceptionless,
            vault: self.vault,
            login: json!({"email": exceptionless_emulator::EMAIL, "password": PASSWORD}).to_string(),
            vault_login: (format!("auth/{}/login", corner.mount), login.to_string()),
            mount: corner.mount.clone(),
            folder: FOLDER.to_owned(),
            organizations: emulator.organizations().into_iter().map(|one| one.id).collect(),
            projects: self.rig.projects(),
            version: 0,
            retiring: Vec::new(),
            key_pages: 0,
            concurrency: CONCURRENCY,
            client: None,
        }
    }
}

fn address(url: &str) -> SocketAddr {
    let url: Url = url.parse().unwrap();
    SocketAddr::new(url.host_str().unwrap().parse().unwrap(), url.port().unwrap())
}
