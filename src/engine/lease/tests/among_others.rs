//! Several machines, a Vault of one secret, and a network that loses and delays: no two lead at a time, and in peace
//! somebody does.

use proptest::prelude::*;

use super::*;
use crate::domain::fuzz::cases;

const STEP: Duration = Duration::from_millis(20);
const SHORT: Duration = Duration::from_secs(3);

/// A small generator, so that a history is made again from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A request under way. Its sender may have given up waiting.
struct Request {
    replica: usize,
    order: Order,
    sent: Moment,
    arrives: Moment,
    answers: Option<Moment>,
    /// Of a look, how many versions the node lags behind.
    lag: usize,
    result: Option<Result<LeaseState, Written>>,
    awaited: bool,
}

struct Replica {
    machine: Candidacy,
    /// What its clock shows beyond the true time.
    ahead: Duration,
    paused_until: Moment,
}

struct World {
    now: Moment,
    dice: Dice,
    replicas: Vec<Option<Replica>>,
    requests: Vec<Request>,
    versions: Vec<LeaseState>,
    /// Of a hundred requests, so many are lost, and so many answers.
    loss: u64,
    /// In steps, each way.
    slowest: u64,
    /// In versions, of what a look shows.
    most_lag: u64,
}

impl World {
    fn new(seed: u64, replicas: usize) -> Self {
        let mut dice = Dice(seed);
        let replicas = (0..replicas).map(|_| {
            let ahead = Duration::from_secs(dice.below(100_000));
            let machine = Candidacy::new(holder("replica"), SERVER.to_owned(), SHORT, ahead);
            Some(Replica { machine, ahead, paused_until: Duration::ZERO })
        });
        let replicas = replicas.collect();
        let versions = vec![LeaseState::Absent];
        let (now, requests) = (Duration::ZERO, Vec::new());
        Self { now, dice, replicas, requests, versions, loss: 0, slowest: 5, most_lag: 0 }
    }

    /// Who may act at this moment.
    fn leaders(&self) -> Vec<usize> {
        let leads = |replica: &Replica| {
            replica.machine.term().is_some_and(|term| self.now + replica.ahead < term.until)
        };
        let replicas = self.replicas.iter().enumerate();
        replicas
            .filter(|(_, replica)| replica.as_ref().is_some_and(leads))
            .map(|(number, _)| number)
            .collect()
    }

    fn step(&mut self) {
        self.now += STEP;
        self.deliver();
        for number in 0..self.replicas.len() {
            self.act(number);
        }
        let leaders = self.leaders();
        assert!(leaders.len() < 2, "{leaders:?} lead at {:?}", self.now);
    }

    /// What arrives at Vault, in the order of arrival.
    fn deliver(&mut self) {
        self.requests.retain(|request| request.awaited || request.result.is_none());
        self.requests.sort_by_key(|request| request.arrives);
        for request in &mut self.requests {
            if request.result.is_some() || request.arrives > self.now {
                continue;
            }
            let newest = self.versions.len() - 1;
            request.result = Some(match &request.order {
                Order::Look => Ok(self.versions[newest.saturating_sub(request.lag)].clone()),
                Order::Claim { over, .. } | Order::Renew { over, .. } if *over == newest as u64 => {
                    let Some(replica) = &self.replicas[request.replica] else { continue };
                    let lease = replica.machine.lease(at(), at());
                    self.versions.push(LeaseState::Written { version: newest as u64 + 1, lease });
                    Err(Written::Done(newest as u64 + 1))
                }
                _ => Err(Written::Refused),
            });
        }
    }

    fn act(&mut self, number: usize) {
        let Some(replica) = &mut self.replicas[number] else { return };
        if replica.paused_until > self.now {
            return;
        }
        let local = self.now + replica.ahead;
        let patience = replica.machine.patience();
        replica.machine.expire(local);
        let awaited = self.requests.iter_mut().find(|request| request.replica == number && request.awaited);
        if let Some(request) = awaited {
            let answered = request.answers.is_some_and(|answers| answers <= self.now);
            match (&request.result, &request.order) {
                (Some(Ok(state)), _) if answered => {
                    replica.machine.saw(state.clone(), local);
                }
                (Some(Err(written)), order) if answered => {
                    replica.machine.wrote(order, [request.sent, local], *written, at());
                }
                _ if local < request.sent + patience => return,
                (_, Order::Look) => replica.machine.saw_nothing(local),
                (_, order) => {
                    replica.machine.wrote(order, [request.sent, local], Written::Doubtful, at());
                }
            }
            request.awaited = false;
            return;
        }
        let order = replica.machine.order(local);
        if let Order::Wait(_) = order {
            return;
        }
        let arrives = self.now + STEP * u32::try_from(self.dice.below(self.slowest)).unwrap_or(0);
        let back = arrives + STEP * u32::try_from(self.dice.below(self.slowest)).unwrap_or(0);
        let never = self.dice.below(100) < self.loss;
        let answers = (self.dice.below(100) >= self.loss).then_some(back);
        self.requests.push(Request {
            replica: number,
            order,
            sent: local,
            arrives: if never { Duration::MAX } else { arrives },
            answers,
            lag: usize::try_from(self.dice.below(self.most_lag + 1)).unwrap_or(0),
            result: None,
            awaited: true,
        });
    }

    /// Pauses somebody, or ends somebody and starts another.
    fn meddle(&mut self) {
        let number = usize::try_from(self.dice.below(self.replicas.len() as u64)).unwrap_or(0);
        match self.dice.below(300) {
            0 => {
                let pause = SHORT * u32::try_from(self.dice.below(3)).unwrap_or(0);
                if let Some(replica) = &mut self.replicas[number] {
                    replica.paused_until = self.now + pause;
                }
            }
            1 => {
                let machine = Candidacy::new(holder("replica"), SERVER.to_owned(), SHORT, self.now);
                // What it has sent may still arrive, under the name that it had.
                let successor = Replica { machine, ahead: Duration::ZERO, paused_until: self.now };
                self.requests.retain(|request| request.replica != number || !request.awaited);
                self.replicas[number] = Some(successor);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn whatever_is_lost_and_late_no_two_lead_at_a_time_and_in_peace_somebody_leads(
        seed: u64, replicas in 2..5usize, loss in 0..30u64,
    ) {
        let mut world = World::new(seed, replicas);
        (world.loss, world.slowest, world.most_lag) = (loss, 25, 2);
        let mut led = 0;
        for _ in 0..2_000 {
            world.meddle();
            world.step();
            led += world.leaders().len();
        }
        (world.loss, world.slowest, world.most_lag) = (0, 5, 0);
        let peace = world.now + SHORT * 6;
        while world.now < peace {
            world.step();
        }
        prop_assert!(!world.leaders().is_empty(), "nobody leads in peace");
        let (leader, versions) = (world.leaders(), world.versions.len());
        let later = world.now + SHORT * 5;
        while world.now < later {
            world.step();
            prop_assert_eq!(world.leaders(), leader.clone());
        }
        let renewals = world.versions.len() - versions;
        prop_assert!((10..=20).contains(&renewals), "{} renewals in five times", renewals);
        prop_assert!(led > 0 || loss > 5, "nobody ever led");
    }

    #[test]
    fn a_holder_that_dies_is_replaced_within_two_lease_times(seed: u64, replicas in 2..5usize) {
        let mut world = World::new(seed, replicas);
        for _ in 0..1_000 {
            world.step();
        }
        let [leader] = world.leaders()[..] else { return Err(TestCaseError::fail("nobody leads")) };
        let died = world.now;
        world.replicas[leader] = None;
        while world.leaders().is_empty() {
            world.step();
            prop_assert!(world.now < died + SHORT * 2, "nobody took over");
        }
    }
}
