//! A mistake in the program itself: it tells where, never what it was reading, and costs one project one pass.

use crate::support::rig::Rig;

/// What a panic might quote: half an answer with a key in it.
const MESSAGE: &str = "byte index 7 is out of bounds of `{\"id\":\"KeyThatMustNotBePrinted\"}`";

async fn run(rig: &Rig, point: &str) -> (i32, String) {
    let mut command = rig.command(&["rotate", "--all"]);
    let output = command.env("PANIC_AT", point).env("PANIC_MESSAGE", MESSAGE).output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap_or(-1), said)
}

/// What no output may have, and what it must.
fn assert_told(said: &str) {
    assert!(said.contains("process.panicked") && said.contains("kill_point.rs"), "{said}");
    assert!(!said.contains("MustNotBePrinted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_projects_panic_stops_no_other_and_is_repaired_by_the_next_pass() {
    for (point, versions) in [
        ("exceptionless.create_key.after:1", 1),
        ("exceptionless.check_key.before:1", 1),
        ("vault.publish.after:1", 1),
        ("vault.mark.before:1", 0),
    ] {
        let mut rig = Rig::sized(3).await;
        rig.set("rotation", "overlap", "\"2s\"");
        if versions > 0 {
            rig.rotate().await;
        }
        let (code, said) = run(&rig, point).await;
        assert_eq!(code, 1, "{point}: {said}");
        assert_told(&said);
        let mut published = 0;
        for project in rig.projects() {
            if rig.version(&project).await > versions {
                published += 1;
            }
            assert!(rig.emulator.authenticates(&rig.key(&project).await), "{point}");
        }
        assert!(published >= 2, "{point}: {said}");
        rig.rotate_until("convergence", async || rig.has_converged().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_elsewhere_ends_that_pass_and_nothing_else() {
    let mut rig = Rig::sized(1).await;
    let before = rig.marks().await;
    let (code, said) = run(&rig, "exceptionless.organizations.after:1").await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("an error in the rotator itself ended the pass"), "{said}");
    assert_told(&said);
    assert_eq!(rig.marks().await, before);

    rig.set("rotation", "reconcile_every", "\"1s\"").set("rotation", "overlap", "\"1s\"");
    rig.environment.insert("PANIC_AT".to_owned(), "exceptionless.delete_keys.before:1".to_owned());
    rig.environment.insert("PANIC_MESSAGE".to_owned(), MESSAGE.to_owned());
    rig.set("rotation", "schedule", "\"*/2 * * * * *\"");
    let mut daemon = rig.daemon();
    daemon.until("pass.failed", 1).await;
    daemon.until("key.retired", 2).await;
    assert_told(&daemon.text());
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
}
