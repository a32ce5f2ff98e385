//! Whatever a server, or a proxy in its place, may answer.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::domain::fuzz::{any_text, cases, damage, damaged, damages, gives_away, said, secret, shown};

const ORGANIZATION: &str = "64f0c0ffee00000000000010";
const USER: &str = r#"{"has_local_account":true,"o_auth_accounts":[],"id":"64f0c0ffee00000000000001",
 "organization_ids":["64f0c0ffee00000000000010"],"full_name":"Rotation Bot","email_address":"svc@example.test",
 "email_notifications_enabled":true,"is_active":true,"roles":["client","user"]}"#;
const ORGANIZATIONS: &str = r#"[{"id":"64f0c0ffee00000000000010","created_utc":"2025-03-01T09:00:00.1234567Z",
 "name":"Acme","billing_status":0,"is_suspended":false,"usage":[]}]"#;
const PROJECTS: &str = r#"[{"id":"64f0c0ffee00000000000100","created_utc":"2025-03-01T09:00:00.1234567Z",
 "organization_id":"64f0c0ffee00000000000010","organization_name":"Acme","name":"billing-api","data":{},
 "usage_hours":[{"date":"2026-08-21T12:00:00Z","total":5}]}]"#;
const TIMES: [&str; 3] =
    ["2026-08-21T12:34:56.1234567Z", "2015-01-01T00:00:00", "2026-08-21T14:34:56.5+02:00"];
const REFUSALS: [&str; 4] = [
    r#"{"type":"https://tools.ietf.org/html/rfc9110","title":"Login denied.","status":401,"instance":"GET /x"}"#,
    r#"{"success":["y"],"failure":[{"allowed":false,"id":"x","status_code":404}],"workers":[]}"#,
    r#"{"failure":[{"allowed":false,"message":"Can only delete tokens created by you.","status_code":400}]}"#,
    r#"{"version":7,"settings":{"@@log":"Info"}}"#,
];

/// The page of a listing, with a key of ours and one of a person.
fn page(key: &str) -> String {
    format!(
        r#"[{{"id":"{key}","organization_id":"64f0c0ffee00000000000010","project_id":"64f0c0ffee00000000000100",
 "scopes":["client"],"expires_utc":"2026-12-01T00:00:00Z",
 "notes":"exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77",
 "is_disabled":false,"is_suspended":false,"created_utc":"2026-08-21T12:34:56.1234567Z"}},
{{"id":"made-by-a-person-000000000","organization_id":"64f0c0ffee00000000000010","scopes":[],"created_utc":"2015-01-01T00:00:00"}}]"#
    )
}

fn organization() -> Organization {
    let id = OrganizationId::parse(ORGANIZATION).unwrap();
    Organization { id, name: "Acme".into(), is_suspended: false }
}

fn is_printable(text: &str) -> bool {
    !text.contains(char::is_control)
}

fn in_range(time: DateTime<Utc>) -> bool {
    plausible(time) == Some(time)
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_time_that_is_read_is_one_to_reckon_with(text in prop_oneof![damaged(&TIMES).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), any_text()]) {
        if let Ok(time) = time(&text, "created_utc") {
            prop_assert!(in_range(time));
            prop_assert_eq!(parse_time(&time.to_rfc3339()), Some(time));
        }
    }

    #[test]
    fn a_page_of_keys_shows_none_of_them(key in secret(), damages in damages()) {
        let body = damage(page(&key).into_bytes(), &damages);
        let Ok(tokens) = serde_json::from_slice::<Vec<ViewToken<'_>>>(&body) else { return Ok(()) };
        for token in &tokens {
            match token.listed() {
                Ok(Some(listed)) => {
                    prop_assert_eq!(ApiKey::parse(&token.id), Ok(listed.key.clone()));
                    prop_assert!(in_range(listed.created) && listed.expires.is_none_or(|end| end == DateTime::UNIX_EPOCH || in_range(end)));
                    prop_assert_eq!(listed.organization_id.as_str(), &token.organization_id);
                    let project = token.project_id.as_deref().filter(|id| !id.is_empty());
                    prop_assert_eq!(listed.project_id.as_ref().map(ProjectId::as_str), project);
                    // What stands in another field is no secret.
                    let harmless = ListedKey { key: ApiKey::parse("x").unwrap(), ..listed.clone() };
                    let elsewhere = gives_away(&shown(&harmless), &key);
                    prop_assert!(elsewhere || !gives_away(&shown(&listed), &key));
                }
                Ok(None) => {}
                Err(error) => {
                    prop_assert!(Marker::parse(token.notes.as_deref().unwrap_or_default()).is_some());
                    prop_assert!(!gives_away(&said(&error), &key));
                }
            }
            match token.created() {
                Ok(created) => prop_assert!(in_range(created.created)),
                Err(error) => prop_assert!(!gives_away(&said(&error), &key)),
            }
        }
    }

    #[test]
    fn names_of_others_hold_nothing_that_a_terminal_obeys(body in damaged(&[USER, ORGANIZATIONS, PROJECTS])) {
        if let Ok(Ok(user)) = serde_json::from_slice(&body).map(CurrentUser::read) {
            prop_assert!(is_printable(&user.id) && is_printable(&user.email));
        }
        for found in serde_json::from_slice::<Vec<ViewOrganization>>(&body).unwrap_or_default() {
            if let Ok(found) = found.read() {
                prop_assert!(is_printable(&found.name));
            }
        }
        for found in serde_json::from_slice::<Vec<ViewProject>>(&body).unwrap_or_default() {
            if let Ok(found) = found.read(&organization()) {
                prop_assert!(is_printable(&found.name));
                prop_assert_eq!(found.organization_id.as_str(), ORGANIZATION);
            }
        }
    }

    #[test]
    fn a_login_token_fits_in_a_header(token in prop_oneof![secret(), any_text()], damages in damages()) {
        let body = damage(serde_json::json!({ "token": token }).to_string().into_bytes(), &damages);
        match serde_json::from_slice::<LoggedIn<'_>>(&body).map(|answer| answer.read()) {
            Ok(Ok(token)) => {
                let value = format!("Bearer {}", token.expose_secret());
                prop_assert!(!token.expose_secret().is_empty());
                prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            }
            Ok(Err(error)) => prop_assert_eq!(error.to_string(), "an unusable token"),
            Err(_) => {}
        }
    }

    #[test]
    fn no_more_deletions_are_denied_than_are_named(body in damaged(&REFUSALS)) {
        let _ = serde_json::from_slice::<Problem<'_>>(&body);
        let _ = serde_json::from_slice::<ProjectConfig>(&body);
        if let Ok(results) = serde_json::from_slice::<WorkResults>(&body) {
            let named = results.failure.len();
            prop_assert_eq!(results.denied().is_none(), named == 0);
            prop_assert!(results.denied().is_none_or(|denied| denied <= named));
        }
    }
}
