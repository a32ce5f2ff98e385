//! Every endpoint of both servers, gone wrong in every way that there is, once and for a whole pass. The passes that
//! follow begin within the overlap after the latter, and after it after the former.
//!
//! A relay before each server strikes the requests of one endpoint, in a situation in which the pass makes them; a
//! cell in which nothing was struck counts as broken. What each cell must leave behind:
//!
//! - at once, every published key works, nobody else's key was touched, nothing was revoked that should not be, the
//!   output has no secret in it, and what failed says what to do;
//! - some passes later, the only live key of ours is the published one.
//!
//! What only Vault can do wrong, from its seal to its mounts, is in [`vault`]. Both are the part `faults` of
//! `docs/reliability.md`.

mod endpoints;
mod misfortunes;
mod scene;
mod vault;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use crate::support::dice::Dice;
use crate::support::proof;
use endpoints::{ENDPOINTS, Endpoint, Server};
use misfortunes::{MISFORTUNES, Misfortune};
use scene::{Begin, Scene, Situation};

/// Scenes at the same time: each has its own servers' corners, and mostly waits.
const AT_ONCE: usize = 24;

/// Shorter than most pauses before the repetitions of both clients, which then meet an open port.
const SHORT_REFUSAL: Duration = Duration::from_millis(150);

/// A cell that shows nothing.
const NOT_STRUCK: &str = "the endpoint was not struck";

/// How many cells beside those of the effects are drawn for the short proof.
const DRAWN: usize = 12;

/// Whether the first request alone is struck, or every one of that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Once,
    Throughout,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    endpoint: &'static Endpoint,
    misfortune: Misfortune,
    extent: Extent,
}

/// What was found in a cell.
#[derive(Debug)]
struct Finding {
    row: String,
    column: &'static str,
    breaches: Vec<String>,
    /// How many passes it took to put things right, if they did.
    passes: Option<usize>,
}

/// What an undisturbed run asks, request by request, of each server.
type Scripts = BTreeMap<Situation, BTreeMap<Server, Vec<&'static str>>>;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_at_whichever_endpoint_the_next_passes_put_it_right() {
    let cells = selected();
    let mut situations: Vec<_> = cells.iter().map(|cell| cell.endpoint.situation).collect();
    situations.sort_unstable();
    situations.dedup();
    let scripts: Scripts = futures_util::stream::iter(situations)
        .map(|situation| async move { (situation, script(situation).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let scripts = &scripts;
    let plays = cells.into_iter().map(|cell| play(cell, scripts).boxed_local()).chain(vault::plays());
    let findings: Vec<Finding> = futures_util::stream::iter(plays).buffer_unordered(AT_ONCE).collect().await;
    let text = format!("{}\n{}\n{}", matrix(&findings), vault::table(&findings), totals(&findings));
    proof::record("faults", &text);
    let broken: Vec<_> = findings.iter().filter(|finding| !finding.breaches.is_empty()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// All cells, or for the short proof those of the effects, struck once, and a few others by chance.
fn selected() -> Vec<Cell> {
    let fits = |endpoint: &Endpoint, misfortune: &Misfortune| {
        *misfortune != Misfortune::WrongProject || endpoint.name == "create_key"
    };
    let mut cells = Vec::new();
    for endpoint in &ENDPOINTS {
        for misfortune in MISFORTUNES.into_iter().filter(|misfortune| fits(endpoint, misfortune)) {
            for extent in [Extent::Once, Extent::Throughout] {
                cells.push(Cell { endpoint, misfortune, extent });
            }
        }
    }
    if proof::is_whole() {
        return cells;
    }
    let mut dice = Dice::of_this_run("the matrix of faults");
    let (mut chosen, mut others): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|cell| cell.endpoint.is_effect() && cell.extent == Extent::Once);
    for _ in 0..DRAWN {
        chosen.push(others.swap_remove(dice.below(others.len())));
    }
    chosen
}

async fn set(situation: Situation, misfortune: Misfortune) -> Scene {
    let mut scene = Scene::set(situation).await;
    if misfortune == Misfortune::Refused {
        // One request after the other, so that it is known which one meets the closed port.
        scene.rig.set("rotation", "concurrency", "1");
    }
    scene
}

async fn script(situation: Situation) -> BTreeMap<Server, Vec<&'static str>> {
    let scene = set(situation, Misfortune::Refused).await;
    let ended = scene.run().await;
    assert_eq!(ended.code, 0, "{situation:?} fails by itself");
    [Server::Exceptionless, Server::Vault].map(|server| (server, scene.asked(server))).into()
}

/// Plays a cell, again if a busy machine has kept its run from coming so far as to meet the fault.
async fn play(cell: Cell, scripts: &Scripts) -> Finding {
    for _ in 0..2 {
        let finding = play_once(cell, scripts).await;
        if !finding.breaches.iter().any(|breach| breach == NOT_STRUCK) {
            return finding;
        }
    }
    play_once(cell, scripts).await
}

/// The run that is struck, and the passes after it.
async fn play_once(Cell { endpoint, misfortune, extent }: Cell, scripts: &Scripts) -> Finding {
    let scene = set(endpoint.situation, misfortune).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = format!("http://{}/", elsewhere.local_addr().unwrap());
    let relay = scene.relay(endpoint.server);
    let script = &scripts[&endpoint.situation][&endpoint.server];
    let first = script.iter().position(|name| *name == endpoint.name);
    let first =
        first.unwrap_or_else(|| panic!("{:?} does not call {}", endpoint.situation, endpoint.title()));
    match misfortune.spoiling(&address) {
        None => relay.refuse_after(first, (extent == Extent::Once).then_some(SHORT_REFUSAL)).await,
        Some(spoiling) => {
            let fault = endpoint.fault(&scene.rig.corner.mount, spoiling.kind);
            let fault = if spoiling.applied { fault.applied() } else { fault };
            relay.add_fault(if extent == Extent::Once { fault } else { fault.always() });
        }
    }
    let ended = scene.run().await;
    let mut breaches = Vec::new();
    let asked = scene.asked(endpoint.server);
    if relay.struck() == 0 || (misfortune == Misfortune::Refused && !asked.starts_with(&script[..first])) {
        breaches.push(NOT_STRUCK.to_owned());
    }
    scene.clear_faults().await;
    breaches.extend(scene.breaches().await);
    breaches.extend(scene.faux_pas(&ended));
    if !elsewhere.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        breaches.push("another host was asked".to_owned());
    }
    let begin = if extent == Extent::Once { Begin::AfterTheOverlap } else { Begin::WithinTheOverlap };
    let passes = scene.converges(begin).await;
    if passes.is_none() {
        breaches.push("the passes after it did not put it right".to_owned());
    }
    breaches.extend(scene.breaches().await);
    Finding { row: endpoint.title(), column: misfortune.title(), breaches, passes }
}

/// The cells as a table: a row an endpoint, a column a misfortune.
fn matrix(findings: &[Finding]) -> String {
    let header = ["endpoint"].into_iter().chain(MISFORTUNES.map(Misfortune::title)).chain(["breaches"]);
    let rows = ENDPOINTS.iter().map(|endpoint| {
        let title = format!("`{}`", endpoint.title());
        row(findings, &endpoint.title(), title, MISFORTUNES.map(Misfortune::title))
    });
    proof::table(header, rows)
}

/// How often this row was played in each column, and with how many breaches.
fn row<const COLUMNS: usize>(
    findings: &[Finding],
    row: &str,
    title: String,
    columns: [&str; COLUMNS],
) -> impl Iterator<Item = String> + use<COLUMNS> {
    let played: Vec<_> = findings.iter().filter(|finding| finding.row == row).collect();
    let times =
        columns.map(|column| proof::times(played.iter().filter(|cell| cell.column == column).count()));
    [title].into_iter().chain(times).chain([broken(played).to_string()])
}

fn broken<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> usize {
    findings.into_iter().filter(|finding| !finding.breaches.is_empty()).count()
}

fn totals(findings: &[Finding]) -> String {
    let mut text = format!("{} runs that went wrong, {} breaches.", findings.len(), broken(findings));
    let mut passes: Vec<_> = findings.iter().filter_map(|finding| finding.passes).collect();
    passes.sort_unstable();
    passes.dedup();
    text += " How many passes it took to put them right:";
    for pass in passes {
        let times = findings.iter().filter(|finding| finding.passes == Some(pass)).count();
        write!(text, " {pass} in {times} runs,").unwrap();
    }
    text.trim_end_matches(',').to_owned() + ".\n"
}
