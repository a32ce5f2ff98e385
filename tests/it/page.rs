//! The status page in a real browser: seen, typed into, and listened to, with a fleet that fits on a screen and with one that
//! does not.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use exceptionless_emulator::{Fault, Kind, Settings};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::visitor::Visitor;

/// What the browser saw, with its screenshots in a folder of this name under `target/page`.
async fn look(visitor: &Visitor, name: &str, state: &str, words: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (tools, folder) =
        (root.join("target/tools/browser/node_modules"), root.join("target/page").join(name));
    assert!(tools.join("playwright-core").is_dir(), "run `make browser` first");
    std::fs::create_dir_all(&folder).unwrap();
    let script: PathBuf = root.join("tests/it/page/look.js");
    let mut node = Command::new("node");
    node.arg(script).arg(&visitor.url).arg(&folder).args([state, words]).env("NODE_PATH", tools);
    let ended = node.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let found: Value = serde_json::from_slice(&ended.stdout).unwrap();
    println!("{name}: {found}");
    found
}

async fn shown(rig: &mut Rig) -> (Process, Visitor) {
    Visitor::prepare(rig).set("log", "level", "\"info\"");
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    daemon.until("pass.finished", 1).await;
    (daemon, visitor)
}

/// What holds for every fleet.
fn holds(found: &Value, url: &str) {
    assert_eq!(found["complaints"], json!([]), "the console is silent, and the policy is kept");
    assert_eq!(found["violations"], json!([]), "whoever cannot see it can read it");
    let foreign = |asked: &&Value| !asked.as_str().unwrap().starts_with(url);
    let requests = found["requests"].as_array().unwrap();
    assert!(!requests.is_empty());
    assert_eq!(requests.iter().find(foreign), None, "nothing comes from elsewhere");
    assert_eq!(found["skip"], "skip", "the first stop of the keyboard leads past the head");
    assert_eq!(found["without_script"], found["rows"], "all is there without the script");
    assert_eq!(found["after_refresh"], found["filtered"], "a refresh keeps the filter");
    assert_ne!(found["overflows"], true, "a narrow screen does not scroll sideways");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_projects_are_seen_at_a_glance() {
    let mut rig = Rig::sized(5).await;
    rig.set("rotation", "overlap", "\"1h\"");
    let projects = rig.projects();
    rig.rotate().await;
    let again = rig.run(&["rotate", "--project", &projects[1]]).await;
    assert_eq!(again.code, 0, "{again:?}");
    rig.corner.put_raw(&Rig::place(&projects[4]), json!({"password": "of another"})).await;
    rig.emulator.delete_key(&rig.key(&projects[3]).await);
    let route = format!("/api/v2/projects/{}/tokens", projects[3]);
    rig.emulator.add_fault(Fault::new("POST", &route, Kind::Status(500)).always());

    let (_daemon, visitor) = shown(&mut rig).await;
    let found = look(&visitor, "5", "problem", &projects[1]).await;
    holds(&found, &visitor.url);
    assert_eq!(found["rows"], 5);
    assert_eq!((&found["filtered"], &found["told"]), (&json!(1), &json!("1 of 5 shown")));
    assert_eq!(found["of_the_state"], 2, "a conflict, and a project whose key cannot be replaced");
    let name =
        |project: &str| rig.emulator.projects().into_iter().find(|one| one.id == project).unwrap().name;
    assert_eq!(found["up"], json!([format!("Acme/{}", name(&projects[0])), "ascending"]));
    assert_eq!(found["down"], json!([format!("Acme/{}", name(&projects[4])), "descending"]));
    assert!(found["keys"].as_str().unwrap().contains("ends in "), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_projects_are_found_by_typing() {
    let settings = Settings { organizations: 2, projects: 2000, rate_limit: 0, ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    rig.set("vault", "timeout", "\"30s\"");
    let (_daemon, visitor) = shown(&mut rig).await;
    // By its id: of two thousand fingerprints, which are hexadecimal too, one now and then has a given number in it.
    let words = format!("project {}", rig.projects()[1998]);
    let found = look(&visitor, "2000", "fresh", &words).await;
    holds(&found, &visitor.url);
    assert_eq!(found["rows"], 2000);
    assert_eq!(found["filtered"], 1);
    assert_eq!(found["of_the_state"], 2000);
    assert_eq!(found["down"][0], "Borealis/Project 2000", "numbers are sorted as such");
}
