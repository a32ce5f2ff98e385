//! Both servers and the true time, and the judge of the promise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::ids::{Instance, RotationId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::{Marker, Owner};
use crate::domain::policy::Revocation;
use crate::domain::secret::{Publication, Published, SecretState};

use super::super::world::OwnKey;
use super::dice::Dice;
use super::{Flaw, Tally};

/// By how much the clocks can go on more than the time, while they are set anew.
const LEEWAY: TimeDelta = TimeDelta::seconds(125);

/// Late in May 2026.
pub(super) const BEGINNING: DateTime<Utc> = DateTime::from_timestamp(1_780_000_000, 0).unwrap();

pub(super) type Fields = BTreeMap<&'static str, String>;

/// A key at Exceptionless.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) key: ApiKey,
    pub(super) fingerprint: Fingerprint,
    pub(super) notes: String,
    /// What the notes say to us.
    pub(super) marker: Option<Marker>,
    pub(super) enabled: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    /// When a person took it over by editing its notes.
    pub(super) taken: Option<DateTime<Utc>>,
}

/// A version of the secret.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) fields: Fields,
    pub(super) fingerprint: Fingerprint,
    pub(super) deleted: bool,
    /// By Vault's clock.
    pub(super) written: DateTime<Utc>,
}

/// A request whose sender has given up, and that arrives all the same.
#[derive(Debug)]
pub(super) enum Request {
    Mint(String),
    Publish(Fields, Fingerprint, usize),
}

/// One project's part of the world.
pub(super) struct Universe {
    /// The true time, which nobody in the world knows.
    pub(super) now: DateTime<Utc>,
    /// What the operator wants.
    pub(super) revocation: Revocation,
    pub(super) dice: Dice,
    pub(super) flaw: Option<Flaw>,
    pub(super) tally: Tally,
    /// Nothing is lost on the way any more.
    pub(super) calm: bool,
    pub(super) instance: Instance,
    /// How far a clock may be off, in seconds.
    skew: f64,
    /// How far each clock is ahead: Exceptionless, Vault, and each machine.
    clocks: [TimeDelta; 5],
    /// The server whose clock only drifts back: see the module's assumptions.
    steady: usize,
    pub(super) tokens: Vec<Token>,
    pub(super) versions: Vec<Version>,
    pub(super) stamped: bool,
    under_way: Vec<(DateTime<Utc>, Request)>,
    minted: usize,
    /// When a key stopped being the published one.
    ceased: BTreeMap<Fingerprint, DateTime<Utc>>,
    /// When a rotator disabled a key.
    disabled: BTreeMap<Fingerprint, DateTime<Utc>>,
    /// When a key was brought back, and whether that was by hand.
    woken: BTreeMap<Fingerprint, (DateTime<Utc>, bool)>,
    /// The longest overlap that readers of a key were promised.
    promised: BTreeMap<Fingerprint, TimeDelta>,
    /// Keys that a person disabled or deleted, or rolled back to after their end.
    pub(super) killed: BTreeSet<Fingerprint>,
    /// The first breach of the promise.
    pub(super) breach: Option<String>,
}

impl Universe {
    pub(super) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut dice = Dice::new(seed);
        // Where all clocks agree, nothing but the overlap itself keeps a key alive.
        let skew = if dice.chance(0.5) { 60.0 } else { 0.0 };
        let clocks = std::array::from_fn(|_| dice.seconds(-skew, skew));
        let disabled_for = Duration::from_secs(600);
        let revocation = match dice.chance(0.5) {
            true => Revocation::DisableThenDelete { disabled_for },
            false => Revocation::Delete,
        };
        Self {
            now: BEGINNING,
            revocation,
            steady: dice.below(2),
            dice,
            flaw,
            tally: Tally::default(),
            calm: false,
            instance: Instance::parse("default").unwrap(),
            skew,
            clocks,
            tokens: Vec::new(),
            versions: Vec::new(),
            stamped: false,
            under_way: Vec::new(),
            minted: 0,
            ceased: BTreeMap::new(),
            disabled: BTreeMap::new(),
            woken: BTreeMap::new(),
            promised: BTreeMap::new(),
            killed: BTreeSet::new(),
            breach: None,
        }
    }

    /// Time passes, and what was under way arrives.
    pub(super) fn wait(&mut self, time: TimeDelta) {
        let until = self.now + time;
        loop {
            let due = |(at, _): &(DateTime<Utc>, Request)| *at <= until;
            let first = (0..self.under_way.len())
                .filter(|index| due(&self.under_way[*index]))
                .min_by_key(|index| self.under_way[*index].0);
            let Some(first) = first else { break };
            let (at, request) = self.under_way.swap_remove(first);
            self.now = self.now.max(at);
            match request {
                Request::Mint(notes) => {
                    self.mint(notes);
                }
                Request::Publish(fields, fingerprint, expected) => {
                    self.publish(fields, fingerprint, expected);
                }
            }
        }
        self.now = until;
    }

    pub(super) fn arrives_later(&mut self, at: DateTime<Utc>, request: Request) {
        self.under_way.push((at, request));
    }

    /// Whether nobody's clock is off in this history.
    pub(super) fn clocks_agree(&self) -> bool {
        self.skew == 0.0
    }

    /// What the process on this machine knows of the time.
    pub(super) fn clocks(&self, machine: usize) -> Clocks {
        let [exceptionless, vault] = [0, 1].map(|clock| {
            let date = (self.now + self.clocks[clock]).trunc_subsecs(0);
            (self.flaw != Some(Flaw::OwnClockOnly)).then_some(date)
        });
        Clocks { ours: self.now + self.clocks[2 + machine], exceptionless, vault }
    }

    /// A clock is set anew.
    pub(super) fn set_a_clock(&mut self) {
        let clock = self.dice.below(self.clocks.len());
        let ahead = self.dice.seconds(-self.skew, self.skew);
        if clock != self.steady || ahead < self.clocks[clock] {
            self.clocks[clock] = ahead;
        }
    }

    pub(super) fn fresh_rotation(&mut self) -> RotationId {
        RotationId::parse(&format!("0198c5d2-7b1e-7c3a-9f00-{:012x}", self.dice.below(1 << 40))).unwrap()
    }

    pub(super) fn mint(&mut self, notes: String) -> ApiKey {
        self.minted += 1;
        let key = ApiKey::parse(&format!("key-{}", self.minted)).unwrap();
        self.tokens.push(Token {
            fingerprint: key.fingerprint(),
            key: key.clone(),
            marker: Marker::parse(&notes),
            notes,
            enabled: true,
            created: self.now + self.clocks[0],
            updated: self.now + self.clocks[0],
            taken: None,
        });
        key
    }

    pub(super) fn token(&self, key: &ApiKey) -> Option<&Token> {
        self.tokens.iter().find(|token| token.key == *key)
    }

    /// Whether a request with this key is let in.
    pub(super) fn works(&self, key: &ApiKey) -> bool {
        self.token(key).is_some_and(|token| token.enabled)
    }

    pub(super) fn is_ours(&self, token: &Token) -> bool {
        token.marker.as_ref().is_some_and(|marker| marker.instance == self.instance)
    }

    /// The keys that the notes call ours.
    pub(super) fn own_keys(&self) -> Vec<OwnKey> {
        let unseen = |enabled: bool| match self.flaw {
            Some(Flaw::NoSecondWait) => !enabled,
            Some(Flaw::NoSecondChance) => enabled,
            _ => false,
        };
        let own = |token: &Token| {
            let marker = token.marker.as_ref().filter(|marker| marker.instance == self.instance)?;
            Some(OwnKey {
                key: token.key.clone(),
                fingerprint: token.fingerprint,
                rotation: marker.rotation,
                created: token.created,
                updated: if unseen(token.enabled) { token.created } else { token.updated },
                enabled: token.enabled,
                disabled: !token.enabled,
                publishable: token.enabled,
            })
        };
        self.tokens.iter().filter_map(own).collect()
    }

    /// The secret as a reader with our rights sees it.
    pub(super) fn secret(&self) -> SecretState {
        let version = self.versions.len() as u64;
        match self.versions.last() {
            None => SecretState::Absent,
            Some(Version { deleted: true, .. }) => {
                SecretState::Deleted { version, owner: self.stamped.then(|| Owner(self.instance.clone())) }
            }
            Some(Version { fields, written, .. }) => {
                let unseen = [Flaw::NoVersionTime, Flaw::LatePublication, Flaw::LateArrival].map(Some);
                let written = Some(*written).filter(|_| !unseen.contains(&self.flaw));
                let field = |name: &str| fields.get(name).map(String::as_str);
                SecretState::Ours(Box::new(Published::read(version, written, self.stamped, field)))
            }
        }
    }

    /// The key in the current version.
    pub(super) fn published(&self) -> Option<Fingerprint> {
        self.versions.last().filter(|version| !version.deleted).map(|version| version.fingerprint)
    }

    /// Writes with check-and-set.
    pub(super) fn publish(&mut self, fields: Fields, fingerprint: Fingerprint, expected: usize) -> bool {
        if self.versions.len() != expected && self.flaw != Some(Flaw::NoCheckAndSet) {
            return false;
        }
        self.tally.publications += 1;
        self.write(fields, fingerprint);
        true
    }

    /// Adds a version, whoever asks.
    pub(super) fn write(&mut self, fields: Fields, fingerprint: Fingerprint) {
        let version = Version { fields, fingerprint, deleted: false, written: self.now + self.clocks[1] };
        let seconds = version.fields["overlap_seconds"].parse().unwrap();
        let overlap = TimeDelta::from_std(Duration::from_secs(seconds)).unwrap();
        let promised = self.promised.entry(version.fingerprint).or_default();
        *promised = overlap.max(*promised);
        self.change_published(|versions| versions.push(version));
    }

    /// The latest version is deleted.
    pub(super) fn soft_delete(&mut self) {
        self.change_published(|versions| {
            if let Some(latest) = versions.last_mut() {
                latest.deleted = true;
            }
        });
    }

    fn change_published(&mut self, change: impl FnOnce(&mut Vec<Version>)) {
        let before = self.published();
        change(&mut self.versions);
        let after = self.published();
        if let Some(old) = before.filter(|_| before != after) {
            self.ceased.insert(old, self.now);
        }
        if let Some(new) = after {
            self.ceased.remove(&new);
        }
    }

    /// Since when a key is no longer the published one.
    pub(super) fn ceased(&self, key: Fingerprint) -> Option<DateTime<Utc>> {
        self.ceased.get(&key).copied()
    }

    /// A rotator revokes a key that it listed at `seen`. This is where the second and the third promise
    /// would break.
    pub(super) fn revoke(&mut self, key: Fingerprint, seen: DateTime<Utc>) {
        let Some(index) = self.tokens.iter().position(|token| token.fingerprint == key) else { return };
        let token = self.tokens.remove(index);
        self.tally.revocations += 1;
        if let (Revocation::DisableThenDelete { disabled_for }, Some(since)) =
            (self.revocation, self.disabled.get(&key).filter(|_| !token.enabled))
        {
            let slept = self.now - *since;
            // Nobody promises it to the second, and clocks are set anew meanwhile.
            if slept + LEEWAY < TimeDelta::from_std(disabled_for).unwrap() {
                self.breaks(format!(
                    "{} was deleted {} s after it was disabled",
                    token.key.expose(),
                    slept.num_seconds()
                ));
            }
        }
        self.judge_end(&token, seen, "revoked");
    }

    /// A rotator disables a key that it listed at `seen`, as the first of two stages.
    pub(super) fn disable(&mut self, key: Fingerprint, seen: DateTime<Utc>) {
        let Some(index) = self.tokens.iter().position(|token| token.fingerprint == key) else { return };
        self.tally.disabled += 1;
        let updated = self.now + self.clocks[0];
        let token = &mut self.tokens[index];
        let before = token.clone();
        (token.enabled, token.updated) = (false, updated);
        self.disabled.insert(key, self.now);
        if before.enabled {
            self.judge_end(&before, seen, "disabled");
        }
    }

    /// Somebody enables a key again. It has another overlap before it.
    pub(super) fn enable(&mut self, key: Fingerprint, by_hand: bool) {
        let (now, updated) = (self.now, self.now + self.clocks[0]);
        let Some(token) = self.tokens.iter_mut().find(|token| token.fingerprint == key && !token.enabled)
        else {
            return;
        };
        (token.enabled, token.updated) = (true, updated);
        self.tally.brought_back += 1;
        self.disabled.remove(&key);
        self.killed.remove(&key);
        self.woken.insert(key, (now, by_hand));
    }

    /// The keys that a rotator has disabled.
    pub(super) fn disabled(&self) -> impl Iterator<Item = Fingerprint> {
        self.disabled.keys().copied()
    }

    /// When a key was brought back.
    pub(super) fn woken(&self, key: Fingerprint) -> Option<DateTime<Utc>> {
        self.woken.get(&key).map(|(at, _)| *at)
    }

    /// The clock of Exceptionless.
    pub(super) fn exceptionless(&self) -> DateTime<Utc> {
        self.now + self.clocks[0]
    }

    /// Whether the secret lists a key for retirement.
    pub(super) fn lists(&self, key: Fingerprint) -> bool {
        let SecretState::Ours(published) = self.secret() else { return false };
        published.retiring.contains(key)
    }

    fn judge_end(&mut self, token: &Token, seen: DateTime<Utc>, end: &str) {
        let key = token.fingerprint;
        if !self.is_ours(token) && token.taken.is_none_or(|taken| taken < seen) {
            self.breaks(format!("{} was {end}, its notes being {:?}", token.key.expose(), token.notes));
        }
        if self.published() == Some(key) {
            self.breaks(format!("{} was {end} while it was published", token.key.expose()));
        }
        if let Some(ceased) = self.ceased.get(&key) {
            let kept = self.now - *ceased;
            if kept < self.promised[&key] {
                let promised = self.promised[&key].num_seconds();
                self.breaks(format!(
                    "{} was {end} {} s after it was replaced, not {promised} s",
                    token.key.expose(),
                    kept.as_seconds_f64()
                ));
            }
        }
        self.judge_second_chance(token, seen, end);
    }

    fn judge_second_chance(&mut self, token: &Token, seen: DateTime<Utc>, end: &str) {
        let Some(&(woken, by_hand)) = self.woken.get(&token.fingerprint) else { return };
        let overlap = self.promised.values().min().copied().unwrap_or_default();
        let kept = self.now - woken;
        let owed = match self.revocation {
            Revocation::DisableThenDelete { .. } => overlap,
            // It counts from the list, which is written a little before.
            Revocation::Delete => overlap * 3 / 4 - TimeDelta::seconds(1),
        };
        if kept < owed && !(by_hand && woken >= seen) {
            let (key, kept) = (token.key.expose(), kept.num_seconds());
            self.breaks(format!("{key} was {end} {kept} s after it was brought back"));
        }
    }

    /// The first promise, at this instant.
    pub(super) fn judge(&mut self) {
        let Some(published) = self.published() else { return };
        let works = self.tokens.iter().any(|token| token.fingerprint == published && token.enabled);
        if !works && !self.killed.contains(&published) {
            self.breaks(format!("the published key {published} does not work"));
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.breach.get_or_insert(what);
    }

    /// The wire form of a publication.
    pub(super) fn sent(publication: &Publication) -> (Fields, Fingerprint) {
        (publication.fields(), publication.api_key.fingerprint())
    }
}
