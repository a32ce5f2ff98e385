use super::*;

const KEY: &str = "Zx81aQ0pLmN7bVc2RtYu5IoPsDf3GhJk9LzXcVb4";

fn token(json: &str) -> Result<Option<ListedKey>, Unreadable> {
    serde_json::from_str::<ViewToken<'_>>(json).expect("a token").listed()
}

#[test]
fn dates_have_up_to_seven_fraction_digits_and_may_lack_their_zone() {
    for (text, expected) in [
        ("2026-08-21T12:34:56Z", "2026-08-21T12:34:56Z"),
        ("2026-08-21T12:34:56.1Z", "2026-08-21T12:34:56.1Z"),
        ("2026-08-21T12:34:56.1234567Z", "2026-08-21T12:34:56.1234567Z"),
        ("2026-08-21T12:34:56.1234567", "2026-08-21T12:34:56.1234567Z"),
        ("2026-08-21T12:34:56", "2026-08-21T12:34:56Z"),
        ("2026-08-21T14:34:56+02:00", "2026-08-21T12:34:56Z"),
    ] {
        let expected = DateTime::parse_from_rfc3339(expected).expect("a time").to_utc();
        assert_eq!(parse_time(text), Some(expected), "{text}");
    }
    for text in ["", "yesterday", "2026-08-21", "2026-13-21T12:34:56Z"] {
        assert_eq!(parse_time(text), None, "{text}");
    }
}

#[test]
fn a_token_of_a_project_is_read_in_full() {
    let key = token(&format!(
        r#"{{"id":"{KEY}","organization_id":"64f0c0ffee00000000000010","project_id":"64f0c0ffee00000000000100",
            "scopes":["client"],"expires_utc":"2026-12-01T00:00:00Z","notes":"a \u0026 b","is_disabled":true,
            "is_suspended":false,"created_utc":"2026-08-21T12:34:56.1234567Z","a_new_member":[1]}}"#
    ));
    let key = key.expect("readable").expect("a key");
    assert_eq!(key.key.expose(), KEY);
    assert_eq!(key.project_id.expect("a project").as_str(), "64f0c0ffee00000000000100");
    assert_eq!(key.scopes, ["client"]);
    assert_eq!(key.notes.as_deref(), Some("a & b"));
    assert!(key.is_disabled && !key.is_suspended);
    assert_eq!(key.expires.expect("an end").timestamp(), 1_796_083_200);
}

#[test]
fn what_old_tokens_lack_has_a_meaning() {
    let key = token(&format!(
        r#"{{"id":"{KEY}","organization_id":"64f0c0ffee00000000000010","created_utc":"2015-01-01T00:00:00"}}"#
    ));
    let key = key.expect("readable").expect("a key");
    assert_eq!((key.project_id, key.notes, key.expires), (None, None, None));
    assert!(key.scopes.is_empty() && !key.is_disabled && !key.is_suspended);
}

#[test]
fn a_token_whose_id_cannot_be_a_key_is_not_one_of_ours() {
    let odd = r#"{"id":"not/a key","organization_id":"o","created_utc":"2015-01-01T00:00:00"}"#;
    assert_eq!(token(odd), Ok(None));
}

#[test]
fn a_value_that_makes_no_sense_is_named_and_not_repeated() {
    let notes = "exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
    let odd = |notes: &str, time: &str| {
        token(&format!(r#"{{"id":"{KEY}","organization_id":"o","created_utc":"{time}","notes":"{notes}"}}"#))
    };
    for time in [KEY, "+262142-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
        let problem = odd(notes, time).expect_err("no time");
        assert_eq!(problem.to_string(), "an unusable created_utc");
        assert_eq!(odd("made by a person", time), Ok(None), "it hides no other");
    }
}

#[test]
fn a_partial_deletion_tells_unknown_keys_from_denied_ones() {
    let denied = |json: &str| serde_json::from_str::<WorkResults>(json).expect("results").denied();
    let gone = r#"{"allowed":false,"id":"x","status_code":404}"#;
    let theirs = r#"{"allowed":false,"message":"Can only delete tokens created by you.","status_code":400}"#;
    assert_eq!(denied(&format!(r#"{{"success":["y"],"failure":[{gone}],"workers":[]}}"#)), Some(0));
    assert_eq!(denied(&format!(r#"{{"success":[],"failure":[{gone},{theirs}]}}"#)), Some(1));
    assert_eq!(denied(r#"{"title":"Can only delete tokens created by you.","status":400}"#), None);
}

#[test]
fn the_body_of_a_create_names_scopes_and_notes() {
    let body = encode(&NewToken { scopes: ["client"], notes: "a \"note\"" });
    assert_eq!(std::str::from_utf8(&body), Ok(r#"{"scopes":["client"],"notes":"a \"note\""}"#));
}

#[test]
fn an_address_of_a_user_is_shown_without_what_a_terminal_obeys() {
    let user = r#"{"id":"a\u001b","email_address":"a\u001b[2J\n@b","organization_ids":[]}"#;
    let user = serde_json::from_str::<CurrentUser>(user).expect("a user").read().expect("readable");
    assert_eq!((&*user.id, &*user.email), ("a\u{fffd}", "a\u{fffd}[2J\u{fffd}@b"));
}

#[test]
fn a_login_token_that_fits_in_no_header_is_unusable() {
    for token in ["", "a\\nb", "a b", "\u{e9}"] {
        let answer = format!(r#"{{"token":"{token}"}}"#);
        let read = serde_json::from_str::<LoggedIn<'_>>(&answer).expect("an answer").read();
        assert_eq!(read.err(), Some(Unreadable::Value { field: "token" }), "{token}");
    }
}

#[test]
fn an_end_that_makes_no_sense_hides_no_key() {
    let notes = "exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
    let ending = |end: &str| {
        let key = token(&format!(
            r#"{{"id":"{KEY}","organization_id":"o","created_utc":"2026-08-21T12:34:56Z","expires_utc":"{end}","notes":"{notes}"}}"#
        ));
        key.expect("readable").expect("a key").expires
    };
    assert_eq!(ending("9999-12-31T23:59:59.9999999Z"), None);
    for passed in ["0001-01-01T00:00:00Z", "+262142-12-31T23:59:59Z", "soon", ""] {
        assert_eq!(ending(passed), Some(DateTime::UNIX_EPOCH), "{passed}");
    }
}
