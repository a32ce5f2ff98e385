//! Projects that are deleted, or seem to be.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind, Settings};
use serde_json::{Value, json};

use super::rotate;
use crate::support::process::Ended;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_deleted_project_is_marked_and_kept_and_many_at_once_are_not_believed() {
    let rig = Rig::sized(20).await;
    rig.rotate().await;
    let projects = rig.projects();
    let (gone, rest) = projects.split_at(2);
    gone.iter().for_each(|project| rig.emulator.delete_project(project));

    let ended = rig.rotate().await;
    assert_eq!(ended.events().iter().filter(|event| *event == "project.vanished").count(), 2);
    for project in gone {
        assert!(rig.custom_metadata(project).await["vanished_at"].is_string());
        assert!(rig.secret(project).await["api_key"].is_string(), "the secret is kept");
    }
    let marked = rig.custom_metadata(&gone[0]).await;
    let ended = rig.rotate().await;
    assert!(!ended.events().contains(&"project.vanished".to_owned()), "it is said once");
    assert_eq!(rig.custom_metadata(&gone[0]).await, marked);

    // As when the user loses a membership: two of eighteen are more than a tenth.
    rest[..2].iter().for_each(|project| rig.emulator.delete_project(project));
    let planned = rig.json(&["plan"]).await;
    assert_eq!(planned["vanished"]["held"].as_array().unwrap().len(), 2);
    let ended = rotate(&rig, &[]).await;
    assert!(ended.events().contains(&"projects.vanish_held".to_owned()));
    let problems = ended.document()["problems"].to_string();
    assert!(problems.contains("2 of 18"), "a person who looks at the result is told: {problems}");
    assert_eq!(ended.code, 1, "somebody must look");
    for project in &rest[..2] {
        assert_eq!(rig.custom_metadata(project).await["vanished_at"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_deleted_project_is_soft_deleted_where_the_operator_wants_it() {
    let mut rig = Rig::sized(10).await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.rotate().await;
    let project = rig.projects().remove(0);
    let secret = rig.secret(&project).await;
    rig.emulator.delete_project(&project);
    assert_eq!(rig.json(&["rotate"]).await["vanished"], json!([Rig::place(&project)]));
    let path = format!("{}/data/{}", rig.corner.mount, Rig::place(&project));
    assert_eq!(rig.corner.bao.any("GET", &path, Value::Null).await.0, 404);
    assert_eq!(rig.json(&["rotate"]).await["vanished"], json!([]));

    let undelete = format!("{}/undelete/{}", rig.corner.mount, Rig::place(&project));
    rig.corner.bao.root("POST", &undelete, json!({"versions": [1]})).await;
    assert_eq!(rig.secret(&project).await, secret, "a person can bring it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_answer_is_lost_tells_what_happened_to_the_answer() {
    let mut rig = Rig::sized(10).await;
    let relay = rig.relay_vault().await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.rotate().await;
    rig.emulator.delete_project(&rig.projects()[0]);
    let deletions = format!("/v1/{}/delete/", rig.corner.mount);
    relay.add_fault(Fault::new("POST", &deletions, Kind::Drop).applied());
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1);
    let problem = &ended.document()["problems"][0];
    let problem = problem.as_str().unwrap();
    assert!(problem.contains("not known whether") && problem.contains("connection"), "{problem}");
    assert!(ended.events().contains(&"project.vanish_failed".to_owned()));
    assert_eq!(rig.json(&["rotate"]).await["problems"], json!([]), "it was applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_comes_back_is_no_longer_marked() {
    let rig = Rig::sized(1).await;
    let project = rig.projects().remove(0);
    rig.rotate().await;
    let mark = json!({"managed_by": "exceptionless-rotator/1 instance=default"});
    let mut vanished = mark.clone();
    vanished["vanished_at"] = json!("2026-01-01T00:00:00Z");
    rig.corner.put_metadata(&Rig::place(&project), json!({"custom_metadata": vanished})).await;
    rig.rotate().await;
    assert_eq!(rig.custom_metadata(&project).await, mark);
    assert_eq!(rig.version(&project).await, 1, "its key stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_is_lost_from_sight_loses_nothing() {
    let rig = Rig::new().await;
    rig.rotate().await;
    let membership = rig.emulator.state(|state| {
        state.users[0].organization_ids.pop().map(|organization| (organization, state.tokens().len()))
    });
    let (organization, keys) = membership.unwrap();
    let ended = rotate(&rig, &[]).await;
    assert!(ended.events().contains(&"projects.vanish_held".to_owned()), "{ended:?}");
    rig.emulator.state(|state| state.users[0].organization_ids.push(organization));
    let document = rig.json(&["rotate"]).await;
    assert_eq!(document["published"], 0);
    assert_eq!(rig.emulator.state(|state| state.tokens().len()), keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_of_an_organization_that_is_lost_from_sight_are_not_deleted() {
    let mut rig = Rig::with(Settings { organizations: 12, projects: 12, ..Settings::default() }).await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.rotate().await;
    let lost = rig.emulator.state(|state| state.users[0].organization_ids.pop()).unwrap();
    let projects = rig.emulator.projects().into_iter();
    let project =
        projects.filter(|project| project.organization_id == lost).map(|one| one.id).next().unwrap();
    let told = |ended: &Ended| ended.lines().into_iter().find(|line| line["event"] == "project.vanished");
    assert_eq!(told(&rig.rotate().await).expect("somebody must look")["fate"], "held");
    assert_eq!(told(&rig.rotate().await), None, "it is said once");
    assert!(rig.emulator.authenticates(&rig.key(&project).await));
    rig.emulator.state(|state| state.users[0].organization_ids.push(lost));
    rig.rotate().await;
    assert_eq!(rig.custom_metadata(&project).await["vanished_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_some_projects_judges_no_others() {
    let rig = Rig::sized(2).await;
    rig.rotate().await;
    let [gone, other] = <[String; 2]>::try_from(rig.projects()).unwrap();
    rig.emulator.delete_project(&gone);
    let ended = rotate(&rig, &["--project", &other]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.events().iter().any(|event| event.contains("vanish")), "{ended:?}");
    assert_eq!(rig.custom_metadata(&gone).await["vanished_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_puts_in_the_place_of_a_vanished_secret_is_not_deleted() {
    let mut rig = Rig::sized(10).await;
    rig.set("rotation", "on_vanished", "\"delete\"");
    rig.rotate().await;
    let project = rig.projects().remove(0);
    rig.emulator.delete_project(&project);
    rig.emulator.reset_requests();
    rig.emulator.fail_next("GET", "organizations/{id}/tokens", Kind::Slow(Duration::from_secs(2)));
    let theirs = json!({"password": "of somebody else"});
    let person = async {
        rig.emulator.until_called("GET", "organizations/{id}/tokens", 1).await;
        rig.corner.put_raw(&Rig::place(&project), theirs.clone()).await;
    };
    let (ended, ()) = tokio::join!(rotate(&rig, &[]), person);
    assert_eq!((ended.code, &ended.document()["vanished"]), (0, &json!([])), "{ended:?}");
    assert_eq!(rig.secret(&project).await, theirs);
}
