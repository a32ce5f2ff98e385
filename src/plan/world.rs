//! What a pass has seen, and nothing that it has not.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::ids::{OrganizationId, ProjectId, RotationId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::path::SecretPath;
use crate::domain::secret::{Moved, Published, SecretState};

use super::promise;
use super::reason::Due;
use super::target::Target;

/// Both servers, as one pass has seen them.
#[derive(Debug)]
pub struct World {
    /// The time, after everything else was seen.
    pub clocks: Clocks,
    /// The selected projects.
    pub projects: Vec<Observed>,
    /// Secrets of ours at paths where their projects do not live. `None` when the pass could not see them all:
    /// nothing may be called vanished then, and nothing is revoked.
    pub strays: Option<Strays>,
}

/// Secrets of ours at paths where their projects do not live: where no selected project does, or another one.
#[derive(Debug, Default)]
pub struct Strays {
    /// The secrets.
    pub secrets: Vec<Stray>,
    /// The keys that any secret of ours publishes, be it where its project lives: a person may have put there the key of
    /// another project.
    pub published: HashSet<Fingerprint>,
    /// The keys that all of them list for retirement: each secret promises an overlap to its own readers.
    pub listed: Vec<Listed>,
    /// Those that were withdrawn because their projects had moved away.
    pub withdrawn: Vec<Withdrawn>,
    /// Every project that exists, selected or not; `None` when not all were seen.
    pub existing: Option<HashSet<ProjectId>>,
    /// The organizations that the user sees.
    pub organizations: HashSet<OrganizationId>,
    /// There may be one more, which was not read where a project lives by its name, or in which no key was found: then
    /// nothing is revoked.
    pub unread: bool,
}

impl Strays {
    /// What readers of other paths may hold.
    pub fn elsewhere(&self, earliest: DateTime<Utc>) -> Elsewhere {
        let kept =
            self.withdrawn.iter().filter(|one| one.moved.kept_until.is_none_or(|until| until > earliest));
        let stand = self.secrets.iter().filter_map(|stray| stray.key).chain(self.published.iter().copied());
        let mut listed: HashMap<Fingerprint, Vec<Listed>> = HashMap::new();
        for one in &self.listed {
            listed.entry(one.key).or_default().push(*one);
        }
        Elsewhere { keys: stand.chain(kept.filter_map(|one| one.moved.key)).collect(), listed }
    }

    /// The secrets by the project that they were written for.
    pub fn by_project(&self) -> HashMap<ProjectId, Vec<Stray>> {
        let mut strays: HashMap<ProjectId, Vec<Stray>> = HashMap::new();
        for stray in &self.secrets {
            strays.entry(stray.project_id.clone()).or_default().push(stray.clone());
        }
        strays
    }
}

/// The keys that readers of other secrets of ours may hold.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Those that are published there, or were so lately.
    pub keys: HashSet<Fingerprint>,
    listed: HashMap<Fingerprint, Vec<Listed>>,
}

impl Elsewhere {
    /// Until when the lists over there promise a key to their readers. The list at the path of the project may be older
    /// than theirs: a path that changes back and forth leaves a secret of its own at each.
    pub fn promised_until(&self, key: Fingerprint, overlap: Duration) -> Option<DateTime<Utc>> {
        let lists = self.listed.get(&key)?.iter();
        lists.map(|one| one.since + promise(one.overlap, overlap)).max()
    }
}

/// A key that a secret has replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: Fingerprint,
    /// Since when it counts as old there.
    pub since: DateTime<Utc>,
    /// The overlap that readers of that secret were promised.
    pub overlap: Option<Duration>,
}

/// A secret that nobody can read any more, and whose last readers may still need its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// Where it was.
    pub path: SecretPath,
    /// What its metadata says: which key it published, and until when that is kept.
    pub moved: Moved,
}

/// One such secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where it is.
    pub path: SecretPath,
    /// The project that it was written for.
    pub project_id: ProjectId,
    /// The organization of that project.
    pub organization_id: Option<OrganizationId>,
    /// The key that it publishes.
    pub key: Option<Fingerprint>,
    /// The overlap that its readers were promised.
    pub overlap: Option<Duration>,
    /// It was marked as vanished by an earlier pass.
    pub marked: bool,
    /// Where its project lives, as an earlier pass has noted it.
    pub moved: Option<Moved>,
}

impl Stray {
    /// Whether its metadata says where its project lives now and which key it publishes. An end that is noted there is
    /// not that of a secret that stands: somebody has undeleted it.
    pub fn is_forwarded_to(&self, home: &SecretPath) -> bool {
        self.moved.as_ref().is_some_and(|moved| {
            moved.to == Moved::address(home) && moved.key == self.key && moved.kept_until.is_none()
        })
    }

    /// Whether it was noted there that the key has served.
    pub fn is_marked_as_moved(&self) -> bool {
        self.moved.as_ref().is_some_and(|moved| moved.at.is_some())
    }
}

/// One selected project and what was seen of it.
#[derive(Debug)]
pub struct Observed {
    /// The project, its rule and its path.
    pub target: Target,
    /// What was seen.
    pub state: State,
}

/// What was seen of a project.
#[derive(Debug)]
pub enum State {
    /// Its organization is suspended: its keys do not work, and nothing was read.
    Suspended,
    /// Something could not be read; the text says what, and what to do.
    Unseen(String),
    /// Its secret, and then its keys.
    Seen(Sight),
}

/// A project's secret, and its keys as they were listed after the secret had been read.
#[derive(Debug)]
pub struct Sight {
    /// What stands at the path.
    pub secret: SecretState,
    /// What became of the published key.
    pub published: PublishedKey,
    /// The keys of ours.
    pub keys: Vec<OwnKey>,
}

/// The published key, as Exceptionless sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedKey {
    /// No key is published.
    Missing,
    /// Listed for this project, enabled, and it will not expire within the overlap.
    Alive {
        /// When it was minted, by the server's clock.
        created: DateTime<Utc>,
    },
    /// Gone, disabled or about to expire, and asked once more with the key itself where that can tell.
    Dead(Due),
    /// It authenticates, but this project's listing does not show it as a working key.
    Misplaced,
}

/// A key whose notes carry our marker and our instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKey {
    /// The key.
    pub key: ApiKey,
    /// Its fingerprint, taken once.
    pub fingerprint: Fingerprint,
    /// The attempt that minted it.
    pub rotation: RotationId,
    /// When, by the server's clock.
    pub created: DateTime<Utc>,
    /// When it was last changed, by the server's clock: disabled, or enabled again.
    pub updated: DateTime<Utc>,
    /// It authenticates.
    pub enabled: bool,
    /// It was disabled, be it by us or by a person.
    pub disabled: bool,
    /// It is enabled, has the scope `client` and no other, and does not expire.
    pub publishable: bool,
}

impl Observed {
    /// What was seen, if anything was.
    pub fn sight(&self) -> Option<&Sight> {
        match &self.state {
            State::Seen(sight) => Some(sight),
            State::Suspended | State::Unseen(_) => None,
        }
    }

    /// The secret, if it is ours.
    pub fn ours(&self) -> Option<&Published> {
        self.sight().and_then(Sight::ours)
    }
}

impl Sight {
    /// The secret, if it is ours.
    pub fn ours(&self) -> Option<&Published> {
        match &self.secret {
            SecretState::Ours(published) => Some(published),
            _ => None,
        }
    }
}
