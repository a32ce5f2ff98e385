//! The scheduler, reduced to a heartbeat.
//!
//! `tokio-cron-scheduler` fixes a job's zone offset when the job is made, so that its local times are
//! wrong after the next change to summer time; it lets runs overlap, and drops what was missed while the
//! process was down. So its one job here runs in UTC, every second, and only says "look". What is due is
//! computed by the planner, which knows the zones.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// A beat every second. Passes start on whole seconds, and within one of their due time.
const EVERY_SECOND: &str = "* * * * * *";

/// The running scheduler.
pub struct Clockwork {
    // Dropping it would end the beats.
    _scheduler: JobScheduler,
    beats: mpsc::Receiver<()>,
}

impl Clockwork {
    /// Starts the process's one scheduler.
    pub async fn start() -> Result<Self, JobSchedulerError> {
        let (sender, beats) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let job = Job::new_async(EVERY_SECOND, move |_, _| {
            let sender = sender.clone();
            Box::pin(async move {
                // A full channel means that a beat is waiting already: two are worth no more than one.
                let _ = sender.try_send(());
            })
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { _scheduler: scheduler, beats })
    }

    /// The next beat; for ever silent if the scheduler has died.
    pub async fn tick(&mut self) {
        if self.beats.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
