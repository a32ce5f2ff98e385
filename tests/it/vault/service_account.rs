//! The login of a pod, with the token that its cluster projects into it.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use exceptionless_rotator::config::{self, SecretSource, VaultAuth};
use exceptionless_rotator::traffic::Traffic;
use exceptionless_rotator::vault::{Kind, LoginRefused, VaultError, VaultStore};

use super::{path, text};
use crate::support::bao::{Bao, Corner, instance};
use crate::support::kubernetes::Kubernetes;
use crate::support::rig::Rig;
use crate::support::secrets;

/// A corner of OpenBao that a cluster's pods may enter, and the file with their token.
struct Pod {
    kubernetes: Kubernetes,
    corner: Corner<'static>,
    mount: String,
    file: PathBuf,
}

impl Pod {
    async fn new() -> Self {
        let (kubernetes, corner) = (Kubernetes::start(), Bao::shared().await.corner().await);
        let mount = kubernetes.trusted_by(&corner).await;
        let file = corner.dir.path().join("pod-token");
        let pod = Self { kubernetes, corner, mount, file };
        pod.project(&pod.kubernetes.token());
        pod
    }

    /// As the cluster does long before a token ends.
    fn project(&self, token: &str) {
        fs::write(&self.file, token).unwrap();
    }

    async fn store(&self) -> VaultStore {
        self.store_with(&self.mount, &self.corner.mount).await
    }

    async fn store_with(&self, mount: &str, role: &str) -> VaultStore {
        let auth = VaultAuth::Kubernetes {
            mount: mount.to_owned(),
            role: role.to_owned(),
            jwt: SecretSource::File(self.file.clone()),
        };
        VaultStore::new(
            &config::Vault { auth, ..self.corner.settings().await },
            instance(),
            &Traffic::default(),
        )
        .unwrap()
    }

    async fn refused(&self, store: &VaultStore) -> String {
        let error = store.read(&path("a")).await.unwrap_err();
        assert!(matches!(error, VaultError::Login(LoginRefused::Kubernetes { .. })), "{}", text(&error));
        assert_eq!(error.kind(), Kind::NotPermitted);
        let said = text(&error);
        assert!(said.contains(self.file.to_str().unwrap()), "{said}");
        assert!(!said.contains(fs::read_to_string(&self.file).unwrap().as_str()), "{said}");
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_logs_in_with_its_service_account_and_publishes_a_key_and_prints_no_token() {
    let (mut rig, kubernetes) = (Rig::sized(1).await, Kubernetes::start());
    let mount = kubernetes.trusted_by(&rig.corner).await;
    let token = kubernetes.token();
    fs::write(rig.path("pod-token"), &token).unwrap();
    let lines = format!(
        "method = \"kubernetes\"\nmount = \"{mount}\"\nrole = \"{}\"\njwt_file = \"pod-token\"",
        rig.corner.mount
    );
    rig.config.insert("vault.auth".to_owned(), lines);

    let checked = rig.run(&["check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    let rotated = rig.rotate().await;
    let project = rig.projects().remove(0);
    assert!(rig.emulator.authenticates(&rig.key(&project).await));
    assert!(kubernetes.reviews() >= 2, "each run logs in");
    for printed in [&checked, &rotated].map(|ended| format!("{}{}", ended.stdout, ended.stderr)) {
        assert!(printed.len() > 500, "{printed}");
        assert_eq!(secrets::leak(&printed, &[token.clone()].into()), None);
    }

    fs::remove_file(rig.path("pod-token")).unwrap();
    let ended = rig.run(&["rotate"]).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.stderr.contains("vault.auth.jwt_file"), "{ended:?}");
}

#[tokio::test]
async fn the_token_that_the_cluster_replaced_is_read_for_the_next_login() {
    let pod = Pod::new().await;
    let store = pod.store().await;
    store.read(&path("a")).await.unwrap();
    store.read(&path("a")).await.unwrap();
    assert_eq!(pod.kubernetes.reviews(), 1, "one login serves all requests");

    pod.kubernetes.forget(&fs::read_to_string(&pod.file).unwrap());
    store.renew_if_due().await.unwrap();
    store.read(&path("a")).await.unwrap();

    let revoke = format!("sys/leases/revoke-prefix/auth/{}/login", pod.mount);
    pod.corner.bao.root("POST", &revoke, serde_json::json!({})).await;
    assert!(pod.refused(&store).await.contains("permission denied"));
    pod.project(&pod.kubernetes.token());
    store.read(&path("a")).await.unwrap();
}

#[tokio::test]
async fn a_role_a_mount_an_account_or_a_token_that_is_wrong_is_named() {
    let pod = Pod::new().await;
    let said = pod.refused(&pod.store_with(&pod.mount, "no-such-role").await).await;
    assert!(said.contains("with the role no-such-role: invalid role name"), "{said}");
    assert!(said.contains(&format!("auth/{}/role/no-such-role", pod.mount)), "{said}");

    let said = pod.refused(&pod.store_with("no-such-mount", "rotator").await).await;
    assert!(said.contains("auth/no-such-mount with the role rotator: permission denied"), "{said}");

    pod.project(&pod.kubernetes.issue("default", TimeDelta::hours(1)));
    let said = pod.refused(&pod.store().await).await;
    assert!(said.contains("service account name not authorized"), "{said}");

    pod.project(&pod.kubernetes.issue("exceptionless-rotator", -TimeDelta::hours(1)));
    let said = pod.refused(&pod.store().await).await;
    assert!(said.contains("expired"), "{said}");

    pod.project("not a token");
    pod.refused(&pod.store().await).await;

    fs::remove_file(&pod.file).unwrap();
    let error = pod.store().await.read(&path("a")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(text(&error).contains(pod.file.to_str().unwrap()), "{}", text(&error));
}
