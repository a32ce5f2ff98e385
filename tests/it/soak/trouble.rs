//! What goes wrong meanwhile, by dice: a seed is printed, and gives the same choices again (not the same moments).

use std::collections::BTreeMap;
use std::time::Duration;

use exceptionless_emulator::{Emulator, Fault, Kind, Relay};
use tokio::time::{sleep, timeout};

use crate::support::dice::Dice;
use crate::support::process::Process;
use crate::support::rig::Rig;

/// How often something was done, by what it was.
pub type Tally = BTreeMap<String, usize>;

/// The rotator gives up waiting for an answer after two seconds.
const TOO_LONG: Duration = Duration::from_secs(3);

/// Long enough for a fault to meet its request: the rotator works every two seconds.
const SOON: Duration = Duration::from_secs(4);

/// Requests of the rotator alone. Applications ask for `projects/config` too, and their requests are left alone.
const ROUTES: [(&str, &str); 7] = [
    ("POST", "auth/login"),
    ("GET", "users/me"),
    ("GET", "organizations"),
    ("GET", "organizations/{id}/projects"),
    ("GET", "organizations/{id}/tokens"),
    ("POST", "projects/{id}/tokens"),
    ("DELETE", "tokens/{ids}"),
];

/// So many milliseconds, of which the first is possible and the last is not.
fn milliseconds(dice: &mut Dice, from: usize, to: usize) -> Duration {
    Duration::from_millis((from + dice.below(to - from)) as u64)
}

/// Kills the daemon at random moments, and starts it again at once. Never returns.
pub async fn kill(rig: &Rig, daemon: &mut Process, kills: &mut usize, mut dice: Dice) {
    loop {
        sleep(milliseconds(&mut dice, 500, 7_000)).await;
        let ended = daemon.child.try_wait().unwrap();
        assert_eq!(ended, None, "the daemon has ended by itself, see {}", daemon.log.display());
        daemon.kill().await;
        *kills += 1;
        *daemon = Process::start(rig.command(&["run"]), daemon.log.clone());
    }
}

/// Injects one fault after another, at either server. Never returns.
pub async fn strike(rig: &Rig, relay: &Relay, faults: &mut Tally, mut dice: Dice) {
    loop {
        sleep(milliseconds(&mut dice, 1_000, 3_500)).await;
        let struck = match dice.below(3) {
            0 => vault(rig, relay, &mut dice).await,
            _ => exceptionless(&rig.emulator, &mut dice).await,
        };
        if let Some(name) = struck {
            *faults.entry(name).or_default() += 1;
        }
    }
}

/// The name of the fault, if it has met its request.
async fn vault(rig: &Rig, relay: &Relay, dice: &mut Dice) -> Option<String> {
    let mount = &rig.corner.mount;
    let before = relay.struck();
    let name = if dice.below(3) == 0 {
        relay.refuse_after(0, None).await;
        sleep(milliseconds(dice, 200, 2_000)).await;
        "connections refused"
    } else {
        let endpoints = [
            ("POST", format!("/v1/{mount}/data/")),
            ("GET", format!("/v1/{mount}/data/")),
            ("POST", format!("/v1/auth/{mount}/login")),
        ];
        let (method, route) = dice.pick(&endpoints).unwrap();
        let (name, kind) = dice.pick(&vault_kinds()).unwrap();
        let mut fault = Fault::new(method, &route, kind);
        fault.applied = dice.below(2) == 0;
        relay.add_fault(fault);
        patience_for(SOON, || relay.struck() > before).await;
        name
    };
    relay.clear_faults().await;
    (relay.struck() > before).then(|| format!("Vault: {name}"))
}

fn vault_kinds() -> [(&'static str, Kind); 5] {
    [
        ("status 500", Kind::Status(500)),
        ("status 503", Kind::Status(503)),
        ("connection dropped", Kind::Drop),
        ("no answer in time", Kind::Hang(TOO_LONG)),
        ("document cut", Kind::CutJson),
    ]
}

/// Waits for something, but not longer than this.
async fn patience_for(limit: Duration, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(limit, wait).await;
}

/// The name of the fault, if it has met its request.
async fn exceptionless(emulator: &Emulator, dice: &mut Dice) -> Option<String> {
    let (method, route) = dice.pick(&ROUTES).unwrap();
    let (name, kind) = dice.pick(&kinds(method, route)).unwrap();
    let mut fault = Fault::new(method, route, kind);
    fault.applied = dice.below(2) == 0;
    let before = emulator.requests().faults;
    emulator.add_fault(fault);
    let met = emulator.until(|state| (state.requests().faults > before).then_some(()));
    let met = timeout(SOON, met).await.is_ok();
    emulator.clear_faults();
    met.then(|| format!("Exceptionless: {name}"))
}

fn kinds(method: &str, route: &str) -> Vec<(&'static str, Kind)> {
    let mut kinds = vec![
        ("status 500", Kind::Status(500)),
        ("status 502", Kind::Status(502)),
        ("connection dropped", Kind::Drop),
        ("no answer in time", Kind::Hang(TOO_LONG)),
        ("slow", Kind::Slow(Duration::from_millis(700))),
        ("too many requests", Kind::TooManyRequests),
        ("starting", Kind::Starting),
        ("a page instead", Kind::Html),
        ("document cut", Kind::CutJson),
        ("body broken off", Kind::ShortBody),
        ("huge body", Kind::HugeBody(32 << 20)),
        ("byte by byte", Kind::Drip(Duration::from_millis(5))),
        ("redirect", Kind::Redirect("http://127.0.0.1:9/".to_owned())),
    ];
    match (method, route) {
        ("POST", "auth/login") => kinds.push(("login failed", Kind::LoginFailed)),
        ("POST", _) => kinds.push(("another project's key", another_project())),
        ("GET", "organizations/{id}/tokens" | "organizations/{id}/projects") => {
            kinds.push(("listing too short", Kind::ShortListing(1)));
        }
        _ => {}
    }
    kinds
}

fn another_project() -> Kind {
    let project_id = Some("64f0c0ffee000100000000ff".to_owned());
    Kind::WrongProject { project_id, organization_id: None, scopes: None }
}
