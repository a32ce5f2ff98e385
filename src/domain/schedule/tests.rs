use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

fn schedule(text: &str, zone: Tz) -> Schedule {
    Schedule::parse(text, zone, at("2026-01-01T00:00:00Z")).expect("a schedule")
}

/// The occurrences in (from, to], found by going forward, and found by going backward.
fn occurrences(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let (from, to) = (at(from), at(to));
    let text = |time: DateTime<Utc>| time.format("%dT%H:%MZ").to_string();
    let mut forward = Vec::new();
    let mut time = from;
    while let Some(next) = schedule.next(time).filter(|next| *next <= to) {
        forward.push(next);
        time = next;
    }
    let mut backward = Vec::new();
    let mut time = to;
    while let Some(previous) = schedule.previous(time).filter(|previous| *previous > from) {
        backward.push(previous);
        time = previous - TimeDelta::seconds(1);
    }
    backward.reverse();
    assert_eq!(forward, backward, "both directions see the same occurrences");
    forward.into_iter().map(text).collect()
}

#[test]
fn five_and_six_fields_and_aliases_are_read() {
    let noon = at("2026-06-01T12:00:00Z");
    assert_eq!(schedule("0 3 * * *", Tz::UTC).next(noon), Some(at("2026-06-02T03:00:00Z")));
    assert_eq!(schedule("*/20 * * * * *", Tz::UTC).next(noon), Some(at("2026-06-01T12:00:20Z")));
    assert_eq!(schedule("@daily", Tz::UTC).next(noon), Some(at("2026-06-02T00:00:00Z")));
}

#[test]
fn an_occurrence_at_this_very_instant_is_the_previous_one() {
    let three = at("2026-06-01T03:00:00Z");
    let daily = schedule("0 3 * * *", Tz::UTC);
    assert_eq!(daily.previous(three), Some(three));
    assert_eq!(daily.previous(three + TimeDelta::milliseconds(300)), Some(three));
    assert_eq!(daily.previous(three - TimeDelta::milliseconds(1)), Some(at("2026-05-31T03:00:00Z")));
    assert_eq!(daily.next(three - TimeDelta::milliseconds(1)), Some(three));
}

#[test]
fn day_of_month_and_weekday_mean_either_as_in_every_cron() {
    let schedule = schedule("0 3 13 * FRI", Tz::UTC);
    let found = occurrences(&schedule, "2026-11-10T00:00:00Z", "2026-11-21T00:00:00Z");
    assert_eq!(found, ["13T03:00Z", "20T03:00Z"]);
}

#[test]
fn a_daily_time_keeps_its_wall_clock_hour_across_both_changes() {
    let berlin = schedule("30 4 * * *", Tz::Europe__Berlin);
    let spring = occurrences(&berlin, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(spring, ["28T03:30Z", "29T02:30Z", "30T02:30Z"]);
    let autumn = occurrences(&berlin, "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
    assert_eq!(autumn, ["24T02:30Z", "25T03:30Z", "26T03:30Z"]);
}

#[test]
fn a_time_that_summer_time_skips_happens_at_the_end_of_the_gap() {
    let berlin = schedule("30 2 * * *", Tz::Europe__Berlin);
    let spring = occurrences(&berlin, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(spring, ["28T01:30Z", "29T01:00Z", "30T00:30Z"]);
}

#[test]
fn a_time_that_winter_time_repeats_happens_once() {
    let berlin = schedule("30 2 * * *", Tz::Europe__Berlin);
    let autumn = occurrences(&berlin, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(autumn, ["25T00:30Z", "26T01:30Z"]);
}

#[test]
fn an_interval_never_runs_backwards_through_a_change() {
    let berlin = schedule("*/30 * * * *", Tz::Europe__Berlin);
    let autumn = occurrences(&berlin, "2026-10-24T23:45:00Z", "2026-10-25T02:45:00Z");
    assert_eq!(autumn, ["25T00:00Z", "25T00:30Z", "25T02:00Z", "25T02:30Z"]);
    let spring = occurrences(&berlin, "2026-03-29T00:15:00Z", "2026-03-29T02:00:00Z");
    assert_eq!(spring, ["29T00:30Z", "29T01:00Z", "29T01:30Z", "29T02:00Z"]);
}

#[test]
fn each_mistake_is_told_apart() {
    let now = at("2026-01-01T00:00:00Z");
    let error = |text: &str| Schedule::parse(text, Tz::UTC, now).expect_err("a mistake");
    assert!(matches!(error("0 3 * *"), InvalidSchedule::Fields { fields: 4, .. }));
    assert!(matches!(error("0 0 3 * * * 2027"), InvalidSchedule::Fields { fields: 7, .. }));
    assert!(matches!(error("0 25 * * *"), InvalidSchedule::Syntax { .. }));
    assert!(matches!(error("every day at noon ok"), InvalidSchedule::Syntax { .. }));
    assert!(matches!(error("0 3 31 2 *"), InvalidSchedule::Never(_)));
}
