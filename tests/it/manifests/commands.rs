//! The commands that the README gives, as somebody would copy them.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use exceptionless_emulator::{Emulator, Settings};
use serde_json::Value;
use tempfile::TempDir;

use super::{folder, named, pods, root};
use crate::support::bao::{self, Bao};
use crate::support::kubernetes::Kubernetes;
use crate::support::rig::PASSWORD;

/// The blocks of shell commands below a heading, or all of them.
fn blocks(heading: &str) -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let end = section.find("\n### ").filter(|_| heading.starts_with("\n### ")).unwrap_or(section.len());
    let parts = section[..end].split("```sh\n").skip(1);
    parts.map(|part| part.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn every_block_of_shell_commands_can_be_read_by_a_shell() {
    let blocks = blocks("");
    assert!(blocks.len() > 5, "the blocks were not found");
    for block in blocks {
        let output = Command::new("bash").args(["-n", "-c", &block]).output().unwrap();
        assert!(output.status.success(), "{block}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_is_created_by_hand_is_what_the_pods_mount() {
    let block = blocks("\n### Kubernetes\n").remove(1);
    let [fleet, _] = pods();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let secret = &named(&fleet.spec["volumes"], "exceptionless")["secret"];
    let (name, key) = (word(&secret["secretName"]), word(&secret["items"][0]["key"]));
    assert!(block.contains(&format!("create secret generic {name} --from-file={key}=")), "{block}");
    let authorities = &named(&fleet.spec["volumes"], "vault")["projected"]["sources"][1]["configMap"];
    let (name, key) = (word(&authorities["name"]), word(&authorities["items"][0]["key"]));
    assert!(block.contains(&format!("create configmap {name} --from-file={key} ")), "{block}");
    for file in block.split_whitespace().filter(|word| word.starts_with("config/")) {
        assert!(root().join(file).exists(), "{file}");
    }
}

#[tokio::test]
async fn what_the_readme_sets_up_at_vault_is_what_the_shipped_configuration_needs() {
    let (bao, kubernetes) = (Bao::own().await, Kubernetes::start());
    let emulator =
        Emulator::start(Settings { organizations: 1, projects: 2, ..Settings::default() }).await.unwrap();
    let home = TempDir::new().unwrap();
    let place = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };

    // Outside of a cluster Vault must be told what it would find in its own pod.
    let host = "kubernetes_host=https://kubernetes.default.svc";
    let block = blocks("\n### Kubernetes\n").remove(0);
    assert!(block.contains(host), "{block}");
    let here = format!(
        "kubernetes_host={} kubernetes_ca_cert=none token_reviewer_jwt=a-token-that-may-review",
        kubernetes.address()
    );
    symlink(bao::binary(), home.path().join("vault")).unwrap();
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &block.replace(host, &here)]).current_dir(root()).env_clear();
    shell.envs([("PATH", path.as_str()), ("HOME", home.path().to_str().unwrap())]);
    shell.envs([("VAULT_ADDR", bao.address.as_str()), ("VAULT_TOKEN", bao.root_token())]);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_exceptionless-rotator"));
    command.env_clear().args(["rotate", "--config"]).arg(folder().join("config.toml"));
    command.env("ROTATOR__EXCEPTIONLESS__URL", emulator.url());
    command.env("ROTATOR__EXCEPTIONLESS__EMAIL", "rotator@example.test");
    command.env("ROTATOR__EXCEPTIONLESS__PASSWORD_FILE", place("password", PASSWORD));
    command.env("ROTATOR__VAULT__ADDRESS", &bao.address);
    command.env("ROTATOR__VAULT__AUTH__JWT_FILE", place("token", &kubernetes.token()));
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for project in emulator.projects() {
        let secret = bao.root("GET", &format!("secret/data/exceptionless/{}", project.id), Value::Null).await;
        assert!(emulator.authenticates(secret["data"]["data"]["api_key"].as_str().unwrap()));
    }
}
