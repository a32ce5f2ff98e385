//! The program: it says where it listens, answers, and stops when asked to.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn it_announces_its_address_serves_and_stops_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_exceptionless-emulator"))
        .args(["--listen", "127.0.0.1:0", "--projects", "2", "--organizations", "1"])
        .args(["--latency", "1ms", "--rate-limit", "10", "--rate-window", "15m"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    let client = crate::server::builder().build().unwrap();
    let state: serde_json::Value =
        client.get(format!("{url}/__emulator/state")).send().await.unwrap().json().await.unwrap();
    assert_eq!(state["projects"].as_array().unwrap().len(), 2);
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(child.wait().await.unwrap().success());
}
