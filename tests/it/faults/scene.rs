//! Both servers behind relays, in a situation in which the next run calls what is to go wrong.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use exceptionless_emulator::{Fault, Kind, Relay, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use super::endpoints::{Server, named};
use crate::support::audit::audit;
use crate::support::bao::Bao;
use crate::support::login;
use crate::support::process::Ended;
use crate::support::rig::Rig;
use crate::support::secrets;
use crate::support::until;

/// Short, so that a cell takes seconds; and the age at which an unlisted key is enrolled.
pub const OVERLAP: TimeDelta = TimeDelta::seconds(6);

/// One pass may find what there is to do, another may do it; clocks that are known to the second, and effects that
/// come late, can cost each of them one more.
const PASSES: usize = 6;

/// The exit codes that the README documents, but for wrong usage.
const EXIT_CODES: [i32; 5] = [0, 1, 69, 77, 78];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    FirstPublication,
    /// All projects, asked by a person.
    Rotation,
    /// The same, where each secret has another owner too.
    Shared,
    /// The overlap of replaced keys is over.
    Retirement,
    /// The same, where a key is disabled before it is deleted.
    Disabling,
    /// The answer to the first mint is lost.
    LostMint,
    /// A project is gone, and its secret is to be deleted.
    Vanished,
    /// Vault gave us no role but a token.
    TokenOfItsOwn,
    /// The role's secret id is wrapped, each run's anew.
    WrappedSecretId,
    /// A pass in which the token of the role has to be renewed.
    LongPass,
    /// No pass, but the command `check`.
    Check,
}

/// When the passes begin that are to put things right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    WithinTheOverlap,
    AfterTheOverlap,
}

pub struct Scene {
    pub rig: Rig,
    pub exceptionless: Relay,
    pub vault: Relay,
    situation: Situation,
    /// What the relays had seen when the scene was set.
    before: (usize, usize),
    persons: Vec<String>,
    vanished: Option<String>,
}

impl Scene {
    /// Sets it, with everything in order.
    pub async fn set(situation: Situation) -> Self {
        Self::set_on(Bao::shared().await, situation).await
    }

    pub async fn set_on(bao: &'static Bao, situation: Situation) -> Self {
        let settings = Settings { organizations: 1, projects: 2, ..Settings::default() };
        let mut rig = Rig::on(bao, settings).await;
        rig.corner.keep_versions().await;
        let exceptionless = Relay::to(&rig.emulator.url()).await.unwrap();
        let vault = Relay::to(&bao.address).await.unwrap();
        rig.set("exceptionless", "url", &format!("\"{}\"", exceptionless.url()));
        rig.set("exceptionless", "rate_window", "\"1s\"").set("vault", "timeout", "\"2s\"");
        rig.set("vault", "address", &format!("\"{}\"", vault.url()));
        rig.set_overlap(OVERLAP).set("log", "level", "\"debug\"");
        let persons = rig.peoples_keys();
        let mut scene =
            Self { rig, exceptionless, vault, situation, before: (0, 0), persons, vanished: None };
        scene.prepare().await;
        scene.before = (scene.exceptionless.seen().len(), scene.vault.seen().len());
        // The set-up may be slow on a busy machine. From here on, a second is too long.
        let patience = if situation == Situation::LongPass { "\"5s\"" } else { "\"1s\"" };
        scene.rig.set("exceptionless", "timeout", patience).set("vault", "timeout", "\"1s\"");
        scene
    }

    async fn prepare(&mut self) {
        let rig = &mut self.rig;
        if self.situation == Situation::Shared {
            rig.share().await;
        }
        if self.situation != Situation::FirstPublication {
            rig.rotate().await;
        }
        match self.situation {
            Situation::FirstPublication | Situation::Rotation | Situation::Shared | Situation::Check => {}
            Situation::Retirement | Situation::Disabling => {
                if self.situation == Situation::Disabling {
                    rig.set("rotation", "revocation", "\"disable_then_delete\"");
                }
                assert_eq!(rig.run(&["rotate", "--all"]).await.code, 0);
                // And the time that a publication may take.
                until(Utc::now() + OVERLAP + TimeDelta::seconds(2)).await;
            }
            Situation::LostMint => {
                rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", Kind::Drop).applied());
            }
            Situation::Vanished => {
                rig.set("rotation", "on_vanished", "\"delete\"");
                let gone = rig.projects().remove(0);
                // An earlier pass has marked it, so that it is no longer counted among those that vanish at once.
                let metadata = json!({
                    "managed_by": "exceptionless-rotator/1 instance=default",
                    "vanished_at": Utc::now().to_rfc3339(),
                });
                rig.corner.put_metadata(&Rig::place(&gone), json!({"custom_metadata": metadata})).await;
                let kept: Vec<_> = rig.emulator.live_keys(&rig.projects()[1]);
                self.persons.retain(|person| kept.iter().any(|key| key.id == *person));
                rig.emulator.delete_project(&gone);
                self.vanished = Some(gone);
            }
            Situation::TokenOfItsOwn => {
                std::fs::write(rig.path("vault-token"), rig.corner.token("10m").await).unwrap();
                let method = "method = \"token\"\ntoken_file = \"vault-token\"";
                rig.config.insert("vault.auth".to_owned(), method.to_owned());
            }
            Situation::WrappedSecretId => {
                rig.set("vault.auth", "secret_id_wrapped", "true");
            }
            Situation::LongPass => {
                let role = format!("auth/{0}/role/{0}", rig.corner.mount);
                rig.corner.bao.root("POST", &role, json!({"token_ttl": "2s"})).await;
                // Both projects wait for it, each longer than the token may grow old.
                let slow = Kind::Slow(Duration::from_millis(1600));
                rig.emulator.add_fault(Fault::new("GET", "projects/config", slow).times(2));
            }
        }
    }

    pub fn relay(&self, server: Server) -> &Relay {
        match server {
            Server::Exceptionless => &self.exceptionless,
            Server::Vault => &self.vault,
        }
    }

    /// The endpoints that were asked since the scene was set.
    pub fn asked(&self, server: Server) -> Vec<&'static str> {
        let (exceptionless, vault) = self.before;
        let before = if server == Server::Vault { vault } else { exceptionless };
        named(server, &self.relay(server).seen()[before..], &self.rig.corner.mount)
    }

    /// The run that the situation is about.
    pub async fn run(&self) -> Ended {
        self.execute(match self.situation {
            Situation::FirstPublication
            | Situation::Retirement
            | Situation::Disabling
            | Situation::Vanished => &["rotate", "--output", "json"],
            Situation::Rotation
            | Situation::Shared
            | Situation::LostMint
            | Situation::TokenOfItsOwn
            | Situation::WrappedSecretId
            | Situation::LongPass => &["rotate", "--all", "--output", "json"],
            Situation::Check => &["check", "--output", "json"],
        })
        .await
    }

    async fn execute(&self, arguments: &[&str]) -> Ended {
        if self.situation == Situation::WrappedSecretId {
            let (corner, secret_id) = (&self.rig.corner, Uuid::now_v7().to_string());
            let wrapping = login::wrap(corner, &secret_id, "5m").await;
            std::fs::write(corner.secret_id_file(), wrapping).unwrap();
        }
        self.rig.run(arguments).await
    }

    pub async fn clear_faults(&self) {
        self.rig.emulator.clear_faults();
        self.exceptionless.clear_faults().await;
        self.vault.clear_faults().await;
    }

    /// What is broken of the promise, at this moment.
    pub async fn breaches(&self) -> Vec<String> {
        let mut breaches = audit(&self.rig, OVERLAP).await.breaches;
        for project in self.rig.projects() {
            if let Some(key) = self.rig.published(&project).await
                && !self.rig.emulator.authenticates(&key)
            {
                breaches.push("a published key does not work".to_owned());
            }
        }
        if self.persons.is_empty() || !self.persons.iter().all(|key| self.rig.emulator.authenticates(key)) {
            breaches.push("a person's key is gone".to_owned());
        }
        if self.situation == Situation::Shared && !self.rig.others_are_kept().await {
            breaches.push("another owner's field is gone".to_owned());
        }
        breaches
    }

    /// What is wrong with the way in which a run ended.
    pub fn faux_pas(&self, ended: &Ended) -> Vec<String> {
        let mut wrong = Vec::new();
        if !EXIT_CODES.contains(&ended.code) {
            wrong.push(format!("the exit code is {}", ended.code));
        }
        if ended.stderr.contains("panicked") {
            wrong.push("it panicked".to_owned());
        }
        let secrets = secrets::known(&self.rig);
        wrong.extend(secrets::leak(&format!("{}\n{}", ended.stdout, ended.stderr), &secrets));
        let problems = problems(ended);
        if ended.code != 0 && problems.is_empty() {
            wrong.push("it fails and says nothing".to_owned());
        }
        let helpless = problems.into_iter().filter(|problem| !problem.contains("; "));
        wrong.extend(helpless.map(|problem| format!("no remedy in {problem:?}")));
        wrong
    }

    /// Passes, an overlap apart, until there is exactly one live key of ours for each project, and it is the
    /// published one. How many it took; `None` if that does not help. The first may begin within the
    /// overlap: then it must not do too much, and after an overlap not too little.
    pub async fn converges(&self, begin: Begin) -> Option<usize> {
        if begin == Begin::WithinTheOverlap {
            // When the caution of the rotator (a second for Vault, one for the servers' clocks) is over and the overlap
            // is not: who ignores that would be caught.
            until(Utc::now() + TimeDelta::milliseconds(2500)).await;
            self.execute(&["rotate"]).await;
        }
        for pass in 1..=PASSES {
            // The second is the time that a publication may take, from which on a replaced key counts as old.
            until(Utc::now() + OVERLAP + TimeDelta::seconds(1)).await;
            let ended = self.execute(&["rotate"]).await;
            if ended.code == 0 && self.has_converged().await {
                return Some(pass + usize::from(begin == Begin::WithinTheOverlap));
            }
        }
        None
    }

    async fn has_converged(&self) -> bool {
        for project in self.rig.projects() {
            if self.rig.custom_metadata(&project).await[self.rig.field("managed_by")].is_null() {
                return false;
            }
        }
        let kept = match &self.vanished {
            Some(project) => self.rig.published(project).await,
            None => None,
        };
        kept.is_none() && self.rig.has_converged().await
    }
}

/// Everything that a run calls a problem.
fn problems(ended: &Ended) -> Vec<String> {
    let errors = ended.stderr.lines().filter_map(|line| line.strip_prefix("error: "));
    let mut problems: Vec<String> = errors.map(str::to_owned).collect();
    let Ok(document) = serde_json::from_str::<Value>(&ended.stdout) else { return problems };
    let texts = |list: &str| document[list].as_array().cloned().unwrap_or_default();
    problems.extend(texts("problems").iter().filter_map(Value::as_str).map(str::to_owned));
    problems.extend(
        texts("projects").iter().filter_map(|project| project["problem"].as_str()).map(str::to_owned),
    );
    let bad = texts("findings").into_iter().filter(|finding| finding["result"] == "problem");
    problems.extend(bad.filter_map(|finding| finding["detail"].as_str().map(str::to_owned)));
    problems
}
