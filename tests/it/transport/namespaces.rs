//! A namespace inside of another, with everything that a rotation needs inside.

use std::fs;

use serde_json::{Value, json};

use crate::support::bao::{Bao, FOLDER};
use crate::support::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_rotation_takes_place_in_a_nested_namespace() {
    let mut rig = Rig::on(Bao::shared().await, super::small()).await;
    let (bao, mount) = (rig.corner.bao, rig.corner.mount.clone());
    let outer = format!("{mount}-team");
    let inner = format!("{outer}/checkout");
    bao.root("POST", &format!("sys/namespaces/{outer}"), json!({})).await;
    bao.root("POST", &format!("{outer}/sys/namespaces/checkout"), json!({})).await;
    bao.mount_in(&inner, &mount, "2").await;
    let policy = bao.root("GET", &format!("sys/policies/acl/{mount}"), Value::Null).await;
    let policy = json!({"policy": policy["data"]["policy"]});
    bao.root("POST", &format!("{inner}/sys/policies/acl/{mount}"), policy).await;
    bao.root("POST", &format!("{inner}/sys/auth/{mount}"), json!({"type": "approle"})).await;
    let role = json!({"token_policies": [mount], "token_no_default_policy": true});
    bao.root("POST", &format!("{inner}/auth/{mount}/role/{mount}"), role).await;
    let answer = bao.root("GET", &format!("{inner}/auth/{mount}/role/{mount}/role-id"), Value::Null).await;
    rig.set("vault.auth", "role_id", &answer["data"]["role_id"].to_string());
    let answer = bao.root("POST", &format!("{inner}/auth/{mount}/role/{mount}/secret-id"), json!({})).await;
    fs::write(rig.path("secret-id"), answer["data"]["secret_id"].as_str().unwrap()).unwrap();

    // A role of one namespace is none of another.
    for namespace in ["", &outer] {
        rig.set("vault", "namespace", &format!("{namespace:?}"));
        let ended = rig.run(&["rotate"]).await;
        assert_eq!(ended.code, 77, "{namespace}: {ended:?}");
        assert!(ended.stderr.contains("vault.namespace"), "{ended:?}");
    }
    rig.set("vault", "namespace", &format!("\"/{inner}/\""));
    rig.rotate().await;
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains(&format!("in the namespace {inner}")), "{}", check.stdout);
    for project in rig.projects() {
        let path = format!("{inner}/{mount}/data/{FOLDER}/{project}");
        let secret = bao.root("GET", &path, Value::Null).await;
        assert_eq!(rig.own_keys(&project), [secret["data"]["data"]["api_key"].as_str().unwrap()]);
        assert_eq!(rig.published(&project).await, None, "nothing is outside of it");
    }
}
