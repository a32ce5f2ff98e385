//! The process ends at every point before and after every request, in twelve situations, and the passes after it
//! put everything right.
//!
//! The points are not written down here: an undisturbed run records those that it reaches, so that a request that is
//! added to the product is a point of this matrix at once. What each kill must leave behind:
//!
//! - at once, every published key works, and nobody else's key was touched;
//! - some passes later, the only live key of ours is the published one.
//!
//! The matrix is the part `kills` of `docs/reliability.md`.

mod credential;
mod lease;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;

use crate::support::audit::audit;
use crate::support::bao::FOLDER;
use crate::support::rig::Rig;
use crate::support::{proof, until};

/// Short, so that a matrix takes minutes; and the age at which an unlisted key is enrolled. Longer than what the rotator
/// adds to be safe (a second that Vault may take, another that the servers' clocks hide), or an overlap that was
/// ignored would not be seen.
const OVERLAP: TimeDelta = TimeDelta::seconds(4);

/// Rigs at the same time: each has its own servers' corners, and mostly waits.
const AT_ONCE: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Situation {
    FirstPublication,
    Rotation,
    Retirement,
    Adoption,
    Enrolment,
    Emergency,
    Shared,
    Disabling,
    Deletion,
    Undo,
    Reshape,
    Moving,
}

const SITUATIONS: [Situation; 12] = [
    Situation::FirstPublication,
    Situation::Rotation,
    Situation::Retirement,
    Situation::Adoption,
    Situation::Enrolment,
    Situation::Emergency,
    Situation::Shared,
    Situation::Disabling,
    Situation::Deletion,
    Situation::Undo,
    Situation::Reshape,
    Situation::Moving,
];

impl Situation {
    fn title(self) -> &'static str {
        match self {
            Self::FirstPublication => "first publication",
            Self::Rotation => "rotation",
            Self::Retirement => "retirement",
            Self::Adoption => "adoption",
            Self::Enrolment => "enrolment",
            Self::Emergency => "emergency",
            Self::Shared => "rotation in a shared secret",
            Self::Disabling => "disabling",
            Self::Deletion => "deletion of a disabled key",
            Self::Undo => "undo",
            Self::Reshape => "other fields",
            Self::Moving => "leaving an old path",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::FirstPublication | Self::Adoption | Self::Retirement | Self::Enrolment => &["rotate"],
            Self::Reshape | Self::Moving => &["rotate"],
            Self::Disabling | Self::Deletion => &["rotate"],
            Self::Undo => &["undo", "--all"],
            Self::Rotation | Self::Shared => &["rotate", "--all"],
            Self::Emergency => &["rotate", "--all", "--revoke-previous-now"],
        }
    }

    /// A rig in which the next run is the one to kill.
    async fn set_up(self) -> Rig {
        let mut rig = Rig::sized(1).await;
        rig.corner.keep_versions().await;
        rig.set_overlap(OVERLAP).set("log", "level", "\"warn\"");
        match self {
            Self::FirstPublication => {}
            Self::Rotation | Self::Emergency => {
                rig.rotate().await;
            }
            Self::Shared => {
                rig.share().await;
                rig.rotate().await;
            }
            Self::Moving => {
                let home = rig.config["vault"].clone();
                rig.set("vault", "path", &format!("\"{FOLDER}/old-{{project_id}}\""));
                rig.rotate().await;
                rig.config.insert("vault".to_owned(), home);
                rig.set("rotation", "on_vanished", "\"delete\"");
                assert_eq!(rig.run(&["rotate", "--all"]).await.code, 0);
                let project = rig.projects().remove(0);
                let secret = rig.secret(&project).await;
                let (_, since) = secret["retiring"].as_str().unwrap().split_once('@').unwrap();
                let since: DateTime<Utc> = since.parse().unwrap();
                until(since + OVERLAP).await;
            }
            Self::Reshape => {
                rig.rotate().await;
                rig.set("secret.fields", "EXCEPTIONLESS_API_KEY", "\"{api_key}\"").set(
                    "secret.fields",
                    "api_key",
                    "\"\"",
                );
            }
            Self::Retirement => a_key_is_due(&rig).await,
            Self::Disabling | Self::Undo | Self::Deletion => {
                rig.set("rotation", "revocation", "\"disable_then_delete\"");
                rig.set("rotation", "disabled_for", "\"1s\"");
                a_key_is_due(&rig).await;
                if self != Self::Disabling {
                    assert_eq!(rig.json(&["rotate"]).await["disabled"], 1);
                    until(Utc::now() + TimeDelta::seconds(1)).await;
                }
            }
            Self::Enrolment => {
                rig.rotate().await;
                assert!(killed(&rig, &["rotate", "--all"], "exceptionless.create_key.after:1").await);
                until(Utc::now() + OVERLAP).await;
            }
            Self::Adoption => {
                assert!(killed(&rig, &["rotate"], "exceptionless.create_key.after:1").await);
            }
        }
        rig
    }
}

/// A key was replaced, and its overlap is over.
async fn a_key_is_due(rig: &Rig) {
    rig.rotate().await;
    assert_eq!(rig.run(&["rotate", "--all"]).await.code, 0);
    let project = rig.projects().remove(0);
    let secret = rig.secret(&project).await;
    let (_, since) = secret["retiring"].as_str().unwrap().split_once('@').unwrap();
    let since: DateTime<Utc> = since.parse().unwrap();
    until(since + OVERLAP).await;
}

/// Runs the binary until it reaches the point. Whether it did.
async fn killed(rig: &Rig, arguments: &[&str], point: &str) -> bool {
    let output = rig.command(arguments).env("KILL_AT", point).output().await.unwrap();
    output.status.code().is_none()
}

async fn points(situation: Situation) -> Vec<String> {
    let rig = situation.set_up().await;
    let file = rig.path("points");
    let output = rig.command(situation.arguments()).env("KILL_POINTS", &file).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// What is wrong after a kill at this point; nothing, it is hoped.
async fn breaches(situation: Situation, point: &str) -> Vec<String> {
    let rig = situation.set_up().await;
    let project = rig.projects().remove(0);
    let persons = rig.peoples_keys();
    let mut breaches = Vec::new();
    if !killed(&rig, situation.arguments(), point).await {
        breaches.push("the point was not reached".to_owned());
    }
    if rig.version(&project).await > 0 && !rig.emulator.authenticates(&rig.key(&project).await) {
        breaches.push("the published key does not work".to_owned());
    }
    rig.rotate_until("convergence", async || rig.has_converged().await).await;
    if !rig.emulator.authenticates(&rig.key(&project).await) {
        breaches.push("the published key does not work in the end".to_owned());
    }
    // An emergency revokes at once what it has replaced, and never what is published.
    let overlap = if situation == Situation::Emergency { TimeDelta::zero() } else { OVERLAP };
    breaches.extend(audit(&rig, overlap).await.breaches);
    if persons.is_empty() || !persons.iter().all(|key| rig.emulator.authenticates(key)) {
        breaches.push("a person's key is gone".to_owned());
    }
    if situation == Situation::Shared && !rig.others_are_kept().await {
        breaches.push("another owner's field is gone".to_owned());
    }
    breaches
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_process_is_killed_the_next_passes_put_everything_right() {
    let mut runs = Vec::new();
    for situation in SITUATIONS {
        runs.extend(points(situation).await.into_iter().map(|point| (situation, point)));
    }
    let results: Vec<_> = futures_util::stream::iter(runs)
        .map(|(situation, point)| async move {
            let breaches = breaches(situation, &point).await;
            (point, situation, breaches)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    // Each of the requests that change something must be among the points, or the matrix shows little.
    for effect in [
        "exceptionless.create_key",
        "exceptionless.delete_keys",
        "exceptionless.update_key",
        "vault.publish",
        "vault.merge",
        "vault.mark",
        "vault.withdraw",
        "vault.log_in",
    ] {
        for moment in ["before", "after"] {
            let name = format!("{effect}.{moment}");
            assert!(results.iter().any(|(point, ..)| point.starts_with(&name)), "{name} was never reached");
        }
    }
    proof::record("kills", &matrix(&results));
    let broken: Vec<_> = results.iter().filter(|(.., breaches)| !breaches.is_empty()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The runs as a table: a row a point, a column a situation.
fn matrix(results: &[(String, Situation, Vec<String>)]) -> String {
    let name = |point: &'_ str| point.split_once(':').unwrap().0.to_owned();
    let points: BTreeSet<String> = results.iter().map(|(point, ..)| name(point)).collect();
    let titles = SITUATIONS.map(Situation::title);
    let header = ["point"].into_iter().chain(titles).chain(["breaches"]);
    let rows = points.into_iter().map(|point| {
        let runs: Vec<_> = results.iter().filter(|(at, ..)| name(at) == point).collect();
        let in_situation = |situation| runs.iter().filter(|(_, of_run, _)| *of_run == situation).count();
        let cells = SITUATIONS.map(|situation| proof::times(in_situation(situation)));
        let breaches = runs.iter().filter(|(.., breaches)| !breaches.is_empty()).count();
        [format!("`{point}`")].into_iter().chain(cells).chain([breaches.to_string()])
    });
    let table = proof::table(header, rows);
    let breaches = results.iter().filter(|(.., breaches)| !breaches.is_empty()).count();
    format!("{table}\n{} kills, {breaches} breaches.\n", results.len())
}
