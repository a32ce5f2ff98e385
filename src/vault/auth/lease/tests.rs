//! An hour is a few lines here: nothing waits.

use super::*;
use crate::config::SecretUnreadable;
use crate::vault::attempt::Said;
use crate::vault::error::LoginRefused;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn lease(lasts: Duration, share: f64, now: Instant) -> Lease {
    Lease::new(Token { secret: "t".into(), serial: 0 }, now, lasts, true, share)
}

fn down() -> VaultError {
    let source = Arc::new(SecretUnreadable::Empty { place: "a file".to_owned() });
    VaultError::Credential { source }
}

fn refused() -> VaultError {
    let (mount, place) = ("approle".to_owned(), "a file".to_owned());
    VaultError::Login(LoginRefused::AppRole { mount, place, wrapping: false, said: Said::new(&[], &[]) })
}

/// When Vault is asked in an hour in which somebody wants a token ten times a second.
fn attempts(error: impl Fn() -> VaultError, share: f64, lives: Option<Duration>) -> Vec<Duration> {
    let (start, credential) = (Instant::now(), SecretString::from("c"));
    let mut setback: Option<Setback> = None;
    let asked = (0..36_000).map(|tenth| Duration::from_millis(100) * tenth).filter(|since| {
        let now = start + *since;
        if setback.as_ref().is_some_and(|setback| setback.stands(now, Some(&credential))) {
            return false;
        }
        let living = lives.map(|lives| lease(lives.saturating_sub(now - start), share, now));
        let living = living.filter(|lease| lease.full > Duration::ZERO);
        setback = Some(Setback::new(
            error(),
            setback.as_ref(),
            living.as_ref(),
            Some(credential.clone()),
            now,
            share,
        ));
        true
    });
    asked.collect()
}

#[test]
fn a_lease_is_renewed_before_two_thirds_of_it_are_over_and_not_by_all_at_once() {
    let now = Instant::now();
    let at = |share| lease(HOUR, share, now).renew_at.expect("it ends") - now;
    assert_eq!(at(0.0), HOUR * 2 / 3);
    assert!((HOUR * 6 / 10..HOUR * 61 / 100).contains(&at(0.999)));
    assert!(at(0.3) > at(0.4));
    for share in [0.0, 0.999] {
        let shortest = lease(SECOND, share, now);
        assert!(!shortest.is_due(now) && shortest.is_due(now + SECOND));
    }
}

#[test]
fn a_token_without_end_is_never_due_and_never_dead() {
    let now = Instant::now();
    let endless = lease(Duration::ZERO, 0.5, now);
    assert!(!endless.is_due(now + LONGEST_LEASE) && endless.is_alive(now + LONGEST_LEASE));
    assert!(!lease(HOUR, 0.5, now).is_alive(now + HOUR));
}

#[test]
fn an_hour_without_vault_costs_a_login_every_few_seconds_at_most() {
    for share in [0.0, 0.5, 0.999] {
        let asked = attempts(down, share, None).len();
        assert!((3600 / 9..=3600 / 4 + 4).contains(&asked), "{asked}");
    }
}

#[test]
fn an_hour_with_a_wrong_secret_never_shows_it_twice_in_a_quarter_of_an_hour() {
    for lives in [None, Some(SECOND), Some(SECOND * 46), Some(HOUR * 2)] {
        let asked = attempts(refused, 0.5, lives);
        assert_eq!(asked.len(), 4, "{lives:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] > HOUR / 4), "{lives:?}: {asked:?}");
    }
}

#[test]
fn a_pause_ends_before_the_next_pass_of_the_daemon_and_at_once_when_the_credential_changes() {
    let now = Instant::now();
    let mut setback = Setback::new(down(), None, None, Some("old".into()), now, 0.0);
    for _ in 0..100 {
        setback = Setback::new(down(), Some(&setback), None, Some("old".into()), now, 0.0);
        assert!(setback.retry_at - now <= Duration::from_secs(10) - SECOND);
    }
    assert!(setback.stands(now, Some(&"old".into())));
    assert!(!setback.stands(now, Some(&"new".into())));
    assert!(!setback.stands(now, None));
}

#[test]
fn a_renewal_is_tried_again_after_half_of_what_remains_but_soon() {
    let now = Instant::now();
    let pause = |remains: Duration, failures: u32| {
        let lease = lease(remains, 0.5, now);
        let mut setback = Setback::new(down(), None, Some(&lease), None, now, 0.5);
        for _ in 1..failures {
            setback = Setback::new(down(), Some(&setback), Some(&lease), None, now, 0.5);
        }
        setback.retry_at - now
    };
    assert_eq!(pause(Duration::from_secs(60), 1), Duration::from_secs(30));
    assert_eq!(pause(Duration::from_millis(100), 1), SECOND);
    assert_eq!(pause(HOUR * 24, 50), LONGEST_RENEWAL_PAUSE);
    assert_eq!(pause(Duration::ZERO, 1), LONGEST_RENEWAL_PAUSE, "a token without end");
}
