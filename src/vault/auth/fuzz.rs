//! Leases of any length, and tokens in answers of any shape.

use proptest::prelude::*;

use super::wrapped::{Unwrapped, Wrapping};
use super::*;
use crate::domain::fuzz::{cases, damage, damages, gives_away, said, secret};
use crate::vault::transport::fuzz::{answer, attempt, transport};

fn login(token: &str) -> String {
    format!(
        r#"{{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,
 "warnings":null,"auth":{{"client_token":"{token}","accessor":"a","policies":["default"],"token_policies":["default"],
 "metadata":{{"role_name":"rotator"}},"lease_duration":3600,"renewable":true,"entity_id":"e","token_type":"service","orphan":true}}}}"#
    )
}

fn lookup(token: &str) -> String {
    format!(
        r#"{{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"wrap_info":null,"warnings":null,
 "auth":null,"data":{{"accessor":"a","creation_time":1763690000,"creation_ttl":3600,"display_name":"approle",
 "entity_id":"e","expire_time":"2026-11-21T04:00:00Z","explicit_max_ttl":0,"id":"{token}","issue_time":null,"meta":null,
 "num_uses":0,"orphan":true,"path":"auth/approle/login","policies":["default"],"renewable":true,"ttl":3600}}}}"#
    )
}

fn wrapping() -> &'static str {
    r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"wrap_info":null,"warnings":null,"auth":null,
 "data":{"creation_path":"auth/approle/role/r/secret-id","creation_time":"2026-11-22T13:22:04.839860395Z","creation_ttl":60}}"#
}

fn unwrapped(secret_id: &str) -> String {
    format!(
        r#"{{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"wrap_info":null,"warnings":null,"auth":null,
 "data":{{"secret_id":"{secret_id}","secret_id_accessor":"a","secret_id_num_uses":0,"secret_id_ttl":0}}}}"#
    )
}

fn lease(duration: Duration) -> Lease {
    Lease::new(Token { secret: "t".into(), serial: 0 }, Instant::now(), duration, true, 0.5)
}

#[test]
fn a_lease_of_any_length_is_taken() {
    for seconds in [0, 1, 2, u64::MAX / 2, u64::MAX] {
        let lease = lease(Duration::from_secs(seconds));
        let now = Instant::now();
        assert!(lease.is_alive(now) && !lease.is_due(now), "{seconds}");
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn an_answer_to_a_login_is_a_lease_or_an_error_that_shows_no_token(token in secret(), damages in damages()) {
        let body = damage(login(&token).into_bytes(), &damages);
        match auth_info(transport(), &attempt(), &answer(200, body)) {
            Ok(info) => prop_assert!(lease(Duration::from_secs(info.lease_duration)).is_alive(Instant::now())),
            Err(error) => prop_assert!(!gives_away(&said(&error), &token)),
        }
    }

    #[test]
    fn an_answer_to_a_look_up_is_a_lease_or_an_error_that_shows_no_token(token in secret(), damages in damages()) {
        let body = damage(lookup(&token).into_bytes(), &damages);
        match transport().data::<Lookup>(&attempt(), &answer(200, body)) {
            Ok(found) => prop_assert!(lease(remaining(&found).unwrap_or_default()).is_alive(Instant::now())),
            Err(error) => prop_assert!(!gives_away(&said(&error), &token)),
        }
    }

    #[test]
    fn an_answer_about_a_wrapping_token_is_understood_or_an_error(damages in damages()) {
        let body = damage(wrapping().into(), &damages);
        if let Ok(found) = transport().data::<Wrapping>(&attempt(), &answer(200, body)) {
            prop_assert!(found.describe(transport()).lasts <= Duration::from_secs(u32::MAX.into()));
        }
    }

    #[test]
    fn an_unwrapped_secret_id_is_in_no_error(secret_id in secret(), damages in damages()) {
        let body = damage(unwrapped(&secret_id).into_bytes(), &damages);
        if let Err(error) = transport().data::<Unwrapped>(&attempt(), &answer(200, body)) {
            prop_assert!(!gives_away(&said(&error), &secret_id));
        }
    }
}
