use super::*;

fn date(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn after(start: Instant, milliseconds: u64) -> Instant {
    start + Duration::from_millis(milliseconds)
}

/// A server whose true time is `offset` milliseconds past our start answers instantly at `at`.
fn answer(clock: &mut ServerClock, start: Instant, at: u64, offset: i64) {
    let truth = at as i64 + offset;
    clock.observe(date(truth.div_euclid(1000)), after(start, at), after(start, at));
}

#[test]
fn a_clock_that_was_never_told_says_nothing() {
    assert_eq!(ServerClock::default().earliest(Instant::now()), None);
}

#[test]
fn the_bound_never_passes_the_true_time_and_comes_close_to_it() {
    let (mut clock, start) = (ServerClock::default(), Instant::now());
    let offset = 1_700_000_000_350;
    for at in [0, 130, 490, 640, 655, 900, 1500, 9000] {
        answer(&mut clock, start, at, offset);
        let bound = clock.earliest(after(start, at)).expect("a bound").timestamp_millis();
        assert!(bound <= at as i64 + offset);
    }
    let bound = clock.earliest(after(start, 9000)).expect("a bound").timestamp_millis();
    assert!(9000 + offset - bound < 100, "the answer at 655 ms proves all but 5 ms of the second");
}

#[test]
fn a_clock_that_was_set_back_is_believed() {
    let (mut clock, start) = (ServerClock::default(), Instant::now());
    clock.observe(date(10_000), start, start);
    clock.observe(date(4_000), after(start, 1000), after(start, 1000));
    assert_eq!(clock.earliest(after(start, 2000)), Some(date(4_001)));
}

#[test]
fn a_header_that_the_server_kept_for_a_second_refutes_nothing() {
    let (mut clock, start) = (ServerClock::default(), Instant::now());
    clock.observe(date(10_000), start, start);
    clock.observe(date(9_999), after(start, 500), after(start, 500));
    assert_eq!(clock.earliest(after(start, 1000)), Some(date(10_001)));
}

#[test]
fn an_old_bound_gives_way_even_to_a_weaker_one() {
    let (mut clock, start) = (ServerClock::default(), Instant::now());
    clock.observe(date(10_000), start, start);
    // Our clock gains half a second in eleven minutes.
    let later = after(start, 660_500);
    clock.observe(date(10_660), later, later);
    assert_eq!(clock.earliest(later), Some(date(10_660)));
}
