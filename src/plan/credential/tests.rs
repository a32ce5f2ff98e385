//! The rule in every case, and then under every interleaving of two rotators that may crash and whose requests may
//! arrive late or never.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::*;

#[test]
fn each_sight_has_its_step() {
    use Verdict::{Accepted, Refused};
    assert_eq!(step(Accepted, None), Step::Prepare);
    assert_eq!(step(Accepted, Some(Refused)), Step::Change);
    assert_eq!(step(Refused, Some(Accepted)), Step::Promote);
    assert_eq!(step(Accepted, Some(Accepted)), Step::Promote, "both are the same");
    assert_eq!(step(Refused, None), Step::Recover);
    assert_eq!(step(Refused, Some(Refused)), Step::Recover);
}

#[test]
fn it_is_due_after_each_time_at_once_when_it_never_was_and_when_it_was_interrupted() {
    let time = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
    let now = time("2026-11-22T12:00:00Z");
    let schedule = Schedule::parse("0 4 1 * *", Tz::UTC, now).expect("a schedule");
    let clocks = |ours| Clocks { ours, exceptionless: None, vault: None };
    let due =
        |changed: Option<&str>, interrupted| due(&schedule, changed.map(time), interrupted, &clocks(now));
    assert_eq!(due(Some("2026-11-01T04:00:05Z"), false), Some(time("2026-12-01T04:00:00Z")));
    assert_eq!(due(Some("2026-10-31T04:00:05Z"), false), Some(time("2026-11-01T04:00:00Z")), "it was missed");
    assert_eq!(due(None, false), Some(now));
    assert_eq!(due(Some("2026-11-01T04:00:05Z"), true), Some(now));
    assert_eq!(due(Some("2036-11-01T04:00:05Z"), false), Some(now), "no clock said that");

    let ahead = Clocks { vault: Some(time("2026-11-25T12:00:00Z")), ..clocks(now) };
    let due = super::due(&schedule, Some(time("2026-11-25T11:59:00Z")), false, &ahead);
    assert_eq!(due, Some(time("2026-12-01T04:00:00Z")), "a clock still says that");
}

/// Passwords are numbers, in the order in which they are made.
type Password = u8;

/// What both servers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    server: Password,
    version: u8,
    current: Password,
    next: Option<Password>,
    made: Password,
    /// A request that was sent and has not arrived. It may at any time, or never; its sender has given up.
    late: Option<Request>,
    rotators: [Option<Sight>; 2],
    promoted: u8,
}

/// What one rotator has seen, before it acts on it. A crash forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sight {
    version: u8,
    current: Password,
    next: Option<Password>,
    accepted: Password,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    Store { over: u8, current: Password, next: Option<Password> },
    Change { from: Password, to: Password },
}

impl World {
    fn arrive(&mut self, request: Request) {
        match request {
            Request::Store { over, current, next } if over == self.version => {
                self.promoted += u8::from(next.is_none());
                (self.version, self.current, self.next) = (over + 1, current, next);
            }
            Request::Change { from, to } if from == self.server => self.server = to,
            Request::Store { .. } | Request::Change { .. } => {}
        }
    }

    fn sight(&self) -> Sight {
        let Self { version, current, next, server, .. } = *self;
        Sight { version, current, next, accepted: server }
    }

    /// What a rotator sends that has seen this.
    fn request(&mut self, sight: Sight) -> Option<Request> {
        let verdict =
            |password| if password == sight.accepted { Verdict::Accepted } else { Verdict::Refused };
        let Sight { version: over, current, next, .. } = sight;
        Some(match (step(verdict(current), next.map(verdict)), next) {
            (Step::Prepare, _) => {
                self.made += 1;
                Request::Store { over, current, next: Some(self.made) }
            }
            (Step::Change, Some(to)) => Request::Change { from: current, to },
            (Step::Promote, Some(next)) => Request::Store { over, current: next, next: None },
            _ => return None,
        })
    }

    /// Every world that may follow.
    fn successors(self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for index in 0..self.rotators.len() {
            match self.rotators[index] {
                None => {
                    let mut looked = self;
                    looked.rotators[index] = Some(self.sight());
                    worlds.push(looked);
                }
                Some(sight) => {
                    let mut acted = self;
                    acted.rotators[index] = None;
                    // A crash.
                    worlds.push(acted);
                    let Some(request) = acted.request(sight) else { continue };
                    let mut arrived = acted;
                    arrived.arrive(request);
                    worlds.push(arrived);
                    if acted.late.is_none() {
                        worlds.push(Self { late: Some(request), ..acted });
                    }
                }
            }
        }
        if let Some(request) = self.late {
            let mut arrived = Self { late: None, ..self };
            worlds.push(arrived);
            arrived.arrive(request);
            worlds.push(arrived);
        }
        worlds
    }

    /// One rotator that nobody disturbs, as long as it takes.
    fn settled(mut self) -> Self {
        (self.late, self.rotators) = (None, [None; 2]);
        for _ in 0..4 {
            let sight = self.sight();
            if self.promoted > 0 && sight.next.is_none() {
                break;
            }
            if let Some(request) = self.request(sight) {
                self.arrive(request);
            }
        }
        self
    }
}

#[test]
fn at_every_moment_the_secret_holds_the_password_that_works_and_whoever_comes_next_ends_the_change() {
    let first = World {
        server: 0,
        version: 1,
        current: 0,
        next: None,
        made: 0,
        late: None,
        rotators: [None; 2],
        promoted: 0,
    };
    let (mut seen, mut open) = (BTreeSet::from([first]), vec![first]);
    while let Some(world) = open.pop() {
        let holds = world.current == world.server || world.next == Some(world.server);
        assert!(holds, "locked out: {world:?}");
        let settled = world.settled();
        assert!(settled.next.is_none() && settled.current == settled.server, "{world:?} ends as {settled:?}");
        // Enough for each to prepare twice, and to meet what is left of a former change.
        if world.made < 5 && world.promoted < 4 {
            open.extend(world.successors().into_iter().filter(|world| seen.insert(*world)));
        }
    }
    assert!(seen.len() > 4_000, "only {} worlds", seen.len());
}
