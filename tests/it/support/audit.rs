//! What an auditor finds afterwards in the books of both servers: Vault's versions say when which key was published,
//! the emulated Exceptionless says when which key was revoked. No moment in between escapes, as it would a watcher.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use exceptionless_emulator::Revocation;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::bao::{Corner, FOLDER};
use super::rig::{Rig, is_own, key_in};

/// How long a request to revoke may have been under way: the rotator reads the secret directly before it.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(1);

/// The finding.
#[derive(Debug, Default)]
pub struct Audit {
    /// Versions that were written, whoever wrote them.
    pub publications: usize,
    /// Versions with another key than the one before.
    pub rotations: usize,
    /// The longest that a project went from one rotation to the next.
    pub longest_wait: TimeDelta,
    /// Keys that were deleted through the API, or disabled.
    pub revocations: usize,
    /// Revocations that were under way when a person took the key over or published it again. No rotator can know
    /// what a person does in the meantime, so they are counted and no breach.
    pub overtaken: usize,
    /// What was promised and not kept, in words.
    pub breaches: Vec<String>,
}

/// What people did that bears on the books, and that is not the rotator's doing.
#[derive(Debug, Default)]
pub struct People {
    /// The versions that they wrote, by project.
    pub wrote: BTreeSet<(String, u64)>,
    /// The keys that they made theirs by editing the notes, and when.
    pub took: BTreeMap<String, DateTime<Utc>>,
    /// The longest pass: what began before a key was taken over did not see it.
    pub longest_pass: TimeDelta,
}

/// A version of a secret.
#[derive(Debug)]
pub struct Version {
    pub number: u64,
    pub written: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted: Option<DateTime<Utc>>,
    pub data: Value,
}

impl Version {
    pub fn key(&self) -> Option<&str> {
        key_in(&self.data)
    }
}

/// A key that was the published one for a while, perhaps in several versions in a row.
struct Publication {
    key: String,
    by_person: bool,
    since: DateTime<Utc>,
    /// When another key replaced it; never, for the current one.
    until: Option<DateTime<Utc>>,
}

/// Audits all projects that ever had a secret. The versions must all be kept ([`Corner::keep_versions`]), and Vault's clock
/// be the machine's. What a person, a job or the end of a project took is no breach.
pub async fn audit(rig: &Rig, overlap: TimeDelta) -> Audit {
    audit_among(rig, overlap, &People::default()).await
}

/// The same, where people wrote secrets and took keys over meanwhile.
pub async fn audit_among(rig: &Rig, overlap: TimeDelta, people: &People) -> Audit {
    let mut audit = Audit::default();
    let mut publications = Vec::new();
    let folder = format!("{}/metadata/{FOLDER}", rig.corner.mount);
    let (status, mut listing) = rig.corner.bao.any("LIST", &folder, Value::Null).await;
    // There is no folder before the first secret, nor after the last.
    if !status.is_success() && status != StatusCode::NOT_FOUND {
        audit.breaches.push(format!("the books cannot be read: {status}"));
    }
    let projects: Vec<String> = serde_json::from_value(listing["data"]["keys"].take()).unwrap_or_default();
    for project in projects {
        let versions = versions(&rig.corner, &Rig::place(&project)).await;
        audit.publications += versions.len();
        let times = rotated(&versions);
        audit.rotations += times.len();
        let waits = times.windows(2).map(|pair| pair[1] - pair[0]);
        audit.longest_wait = waits.fold(audit.longest_wait, TimeDelta::max);
        publications.extend(publications_of(&project, &versions, people));
    }
    let revocations = rig.emulator.revocations();
    audit.revocations = revocations.len();
    for revocation in &revocations {
        audit.judge_owner(revocation, people);
        for publication in publications.iter().filter(|publication| publication.key == revocation.key.id) {
            audit.judge_time(revocation, publication, overlap);
        }
    }
    // A key that is dead before the rotator publishes it is no one's fault but ours.
    let revoked: BTreeMap<_, _> =
        revocations.iter().map(|revocation| (&*revocation.key.id, revocation.at)).collect();
    for publication in publications.iter().filter(|publication| !publication.by_person) {
        if revoked.get(&*publication.key).is_some_and(|at| *at < publication.since) {
            audit.breaches.push(format!("a key was published at {} after its revocation", publication.since));
        }
    }
    audit
}

impl Audit {
    fn judge_owner(&mut self, revocation: &Revocation, people: &People) {
        if is_own(&revocation.key) {
            return;
        }
        let notes = &revocation.key.notes;
        let taken = people.took.get(&revocation.key.id);
        if taken.is_some_and(|at| revocation.at - at <= people.longest_pass) {
            self.overtaken += 1;
        } else {
            self.breaches.push(format!("a key with the notes {notes:?} was revoked at {}", revocation.at));
        }
    }

    fn judge_time(&mut self, revocation: &Revocation, publication: &Publication, overlap: TimeDelta) {
        let (at, Publication { since, until, by_person, .. }) = (revocation.at, publication);
        let early = at >= *since && until.is_none_or(|until| at < until + overlap);
        if early && *by_person && at - since <= UNDER_WAY {
            self.overtaken += 1;
        } else if early {
            self.breaches.push(format!("a key published from {since} to {until:?} was revoked at {at}"));
        }
    }
}

/// When a project got another key. Its first one replaced nothing, and is counted too.
fn rotated(versions: &[Version]) -> Vec<DateTime<Utc>> {
    let mut key = None;
    let mut times = Vec::new();
    for version in versions {
        if version.key().is_some() && key.replace(version.key()) != Some(version.key()) {
            times.push(version.written);
        }
    }
    times
}

fn publications_of(project: &str, versions: &[Version], people: &People) -> Vec<Publication> {
    let mut publications: Vec<Publication> = Vec::new();
    for version in versions {
        let same = |last: &&Publication| last.until.is_none() && Some(&*last.key) == version.key();
        if publications.last().filter(same).is_some() {
            continue;
        }
        // A version that was replaced ended then at the latest: reading these books deletes deleted ones once more.
        if let Some(last) = publications.last_mut() {
            last.until = Some(last.until.map_or(version.written, |until| until.min(version.written)));
        }
        if let Some(key) = version.key() {
            let by_person = people.wrote.contains(&(project.to_owned(), version.number));
            publications.push(Publication {
                key: key.to_owned(),
                by_person,
                since: version.written,
                until: version.deleted,
            });
        }
    }
    publications
}

/// Every version of a secret, oldest first. A version that was deleted is brought back for as long as it is read.
pub async fn versions(corner: &Corner<'_>, place: &str) -> Vec<Version> {
    let path = format!("{}/metadata/{place}", corner.mount);
    let (_, answer) = corner.bao.any("GET", &path, Value::Null).await;
    let metadata = &answer["data"];
    assert!(metadata["oldest_version"].as_u64().unwrap_or(0) <= 1, "{place} has forgotten versions");
    let current = metadata["current_version"].as_u64().unwrap_or(0);
    let mut versions = Vec::new();
    for number in 1..=current {
        let described = &metadata["versions"][number.to_string()];
        let deleted = described["deletion_time"].as_str().is_some_and(|time| !time.is_empty());
        let turn = async |api: &str| {
            let path = format!("{}/{api}/{place}", corner.mount);
            corner.bao.root("POST", &path, json!({"versions": [number]})).await;
        };
        if deleted {
            turn("undelete").await;
        }
        let path = format!("{}/data/{place}?version={number}", corner.mount);
        let (_, mut answer) = corner.bao.any("GET", &path, Value::Null).await;
        if deleted {
            turn("delete").await;
        }
        let written = described["created_time"].as_str().unwrap().parse().unwrap();
        let deleted = described["deletion_time"].as_str().and_then(|time| time.parse().ok());
        versions.push(Version { number, written, deleted, data: answer["data"]["data"].take() });
    }
    versions
}
