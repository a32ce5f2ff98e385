//! Headers and bodies of any kind, as far as the budget and the clock that believe them.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::fuzz::{any_text, cases, damage, damaged, damages, gives_away, said, secret};
use crate::exceptionless::clock::ServerClock;
use crate::exceptionless::limiter::{Verdict, Window};

const NUMBERS: [&str; 3] = ["3500", "0", "18446744073709551615"];
const DATES: [&str; 3] =
    ["Sat, 21 Nov 2026 23:58:07 GMT", "Saturday, 21-Nov-26 23:58:07 GMT", "Sat, 21 Nov 2026 23:59:60 +1400"];

fn value(documents: &[&str]) -> impl Strategy<Value = Option<HeaderValue>> + use<> {
    let text = any_text().prop_map(String::into_bytes);
    let value = prop_oneof![3 => damaged(documents), 1 => text];
    prop::option::weighted(0.9, value).prop_map(|bytes| HeaderValue::from_bytes(&bytes?).ok())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let numbers = || value(&NUMBERS);
    let when = value(&[NUMBERS, DATES].concat());
    (numbers(), numbers(), numbers(), value(&DATES), when).prop_map(
        |(limit, remaining, count, date, after)| {
            let named = [
                ("x-ratelimit-limit", limit),
                ("x-ratelimit-remaining", remaining),
                ("x-result-count", count),
                ("date", date),
                ("retry-after", after),
            ];
            named.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value?))).collect()
        },
    )
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_date_is_one_to_reckon_with(headers in headers()) {
        if let Some(date) = date(&headers) {
            prop_assert_eq!(plausible(date), Some(date));
            prop_assert_eq!(http_date(&date.to_rfc2822().parse().unwrap()), Some(date));
        }
        // Any pause but a short one is refused before it is slept.
        let _ = retry_after(&headers, date(&headers));
        let _ = number(&headers, "x-result-count");
    }

    /// A window that turns by the server's clock opens again, however many or few requests it tells of.
    #[test]
    fn no_answers_close_the_budget_for_longer_than_a_window(
        length in prop_oneof![1u64..1_000_000, Just(u64::MAX)],
        reserve in 0.0f64..1.0,
        answers in prop::collection::vec((100u16..600, headers(), 0u64..100_000), 1..20),
        jitter in 0.0f64..1.0,
    ) {
        let (mut window, mut clock, start) = (Window::new(Duration::from_secs(length), reserve), ServerClock::default(), Instant::now());
        let (mut at, mut known) = (start, DateTime::UNIX_EPOCH);
        for (status, headers, milliseconds) in answers {
            at += Duration::from_millis(milliseconds);
            if let Some(date) = date(&headers) {
                clock.observe(date, at, at);
            }
            known = clock.earliest(at).unwrap_or(known);
            if window.ask(known, jitter) == Verdict::Go {
                window.settle(known, known, outcome(StatusCode::from_u16(status).unwrap(), &headers));
            }
            let _ = window.budget(known);
        }
        let longest = TimeDelta::seconds(i64::try_from(length).unwrap_or(i64::MAX).min(366 * 86_400) + 2);
        prop_assert_eq!(window.ask(known + longest, jitter), Verdict::Go);
    }

    #[test]
    fn a_body_that_is_refused_is_not_repeated(key in secret(), html in any::<bool>(), damages in damages()) {
        let body = format!(r#"{{"token":"{key}","id":{{"{key}":["{key}",{{}}]}},"title":"{key}"}}"#);
        let body = Zeroizing::new(damage(body.into_bytes(), &damages));
        let answer = Answer { status: StatusCode::OK, count: None, retry_after: None, is_html: html, body };
        let errors = [
            answer.json::<Vec<String>>().err(),
            answer.json::<u64>().err(),
            answer.json::<std::collections::BTreeMap<String, u64>>().err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(!gives_away(&said(&error), &key), "{}", error.to_string().len());
        }
    }
}
