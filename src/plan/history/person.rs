//! What people do with both servers while rotators run.

use crate::domain::ids::Instance;
use crate::domain::key::Fingerprint;
use crate::domain::marker::Marker;
use crate::domain::retiring::Retiring;

use super::universe::{Universe, Version};

/// A person does one thing.
pub(super) fn act(universe: &mut Universe) {
    match universe.dice.below(14) {
        0..=3 => roll_back(universe),
        4 | 5 => disable_the_published_key(universe),
        6 | 7 => delete_a_key(universe),
        8 => create_a_key(universe),
        9 | 10 => edit_notes(universe),
        11 | 12 => enable_a_key(universe),
        _ => delete_the_secret(universe),
    }
}

/// An older version becomes the current one again, as `vault kv rollback` does it.
fn roll_back(universe: &mut Universe) {
    let older: Vec<usize> = (0..universe.versions.len().saturating_sub(1))
        .filter(|index| {
            let version = &universe.versions[*index];
            !version.deleted && (universe.clocks_agree() || !is_stale(universe, version))
        })
        .collect();
    let Some(chosen) = universe.dice.pick(&older) else { return };
    let version = universe.versions[chosen].clone();
    if !universe.tokens.iter().any(|token| token.fingerprint == version.fingerprint && token.enabled) {
        universe.killed.insert(version.fingerprint);
    }
    universe.tally.rollbacks += 1;
    universe.write(version.fields, version.fingerprint);
}

/// Whether the version calls a key old that has been published again since it was written, or brought back. That takes an
/// earlier rollback, and now one in the other direction; or one across an `undo`.
fn is_stale(universe: &Universe, version: &Version) -> bool {
    let current = universe.published();
    Retiring::parse(&version.fields["retiring"]).iter().any(|(key, since)| {
        let again = universe.ceased(key).max(universe.woken(key));
        Some(key) == current || again.is_some_and(|again| again > since)
    })
}

fn disable_the_published_key(universe: &mut Universe) {
    let Some(published) = universe.published() else { return };
    let updated = universe.exceptionless();
    for token in universe.tokens.iter_mut().filter(|token| token.fingerprint == published) {
        token.enabled = false;
        token.updated = updated;
    }
    universe.killed.insert(published);
}

/// By hand, and only where a rotator has disabled it.
fn enable_a_key(universe: &mut Universe) {
    let disabled: Vec<Fingerprint> = universe.disabled().collect();
    if let Some(key) = universe.dice.pick(&disabled) {
        universe.enable(key, true);
    }
}

fn delete_a_key(universe: &mut Universe) {
    let Some(key) = any_key(universe) else { return };
    universe.tokens.retain(|token| token.fingerprint != key);
    universe.killed.insert(key);
}

/// For themselves, or with another deployment of the rotator.
fn create_a_key(universe: &mut Universe) {
    let notes = if universe.dice.chance(0.5) {
        "made by a person".to_owned()
    } else {
        let instance = Instance::parse("other").unwrap();
        Marker { instance, rotation: universe.fresh_rotation() }.to_string()
    };
    universe.mint(notes);
}

/// The key belongs to that person from now on.
fn edit_notes(universe: &mut Universe) {
    let Some(key) = any_key(universe) else { return };
    let now = universe.now;
    for token in universe.tokens.iter_mut().filter(|token| token.fingerprint == key) {
        token.taken.get_or_insert(now);
        token.notes.push_str(" (used by the old importer, do not delete)");
        token.marker = Marker::parse(&token.notes);
    }
}

fn delete_the_secret(universe: &mut Universe) {
    // Without the mark in its metadata nobody could tell afterwards that it was ours.
    if universe.stamped {
        universe.soft_delete();
    }
}

fn any_key(universe: &mut Universe) -> Option<Fingerprint> {
    let keys: Vec<Fingerprint> = universe.tokens.iter().map(|token| token.fingerprint).collect();
    universe.dice.pick(&keys)
}
