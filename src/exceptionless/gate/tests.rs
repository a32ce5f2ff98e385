use std::sync::Arc;

use super::*;

const WINDOW: Duration = Duration::from_secs(10);

/// A server of whose windows we know everything: its clock starts with the virtual one, at a turn.
struct Server {
    start: Instant,
    limit: u64,
    used: Mutex<(u64, u64)>,
}

impl Server {
    fn new(limit: u64) -> Self {
        Self { start: Instant::now(), limit, used: Mutex::new((0, 0)) }
    }

    async fn answer(&self, gate: &Gate) -> Outcome {
        let permit = gate.permit().await;
        let sent = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let elapsed = self.start.elapsed();
        let outcome = {
            let mut used = self.used.lock().expect("sound");
            let window = elapsed.as_secs() / WINDOW.as_secs();
            if used.0 != window {
                *used = (window, 0);
            }
            used.1 += 1;
            match self.limit.checked_sub(used.1) {
                Some(remaining) => Outcome::Told { limit: self.limit, remaining },
                None => Outcome::Refused,
            }
        };
        let date = DateTime::from_timestamp(1_700_000_000 + elapsed.as_secs() as i64, 0).expect("a time");
        gate.observe(date, sent);
        permit.settle(outcome);
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_tasks_at_forty_in_ten_seconds_are_done_in_the_second_window() {
    let (gate, server) = (Arc::new(Gate::new(WINDOW, 0.2, Traffic::default())), Arc::new(Server::new(40)));
    let tasks = (0..60).map(|_| {
        let (gate, server) = (gate.clone(), server.clone());
        tokio::spawn(async move { while server.answer(&gate).await == Outcome::Refused {} })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    assert_eq!((gate.sent(), gate.refused()), (60, 0));
    let took = server.start.elapsed();
    assert!((10..12).contains(&took.as_secs()), "{took:?}");
    assert_eq!(gate.budget().map(|budget| budget.reserve), Some(8));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_pauses_everybody_until_the_turn() {
    let gate = Gate::new(WINDOW, 0.0, Traffic::default());
    gate.observe(DateTime::from_timestamp(1_700_000_004, 0).expect("a time"), Instant::now());
    gate.permit().await.settle(Outcome::Refused);
    let before = Instant::now();
    gate.permit().await.settle(Outcome::Silent);
    let took = before.elapsed();
    assert!(took >= Duration::from_secs(6) && took < Duration::from_millis(6_600), "{took:?}");
    assert_eq!((gate.sent(), gate.refused()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_wakes_whoever_waits_for_its_answer() {
    let gate = Arc::new(Gate::new(WINDOW, 0.0, Traffic::default()));
    let permits = [gate.permit().await, gate.permit().await, gate.permit().await, gate.permit().await];
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { gate.permit().await.settle(Outcome::Silent) }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(permits);
    waiting.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn without_a_date_a_refusal_costs_a_window_of_our_own() {
    let gate = Gate::new(WINDOW, 0.0, Traffic::default());
    gate.permit().await.settle(Outcome::Refused);
    let before = Instant::now();
    gate.permit().await.settle(Outcome::Silent);
    assert!(before.elapsed() >= WINDOW);
    assert_eq!(gate.server_time(), None);
}
