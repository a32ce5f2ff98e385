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

#[tokio::test(flavor = "multi_thread")]
async fn one_projects_panic_stops_no_other_and_is_repaired_by_the_next_pass() {
    for point in
        ["exceptionless.create_key.after:1", "exceptionless.check_key.before:1", "vault.publish.after:1"]
    {
        let mut rig = Rig::sized(3).await;
        rig.set("rotation", "overlap", "\"2s\"");
        rig.rotate().await;
        let (code, said) = run(&rig, point).await;
        assert_eq!(code, 1, "{point}: {said}");
        assert!(said.contains("process.panicked") && said.contains("kill_point.rs"), "{point}: {said}");
        assert!(!said.contains("MustNotBePrinted"), "{point}");
        let mut published = 0;
        for project in rig.projects() {
            published += usize::from(rig.version(&project).await >= 2);
            assert!(rig.emulator.authenticates(&rig.key(&project).await), "{point}");
        }
        assert!(published >= 2, "{point}: {said}");
        rig.rotate_until("convergence", async || rig.has_converged().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_before_anything_is_decided_ends_the_process_and_changes_nothing() {
    let rig = Rig::sized(1).await;
    let before = rig.marks().await;
    let (code, said) = run(&rig, "exceptionless.organizations.after:1").await;
    assert_eq!(code, 101, "{said}");
    assert!(said.contains("process.panicked"), "{said}");
    assert!(!said.contains("MustNotBePrinted"));
    assert_eq!(rig.marks().await, before);
}
