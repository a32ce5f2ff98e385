//! The machine, alone and among others. The driver, over a real Vault, is tried by `tests/it/replicas.rs`.

mod among_others;

use super::*;

const SERVER: &str = "https://ex.example";
const TTL: Duration = Duration::from_secs(30);

fn seconds(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn holder(name: &str) -> Holder {
    Holder::fresh(name, at())
}

fn candidacy() -> Candidacy {
    Candidacy::new(holder("me"), SERVER.to_owned(), TTL, seconds(0))
}

fn written(version: u64, holder: Option<&Holder>) -> LeaseState {
    let lease = Lease {
        holder: holder.cloned(),
        server_url: Some(SERVER.to_owned()),
        acquired_at: None,
        renewed_at: None,
        ttl: Some(TTL),
    };
    LeaseState::Written { version, lease }
}

/// One that has taken a lease that did not exist, by a write that was sent at this moment.
fn leading(sent: Moment) -> Candidacy {
    let mut candidacy = candidacy();
    candidacy.saw(LeaseState::Absent, sent);
    let order = candidacy.order(sent);
    assert_eq!(order, Order::Claim { over: 0, from: None });
    assert_eq!(candidacy.wrote(&order, [sent, sent], Written::Done(1), at()), Some(Change::Acquired));
    candidacy
}

#[test]
fn who_steps_aside_claims_nothing_for_the_time_of_a_lease() {
    let mut candidacy = leading(seconds(0));
    candidacy.step_aside(seconds(5));
    assert_eq!(candidacy.order(seconds(5)), Order::Wait(seconds(35)));
    assert_eq!(candidacy.order(seconds(35)), Order::Look);
    candidacy.saw(written(2, None), seconds(35));
    assert_eq!(candidacy.order(seconds(35)), Order::Claim { over: 2, from: None }, "nobody else wanted it");
}

#[test]
fn a_lease_that_is_held_for_another_server_is_told_and_claimed_like_any_other() {
    let mut candidacy = candidacy();
    let mut state = written(7, Some(&holder("other")));
    if let LeaseState::Written { lease, .. } = &mut state {
        lease.server_url = Some("https://other.example".to_owned());
    }
    let told = candidacy.saw(state.clone(), seconds(0));
    assert!(matches!(told, Some(Change::Conflict(text)) if text.contains("https://other.example")));
    assert_eq!(candidacy.saw(state, seconds(10)), None, "it is told once");
    assert!(matches!(candidacy.order(seconds(30)), Order::Claim { over: 7, .. }));
}

fn renewal(over: u64) -> Order {
    Order::Renew { over, acquired_at: at() }
}

#[test]
fn a_lease_that_nobody_holds_is_claimed_at_once() {
    let me = candidacy().me;
    for (state, over) in [
        (LeaseState::Absent, 0),
        (LeaseState::Deleted { version: 4 }, 4),
        (written(7, None), 7),
        (written(7, Some(&me)), 7),
    ] {
        let mut candidacy = candidacy();
        candidacy.me = me.clone();
        assert_eq!(candidacy.order(seconds(0)), Order::Look);
        assert_eq!(candidacy.saw(state, seconds(0)), None);
        assert_eq!(candidacy.order(seconds(0)), Order::Claim { over, from: None });
    }
}

#[test]
fn a_lease_that_is_held_is_claimed_when_it_has_not_changed_for_its_time() {
    let (mut candidacy, other) = (candidacy(), holder("other"));
    candidacy.saw(written(7, Some(&other)), seconds(0));
    candidacy.saw(written(8, Some(&other)), seconds(9));
    let (mut now, mut looks) = (seconds(9), 0);
    let claim = loop {
        match candidacy.order(now) {
            Order::Wait(until) => now = until,
            Order::Look => {
                looks += 1;
                candidacy.saw(written(8, Some(&other)), now);
            }
            claim => break claim,
        }
    };
    assert_eq!((now, looks), (seconds(39), 3), "not earlier, and not later, than the lease allows");
    assert_eq!(claim, Order::Claim { over: 8, from: Some(other.clone()) });
    let change = candidacy.wrote(&claim, [now, now], Written::Done(9), at());
    assert_eq!(change, Some(Change::TakenOver(other)));
}

#[test]
fn a_holder_that_promised_itself_more_time_has_it() {
    let (mut candidacy, other) = (candidacy(), holder("other"));
    let mut state = written(7, Some(&other));
    if let LeaseState::Written { lease, .. } = &mut state {
        lease.ttl = Some(seconds(50));
    }
    candidacy.saw(state, seconds(0));
    assert!(!matches!(candidacy.order(seconds(49)), Order::Claim { .. }));
    assert!(matches!(candidacy.order(seconds(50)), Order::Claim { .. }));
}

#[test]
fn a_node_that_lags_behind_does_not_begin_the_wait_anew() {
    let (mut candidacy, other) = (candidacy(), holder("other"));
    candidacy.saw(written(8, Some(&other)), seconds(0));
    candidacy.saw(written(7, Some(&other)), seconds(20));
    assert!(matches!(candidacy.order(seconds(30)), Order::Claim { over: 8, .. }));
    // It did not lag: the lease was removed, and is held anew.
    let claim = candidacy.order(seconds(30));
    candidacy.wrote(&claim, [seconds(30), seconds(30)], Written::Refused, at());
    assert_eq!(candidacy.order(seconds(34)), Order::Look);
    candidacy.saw(written(7, Some(&other)), seconds(34));
    assert!(!matches!(candidacy.order(seconds(63)), Order::Claim { .. }));
    assert!(matches!(candidacy.order(seconds(64)), Order::Claim { over: 7, .. }));
}

#[test]
fn a_tenure_is_counted_from_before_its_last_renewal_was_sent_and_ends_a_margin_early() {
    let mut candidacy = leading(seconds(100));
    assert_eq!(candidacy.order(seconds(109)), Order::Wait(seconds(110)));
    assert_eq!(candidacy.order(seconds(112)), renewal(1));
    assert_eq!(candidacy.wrote(&renewal(1), [seconds(112), seconds(112)], Written::Done(2), at()), None);
    assert_eq!(candidacy.term().map(|term| (term.number, term.until)), Some((1, seconds(139))));
    assert_eq!(candidacy.expire(seconds(138)), None);
    assert_eq!(candidacy.expire(seconds(139)), Some(Change::Lost(Loss::Expired)));
    assert_eq!(candidacy.order(seconds(139)), Order::Look);
}

#[test]
fn a_renewal_in_doubt_prolongs_nothing_and_the_next_one_does() {
    for (version, over) in [(1, 1), (2, 2)] {
        let mut candidacy = leading(seconds(100));
        candidacy.wrote(&renewal(1), [seconds(110), seconds(110)], Written::Doubtful, at());
        assert_eq!(candidacy.order(seconds(116)), Order::Look);
        let me = candidacy.me.clone();
        assert_eq!(candidacy.saw(written(version, Some(&me)), seconds(116)), None);
        assert_eq!(candidacy.term().map(|term| term.until), Some(seconds(127)));
        assert_eq!(candidacy.order(seconds(119)), renewal(over));
        candidacy.wrote(&renewal(over), [seconds(119), seconds(119)], Written::Done(over + 1), at());
        assert_eq!(candidacy.term().map(|term| (term.number, term.until)), Some((1, seconds(146))));
    }
}

#[test]
fn an_answer_that_comes_after_the_time_it_gives_gives_none() {
    let mut candidacy = leading(seconds(100));
    // The process was paused when the answer came.
    assert!(candidacy.expire(seconds(150)).is_some());
    assert_eq!(candidacy.wrote(&renewal(1), [seconds(110), seconds(150)], Written::Done(2), at()), None);
    assert!(candidacy.term().is_none());
    assert_eq!(candidacy.order(seconds(150)), Order::Look);
}

#[test]
fn a_tenure_that_was_over_before_its_renewal_was_answered_is_another_term() {
    let mut candidacy = leading(seconds(100));
    assert!(candidacy.expire(seconds(128)).is_some());
    let change = candidacy.wrote(&renewal(1), [seconds(110), seconds(128)], Written::Done(2), at());
    assert_eq!(change, Some(Change::Acquired));
    assert_eq!(candidacy.term().map(|term| (term.number, term.until)), Some((2, seconds(137))));
}

#[test]
fn another_name_in_a_later_version_ends_the_tenure_at_once() {
    let other = holder("other");
    for (state, by) in [
        (written(2, Some(&other)), Some(other.clone())),
        (written(2, None), None),
        (LeaseState::Deleted { version: 2 }, None),
        (LeaseState::Foreign { version: 2, owner: None }, None),
    ] {
        let mut candidacy = leading(seconds(100));
        candidacy.wrote(&renewal(1), [seconds(110), seconds(110)], Written::Refused, at());
        assert_eq!(candidacy.order(seconds(110)), Order::Look);
        assert_eq!(candidacy.saw(state, seconds(110)), Some(Change::Lost(Loss::Taken(by))));
        assert!(candidacy.term().is_none());
    }
}

#[test]
fn a_renewal_that_fails_is_repeated_until_the_tenure_is_over() {
    let mut candidacy = leading(seconds(100));
    let (mut now, mut tries) = (seconds(100), 0);
    while candidacy.expire(now).is_none() {
        match candidacy.order(now) {
            Order::Wait(until) => now = until,
            order => {
                tries += 1;
                candidacy.wrote(&order, [now, now], Written::Failed, at());
            }
        }
    }
    assert!((5..=12).contains(&tries), "{tries}");
    assert_eq!(now, seconds(127));
}

#[test]
fn a_secret_of_another_hand_is_reported_once_and_never_claimed() {
    let mut candidacy = candidacy();
    let foreign = LeaseState::Foreign { version: 3, owner: None };
    assert_eq!(candidacy.saw(foreign.clone(), seconds(0)), foreign.conflict(SERVER).map(Change::Conflict));
    for now in [10, 100, 1000] {
        assert_eq!(candidacy.order(seconds(now)), Order::Look);
        assert_eq!(candidacy.saw(foreign.clone(), seconds(now)), None);
    }
    candidacy.saw(LeaseState::Absent, seconds(1010));
    assert_eq!(candidacy.order(seconds(1010)), Order::Claim { over: 0, from: None });
}

#[test]
fn whatever_fails_a_candidate_asks_a_few_times_in_the_time_of_a_lease() {
    for (written_as, sight) in [
        (Written::Failed, LeaseState::Absent),
        (Written::Doubtful, LeaseState::Absent),
        (Written::Refused, LeaseState::Absent),
        (Written::Doubtful, written(4, None)),
    ] {
        let (mut candidacy, mut now, mut asked) = (candidacy(), seconds(0), 0);
        while now < TTL {
            match candidacy.order(now) {
                Order::Wait(until) => now = until,
                Order::Look => {
                    asked += 1;
                    candidacy.saw(sight.clone(), now);
                }
                order => {
                    asked += 1;
                    candidacy.wrote(&order, [now, now], written_as, at());
                }
            }
        }
        assert!(asked <= 50, "{written_as:?}: {asked}");
    }
}
