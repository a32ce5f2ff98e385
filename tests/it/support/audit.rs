//! What an auditor finds afterwards in the books of both servers: Vault's versions say when which key was published,
//! the emulated Exceptionless says when which key was revoked. No moment in between escapes, as it would a watcher.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::bao::Corner;
use super::rig::Rig;

/// The finding.
#[derive(Debug)]
pub struct Audit {
    /// Versions that were written, whoever wrote them.
    pub publications: usize,
    /// Versions with another key than the one before.
    pub rotations: usize,
    /// The longest that a project went from one rotation to the next.
    pub longest_wait: TimeDelta,
    /// Keys that were deleted through the API.
    pub revocations: usize,
    /// What was promised and not kept, in words.
    pub breaches: Vec<String>,
}

/// A key in a version of a secret.
struct Publication {
    key: String,
    since: DateTime<Utc>,
    /// When the next version replaced it; never, for the current one.
    until: Option<DateTime<Utc>>,
}

/// Audits all projects that there are. The versions must all be kept ([`Corner::keep_versions`]), and Vault's clock
/// be the machine's. What a person, a job or the end of a project took is no breach.
pub async fn audit(rig: &Rig, overlap: TimeDelta) -> Audit {
    let mut publications = Vec::new();
    let mut breaches = Vec::new();
    let (mut rotations, mut longest_wait) = (0, TimeDelta::zero());
    for project in rig.projects() {
        let of_project = publications_of(&rig.corner, &Rig::place(&project)).await;
        let times = rotated(&of_project);
        rotations += times.len();
        let waits = times.windows(2).map(|pair| pair[1] - pair[0]);
        longest_wait = waits.fold(longest_wait, TimeDelta::max);
        publications.extend(of_project);
    }
    let revocations = rig.emulator.revocations();
    for revocation in &revocations {
        let key = &revocation.key;
        let notes = key.notes.as_deref().unwrap_or_default();
        if !notes.starts_with("exceptionless-rotator/1 ") {
            breaches.push(format!("a key with the notes {notes:?} was revoked at {}", revocation.at));
        }
        for publication in publications.iter().filter(|publication| publication.key == key.id) {
            let early = match publication.until {
                None => revocation.at >= publication.since,
                Some(until) => revocation.at >= publication.since && revocation.at < until + overlap,
            };
            if early {
                breaches.push(format!(
                    "a key published from {} to {:?} was revoked at {}",
                    publication.since, publication.until, revocation.at
                ));
            }
        }
    }
    // A key that is dead before it is published is no one's fault but ours.
    let revoked: BTreeSet<_> =
        revocations.iter().map(|revocation| (&*revocation.key.id, revocation.at)).collect();
    for publication in &publications {
        if revoked.iter().any(|(key, at)| *key == publication.key && *at < publication.since) {
            breaches.push(format!("a key was published at {} after its revocation", publication.since));
        }
    }
    Audit {
        publications: publications.len(),
        rotations,
        longest_wait,
        revocations: revocations.len(),
        breaches,
    }
}

/// When a project got another key. Its first one replaced nothing, and is counted too.
fn rotated(publications: &[Publication]) -> Vec<DateTime<Utc>> {
    let mut key = None;
    let mut times = Vec::new();
    for publication in publications {
        if key.replace(&publication.key) != Some(&publication.key) {
            times.push(publication.since);
        }
    }
    times
}

async fn publications_of(corner: &Corner<'_>, place: &str) -> Vec<Publication> {
    let path = format!("{}/metadata/{place}", corner.mount);
    let (_, answer) = corner.bao.any("GET", &path, Value::Null).await;
    let metadata = &answer["data"];
    assert!(metadata["oldest_version"].as_u64().unwrap_or(0) <= 1, "{place} has forgotten versions");
    let current = metadata["current_version"].as_u64().unwrap_or(0);
    let created = |version: u64| -> Option<DateTime<Utc>> {
        metadata["versions"][version.to_string()]["created_time"].as_str().map(|time| time.parse().unwrap())
    };
    let mut publications = Vec::new();
    for version in 1..=current {
        let path = format!("{}/data/{place}?version={version}", corner.mount);
        let (_, answer) = corner.bao.any("GET", &path, Value::Null).await;
        let Some(key) = answer["data"]["data"]["api_key"].as_str() else { continue };
        let since = created(version).unwrap();
        publications.push(Publication { key: key.to_owned(), since, until: created(version + 1) });
    }
    publications
}
