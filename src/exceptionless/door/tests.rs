use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).parse().expect("a name"), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn an_answer_tells_the_budget_what_became_of_its_request() {
    let told = headers(&[("X-RateLimit-Limit", "3500"), ("X-RateLimit-Remaining", "3499")]);
    let none = headers(&[]);
    for (status, headers, expected) in [
        (200, &told, Outcome::Told { limit: 3500, remaining: 3499 }),
        (403, &told, Outcome::Told { limit: 3500, remaining: 3499 }),
        (500, &told, Outcome::Told { limit: 3500, remaining: 3499 }),
        (200, &none, Outcome::Silent),
        (401, &none, Outcome::Uncounted),
        (403, &none, Outcome::Uncounted),
        (503, &none, Outcome::Lost),
        (429, &none, Outcome::Refused),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(outcome(status, headers), expected, "{status}");
    }
}

#[test]
fn retry_after_is_a_number_of_seconds_or_a_date_by_the_servers_clock() {
    let date = DateTime::parse_from_rfc3339("2026-11-21T23:58:00Z").expect("a time").to_utc();
    for (value, expected) in [
        ("10", Some(10)),
        ("Sat, 21 Nov 2026 23:58:07 GMT", Some(7)),
        ("Sat, 21 Nov 2026 23:57:00 GMT", None),
        ("soon", None),
    ] {
        let headers = headers(&[("retry-after", value)]);
        assert_eq!(retry_after(&headers, Some(date)), expected.map(Duration::from_secs), "{value}");
    }
    assert_eq!(retry_after(&headers(&[]), Some(date)), None);
}

#[test]
fn a_server_is_named_by_host_and_port() {
    for (url, name) in [
        ("https://api.exceptionless.com", "api.exceptionless.com"),
        ("http://u:p@localhost:8080/x", "localhost:8080"),
    ] {
        assert_eq!(host_and_port(&url.parse().expect("a URL")), name);
    }
}
