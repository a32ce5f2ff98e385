//! Paging: when a listing is complete, and when it must not be believed.
//!
//! Pages are asked for by number until as many different items were seen as `X-Result-Count` announces.
//! `Link` is no help: the server stops sending it before the thousandth item (`Pagination.cs`). A window
//! that ends beyond item 10,000 is a 500 of the server's database, and the server asks its database for
//! one item more than the page holds: page 99 is the last one of a hundred.
//!
//! Items come oldest first, so what is created meanwhile appears at the end. What is deleted meanwhile
//! shifts the others forward, past the page that was being read; the count shrinks then, and the listing
//! starts over. An item that disappears in the same moment as another one appears leaves no trace in the
//! count: whoever misses an item asks for it by name before acting on its absence.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

/// The items of a page, which the server allows for keys at the most and for projects without pain.
pub(super) const PAGE: u64 = 100;

/// The last page that the server can deliver.
pub(super) const LAST_PAGE: u64 = 99;

/// How often a listing whose items shift starts over.
const MAX_RESTARTS: u32 = 3;

/// A listing in the making.
#[derive(Debug)]
pub(super) struct Listing<T> {
    items: Vec<T>,
    /// The ids that were seen, hashed: some of them are keys.
    seen: HashSet<u64>,
    hasher: RandomState,
    page: u64,
    announced: u64,
    restarts: u32,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for [`Listing::page`].
    Continue,
    /// All was seen.
    Complete,
    /// The end came too early, or the items would not hold still.
    Incomplete,
    /// There are more than the server can deliver.
    TooMany,
}

impl<T> Listing<T> {
    /// Nothing was asked for yet.
    pub(super) fn new() -> Self {
        let (hasher, seen) = (RandomState::new(), HashSet::new());
        Self { items: Vec::new(), seen, hasher, page: 1, announced: 0, restarts: 0 }
    }

    /// The page to ask for.
    pub(super) fn page(&self) -> u64 {
        self.page
    }

    /// How many the server has announced.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// How many different items came.
    pub(super) fn seen(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Takes the page that was asked for: its items with their ids, and `X-Result-Count`. An item may be
    /// `None`, if there is one but it is of no use.
    pub(super) fn take<I: Hash>(&mut self, items: Vec<(I, Option<T>)>, announced: u64) -> Step {
        let shrunk = announced < self.announced;
        self.announced = announced;
        if announced > PAGE * LAST_PAGE {
            return Step::TooMany;
        }
        if shrunk {
            return self.restart();
        }
        let is_empty = items.is_empty();
        for (id, item) in items {
            if self.seen.insert(self.hasher.hash_one(id)) {
                self.items.extend(item);
            }
        }
        if self.seen() >= announced {
            Step::Complete
        } else if is_empty || self.page == LAST_PAGE {
            Step::Incomplete
        } else {
            self.page += 1;
            Step::Continue
        }
    }

    /// The items, in the order in which they came.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }

    fn restart(&mut self) -> Step {
        if self.restarts == MAX_RESTARTS {
            return Step::Incomplete;
        }
        let (restarts, hasher) = (self.restarts + 1, RandomState::new());
        *self = Self { restarts, hasher, ..Self::new() };
        Step::Continue
    }
}

#[cfg(test)]
mod tests;
