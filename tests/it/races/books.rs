//! What the logs of the rotators and the versions of the secrets say together about the check-and-set.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::Value;

use super::person::Person;
use crate::support::audit::{Version, versions};
use crate::support::fingerprint;
use crate::support::rig::Rig;

/// What was found in them.
#[derive(Default)]
pub struct Books {
    pub superseded: usize,
    pub adopted: usize,
    pub enrolled: usize,
    pub longest_pass: TimeDelta,
    /// By project and version: the keys that rotators say they have published there.
    claims: BTreeMap<(String, u64), BTreeSet<String>>,
}

impl Books {
    pub async fn read(rig: &Rig, logs: &[String], person: &Person, breaches: &mut Vec<String>) -> Self {
        let mut books = Self::default();
        let lines = logs.iter().flat_map(|log| log.lines());
        for line in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            books.enter(&line);
        }
        for project in rig.projects() {
            let versions = versions(&rig.corner, &Rig::place(&project)).await;
            breaches.extend(books.contradictions(&project, &versions, person));
            breaches.extend(lost_updates(rig, &project, &versions, person));
        }
        books
    }

    fn enter(&mut self, line: &Value) {
        match line["event"].as_str().unwrap_or_default() {
            "project.superseded" => self.superseded += 1,
            "key.adopted" => self.adopted += 1,
            "pass.finished" => {
                let took = TimeDelta::milliseconds(line["duration_ms"].as_i64().unwrap());
                self.longest_pass = self.longest_pass.max(took);
            }
            event @ ("key.published" | "key.enrolled") => {
                self.enrolled += usize::from(event == "key.enrolled");
                let project = line["project_id"].as_str().unwrap().to_owned();
                let key = line["key"].as_str().unwrap().to_owned();
                let version = line["version"].as_u64().unwrap();
                self.claims.entry((project, version)).or_default().insert(key);
            }
            _ => {}
        }
    }

    /// Versions of which rotators say something else than what stands there, or than each other.
    fn contradictions(&self, project: &str, versions: &[Version], person: &Person) -> Vec<String> {
        let mut found = Vec::new();
        for version in versions {
            let at = (project.to_owned(), version.number);
            let Some(claims) = self.claims.get(&at) else { continue };
            let stands = version.key().map(fingerprint);
            if claims.len() > 1 || claims.first() != stands.as_ref() || person.people.wrote.contains(&at) {
                found.push(format!(
                    "version {} of {project} has {stands:?}, rotators claim {claims:?}",
                    version.number
                ));
            }
        }
        found
    }
}

/// Versions that were written over one that their writer had not seen. Who publishes lists every key of ours that
/// it saw, so the list of a version has the key of the version before, unless a person or the rotator has ended that
/// key since. This is what the check-and-set is for.
fn lost_updates(rig: &Rig, project: &str, versions: &[Version], person: &Person) -> Vec<String> {
    let revocations = rig.emulator.revocations();
    let mut found = Vec::new();
    for (before, after) in versions.iter().zip(versions.iter().skip(1)) {
        let (Some(replaced), Some(key)) = (before.key(), after.key()) else { continue };
        let revoked = |at| revocations.iter().any(|one| one.key.id == replaced && one.at < at);
        let exempt = replaced == key
            || person.people.wrote.contains(&(project.to_owned(), after.number))
            || person.people.took.contains_key(replaced)
            || person.killed.contains(replaced)
            || revoked(after.written);
        let retiring = after.data["retiring"].as_str().unwrap_or_default();
        if !exempt && !retiring.contains(&fingerprint(replaced)) {
            found.push(format!("version {} of {project} does not know the one before", after.number));
        }
    }
    found
}
