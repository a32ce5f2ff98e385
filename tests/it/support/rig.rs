//! The whole arrangement: an emulated Exceptionless, a corner of a real OpenBao, and the real binary between
//! them, as an operator would run it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::TimeDelta;
use exceptionless_emulator::{Emulator, Relay, Settings, Token};
use serde_json::{Value, json};
use tokio::process::Command;

use super::bao::{Bao, Corner, FOLDER};
use super::patience;
use super::process::{Ended, Process};

/// What our fields begin with in a secret that has other owners.
pub const PREFIX: &str = "ex_";
/// What another owner keeps there.
pub const OF_ANOTHER: &str = "value-of-another-owner";
/// The password of the emulator's user.
pub const PASSWORD: &str = "correct horse";

pub struct Rig {
    pub emulator: Emulator,
    pub corner: Corner<'static>,
    /// The configuration, as text that each test may change: section, then lines.
    pub config: BTreeMap<String, String>,
    /// Variables for the rotator's environment, and nothing else is in it.
    pub environment: BTreeMap<String, String>,
}

impl Rig {
    /// Seven projects in three organizations.
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// So many projects in one organization.
    pub async fn sized(projects: usize) -> Self {
        Self::with(Settings { organizations: 1, projects, ..Settings::default() }).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::on(Bao::shared().await, settings).await
    }

    pub async fn on(bao: &'static Bao, settings: Settings) -> Self {
        let emulator = Emulator::start(settings).await.unwrap();
        let corner = bao.corner().await;
        std::fs::write(corner.dir.path().join("password"), PASSWORD).unwrap();
        let config = BTreeMap::from([
            (
                "exceptionless".to_owned(),
                format!(
                    "url = \"{}\"\nauth = \"login\"\nemail = \"rotator@example.test\"\npassword_file = \"password\"",
                    emulator.url()
                ),
            ),
            (
                "vault".to_owned(),
                format!(
                    "address = \"{}\"\nmount = \"{}\"\npath = \"{FOLDER}/{{project_id}}\"\ntimeout = \"1s\"",
                    corner.bao.address, corner.mount
                ),
            ),
            (
                "vault.auth".to_owned(),
                format!(
                    "method = \"approle\"\nmount = \"{}\"\nrole_id = \"{}\"\nsecret_id_file = \"secret-id\"",
                    corner.mount,
                    corner.role_id().await
                ),
            ),
            ("rotation".to_owned(), "schedule = \"0 3 1 1 *\"\nsplay = \"0s\"".to_owned()),
            // Many rotators run beside each other, and one address serves one of them.
            ("admin".to_owned(), "listen = \"\"".to_owned()),
            ("log".to_owned(), "level = \"trace\"".to_owned()),
        ]);
        Self { emulator, corner, config, environment: BTreeMap::new() }
    }

    /// Adds a line to a section, or replaces the one with the same key.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> &mut Self {
        let lines = self.config.entry(section.to_owned()).or_default();
        let kept = lines.lines().filter(|line| line.split(" = ").next() != Some(key)).map(str::to_owned);
        *lines = kept.chain([format!("{key} = {value}")]).collect::<Vec<_>>().join("\n");
        self
    }

    /// Puts a relay before Vault.
    pub async fn relay_vault(&mut self) -> Relay {
        let relay = Relay::to(&self.corner.bao.address).await.unwrap();
        self.set("vault", "address", &format!("\"{}\"", relay.url()));
        relay
    }

    /// Keeps old keys for so long. A proof says it once, for the rotator and for the audit.
    pub fn set_overlap(&mut self, overlap: TimeDelta) -> &mut Self {
        self.set("rotation", "overlap", &format!("\"{}s\"", overlap.num_seconds()))
    }

    /// Puts a field of another owner into each project's secret, and lets the rotator put its own beside it.
    pub async fn share(&mut self) -> &mut Self {
        for project in self.projects() {
            self.corner.put_raw(&Self::place(&project), json!({"password": OF_ANOTHER})).await;
        }
        self.set("vault", "write", "\"merge\"").set("vault", "field_prefix", &format!("{PREFIX:?}"))
    }

    /// Whether other owners still have their field in each project's secret.
    pub async fn others_are_kept(&self) -> bool {
        for project in self.projects() {
            if self.secret(&project).await["password"] != OF_ANOTHER {
                return false;
            }
        }
        true
    }

    /// The name under which a field of ours stands in a secret.
    pub fn field(&self, name: &str) -> String {
        let merges = self.config["vault"].contains("field_prefix");
        if merges { format!("{PREFIX}{name}") } else { name.to_owned() }
    }

    /// Takes a line out of a section.
    pub fn unset(&mut self, section: &str, key: &str) -> &mut Self {
        let lines = self.config.entry(section.to_owned()).or_default();
        let kept: Vec<_> = lines.lines().filter(|line| line.split(" = ").next() != Some(key)).collect();
        *lines = kept.join("\n");
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.corner.dir.path().join(name)
    }

    pub fn write_config(&self) -> PathBuf {
        let section = |(name, lines): (&String, &String)| format!("[{name}]\n{lines}\n\n");
        let file = self.path("config.toml");
        std::fs::write(&file, self.config.iter().map(section).collect::<String>()).unwrap();
        file
    }

    /// The binary with this rig's configuration and environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with(&self.write_config(), arguments)
    }

    pub fn command_with(&self, config: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_exceptionless-rotator"));
        command.env_clear().envs(&self.environment);
        command.arg("--config").arg(config).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().await.unwrap())
    }

    /// A run that must end well, and its JSON document.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.document()
    }

    /// A run that must end well.
    pub async fn rotate(&self) -> Ended {
        let ended = self.run(&["rotate"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }

    /// Passes, one after another, until something is true. All of them must end well, but for an attempt that a busy
    /// machine makes older than the short overlap of a test.
    pub async fn rotate_until(&self, what: &str, done: impl AsyncFn() -> bool) {
        patience(what, async || {
            let ended = self.run(&["rotate"]).await;
            assert!(ended.code == 0 || ended.stderr.contains("the attempt took longer than"), "{ended:?}");
            done().await
        })
        .await;
    }

    /// A run that goes on while the test does something, its output going to a file.
    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments), self.path("run.log"))
    }

    pub fn daemon(&self) -> Process {
        self.start(&["run"])
    }

    /// What both servers hold that only a write could change.
    pub async fn marks(&self) -> (Value, Vec<String>) {
        let mut secrets = json!({});
        for project in self.projects() {
            let path = format!("{}/metadata/{FOLDER}/{project}", self.corner.mount);
            secrets[&project] = self.corner.bao.any("GET", &path, Value::Null).await.1["data"].take();
        }
        let keys = self.emulator.state(|state| state.tokens());
        (
            secrets,
            keys.into_iter().map(|key| format!("{} {:?} {}", key.id, key.notes, key.disabled)).collect(),
        )
    }

    /// Every project has exactly one live key of ours, and it is the published one.
    pub async fn has_converged(&self) -> bool {
        for project in self.projects() {
            let published = self.published(&project).await;
            if published.is_none() || self.own_keys(&project) != Vec::from_iter(published) {
                return false;
            }
        }
        true
    }

    /// The path of a project's secret, as its owner would write it.
    pub fn place(project: &str) -> String {
        format!("{FOLDER}/{project}")
    }

    /// The `custom_metadata` of a project's secret.
    pub async fn custom_metadata(&self, project: &str) -> Value {
        self.corner.metadata(&Self::place(project)).await["custom_metadata"].take()
    }

    /// The version of a project's secret; 0 when there is none.
    pub async fn version(&self, project: &str) -> u64 {
        let path = format!("{}/metadata/{}", self.corner.mount, Self::place(project));
        let (_, answer) = self.corner.bao.any("GET", &path, Value::Null).await;
        answer["data"]["current_version"].as_u64().unwrap_or(0)
    }

    /// The secret of a project, as an application reads it.
    pub async fn secret(&self, project: &str) -> Value {
        self.corner.get_raw(&format!("{FOLDER}/{project}")).await
    }

    /// The published key of a project, if it has one.
    pub async fn published(&self, project: &str) -> Option<String> {
        let path = format!("{}/data/{}", self.corner.mount, Self::place(project));
        let (_, answer) = self.corner.bao.any("GET", &path, Value::Null).await;
        key_in(&answer["data"]["data"]).map(str::to_owned)
    }

    /// The published key of a project, which must have one.
    pub async fn key(&self, project: &str) -> String {
        key_in(&self.secret(project).await).unwrap().to_owned()
    }

    /// The published keys of all projects, by project.
    pub async fn keys(&self) -> BTreeMap<String, String> {
        let mut keys = BTreeMap::new();
        for project in self.emulator.projects() {
            keys.insert(project.id.clone(), self.key(&project.id).await);
        }
        keys
    }

    /// The ids of all projects, in order.
    pub fn projects(&self) -> Vec<String> {
        self.emulator.projects().into_iter().map(|project| project.id).collect()
    }

    /// The live keys of a project that the rotator made.
    pub fn own_keys(&self, project: &str) -> Vec<String> {
        let keys = self.emulator.live_keys(project).into_iter();
        keys.filter(is_own).map(|key| key.id).collect()
    }

    /// The live keys of all projects that the rotator did not make. The emulator has one in each from the beginning.
    pub fn peoples_keys(&self) -> Vec<String> {
        let keys = self.projects().into_iter().flat_map(|project| self.emulator.live_keys(&project));
        keys.filter(|key| !is_own(key)).map(|key| key.id).collect()
    }
}

/// The key in a secret, in whatever shape that is.
pub fn key_in(secret: &Value) -> Option<&str> {
    let mut fields = secret.as_object()?.iter();
    fields.find(|(name, _)| name.to_lowercase().ends_with("api_key"))?.1.as_str()
}

/// Whether the notes of a key say that the rotator made it.
pub fn is_own(key: &Token) -> bool {
    key.notes.as_deref().is_some_and(|notes| notes.starts_with("exceptionless-rotator/1 "))
}
