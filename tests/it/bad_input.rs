//! Whatever is wrong, the run ends with the code that says whose turn it is and one message that names the
//! cause, the place and the remedy; nothing is written at either server.
//!
//! One test for each mistake. What holds for all of them is checked in [`Refusal::of`]. With `--nocapture`
//! the tests print their messages, to be read as an operator reads them.

mod configuration;
mod daemon;
mod environment;
mod exceptionless;
mod files;
mod projects;
mod usage;
mod vault;

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::bao::FOLDER;
use crate::support::process::Ended;
use crate::support::rig::Rig;

const SOME_FAILED: i32 = 1;
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const NOT_PERMITTED: i32 = 77;
const CONFIGURATION: i32 = 78;

/// How a run was refused.
struct Refusal {
    code: i32,
    message: String,
}

impl Refusal {
    /// Checks what every refusal has in common.
    async fn of(rig: &Rig, ended: Ended) -> Self {
        let Ended { code, stdout, stderr } = &ended;
        assert_eq!(stdout, "", "{ended:?}");
        let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{ended:?}");
        let message = stderr.lines().skip_while(|line| !line.starts_with("error: "));
        let message: Vec<_> = message.take_while(|line| !line.starts_with('{')).collect();
        let message = message.join("\n");
        says_nothing_twice(&message);
        keeps_secrets(rig, &ended);
        nothing_was_written(rig).await;
        Self { code: *code, message }
    }

    #[track_caller]
    fn says(self, code: i32, words: &[&str]) -> Self {
        let Self { code: found, message } = &self;
        println!("{found} | {message}");
        assert_eq!(*found, code, "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is not in: {message}");
        }
        self
    }
}

/// A pass that cannot begin.
async fn refused(rig: &Rig, code: i32, words: &[&str]) -> Refusal {
    let ended = rig.run(&["rotate", "--output", "json"]).await;
    Refusal::of(rig, ended).await.says(code, words)
}

/// A configuration that neither a command nor the daemon accepts, and of which the servers learn nothing.
async fn misconfigured(rig: &Rig, words: &[&str]) {
    misconfigured_in(rig, &rig.write_config(), words).await;
}

async fn misconfigured_in(rig: &Rig, file: &Path, words: &[&str]) {
    for arguments in [["rotate", "--output=json"].as_slice(), &["run"]] {
        let ended = rig.command_with(file, arguments).output().await.unwrap().into();
        Refusal::of(rig, ended).await.says(CONFIGURATION, words);
    }
    assert_eq!(rig.emulator.requests().total, 0);
}

/// A chain of errors easily repeats itself, and a reader at night stops reading.
#[track_caller]
fn says_nothing_twice(message: &str) {
    for line in message.lines() {
        let clauses: Vec<_> = line.split([':', ';', ',', '(', ')']).map(str::trim).collect();
        for (index, clause) in clauses.iter().enumerate().filter(|(_, clause)| clause.len() > 12) {
            assert!(!clauses[index + 1..].contains(clause), "{clause:?} is said twice in: {line}");
        }
    }
}

/// No password, key or token that exists anywhere in the arrangement is printed or logged.
#[track_caller]
fn keeps_secrets(rig: &Rig, ended: &Ended) {
    let mut secrets = rig.emulator.issued_secrets();
    for name in ["password", "token", "secret-id", "vault-token"] {
        secrets.extend(std::fs::read_to_string(rig.path(name)).ok());
    }
    for secret in secrets.iter().map(|secret| secret.trim()).filter(|secret| !secret.is_empty()) {
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

async fn nothing_was_written(rig: &Rig) {
    assert_eq!(rig.emulator.requests().writes, 0);
    assert_eq!(secrets_in_vault(rig).await, Vec::<String>::new());
}

/// The names of all secrets in this test's folder.
async fn secrets_in_vault(rig: &Rig) -> Vec<String> {
    let path = format!("{}/metadata/{FOLDER}", rig.corner.mount);
    let (_, listing) = rig.corner.bao.any("LIST", &path, Value::Null).await;
    let keys = listing["data"]["keys"].as_array().into_iter().flatten();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// Replaces the policy of this test's role.
async fn set_policy(rig: &Rig, policy: &str) {
    let path = format!("sys/policies/acl/{}", rig.corner.mount);
    rig.corner.bao.root("POST", &path, json!({"policy": policy})).await;
}

/// An address at which nobody listens.
fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
