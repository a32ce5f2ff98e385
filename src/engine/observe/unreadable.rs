//! The secrets in our folders that may not be read.
//!
//! Mostly they are other people's, and such a fleet must still be able to revoke: so they are passed over. But one of them
//! may be ours, at a path that a project has left, and its key is revoked although applications read it there. Only a
//! person can tell, and is told of each once, not in every pass.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::path::SecretPath;

/// Those that were told.
#[derive(Debug, Clone, Default)]
pub struct Unreadable(Arc<Mutex<HashSet<SecretPath>>>);

impl Unreadable {
    /// Which of them were not told yet.
    pub(super) fn news(&self, found: Vec<SecretPath>) -> Vec<SecretPath> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.into_iter().filter(|path| told.insert(path.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        let path = |text: &str| SecretPath::parse(text).unwrap();
        let unreadable = Unreadable::default();
        assert_eq!(unreadable.news(vec![path("apps/a")]), [path("apps/a")]);
        assert_eq!(unreadable.news(vec![path("apps/a"), path("apps/b")]), [path("apps/b")]);
    }
}
