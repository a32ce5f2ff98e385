//! What was sent to the two servers, counted where it is sent: at their doors.
//!
//! One tally for the process. It also is how others see that the process lives: a pass that waits for nothing and gets no
//! answer is a pass that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

/// Upper ends, in seconds: from a fast neighbour to the longest time-outs that are usual.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It did what it was for.
    Ok,
    /// The server said that it is asked too much.
    Throttled,
    /// The server refused it.
    Refused,
    /// The server failed.
    Failed,
    /// No answer came.
    Lost,
}

impl Ending {
    /// What a status tells that is no answer to the question.
    pub fn of(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            400..=499 => Self::Refused,
            500.. => Self::Failed,
            _ => Self::Ok,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// The tally. Clones share it.
#[derive(Debug, Clone)]
pub struct Traffic {
    requests: IntCounterVec,
    seconds: HistogramVec,
    signs_of_life: Arc<AtomicU64>,
}

impl Traffic {
    /// Counts a request that has ended.
    pub fn count(&self, server: &'static str, operation: &'static str, ending: Ending, took: Duration) {
        self.requests.with_label_values(&[server, operation, ending.label()]).inc();
        self.seconds.with_label_values(&[server, operation]).observe(took.as_secs_f64());
    }

    /// Notes that a pass lives: a request of it has ended, or it waits, and knows for what.
    pub fn alive(&self) {
        self.signs_of_life.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes up with each sign of life of a pass.
    pub fn signs_of_life(&self) -> u64 {
        self.signs_of_life.load(Ordering::Relaxed)
    }

    /// The tally, for a scrape.
    pub fn metrics(&self) -> Vec<MetricFamily> {
        [self.requests.collect(), self.seconds.collect()].concat()
    }
}

impl Default for Traffic {
    #[expect(clippy::expect_used, reason = "the names and labels are constants, and a test makes one")]
    fn default() -> Self {
        let requests = Opts::new(
            "exceptionless_rotator_requests_total",
            "Requests to the two servers, by what they were for and how they ended.",
        );
        let seconds = HistogramOpts::new(
            "exceptionless_rotator_request_duration_seconds",
            "How long requests to the two servers took, lost ones included.",
        );
        Self {
            requests: IntCounterVec::new(requests, &["server", "operation", "outcome"])
                .expect("a valid name"),
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["server", "operation"])
                .expect("a valid name"),
            signs_of_life: Arc::default(),
        }
    }
}
