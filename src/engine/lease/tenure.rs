//! The right to run passes, as long as it lasts.

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Moment;
use crate::domain::lease::{Holder, LeaseState};
use crate::engine::clock;

/// The right to run passes. Clones speak of the same one.
///
/// Whether it stands is asked of the clock each time, and not of a timer: a process that was paused for longer than its
/// lease learns of it before it sends anything.
#[derive(Debug, Clone)]
pub struct Tenure(Option<watch::Receiver<Office>>);

/// Who holds the lease, as far as this process knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseView {
    /// The holder's name; `None` while nobody holds it, or it has not been seen yet.
    pub holder: Option<String>,
    /// Whether it is this process, and its tenure stands.
    pub ours: bool,
    /// When it was last renewed, by the holder's clock.
    pub renewed_at: Option<DateTime<Utc>>,
    /// The version of its secret.
    pub version: u64,
    /// Why nobody can hold it, and what to do, if so.
    pub conflict: Option<String>,
}

impl LeaseView {
    /// Somebody's lease, as it was read or written.
    pub(in crate::engine) fn of(state: &LeaseState, server_url: &str) -> Self {
        let lease = match state {
            LeaseState::Written { lease, .. } => Some(lease),
            LeaseState::Absent | LeaseState::Deleted { .. } | LeaseState::Foreign { .. } => None,
        };
        Self {
            holder: lease.and_then(|lease| lease.holder.as_ref()).map(Holder::to_string),
            ours: false,
            renewed_at: lease.and_then(|lease| lease.renewed_at),
            version: state.version(),
            conflict: state.conflict(server_url),
        }
    }
}

/// What the candidate publishes.
#[derive(Debug, Clone, Default)]
pub(super) struct Office {
    /// The number of our term, and until when it lasts.
    pub(super) term: Option<(u64, Moment)>,
    /// The lease as it was last seen or written.
    pub(super) lease: Option<LeaseView>,
    /// Until when that is worth telling: who has not been asked about for long may be gone.
    pub(super) worth_until: Moment,
}

impl Office {
    /// Our term, if it stands.
    fn standing(&self) -> Option<(u64, Moment)> {
        self.term.filter(|(_, until)| clock::since_start() < *until)
    }
}

impl Tenure {
    /// Of a process that needs no lease.
    pub fn unlimited() -> Self {
        Self(None)
    }

    pub(super) fn of(office: watch::Receiver<Office>) -> Self {
        Self(Some(office))
    }

    /// Which of our terms it is; `None` while it does not stand.
    pub fn term(&self) -> Option<u64> {
        match &self.0 {
            None => Some(0),
            Some(office) => office.borrow().standing().map(|(term, _)| term),
        }
    }

    /// Whether passes may run.
    pub fn stands(&self) -> bool {
        self.term().is_some()
    }

    /// A deadline that does not outlast it; `None` when it does not stand.
    pub(in crate::engine) fn bound(&self, deadline: Instant) -> Option<Instant> {
        let Some(office) = &self.0 else { return Some(deadline) };
        let (_, until) = office.borrow().standing()?;
        let left = until.checked_sub(clock::since_start())?;
        Some(deadline.min(Instant::now() + left))
    }

    /// Waits until it stands by another term than this one.
    pub async fn gained(&self, term: Option<u64>) {
        let Some(office) = &self.0 else { return std::future::pending().await };
        let other = |office: &Office| office.standing().is_some_and(|(standing, _)| Some(standing) != term);
        // It fails when there is no candidate any more: then nothing is gained.
        if office.clone().wait_for(other).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it stands no longer.
    pub async fn ended(&self) {
        let Some(office) = &self.0 else { return std::future::pending().await };
        let mut office = office.clone();
        loop {
            let Some((_, until)) = office.borrow_and_update().standing() else { return };
            let left = until.saturating_sub(clock::since_start());
            tokio::select! {
                () = sleep(left) => {}
                // Without a candidate nobody renews it, and it ends by the clock.
                Ok(()) = office.changed() => {}
            }
        }
    }

    /// Who holds the lease; `None` where there is no lease.
    pub(in crate::engine) fn view(&self) -> Option<LeaseView> {
        let office = self.0.as_ref()?.borrow();
        let known = office.lease.clone().filter(|_| clock::since_start() < office.worth_until);
        Some(LeaseView { ours: office.standing().is_some(), ..known.unwrap_or_default() })
    }
}
