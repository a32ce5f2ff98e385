//! Drives a candidacy: waits, asks Vault, and publishes what came of it.
//!
//! It is a task of its own, so that renewals do not wait for a pass. What it must not outlive is bounded by the tenure
//! itself, so that it may be as slow as Vault is.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::tenure::Office;
use super::{Candidacy, Change, LeaseView, Loss, Moment, Order, Tenure, Written};
use crate::config::Ha;
use crate::domain::ids::Instance;
use crate::domain::lease::{Holder, Lease, LeaseState};
use crate::engine::{Engine, clock, event};
use crate::vault::{Kind, VaultError, VaultStore};

/// How long the end of the process waits for the lease to be renounced. Without that, others wait until it runs out.
const RENUNCIATION: Duration = Duration::from_secs(5);

/// This process among its replicas. Without `ha.enabled` it is alone, and always leads.
pub struct Candidate(Option<Running>);

struct Running {
    ha: Ha,
    instance: Instance,
    server_url: String,
    store: Arc<Mutex<VaultStore>>,
    office: watch::Receiver<Office>,
    leave: CancellationToken,
    /// Somebody wants us to step aside.
    aside: Arc<Notify>,
    task: AbortOnDropHandle<()>,
}

/// What the task has.
struct Driver {
    ha: Ha,
    store: Arc<Mutex<VaultStore>>,
    office: watch::Sender<Office>,
    aside: Arc<Notify>,
    candidacy: Candidacy,
    /// What failed last, so that it is not told again and again.
    trouble: Option<String>,
    stamped: bool,
}

impl Candidate {
    /// Begins to stand for the lease that the engine's configuration names, and gives the engine its tenure.
    pub fn stand(engine: &mut Engine) -> Self {
        let Some(ha) = engine.ha.clone() else {
            engine.tenure = Tenure::unlimited();
            return Self(None);
        };
        let machine = rustix::system::uname();
        let me = Holder::fresh(&machine.nodename().to_string_lossy(), clock::now());
        let (sender, office) = watch::channel(Office::default());
        let store = Arc::new(Mutex::new(engine.vault.clone()));
        let (leave, aside) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (instance, server_url) = (engine.policy.instance.clone(), engine.policy.server_url.clone());
        let driver = Driver {
            candidacy: Candidacy::new(me, server_url.clone(), ha.lease_ttl, clock::since_start()),
            ha: ha.clone(),
            store: Arc::clone(&store),
            office: sender,
            aside: Arc::clone(&aside),
            trouble: None,
            stamped: false,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(driver.run(leave.clone())));
        engine.tenure = Tenure::of(office.clone());
        Self(Some(Running { ha, instance, server_url, store, office, leave, aside, task }))
    }

    /// Goes on with an engine of a new configuration. The tenure goes on too, if it is the same lease.
    pub async fn go_on(&mut self, engine: &mut Engine) {
        if let Some(running) = &self.0
            && running.is_for(engine)
        {
            *running.store() = engine.vault.clone();
            engine.tenure = Tenure::of(running.office.clone());
            return;
        }
        std::mem::replace(self, Self(None)).renounce().await;
        *self = Self::stand(engine);
    }

    /// Lets another replica try, if we hold the lease: for the time of a lease we claim nothing.
    pub fn step_aside(&self) {
        if let Some(running) = &self.0 {
            running.aside.notify_one();
        }
    }

    /// Gives the lease up, if we hold it, so that another may take it at once.
    pub async fn renounce(self) {
        let Some(Running { leave, task, .. }) = self.0 else { return };
        leave.cancel();
        // If it takes longer, the lease runs out by itself.
        let _ = timeout(RENUNCIATION, task).await;
    }
}

impl Running {
    fn is_for(&self, engine: &Engine) -> bool {
        engine.ha.as_ref() == Some(&self.ha)
            && engine.policy.instance == self.instance
            && engine.policy.server_url == self.server_url
            && engine.vault.is_same_place(&self.store())
    }

    fn store(&self) -> std::sync::MutexGuard<'_, VaultStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    async fn run(mut self, leave: CancellationToken) {
        while !leave.is_cancelled() {
            // A mistake of ours must not end the rotation for ever.
            if AssertUnwindSafe(self.step(&leave)).catch_unwind().await.is_err() {
                self.candidacy.saw_nothing(clock::since_start());
                sleep(self.candidacy.patience()).await;
            }
        }
        self.renounce().await;
    }

    async fn step(&mut self, leave: &CancellationToken) {
        let now = self.now();
        match self.candidacy.order(now) {
            Order::Wait(until) => {
                tokio::select! {
                    () = leave.cancelled() => {}
                    () = self.aside.notified() => self.step_aside().await,
                    () = sleep(until.saturating_sub(now)) => {}
                }
            }
            Order::Look => {
                leave.run_until_cancelled(self.look()).await;
            }
            order @ (Order::Claim { .. } | Order::Renew { .. }) => self.write(order).await,
        }
    }

    /// The moment. A tenure that is over by then has ended, whatever an answer says that comes in now.
    fn now(&mut self) -> Moment {
        let now = clock::since_start();
        if let Some(change) = self.candidacy.expire(now) {
            self.tell(&change);
        }
        now
    }

    async fn look(&mut self) {
        let deadline = Instant::now() + self.candidacy.patience();
        let read = self.store().read_lease(&self.ha.lease_path, Some(deadline)).await;
        let now = self.now();
        match read {
            Ok(read) => {
                // What is wrong with writing is still so.
                self.trouble.take_if(|_| !self.candidacy.in_doubt);
                self.stamped = read.stamped;
                let change = self.candidacy.saw(read.state.clone(), now);
                self.publish(Some(&read.state));
                if let Some(change) = change {
                    self.tell(&change);
                }
            }
            Err(error) => {
                self.candidacy.saw_nothing(now);
                self.complain(&error);
            }
        }
    }

    async fn write(&mut self, order: Order) {
        let at = clock::now();
        let (over, acquired_at) = match &order {
            Order::Claim { over, .. } => (*over, at),
            Order::Renew { over, acquired_at } => (*over, *acquired_at),
            Order::Wait(_) | Order::Look => return,
        };
        let lease = self.candidacy.lease(acquired_at, at);
        let (sent, written) = self.send(&lease, over).await;
        let written = match written {
            Ok(version) => {
                self.trouble = None;
                Written::Done(version)
            }
            Err(error) if error.kind() == Kind::Conflict => Written::Refused,
            Err(error) => {
                self.complain(&error);
                if error.kind() == Kind::Ambiguous { Written::Doubtful } else { Written::Failed }
            }
        };
        let now = self.now();
        let change = self.candidacy.wrote(&order, [sent, now], written, at);
        match written {
            Written::Done(version) => self.publish(Some(&LeaseState::Written { version, lease })),
            Written::Refused | Written::Doubtful | Written::Failed => self.publish(None),
        }
        if let Some(change) = change {
            self.tell(&change);
            self.stamp().await;
        }
    }

    async fn send(&self, lease: &Lease, over: u64) -> (Moment, Result<u64, VaultError>) {
        let sent = clock::since_start();
        let deadline = Instant::now() + self.candidacy.patience();
        let vault = self.store();
        (sent, vault.hold_lease(&self.ha.lease_path, lease, over, deadline).await)
    }

    /// Not needed to hold it, so a failure is only told.
    async fn stamp(&mut self) {
        if !self.stamped {
            let deadline = Instant::now() + self.candidacy.patience();
            let vault = self.store();
            match vault.stamp_lease(&self.ha.lease_path, deadline).await {
                Ok(()) => self.stamped = true,
                Err(error) => self.complain(&error),
            }
        }
    }

    async fn step_aside(&mut self) {
        if self.candidacy.term().is_some() {
            self.renounce().await;
            self.candidacy.step_aside(clock::since_start());
        }
    }

    /// Tries until the lease would have run out anyway.
    async fn renounce(&mut self) {
        let term = self.candidacy.term().copied();
        self.office.send_modify(|office| office.term = None);
        let Some(term) = term else { return };
        let lease = Lease { holder: None, ..self.candidacy.lease(term.acquired_at, clock::now()) };
        let mut over = term.version;
        while clock::since_start() < term.until {
            let error = match self.send(&lease, over).await {
                (_, Ok(version)) => return event::lease_renounced(&self.candidacy.me, version),
                (_, Err(error)) => error,
            };
            self.complain(&error);
            // An earlier write may have been applied, this one included.
            let deadline = Instant::now() + self.candidacy.patience();
            let read = self.store().read_lease(&self.ha.lease_path, Some(deadline)).await;
            match read.map(|read| read.state) {
                Ok(LeaseState::Written { version, lease })
                    if lease.holder == Some(self.candidacy.me.clone()) =>
                {
                    over = version;
                }
                Ok(LeaseState::Written { version, lease }) if version > over && lease.holder.is_none() => {
                    return event::lease_renounced(&self.candidacy.me, version);
                }
                Ok(_) => return,
                Err(_) => {}
            }
            sleep(self.candidacy.pause()).await;
        }
    }

    /// Lets the daemon and the engine know what is so now, and what stands there.
    fn publish(&self, state: Option<&LeaseState>) {
        self.office.send_modify(|office| {
            office.term = self.candidacy.term().map(|term| (term.number, term.until));
            if let Some(state) = state {
                office.lease = Some(LeaseView::of(state, &self.candidacy.server_url));
                office.worth_until = clock::since_start() + 2 * self.ha.lease_ttl;
            }
        });
    }

    fn tell(&self, change: &Change) {
        let me = &self.candidacy.me;
        let version = self.candidacy.term().map_or(0, |term| term.version);
        match change {
            Change::Acquired => event::lease_acquired(me, version),
            Change::TakenOver(from) => event::lease_taken_over(me, version, from),
            Change::Lost(Loss::Taken(by)) => event::lease_lost(me, "taken", by.as_ref()),
            Change::Lost(Loss::Expired) => event::lease_lost(me, "expired", None),
            Change::Conflict(conflict) => event::lease_conflict(&self.ha.lease_path, conflict),
        }
    }

    fn complain(&mut self, error: &VaultError) {
        let trouble = event::chain(error);
        if self.trouble.as_ref() != Some(&trouble) {
            event::lease_failed(&trouble);
            self.trouble = Some(trouble);
        }
    }

    fn store(&self) -> VaultStore {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
