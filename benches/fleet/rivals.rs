//! What people would use instead: the same job as a script and as a Python program; and beside both, the idle agent of
//! the Vault side, for its memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::sleep;

use crate::measure::{self, Cost};
use crate::stage::Stage;
use crate::support::bao::binary;
use crate::support::patience;

/// A program that rotates every project of a stage.
#[derive(Clone, Copy)]
pub enum Rival {
    Rotator,
    Python,
    Script,
}

impl Rival {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rotator => "exceptionless-rotator",
            Self::Python => "Python (asyncio, aiohttp)",
            Self::Script => "script (curl, jq, bao)",
        }
    }

    /// How it is started.
    pub async fn command(self, stage: &Stage) -> Command {
        let mut command = match self {
            Self::Rotator => return stage.rotation(),
            Self::Python => Command::new("python3"),
            Self::Script => Command::new("bash"),
        };
        let file = if matches!(self, Self::Python) { "rotate.py" } else { "rotate.sh" };
        command.arg(home().join(file)).env("BAO", binary()).env("PYTHONPATH", packages());
        stage.tell(&mut command).await;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// The cost of a run in which it rotates every project and revokes what the run before has replaced.
    pub async fn measure(self, stage: &Stage, runs: usize) -> Vec<Cost> {
        // The first publishes, the second replaces.
        for _ in 0..2 {
            measure::run(self.command(stage).await).await;
        }
        let mut costs = Vec::new();
        for _ in 0..runs {
            stage.ripen().await;
            costs.push(measure::run(self.command(stage).await).await);
        }
        costs
    }

    /// How many instructions such a run takes, counted by valgrind; `None` where there is none.
    pub async fn instructions(self, stage: &Stage) -> Option<f64> {
        let plain = self.command(stage).await;
        let plain = plain.as_std();
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(plain.get_program()).args(plain.get_args()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::var_os("PATH")?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        stage.ripen().await;
        let output = command.output().await.ok()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let counted = said.lines().find_map(|line| line.split("Collected :").nth(1));
        counted.and_then(|count| count.trim().parse().ok())
    }
}

/// The memory of an agent that has logged in and has nothing to do: at rest, in bytes.
pub async fn agent(stage: &Stage) -> u64 {
    let rig = &stage.rig;
    let folder = rig.corner.dir.path();
    let sink = folder.join("sink");
    fs::write(rig.path("role-id"), rig.corner.role_id().await).unwrap();
    let more = format!(r#"sink "file" {{ config = {{ path = "{}" }} }}"#, sink.display());
    let configuration = rig.corner.agent_login(folder, &more);
    let file = rig.path("agent.hcl");
    fs::write(&file, configuration).unwrap();
    let mut agent = Command::new(binary())
        .arg("agent")
        .arg(format!("-config={}", file.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    patience("the agent has logged in", async || sink.exists()).await;
    sleep(Duration::from_secs(2)).await;
    let memory = measure::memory(agent.id().unwrap(), "VmRSS");
    agent.kill().await.unwrap();
    memory
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals")
}

/// Where `make bench` puts what the Python program needs.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/rivals")
}
