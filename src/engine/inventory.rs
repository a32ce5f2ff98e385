//! Every key of the projects, whosever it is: what a person wants to know who asks which keys there are.
//!
//! Notes are free text, in which people write whatever they like, at times another key. They are looked at for the marks of
//! rotators, and never kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{Instance, OrganizationId, ProjectId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::{Marker, is_marked, is_of_another_format};
use crate::domain::project::Project;
use crate::exceptionless::ListedKey;
use crate::plan::Step;
use crate::plan::emergency::Cut;
use crate::plan::world::Observed;

/// Who looks after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// This rotator.
    Ours,
    /// Another instance, if its name can be read.
    OtherInstance(Option<Instance>),
    /// A person. One who has edited the notes of a rotator's key has taken it over.
    Person,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is the published key of its project.
    Published,
    /// It does not work, and can be enabled.
    Disabled,
    /// Its organization is suspended.
    Suspended,
    /// Its time is over by itself.
    Expired,
    /// Ours, and on its way out.
    Retiring,
    /// Ours, and neither published nor listed: of an attempt that is under way or was interrupted.
    Unlisted,
    /// It works, and is somebody else's business.
    Active,
}

/// One key.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: ApiKey,
    /// Its project; a key of a whole organization has none.
    pub project: Option<Arc<Project>>,
    /// The name of its organization.
    pub organization_name: Arc<str>,
    /// Who looks after it.
    pub owner: KeyOwner,
    /// Its notes begin as those of a rotator, whatever follows.
    pub marked: bool,
    /// How it stands.
    pub condition: Condition,
    /// It was disabled.
    pub disabled: bool,
    /// When it was minted, by the server's clock.
    pub created: DateTime<Utc>,
    /// When it ends by itself.
    pub expires: Option<DateTime<Utc>>,
    /// What it may do.
    pub scopes: Vec<String>,
}

impl Entry {
    /// Whether no rotator looks after it: a person made it, or has taken it over, and no secret of ours has it published.
    pub fn is_unmanaged(&self) -> bool {
        self.owner == KeyOwner::Person && self.condition != Condition::Published
    }

    /// Whether it was minted longer ago than that.
    pub fn is_older_than(&self, age: Duration, now: DateTime<Utc>) -> bool {
        now - self.created > TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
    }
}

impl KeyOwner {
    /// The stable word.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OtherInstance(_) => "other_instance",
            Self::Person => "person",
        }
    }

    fn of(instance: &Instance, notes: Option<&str>) -> Self {
        match notes.map(|notes| (Marker::parse(notes), notes)) {
            Some((Some(marker), _)) if marker.instance == *instance => Self::Ours,
            Some((Some(marker), _)) => Self::OtherInstance(Some(marker.instance)),
            Some((None, notes)) if is_of_another_format(notes) => Self::OtherInstance(None),
            _ => Self::Person,
        }
    }
}

impl Condition {
    /// The stable word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Disabled => "disabled",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Retiring => "retiring",
            Self::Unlisted => "unlisted",
            Self::Active => "active",
        }
    }
}

/// The keys of ours that should end in an emergency and stay, because nothing can be done about their project: as far as
/// they were listed.
pub fn out_of_reach(step: &Step, cut: Cut, inventory: &[Entry]) -> Vec<Fingerprint> {
    let project = &step.observed.target.project.id;
    let is_here = |entry: &&Entry| entry.project.as_ref().is_some_and(|home| home.id == *project);
    let stays =
        |entry: &&Entry| entry.owner == KeyOwner::Ours && !entry.disabled && cut.covers(entry.created);
    let entries = inventory.iter().filter(|_| step.is_blocked());
    entries.filter(is_here).filter(stays).map(|entry| entry.key.fingerprint()).collect()
}

/// The keys that were listed: those of the projects that were looked at, in their order, then those of their organizations
/// by name, and of each the oldest first.
pub(super) fn take(
    instance: &Instance,
    projects: &[Observed],
    listed: Vec<ListedKey>,
    now: DateTime<Utc>,
) -> Vec<Entry> {
    let by_id: HashMap<&ProjectId, (usize, &Observed)> = projects
        .iter()
        .enumerate()
        .map(|(at, observed)| (&observed.target.project.id, (at, observed)))
        .collect();
    let names: HashMap<&OrganizationId, &Arc<str>> = projects
        .iter()
        .map(|observed| &observed.target.project)
        .map(|project| (&project.organization_id, &project.organization_name))
        .collect();
    let entry = |listed: ListedKey| {
        let observed = listed.project_id.as_ref().map(|id| by_id.get(id).copied());
        // A key of a project that nobody asked about.
        if matches!(observed, Some(None)) {
            return None;
        }
        let (at, observed) = observed.flatten().unzip();
        let owner = KeyOwner::of(instance, listed.notes.as_deref());
        let organization_name = Arc::clone(names.get(&listed.organization_id)?);
        let home = at.is_none().then(|| (Arc::clone(&organization_name), listed.organization_id.clone()));
        let order = (at.unwrap_or(usize::MAX), home, listed.created);
        let entry = Entry {
            project: observed.map(|observed| Arc::clone(&observed.target.project)),
            organization_name,
            condition: condition(&listed, &owner, observed, now),
            marked: listed.notes.as_deref().is_some_and(is_marked),
            owner,
            disabled: listed.is_disabled,
            created: listed.created,
            expires: listed.expires,
            scopes: listed.scopes,
            key: listed.key,
        };
        Some((order, entry))
    };
    let mut entries: Vec<_> = listed.into_iter().filter_map(entry).collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn condition(
    listed: &ListedKey,
    owner: &KeyOwner,
    observed: Option<&Observed>,
    now: DateTime<Utc>,
) -> Condition {
    let ours = observed.and_then(Observed::ours);
    match owner {
        _ if ours.is_some_and(|published| published.publishes(&listed.key)) => Condition::Published,
        _ if listed.is_disabled => Condition::Disabled,
        _ if listed.is_suspended => Condition::Suspended,
        _ if listed.expires.is_some_and(|expires| expires <= now) => Condition::Expired,
        KeyOwner::Ours
            if ours.is_some_and(|published| published.retiring.contains(listed.key.fingerprint())) =>
        {
            Condition::Retiring
        }
        KeyOwner::Ours => Condition::Unlisted,
        KeyOwner::OtherInstance(_) | KeyOwner::Person => Condition::Active,
    }
}
