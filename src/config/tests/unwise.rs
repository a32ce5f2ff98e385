//! Warnings: for what is legal, and only for that.

use super::*;

fn warnings(section: &str, lines: &str) -> Vec<String> {
    let desk = Desk::new();
    desk.good(&desk.with(section, lines), &[]).warnings
}

#[test]
fn a_plain_configuration_has_no_warnings() {
    assert_eq!(warnings("rotation", ""), [""; 0]);
}

#[test]
fn each_unwise_value_is_named() {
    let rows = [
        (
            "rotation",
            "overlap = \"9m\"\nreconcile_every = \"5m\"",
            "rotation.overlap (9m) is under 10 minutes",
        ),
        ("rotation", "schedule = \"0 * * * *\"", "rotation: more than 5 keys of a project"),
        ("rotation", "overlap = \"10m\"", "rotation.reconcile_every (15m) is longer"),
        ("exceptionless", "url = \"http://a.example\"", "exceptionless.url is http"),
        ("vault", "address = \"http://10.0.0.1:8200\"", "vault.address is http"),
        ("admin", "listen = \"0.0.0.0:9184\"", "admin.listen (0.0.0.0:9184) is not a loopback address"),
        (
            "ha",
            "enabled = true\nlease_ttl = \"29s\"",
            "ha.lease_ttl (29s) is under twice vault.timeout (15s)",
        ),
        ("[override]", "match = \"Acme/*\"\npath = \"fixed\"", "override[0].path is one fixed path"),
        ("[override]", "match = \"a\"\noverlap = \"6d\"", "override[0]: more than 5 keys"),
    ];
    for (section, lines, expected) in rows {
        let warnings = warnings(section, lines);
        let [warning] = warnings.as_slice() else { panic!("{lines}: {warnings:?}") };
        assert!(warning.contains(expected), "{lines}: {warning}");
    }
}

#[test]
fn what_is_wise_passes() {
    for (section, lines) in [
        ("rotation", "schedule = \"0 */6 * * *\""),
        ("rotation", "schedule = \"0 0 29 2 *\""),
        ("vault", "address = \"http://127.0.0.1:8200\""),
        ("vault", "address = \"http://[::1]:8200\""),
        ("exceptionless", "url = \"http://localhost:5000\""),
        ("admin", "listen = \"\""),
        ("admin", "listen = \"[::1]:9184\""),
        ("ha", "enabled = true"),
        ("ha", "lease_ttl = \"3s\""),
        ("[override]", "match = \"Acme/checkout\"\npath = \"fixed\""),
    ] {
        assert_eq!(warnings(section, lines), [""; 0], "{lines}");
    }
}
