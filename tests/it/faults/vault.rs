//! What only Vault can do wrong: seals, standbys, tokens, policies, versions, mounts.
//!
//! Each happens before a pass, or in the middle of it: after everything was observed and planned and the fresh keys
//! were minted, while they are tried at Exceptionless, which is when it can do most harm. All but the standby, whose
//! answers the relay gives, is done to the real server.

use std::time::Duration;

use exceptionless_emulator::{Fault, Kind};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::scene::{Begin, Scene, Situation};
use super::{Finding, row};
use crate::support::bao::Bao;
use crate::support::proof;
use crate::support::rig::Rig;

/// How long a pass may need to its middle on a busy machine.
const LONGEST_WAY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Sealed,
    Standby,
    TokenRevoked,
    TokenExpired,
    WritingForbidden,
    AllForbidden,
    WrittenByAnother,
    SoftDeleted,
    Destroyed,
    MetadataRemoved,
    MountRemoved,
    MountEmptied,
}

const TROUBLES: [Trouble; 12] = [
    Trouble::Sealed,
    Trouble::Standby,
    Trouble::TokenRevoked,
    Trouble::TokenExpired,
    Trouble::WritingForbidden,
    Trouble::AllForbidden,
    Trouble::WrittenByAnother,
    Trouble::SoftDeleted,
    Trouble::Destroyed,
    Trouble::MetadataRemoved,
    Trouble::MountRemoved,
    Trouble::MountEmptied,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    Amid,
}

impl Moment {
    fn title(self) -> &'static str {
        match self {
            Self::Before => "before a pass",
            Self::Amid => "in the middle of one",
        }
    }
}

impl Trouble {
    fn title(self) -> &'static str {
        match self {
            Self::Sealed => "sealed, and unsealed after the pass",
            Self::Standby => "a standby answers, without its active node",
            Self::TokenRevoked => "the token revoked",
            Self::TokenExpired => "the token expired",
            Self::WritingForbidden => "the right to write withdrawn, and given back",
            Self::AllForbidden => "all rights withdrawn, and given back",
            Self::WrittenByAnother => "check-and-set lost to a foreign writer",
            Self::SoftDeleted => "the secrets soft-deleted",
            Self::Destroyed => "the versions destroyed",
            Self::MetadataRemoved => "the metadata removed",
            Self::MountRemoved => "the mount removed, and empty again after the pass",
            Self::MountEmptied => "the mount removed, and empty again at once",
        }
    }

    /// A token only lives within a pass.
    fn happens(self, moment: Moment) -> bool {
        moment == Moment::Amid || !matches!(self, Self::TokenRevoked | Self::TokenExpired)
    }

    /// Lets it happen, and returns what somebody has to do about it afterwards.
    async fn strike(self, scene: &Scene) -> Repair {
        let (rig, bao) = (&scene.rig, scene.rig.corner.bao);
        let mount = &rig.corner.mount;
        match self {
            Self::Sealed => {
                bao.root("POST", "sys/seal", json!({})).await;
                return Repair::Unseal;
            }
            Self::Standby => scene.vault.add_fault(Fault::everywhere(Kind::Status(473))),
            Self::TokenRevoked => rig.corner.revoke_logins().await,
            // The role gives tokens of a second, and the pass takes longer.
            Self::TokenExpired => {}
            Self::WritingForbidden | Self::AllForbidden => {
                let mut given = String::new();
                rig.corner
                    .amend_policy(|policy| {
                        given = policy.to_owned();
                        match self {
                            Self::AllForbidden => "path \"nothing\" { capabilities = [\"read\"] }".to_owned(),
                            _ => policy
                                .replace("\"create\", \"patch\", \"read\", \"update\"", "\"read\"")
                                .replace("\"create\", \"read\", \"update\"", "\"read\""),
                        }
                    })
                    .await;
                return Repair::Permit(given);
            }
            Self::WrittenByAnother => {
                for project in rig.projects() {
                    let mut secret = rig.secret(&project).await;
                    secret["project_name"] = json!("corrected by hand");
                    rig.corner.put_raw(&Rig::place(&project), secret).await;
                }
            }
            Self::SoftDeleted => each(rig, "DELETE", "data", Value::Null).await,
            Self::Destroyed => each(rig, "PUT", "destroy", json!({"versions": [1]})).await,
            Self::MetadataRemoved => each(rig, "DELETE", "metadata", Value::Null).await,
            Self::MountRemoved | Self::MountEmptied => {
                bao.root("DELETE", &format!("sys/mounts/{mount}"), Value::Null).await;
                if self == Self::MountRemoved {
                    return Repair::Mount;
                }
                Repair::Mount.make(scene).await;
            }
        }
        Repair::None
    }
}

async fn each(rig: &Rig, method: &str, api: &str, body: Value) {
    for project in rig.projects() {
        let path = format!("{}/{api}/{}", rig.corner.mount, Rig::place(&project));
        rig.corner.bao.root(method, &path, body.clone()).await;
    }
}

/// What a person does afterwards.
enum Repair {
    None,
    Unseal,
    Permit(String),
    Mount,
}

impl Repair {
    async fn make(self, scene: &Scene) {
        let corner = &scene.rig.corner;
        match self {
            Self::None => {}
            Self::Unseal => corner.bao.unseal().await,
            Self::Permit(policy) => corner.amend_policy(|_| policy).await,
            Self::Mount => {
                corner.bao.mount(&corner.mount, "2").await;
                corner.keep_versions().await;
            }
        }
    }
}

/// All of them, at each moment at which they can happen.
pub fn plays<'a>() -> impl Iterator<Item = LocalBoxFuture<'a, Finding>> {
    let moments = [Moment::Before, Moment::Amid];
    let cases = TROUBLES.into_iter().flat_map(move |trouble| moments.map(|moment| (trouble, moment)));
    let cases = cases.filter(|(trouble, moment)| trouble.happens(*moment));
    cases.map(|(trouble, moment)| meet(trouble, moment).boxed_local())
}

async fn meet(trouble: Trouble, moment: Moment) -> Finding {
    // A server that others use is not sealed.
    let bao = match trouble {
        Trouble::Sealed => Box::leak(Box::new(Bao::own().await)),
        _ => Bao::shared().await,
    };
    let mut scene = Scene::set_on(bao, Situation::Rotation).await;
    scene.rig.set("exceptionless", "timeout", "\"5s\"");
    if trouble == Trouble::TokenExpired {
        let role = format!("auth/{0}/role/{0}", scene.rig.corner.mount);
        bao.root("POST", &role, json!({"token_ttl": "1s", "token_max_ttl": "1s"})).await;
    }
    let (ended, repair) = match moment {
        Moment::Before => {
            let repair = trouble.strike(&scene).await;
            (scene.run().await, repair)
        }
        Moment::Amid => {
            scene.rig.emulator.reset_requests();
            let slow = Kind::Slow(Duration::from_millis(1500));
            scene.rig.emulator.add_fault(Fault::new("GET", "projects/config", slow).times(2));
            let amid = async {
                let both = scene.rig.emulator.until_called("GET", "projects/config", 2);
                tokio::time::timeout(LONGEST_WAY, both).await.expect("both keys are tried");
                trouble.strike(&scene).await
            };
            tokio::join!(scene.run(), amid)
        }
    };
    scene.clear_faults().await;
    let mut breaches = scene.faux_pas(&ended);
    // Behind a seal nothing can be read; the books are audited once it is off.
    if trouble != Trouble::Sealed {
        breaches.extend(scene.breaches().await);
    }
    repair.make(&scene).await;
    breaches.extend(scene.breaches().await);
    let begin = if moment == Moment::Before { Begin::AfterTheOverlap } else { Begin::WithinTheOverlap };
    let passes = scene.converges(begin).await;
    if passes.is_none() {
        breaches.push("the passes after it did not put it right".to_owned());
    }
    breaches.extend(scene.breaches().await);
    Finding { row: trouble.title().to_owned(), column: moment.title(), breaches, passes }
}

pub fn table(findings: &[Finding]) -> String {
    let moments = [Moment::Before, Moment::Amid].map(Moment::title);
    let header = ["Vault"].into_iter().chain(moments).chain(["breaches"]);
    proof::table(
        header,
        TROUBLES.map(|trouble| row(findings, trouble.title(), trouble.title().to_owned(), moments)),
    )
}
