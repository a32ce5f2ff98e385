//! What programs read: the JSON documents and the exit codes, which are promises.

use std::collections::BTreeSet;

use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use crate::support::rig::Rig;

fn names(document: &Value) -> BTreeSet<&str> {
    document
        .as_object()
        .unwrap_or_else(|| panic!("no object: {document}"))
        .keys()
        .map(String::as_str)
        .collect()
}

fn assert_names(document: &Value, expected: &[&str]) {
    assert_eq!(names(document), BTreeSet::from_iter(expected.iter().copied()), "{document}");
}

const STATUS: [&str; 14] = [
    "project_id",
    "project",
    "organization",
    "path",
    "key",
    "version",
    "rotated_at",
    "age_seconds",
    "next_rotation_at",
    "overlap_seconds",
    "retiring",
    "decision",
    "reason",
    "problem",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_document_has_the_names_that_it_promises() {
    let rig = Rig::sized(2).await;
    let plan = rig.json(&["plan"]).await;
    assert_names(&plan, &["projects", "vanished", "moved", "problems", "budget", "next_pass_at"]);
    assert_names(&plan["vanished"], &["mark", "delete", "held"]);
    assert_names(&plan["moved"], &["mark", "delete", "bereft"]);
    let of_budget = ["listing", "mint", "retire", "disable", "total", "limit", "remaining", "reserve"];
    assert_names(&plan["budget"], &of_budget);
    let row = &plan["projects"][0];
    let of_plan = [
        "project_id",
        "project",
        "organization",
        "path",
        "decision",
        "reason",
        "explanation",
        "key",
        "retire",
        "revoke",
        "disable",
        "out_of_reach",
        "next_rotation_at",
    ];
    assert_names(row, &of_plan);
    assert_eq!((&row["decision"], &row["reason"]), (&json!("rotate"), &json!("never_published")));
    assert_eq!(plan["budget"]["mint"], 2);
    assert_eq!(rig.emulator.requests().writes, 0, "a plan writes nothing");
    assert_eq!(rig.version(&rig.projects()[0]).await, 0);

    let rotate = rig.json(&["rotate"]).await;
    let of_rotate = [
        "projects",
        "published",
        "retired",
        "disabled",
        "reshaped",
        "failed",
        "vanished",
        "problems",
        "requests",
        "duration_ms",
        "interrupted",
    ];
    assert_names(&rotate, &of_rotate);
    let row = &rotate["projects"][0];
    let of_row = [
        "project_id",
        "project",
        "organization",
        "path",
        "decision",
        "reason",
        "outcome",
        "key",
        "version",
        "problem",
    ];
    assert_names(row, &of_row);
    assert_eq!(row["outcome"], "published");
    assert_eq!(row["version"], 1);

    rig.json(&["rotate", "--all"]).await;
    let status = rig.json(&["status"]).await;
    assert_names(&status, &["projects", "lease", "problems"]);
    assert_eq!(status["lease"], Value::Null);
    let row = &status["projects"][0];
    assert_names(row, &STATUS);
    assert_eq!(row["version"], 2);
    assert_eq!((&row["decision"], &row["reason"]), (&json!("hold"), &json!("up_to_date")));
    assert_names(&row["retiring"][0], &["key", "since", "revoked_after", "disabled", "deleted_after"]);

    let explain = rig.json(&["explain", "Project 1"]).await;
    assert_names(&explain, &["projects", "not_selected"]);
    let of_explain =
        [&STATUS[..], &["explanation", "schedule", "rule", "revocation", "disabled_for_seconds"]].concat();
    assert_names(&explain["projects"][0], &of_explain);

    let check = rig.json(&["check"]).await;
    assert_names(&check, &["findings"]);
    assert_names(&check["findings"][0], &["check", "result", "detail"]);
    // In each project the two of ours, and one of a person.
    assert!(check.to_string().contains("2 of 2 are selected; 6 keys are listed"), "{check}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_the_pass_then_costs() {
    let rig = Rig::new().await;
    let planned = rig.json(&["plan"]).await["budget"]["total"].as_u64().unwrap();
    let spent = rig.json(&["rotate"]).await["requests"].as_u64().unwrap();
    assert_eq!(planned, spent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_what_kind_of_trouble_it_is() {
    let mut rig = Rig::sized(2).await;
    let code = async |rig: &Rig, arguments: &[&str]| rig.run(arguments).await.code;

    assert_eq!(code(&rig, &["rotate", "--frobnicate"]).await, 64);
    assert_eq!(code(&rig, &["rotate", "--revoke-previous-now"]).await, 64, "whose keys?");
    assert_eq!(code(&rig, &["rotate", "--project", "nobody"]).await, 64);
    assert_eq!(code(&rig, &["explain", "nobody"]).await, 64);
    assert_eq!(code(&rig, &["--help"]).await, 0);

    rig.set("rotation", "schedule", "\"whenever\"");
    assert_eq!(code(&rig, &["rotate"]).await, 78);
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    let nowhere = rig.path("nowhere.toml");
    let ended = rig.command_with(&nowhere, &["rotate"]).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(78));

    std::fs::write(rig.path("password"), "wrong horse").unwrap();
    assert_eq!(code(&rig, &["rotate"]).await, 77);
    assert_eq!(code(&rig, &["check"]).await, 77);
    std::fs::write(rig.path("password"), "correct horse").unwrap();
    let secret_id = std::fs::read(rig.corner.secret_id_file()).unwrap();
    std::fs::write(rig.corner.secret_id_file(), "not-a-secret-id").unwrap();
    assert_eq!(code(&rig, &["rotate"]).await, 77);
    std::fs::write(rig.corner.secret_id_file(), secret_id).unwrap();

    let first = rig.projects().remove(0);
    rig.corner.put_raw(&Rig::place(&first), json!({"password": "of somebody else"})).await;
    for command in ["rotate", "plan", "status", "check"] {
        assert_eq!(code(&rig, &[command]).await, 1, "{command} with a conflict");
    }

    let address = rig.corner.bao.address.clone();
    rig.set("vault", "address", "\"http://127.0.0.1:1\"");
    assert_eq!(code(&rig, &["rotate"]).await, 69);
    rig.set("vault", "address", &format!("\"{address}\""));
    rig.set("exceptionless", "url", "\"http://127.0.0.1:1\"");
    assert_eq!(code(&rig, &["rotate"]).await, 69);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_in_vault_is_found_before_a_key_is_minted() {
    let rig = Rig::sized(2).await;
    let mount = &rig.corner.mount;
    let policy = format!("sys/policies/acl/{mount}");
    let text = rig.corner.bao.root("GET", &policy, Value::Null).await["data"]["policy"].take();
    let text = text.as_str().unwrap().replace("\"create\", ", "");
    rig.corner.bao.root("POST", &policy, json!({"policy": text})).await;
    let ended = rig.run(&["rotate", "--output", "json"]).await;
    assert_eq!(ended.code, 77, "{ended:?}");
    let problem = ended.document()["projects"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("create") && problem.contains("vault-policy.hcl"), "{problem}");
    assert_eq!(rig.emulator.requests().tokens_created, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_project_that_fails_stops_no_other() {
    let rig = Rig::new().await;
    let broken = rig.projects()[2].clone();
    let route = format!("/api/v2/projects/{broken}/tokens");
    rig.emulator.add_fault(Fault::new("POST", &route, Kind::Status(400)).always());
    let ended = rig.run(&["rotate", "--output", "json"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let document = ended.document();
    assert_eq!((&document["published"], &document["failed"]), (&json!(6), &json!(1)));
    assert_eq!(rig.version(&broken).await, 0);

    rig.emulator.clear_faults();
    assert_eq!(rig.json(&["rotate"]).await["published"], 1);
}
