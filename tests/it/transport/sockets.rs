//! An agent of Vault that listens at a socket of this machine, with a login of its own or without.

use std::fs;

use crate::support::bao::{Bao, binary};
use crate::support::guard::Guard;
use crate::support::patience;
use crate::support::rig::Rig;

/// Starts `bao agent` or `bao proxy` with this rig's role and the given way with its own token.
async fn agent(rig: &Rig, kind: &str, token: &str) -> Guard {
    let folder = rig.corner.dir.path();
    fs::write(folder.join("role-id"), rig.corner.role_id().await).unwrap();
    let socket = folder.join("agent.sock");
    let _ = fs::remove_file(&socket);
    let configuration = format!(
        "{}\napi_proxy {{ use_auto_auth_token = {token} }}\nlistener \"unix\" {{\n  address = \"{}\"\n  tls_disable = true\n}}\n",
        rig.corner.agent_login(folder, ""),
        socket.display()
    );
    let file = folder.join("agent.hcl");
    fs::write(&file, configuration).unwrap();
    let arguments = [kind.to_owned(), format!("-config={}", file.display())];
    let guard = Guard::start(&binary(), &arguments, folder, None);
    patience("the agent listens", async || socket.exists()).await;
    guard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_rotation_passes_through_a_socket() {
    let mut rig = Rig::on(Bao::shared().await, super::small()).await;
    let address = format!("unix://{}", rig.path("agent.sock").display());
    rig.set("vault", "address", &format!("{address:?}")).set("vault", "timeout", "\"5s\"");

    let ended = rig.run(&["rotate"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains(&format!("{address} does not exist; check vault.address")), "{ended:?}");

    // With our own login: the agent adds its token only where there is none.
    let proxy = agent(&rig, "proxy", "true").await;
    rig.rotate().await;
    assert!(rig.has_converged().await);
    let check = rig.run(&["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains(&format!("answers at {address}")), "{}", check.stdout);
    proxy.kill();

    // The socket is still there, and nobody listens.
    let ended = rig.run(&["rotate"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("has nobody who listens; start the agent"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_forces_its_own_token_on_us_may_log_in_in_our_place() {
    let mut rig = Rig::on(Bao::shared().await, super::small()).await;
    let address = format!("unix://{}", rig.path("agent.sock").display());
    rig.set("vault", "address", &format!("{address:?}")).set("vault", "timeout", "\"5s\"");
    fs::write(rig.path("vault-token"), "none-of-ours").unwrap();
    rig.config.insert("vault.auth".to_owned(), "method = \"token\"\ntoken_file = \"vault-token\"".to_owned());
    let _agent = agent(&rig, "agent", "\"force\"").await;
    patience("the agent has logged in", async || rig.run(&["rotate"]).await.code == 0).await;
    assert!(rig.has_converged().await);
}
