//! How many requests are being answered, without the lock: leaving must be cheap, and happens in a destructor because
//! a client that goes away drops the future that was answering it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicU64,
    peak: AtomicU64,
}

/// One request being answered, until dropped.
#[derive(Debug)]
pub(crate) struct Presence(Arc<Gauge>);

impl Gauge {
    pub(crate) fn enter(self: &Arc<Self>) -> Presence {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Presence(Arc::clone(self))
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Forgets the peak, except for those who are still here.
    pub(crate) fn reset(&self) {
        self.peak.store(self.now(), Ordering::Relaxed);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}
