//! The binary, ended or still running, and what it said.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::patience;

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The values of the field `event`, in order.
    pub fn events(&self) -> Vec<String> {
        events(&self.stderr)
    }

    /// The log, line by line.
    pub fn lines(&self) -> Vec<Value> {
        lines(&self.stderr)
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A running binary. It is killed when it is dropped.
pub struct Process {
    pub child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts it. Several may write to one file.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn lines(&self) -> Vec<Value> {
        lines(&self.text())
    }

    /// How often the log has an event.
    pub fn count(&self, event: &str) -> usize {
        events(&self.text()).iter().filter(|seen| *seen == event).count()
    }

    /// Waits until the log has an event so many times.
    pub async fn until(&self, event: &str, times: usize) {
        patience(&format!("{times} x {event}, in {}", self.log.display()), async || {
            self.count(event) >= times
        })
        .await;
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and gives its exit code.
    pub async fn ended(&mut self) -> i32 {
        self.child.wait().await.unwrap().code().unwrap_or(-1)
    }

    /// Ends it as a crash of the machine would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn events(log: &str) -> Vec<String> {
    lines(log).iter().filter_map(|line| line["event"].as_str().map(str::to_owned)).collect()
}
