//! A person who works at both servers while rotators run, at random, and remembers what must be left alone.
//!
//! Nothing here is unusual in itself: keys are made, noted, disabled and deleted, projects come and go, a secret is
//! rolled back or deleted. What is unusual is how often, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use exceptionless_emulator::Token;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::audit::People;
use crate::support::dice::Dice;
use crate::support::rig::Rig;

/// A rollback and a deletion of the secret let the overlap of its old keys begin anew, so between two of them each
/// project has this long: without an end to them the number of keys would have no bound.
pub const REST: Duration = Duration::from_secs(20);

/// As many projects there are at least and at most.
const PROJECTS: (usize, usize) = (3, 5);

pub struct Person {
    dice: Dice,
    /// What bears on the audit.
    pub people: People,
    /// The keys of people, by project: all that they did not disable or delete themselves.
    keys: BTreeMap<String, String>,
    /// The keys of the rotator's that a person disabled or deleted.
    pub killed: BTreeSet<String>,
    /// How often what was done.
    pub deeds: BTreeMap<&'static str, usize>,
    rested: BTreeMap<String, Instant>,
}

impl Person {
    /// A person who made the keys that there are.
    pub fn new(rig: &Rig, dice: Dice) -> Self {
        let keys = rig
            .projects()
            .into_iter()
            .flat_map(|project| {
                rig.emulator.live_keys(&project).into_iter().map(move |key| (key.id, project.clone()))
            })
            .collect();
        Self {
            dice,
            people: People::default(),
            keys,
            killed: BTreeSet::new(),
            deeds: BTreeMap::new(),
            rested: BTreeMap::new(),
        }
    }

    /// How long until the next deed: a person keeps no time.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(20 + self.dice.below(300) as u64)
    }

    /// Does one thing, if what the dice chose is possible.
    pub async fn act(&mut self, rig: &Rig) {
        let Some(project) = self.dice.pick(&rig.projects()) else { return };
        let done = match self.dice.below(17) {
            0 | 1 => self.makes_a_key(rig, &project),
            2 => self.notes_an_own_key(rig),
            3 => self.takes_a_key_over(rig, &project),
            4 => self.disables_an_own_key(rig),
            5 => self.deletes_an_own_key(rig),
            6 => self.disables_an_old_key(rig, &project).await,
            7 | 8 => self.deletes_an_old_key(rig, &project).await,
            9 => self.disables_the_published_key(rig, &project).await,
            10 => self.deletes_the_published_key(rig, &project).await,
            11 => self.renames_a_project(rig, &project),
            12 => self.adds_a_project(rig),
            13 => self.deletes_a_project(rig, &project),
            14 | 15 => self.rolls_a_secret_back(rig, &project).await,
            _ => self.deletes_a_secret(rig, &project).await,
        };
        if let Some(deed) = done {
            *self.deeds.entry(deed).or_default() += 1;
        }
    }

    /// The keys of people that do not work, though no person has ended them and no revocation of them was under
    /// way when they became a person's.
    pub fn lost(&self, rig: &Rig) -> usize {
        let revoked: BTreeMap<_, _> = rig
            .emulator
            .revocations()
            .into_iter()
            .map(|revocation| (revocation.key.id, revocation.at))
            .collect();
        let overtaken = |key: &String| {
            let times = revoked.get(key).zip(self.people.took.get(key));
            times.is_some_and(|(revoked, taken)| *revoked - *taken <= self.people.longest_pass)
        };
        self.keys.keys().filter(|key| !rig.emulator.authenticates(key) && !overtaken(key)).count()
    }

    fn makes_a_key(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = rig.emulator.create_person_key(project, "made by a person").id;
        self.keys.insert(key, project.to_owned());
        Some("made a key")
    }

    fn notes_an_own_key(&mut self, rig: &Rig) -> Option<&'static str> {
        let key = self.own(rig)?;
        note(rig, &key, "still in use, says the importer").then_some("noted an own key")
    }

    fn takes_a_key_over(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = self.dice.pick(&rig.own_keys(project))?;
        if !note(rig, &key, "taken over by the importer, do not delete") {
            return None;
        }
        self.people.took.insert(key.clone(), Utc::now());
        self.keys.insert(key, project.to_owned());
        Some("took a key over")
    }

    fn disables_an_own_key(&mut self, rig: &Rig) -> Option<&'static str> {
        let key = self.own(rig)?;
        self.keys.remove(&key);
        rig.emulator.disable_key(&key);
        Some("disabled an own key")
    }

    fn deletes_an_own_key(&mut self, rig: &Rig) -> Option<&'static str> {
        let key = self.own(rig)?;
        self.keys.remove(&key);
        rig.emulator.delete_key(&key).then_some("deleted an own key")
    }

    async fn disables_an_old_key(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = self.old(rig, project).await?;
        rig.emulator.disable_key(&key);
        self.killed.insert(key);
        Some("disabled a replaced key")
    }

    async fn deletes_an_old_key(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = self.old(rig, project).await?;
        self.killed.insert(key.clone());
        rig.emulator.delete_key(&key).then_some("deleted a replaced key")
    }

    async fn disables_the_published_key(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = rig.published(project).await?;
        self.keys.remove(&key);
        rig.emulator.disable_key(&key);
        self.killed.insert(key);
        Some("disabled a published key")
    }

    async fn deletes_the_published_key(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let key = rig.published(project).await?;
        self.keys.remove(&key);
        self.killed.insert(key.clone());
        rig.emulator.delete_key(&key).then_some("deleted a published key")
    }

    fn renames_a_project(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        rig.emulator.rename_project(project, &format!("Renamed {}", self.dice.below(1_000_000)));
        Some("renamed a project")
    }

    fn adds_a_project(&mut self, rig: &Rig) -> Option<&'static str> {
        if rig.projects().len() >= PROJECTS.1 {
            return None;
        }
        let organization = rig.emulator.organizations().remove(0).id;
        rig.emulator.add_project(&organization, &format!("Added {}", self.dice.below(1_000_000)));
        Some("added a project")
    }

    fn deletes_a_project(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        if rig.projects().len() <= PROJECTS.0 {
            return None;
        }
        self.keys.retain(|_, of| of != project);
        rig.emulator.delete_project(project);
        Some("deleted a project")
    }

    /// An older version becomes the current one again, as `vault kv rollback` does it; its key may be dead.
    async fn rolls_a_secret_back(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        let current = rig.version(project).await;
        if current < 2 || !self.has_rested(project) {
            return None;
        }
        let older = 1 + self.dice.below(usize::try_from(current).unwrap() - 1);
        let path = format!("{}/data/{}", rig.corner.mount, Rig::place(project));
        let (_, mut answer) =
            rig.corner.bao.any("GET", &format!("{path}?version={older}"), Value::Null).await;
        let data = answer["data"]["data"].take();
        if data.is_null() {
            return None;
        }
        let body = json!({"data": data, "options": {"cas": current}});
        let (status, answer) = rig.corner.bao.any("POST", &path, body).await;
        if !status.is_success() {
            return None;
        }
        let version = answer["data"]["version"].as_u64().unwrap();
        self.people.wrote.insert((project.to_owned(), version));
        self.rested.insert(project.to_owned(), Instant::now());
        Some("rolled a secret back")
    }

    /// Only one that bears the mark in its metadata: without it nobody could tell afterwards whose it was.
    async fn deletes_a_secret(&mut self, rig: &Rig, project: &str) -> Option<&'static str> {
        if rig.version(project).await == 0 || !self.has_rested(project) {
            return None;
        }
        if rig.custom_metadata(project).await["managed_by"].is_null() {
            return None;
        }
        let path = format!("{}/data/{}", rig.corner.mount, Rig::place(project));
        rig.corner.bao.root("DELETE", &path, Value::Null).await;
        self.rested.insert(project.to_owned(), Instant::now());
        Some("deleted a secret")
    }

    fn has_rested(&self, project: &str) -> bool {
        self.rested.get(project).is_none_or(|last| last.elapsed() > REST)
    }

    fn own(&mut self, rig: &Rig) -> Option<String> {
        let alive: Vec<String> =
            self.keys.keys().filter(|key| rig.emulator.authenticates(key)).cloned().collect();
        self.dice.pick(&alive)
    }

    /// A key of ours that is not the published one.
    async fn old(&mut self, rig: &Rig, project: &str) -> Option<String> {
        let published = rig.published(project).await;
        let mut keys = rig.own_keys(project);
        keys.retain(|key| Some(key) != published.as_ref());
        self.dice.pick(&keys)
    }
}

/// Edits the notes of a key, if it still exists.
fn note(rig: &Rig, key: &str, notes: &str) -> bool {
    rig.emulator.state(|state| {
        let Some(token) = state.token(key) else { return false };
        state.put_token(Token { notes: Some(notes.to_owned()), ..token });
        true
    })
}
