//! Secrets and paths that are not ours.

use serde_json::json;

use super::rotate;
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_secret_stops_its_own_project_only_until_it_may_be_taken_over() {
    let mut rig = Rig::new().await;
    let project = rig.projects().remove(0);
    let theirs = json!({"password": "of somebody else"});
    rig.corner.put_raw(&Rig::place(&project), theirs.clone()).await;
    for arguments in [&[][..], &["--all"], &["--all", "--revoke-previous-now"]] {
        let ended = rotate(&rig, arguments).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        let document = ended.document();
        assert_eq!(document["published"], 6);
        assert_eq!(document["projects"][0]["reason"], "conflict");
        assert!(document["projects"][0]["problem"].as_str().unwrap().contains("adopt_paths"));
        assert_eq!(rig.secret(&project).await, theirs);
        assert_eq!(rig.custom_metadata(&project).await, json!(null), "it is not stamped as ours");
        assert_eq!(rig.own_keys(&project), [""; 0]);
        rig.json(&["rotate", "--project", "Borealis/*"]).await;
        // Whatever was published is due again, so that each round has work.
        for other in rig.projects().iter().skip(1) {
            rig.corner
                .bao
                .root("DELETE", &format!("{}/metadata/{}", rig.corner.mount, Rig::place(other)), json!(null))
                .await;
        }
    }

    rig.set("vault", "adopt_paths", "true");
    assert_eq!(rotate(&rig, &[]).await.code, 0);
    let secret = rig.secret(&project).await;
    assert!(rig.emulator.authenticates(secret["api_key"].as_str().unwrap()));
    assert_eq!(rig.version(&project).await, 2, "what stood there is the version before");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_another_instance_is_never_touched() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "instance", "\"staging\"");
    rig.rotate().await;
    let before = rig.marks().await;
    rig.set("rotation", "instance", "\"default\"").set("vault", "adopt_paths", "true");
    for arguments in [&[][..], &["--all"], &["--all", "--revoke-previous-now"]] {
        let ended = rotate(&rig, arguments).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.document()["projects"][0]["problem"].as_str().unwrap().contains("staging"));
        assert_eq!(ended.events().iter().filter(|event| *event == "project.held").count(), 2);
        assert_eq!(rig.marks().await, before);
    }

    // The mark in the metadata outlives the version.
    let project = rig.projects().remove(0);
    let path = format!("{}/delete/{}", rig.corner.mount, Rig::place(&project));
    rig.corner.bao.root("POST", &path, json!({"versions": [1]})).await;
    let before = rig.marks().await;
    assert_eq!(rotate(&rig, &["--all"]).await.code, 1);
    assert_eq!(rig.marks().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_with_paths_of_their_own_live_side_by_side() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.rotate().await;
    let ours = rig.keys().await;
    rig.set("rotation", "instance", "\"staging\"");
    rig.set("vault", "path", &format!("\"{}/staging-{{project_id}}\"", crate::support::bao::FOLDER));
    rig.rotate().await;
    rig.json(&["rotate", "--all", "--revoke-previous-now"]).await;
    for (project, key) in &ours {
        assert!(rig.emulator.authenticates(key), "the other instance's key of {project}");
        assert_eq!(rig.own_keys(project).len(), 2);
    }
    assert_eq!(rig.keys().await, ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_on_one_path_are_both_left_alone() {
    let mut rig = Rig::sized(3).await;
    rig.set("vault", "path", &format!("\"{}/{{project_name}}\"", crate::support::bao::FOLDER));
    let [first, second, third] = <[String; 3]>::try_from(rig.projects()).unwrap();
    rig.emulator.rename_project(&second, "project 1");
    let ended = rotate(&rig, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let document = ended.document();
    assert_eq!((&document["published"], &document["failed"]), (&json!(1), &json!(2)));
    for project in [&first, &second] {
        assert_eq!(rig.own_keys(project), [""; 0]);
    }
    assert_eq!(rig.own_keys(&third).len(), 1);

    rig.emulator.rename_project(&second, "Project 2");
    assert_eq!(rotate(&rig, &[]).await.document()["published"], 2);
}
