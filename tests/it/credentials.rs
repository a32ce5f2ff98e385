//! The credential for Exceptionless: when it is refused, where it comes from, and how it is changed.

mod change;
mod daemon;
mod doubt;
mod in_vault;
mod recovery;
mod trouble;

use serde_json::{Value, json};

use crate::support::rig::{PASSWORD, Rig};

/// The secret that holds the password, in the shipped policy as well.
pub const PLACE: &str = "exceptionless-rotator/user";

/// A rig whose rotator reads its password from Vault, beside a field of somebody else.
pub async fn in_vault(projects: usize) -> Rig {
    let mut rig = Rig::sized(projects).await;
    rig.corner.put_raw(PLACE, json!({"password": PASSWORD, "owner": "operations"})).await;
    let field = format!("{{ vault = \"{}/data/{PLACE}#password\" }}", rig.corner.mount);
    rig.unset("exceptionless", "password_file").set("exceptionless", "password", &field);
    std::fs::remove_file(rig.path("password")).unwrap();
    rig
}

/// What the secret holds.
pub async fn held(rig: &Rig) -> Value {
    rig.corner.get_raw(PLACE).await
}

/// The password that Exceptionless accepts.
pub fn in_force(rig: &Rig) -> String {
    rig.emulator.state(|state| state.users[0].password.clone())
}

/// What is wrong with a secret in which no change is under way, nothing, it is hoped.
pub async fn breaches(rig: &Rig) -> Vec<String> {
    let held = held(rig).await;
    let mut breaches = Vec::new();
    if held["password"] != in_force(rig) {
        breaches.push("the password in Vault does not work".to_owned());
    }
    if !held["password_next"].is_null() {
        breaches.push("a change is still under way".to_owned());
    }
    if held["owner"] != "operations" {
        breaches.push("somebody else's field is gone".to_owned());
    }
    breaches
}
