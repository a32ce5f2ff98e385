use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::exceptionless::clock::ServerClock;

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).expect("a time")
}

fn window() -> Window {
    Window::new(Duration::from_secs(10), 0.2)
}

fn told(limit: u64, remaining: u64) -> Outcome {
    Outcome::Told { limit, remaining }
}

/// Sends one request and learns its answer at once.
fn exchange(window: &mut Window, time: i64, outcome: Outcome) {
    assert_eq!(window.ask(at(time), 0.0), Verdict::Go);
    window.settle(at(time), at(time), outcome);
}

#[test]
fn before_the_first_answer_only_a_few_go() {
    let mut window = window();
    let verdicts: Vec<_> = (0..6).map(|_| window.ask(at(0), 0.0)).collect();
    assert_eq!(verdicts[..4], [Verdict::Go; 4]);
    assert_eq!(verdicts[4..], [Verdict::AwaitAnswer; 2]);
    window.settle(at(1), at(0), told(40, 39));
    assert_eq!(window.ask(at(2), 0.0), Verdict::Go);
}

#[test]
fn the_reserve_stays_with_people() {
    let mut window = window();
    exchange(&mut window, 1_000, told(40, 9));
    exchange(&mut window, 1_000, told(40, 8));
    let until = at(10_000);
    assert_eq!(window.ask(at(1_000), 0.0), Verdict::AwaitTurn { until, begins: true });
    assert_eq!(window.ask(at(9_999), 0.0), Verdict::AwaitTurn { until, begins: false });
    assert_eq!(window.ask(at(10_000), 0.0), Verdict::Go);
}

#[test]
fn requests_whose_answers_are_out_count_as_spent_until_they_tell_better() {
    let mut window = window();
    exchange(&mut window, 0, told(40, 10));
    assert_eq!(window.ask(at(1), 0.0), Verdict::Go);
    assert_eq!(window.ask(at(1), 0.0), Verdict::Go);
    assert_eq!(window.ask(at(1), 0.0), Verdict::AwaitAnswer);
    window.settle(at(2), at(1), Outcome::Uncounted);
    assert_eq!(window.ask(at(3), 0.0), Verdict::Go);
}

#[test]
fn the_lowest_number_of_a_window_is_believed() {
    let mut window = window();
    assert_eq!(window.ask(at(0), 0.0), Verdict::Go);
    assert_eq!(window.ask(at(0), 0.0), Verdict::Go);
    window.settle(at(1), at(0), told(40, 20));
    window.settle(at(1), at(0), told(40, 21));
    assert_eq!(window.budget(at(2)).map(|budget| budget.remaining), Some(20));
}

#[test]
fn an_answer_from_before_the_turn_says_nothing_of_the_new_window() {
    let mut window = window();
    exchange(&mut window, 1_000, told(40, 30));
    assert_eq!(window.ask(at(9_900), 0.0), Verdict::Go);
    window.settle(at(10_100), at(9_900), told(40, 8));
    let budget = window.budget(at(10_100)).expect("a budget");
    assert_eq!((budget.remaining, budget.window_ends), (40, at(20_000)));
    assert_eq!(window.ask(at(10_100), 0.0), Verdict::Go);
}

#[test]
fn a_refusal_closes_the_window_for_everybody() {
    let mut window = window();
    exchange(&mut window, 1_000, told(40, 30));
    exchange(&mut window, 2_000, Outcome::Refused);
    assert_eq!(window.ask(at(2_000), 0.0), Verdict::AwaitTurn { until: at(10_000), begins: true });
    assert_eq!(window.budget(at(2_000)).map(|budget| budget.remaining), Some(0));
    assert_eq!(window.ask(at(10_000), 0.0), Verdict::Go);
}

#[test]
fn a_refusal_from_before_the_turn_closes_nothing() {
    let mut window = window();
    assert_eq!(window.ask(at(9_990), 0.0), Verdict::Go);
    window.settle(at(10_010), at(9_990), Outcome::Refused);
    assert_eq!(window.ask(at(10_010), 0.0), Verdict::Go);
}

#[test]
fn a_server_that_does_not_count_sets_no_limit() {
    let mut window = window();
    exchange(&mut window, 0, Outcome::Silent);
    assert!((0..1000).all(|_| window.ask(at(1), 0.0) == Verdict::Go));
    assert_eq!(window.budget(at(1)), None);
}

#[test]
fn one_silent_answer_among_others_lifts_no_limit() {
    let mut window = window();
    exchange(&mut window, 0, told(40, 10));
    exchange(&mut window, 0, Outcome::Silent);
    assert_eq!(window.budget(at(1)).map(|budget| budget.remaining), Some(9));
}

#[test]
fn a_lost_answer_counts_as_spent() {
    let mut window = window();
    exchange(&mut window, 0, told(40, 10));
    exchange(&mut window, 0, Outcome::Lost);
    assert_eq!(window.budget(at(1)).map(|budget| budget.remaining), Some(9));
}

#[test]
fn the_jitter_is_a_twentieth_of_the_window_and_at_most_a_second() {
    for (seconds, longest) in [(10, 500), (900, 1000)] {
        let mut window = Window::new(Duration::from_secs(seconds), 0.2);
        exchange(&mut window, 0, Outcome::Refused);
        let ends = i64::try_from(seconds).expect("small") * 1000;
        let until = at(ends + longest);
        assert_eq!(window.ask(at(0), 1.0), Verdict::AwaitTurn { until, begins: true });
        // Those who come after the turn wait with the others.
        assert_eq!(window.ask(at(ends), 1.0), Verdict::AwaitTurn { until, begins: false });
        assert_eq!(window.ask(until, 1.0), Verdict::Go);
    }
}

#[test]
fn a_clock_that_is_set_back_prolongs_no_pause() {
    let mut window = window();
    exchange(&mut window, 3_600_000, Outcome::Refused);
    assert!(matches!(window.ask(at(3_600_000), 0.0), Verdict::AwaitTurn { .. }));
    assert_eq!(window.ask(at(0), 0.0), Verdict::Go);
}

#[test]
fn a_limit_that_the_reserve_would_swallow_still_lets_one_through() {
    let mut window = Window::new(Duration::from_secs(10), 0.9);
    exchange(&mut window, 0, told(1, 0));
    assert!(matches!(window.ask(at(0), 0.0), Verdict::AwaitTurn { .. }));
    assert_eq!(window.ask(at(10_000), 0.0), Verdict::Go);
    assert_eq!(window.ask(at(10_000), 0.0), Verdict::AwaitAnswer);
}

/// A server, a network and a rotator of some concurrency, on a virtual clock of milliseconds.
struct Simulation {
    limit: u64,
    window: i64,
    reserve: f64,
    requests: usize,
    concurrency: usize,
    /// The server's clock at our start.
    start: i64,
    /// One way; used in turn.
    latencies: Vec<i64>,
    /// What a person spends of each window at its beginning.
    foreign: u64,
}

#[derive(Debug, PartialEq)]
struct Course {
    refused: usize,
    took: i64,
    /// The least that was left to people at the end of any full window's use.
    least_left: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive { sent: i64 },
    Answer { sent: i64, date: i64, remaining: Option<u64> },
    Wake,
}

impl Simulation {
    fn run(&self) -> Course {
        let Self { limit, window: length, reserve, requests, concurrency, start, ref latencies, foreign } =
            *self;
        let origin = Instant::now();
        let instant = |now: i64| origin + Duration::from_millis(now.unsigned_abs());
        let mut latencies = latencies.iter().copied().cycle();
        let mut delay = || latencies.next().expect("endless");
        let (mut clock, mut window) =
            (ServerClock::default(), Window::new(Duration::from_secs(length.unsigned_abs() / 1000), reserve));
        let time = |clock: &ServerClock, now| clock.earliest(instant(now)).unwrap_or_else(|| at(now));
        let (mut waiting, mut open, mut done, mut refused) = (requests, 0, 0, 0);
        let (mut counted_in, mut used, mut least_left) = (i64::MIN, 0, limit);
        let (mut now, mut events) = (0, BinaryHeap::from([Reverse((0, Event::Wake))]));
        while done < requests {
            let Reverse((then, event)) = events.pop().expect("somebody is always about to do something");
            now = then;
            match event {
                Event::Arrive { sent } => {
                    let number = (start + now).div_euclid(length);
                    if number != counted_in {
                        (counted_in, used) = (number, foreign);
                    }
                    used += 1;
                    let remaining = limit.checked_sub(used);
                    least_left = least_left.min(remaining.unwrap_or(0));
                    let date = (start + now).div_euclid(1000);
                    events.push(Reverse((now + delay(), Event::Answer { sent, date, remaining })));
                }
                Event::Answer { sent, date, remaining } => {
                    clock.observe(at(date * 1000), instant(sent), instant(now));
                    let outcome = remaining.map_or(Outcome::Refused, |remaining| told(limit, remaining));
                    window.settle(time(&clock, now), time(&clock, sent), outcome);
                    open -= 1;
                    if remaining.is_some() {
                        done += 1;
                    } else {
                        (refused, waiting) = (refused + 1, waiting + 1);
                    }
                }
                Event::Wake => {}
            }
            while waiting > 0 && open < concurrency {
                match window.ask(time(&clock, now), 0.5) {
                    Verdict::Go => {
                        (waiting, open) = (waiting - 1, open + 1);
                        events.push(Reverse((now + delay(), Event::Arrive { sent: now })));
                    }
                    Verdict::AwaitAnswer => break,
                    Verdict::AwaitTurn { until, .. } => {
                        let wait = (until - time(&clock, now)).num_milliseconds() + 1;
                        events.push(Reverse((now + wait, Event::Wake)));
                        break;
                    }
                }
            }
            assert!(now < (requests as i64 + 10) * length, "it never comes to an end");
        }
        Course { refused, took: now, least_left }
    }
}

#[test]
fn sixty_requests_at_forty_in_ten_seconds_are_never_refused() {
    for start in (0..10_000).step_by(370) {
        let course = Simulation {
            limit: 40,
            window: 10_000,
            reserve: 0.2,
            requests: 60,
            concurrency: 8,
            start: 1_700_000_000_000 + start,
            latencies: vec![20, 3, 45, 1],
            foreign: 0,
        }
        .run();
        assert_eq!((course.refused, course.least_left), (0, 8), "{start}");
        assert!(course.took < 22_000, "{course:?}");
    }
}

#[test]
fn thousands_of_requests_take_hardly_longer_than_the_server_demands() {
    for start in [0, 350_500, 899_900] {
        let course = Simulation {
            limit: 3_500,
            window: 900_000,
            reserve: 0.2,
            requests: 7_000,
            concurrency: 8,
            start: 1_700_000_100_000 + start,
            latencies: vec![20, 30, 25],
            foreign: 0,
        }
        .run();
        // Eight at once and 50 ms each, 2,800 in a window.
        let until_turn = 900_000 - start;
        let rest = 7_000 - (until_turn * 8 / 50).min(2_800);
        let full_windows = (rest - 1) / 2_800;
        let ideal = until_turn + full_windows * 900_000 + (rest - full_windows * 2_800) * 50 / 8;
        assert_eq!((course.refused, course.least_left), (0, 700));
        assert!(course.took * 100 <= ideal * 105, "{course:?}, ideally {ideal}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_shared_budget_costs_no_refusal_unless_it_is_nearly_spent(
        limit in 12u64..60,
        requests in 1usize..150,
        concurrency in 1usize..20,
        start in 0i64..10_000,
        latencies in prop::collection::vec(1i64..900, 1..40),
        foreign in 0u64..12,
    ) {
        let course = Simulation {
            limit,
            window: 10_000,
            reserve: 0.2,
            requests,
            concurrency,
            start: 1_700_000_000_000 + start,
            latencies,
            foreign,
        }
        .run();
        // What was out at the turn may count in the new window unseen, and its scouts come on top of it.
        let left = limit - foreign;
        if left >= concurrency as u64 + SCOUTS {
            prop_assert_eq!(course.refused, 0);
        }
        let usable = (left - (limit as f64 * 0.2).ceil().min(left as f64 - 1.0) as u64).max(1);
        let (windows, busy) = (requests as i64 / usable as i64 + 3, requests as i64 * 1_800);
        prop_assert!(course.took <= windows * 11_000 + busy);
    }
}
