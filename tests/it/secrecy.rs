//! No key, password, token or secret id is ever printed, whatever is asked for and whatever goes wrong.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use exceptionless_emulator::{Fault, Kind, Settings};
use serde_json::json;

use crate::credentials::in_vault;
use crate::support::bao::{Bao, FOLDER};
use crate::support::process::{Ended, Process};
use crate::support::rig::{OF_ANOTHER, Rig};
use crate::support::secrets;

const WRONG_PASSWORD: &str = "battery staple wrong";

/// All libraries too.
pub const FINEST: &str =
    "\"trace,hyper=trace,hyper_util=trace,h2=trace,reqwest=trace,rustls=trace,vaultrs=trace,rustify=trace\"";

/// Everything that was printed, and all that must not be in it.
struct Ledger {
    printed: Vec<(String, String)>,
    secrets: BTreeSet<String>,
}

impl Ledger {
    fn new() -> Self {
        let secrets = [WRONG_PASSWORD, OF_ANOTHER].map(str::to_owned).into();
        Self { printed: Vec::new(), secrets }
    }

    fn add(&mut self, what: &str, Ended { code: _, stdout, stderr }: Ended) {
        self.printed.push((what.to_owned(), stdout + &stderr));
    }

    async fn run(&mut self, rig: &Rig, arguments: &[&str]) -> i32 {
        let ended = rig.run(arguments).await;
        let code = ended.code;
        self.add(&arguments.join(" "), ended);
        code
    }

    fn learn(&mut self, rig: &Rig) {
        self.secrets.extend(secrets::known(rig));
    }

    fn assert_silent(&self) {
        assert!(self.secrets.len() > 10, "the secrets were not collected");
        let length: usize = self.printed.iter().map(|(_, text)| text.len()).sum();
        println!("searched {length} bytes of {} runs for {} secrets", self.printed.len(), self.secrets.len());
        for (what, text) in &self.printed {
            if let Some(leak) = secrets::leak(text, &self.secrets) {
                panic!("{leak} in the output of {what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_a_secret() {
    let mut rig = Rig::sized(3).await;
    rig.set("rotation", "overlap", "\"1s\"");
    rig.environment.insert("VAULT_TOKEN".to_owned(), "s.a-token-that-is-not-used".to_owned());
    let mut ledger = Ledger::new();
    ledger.secrets.insert("a-token-that-is-not-used".to_owned());
    let first = rig.projects().remove(0);
    for arguments in [
        &["check"][..],
        &["plan"],
        &["rotate"],
        &["rotate", "--all"],
        &["rotate", "--project", &first],
        &["rotate", "--all", "--revoke-previous-now"],
        &["status"],
        &["status", "--output", "json"],
        &["plan", "--output", "json"],
        &["explain", &first],
        &["explain", &first, "--output", "json"],
        &["check", "--output", "json"],
        &["config"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["rotate", "--help"],
        &["--version"],
    ] {
        assert_eq!(ledger.run(&rig, arguments).await, 0, "{arguments:?}");
        ledger.learn(&rig);
    }
    ledger.assert_silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_goes_wrong_prints_a_secret() {
    let mut rig = Rig::sized(2).await;
    rig.set("exceptionless", "timeout", "\"1s\"").set("rotation", "overlap", "\"1s\"");
    rig.set("log", "level", FINEST);
    let mut ledger = Ledger::new();
    ledger.run(&rig, &["rotate"]).await;
    let routes = [
        ("POST", "auth/login"),
        ("GET", "users/me"),
        ("GET", "organizations/{id}/tokens"),
        ("POST", "projects/{id}/tokens"),
        ("GET", "projects/config"),
    ];
    let kinds = [
        Kind::Status(500),
        Kind::Status(403),
        Kind::Drop,
        Kind::Html,
        Kind::CutJson,
        Kind::ShortBody,
        Kind::Redirect("https://elsewhere.example/".to_owned()),
    ];
    for (method, route) in routes {
        for kind in kinds.clone() {
            rig.emulator.add_fault(Fault::new(method, route, kind.clone()).times(8).applied());
            ledger.run(&rig, &["rotate", "--all"]).await;
            rig.emulator.clear_faults();
        }
    }
    let wrong = Kind::WrongProject {
        project_id: Some(rig.projects()[1].clone()),
        organization_id: None,
        scopes: None,
    };
    rig.emulator.add_fault(Fault::new("POST", "projects/{id}/tokens", wrong).times(2));
    ledger.run(&rig, &["rotate", "--all"]).await;
    for kind in [Kind::Status(500), Kind::Status(403), Kind::Html, Kind::Drop] {
        rig.emulator.add_fault(Fault::new("DELETE", "tokens/{ids}", kind).times(8));
        ledger.run(&rig, &["rotate", "--all", "--revoke-previous-now"]).await;
        rig.emulator.clear_faults();
    }

    rig.corner.put_raw(&Rig::place(&rig.projects()[0]), json!({"password": OF_ANOTHER})).await;
    assert_eq!(ledger.run(&rig, &["rotate", "--all"]).await, 1);
    rig.corner
        .put_raw(&Rig::place(&rig.projects()[0]), json!({"api_key": 7, "managed_by": OF_ANOTHER}))
        .await;
    assert_eq!(ledger.run(&rig, &["status"]).await, 1);
    ledger.learn(&rig);
    std::fs::write(rig.path("password"), WRONG_PASSWORD).unwrap();
    for command in ["rotate", "check"] {
        assert_eq!(ledger.run(&rig, &[command]).await, 77);
    }
    std::fs::write(rig.path("password"), "correct horse").unwrap();

    let token = rig.corner.token("1m").await;
    ledger.secrets.insert(token.clone());
    std::fs::write(rig.path("vault-token"), &token).unwrap();
    let approle = rig
        .config
        .insert("vault.auth".to_owned(), "method = \"token\"\ntoken_file = \"vault-token\"".to_owned());
    ledger.run(&rig, &["status"]).await;
    rig.corner.bao.root("POST", "auth/token/revoke", json!({"token": token})).await;
    for command in ["rotate", "check"] {
        assert_eq!(ledger.run(&rig, &[command]).await, 77);
    }
    rig.config.insert("vault.auth".to_owned(), approle.unwrap());
    std::fs::write(rig.path("secret-id"), WRONG_PASSWORD).unwrap();
    for command in ["rotate", "check"] {
        assert_eq!(ledger.run(&rig, &[command]).await, 77);
    }

    // Secrets where they do not belong.
    rig.set("exceptionless", "password", "\"correct horse\"").unset("exceptionless", "password_file");
    for command in ["rotate", "config"] {
        assert_eq!(ledger.run(&rig, &[command]).await, 78);
    }
    rig.unset("exceptionless", "password").set("exceptionless", "password_file", "\"password\"");
    rig.set("vault", "address", "correct horse");
    assert_eq!(ledger.run(&rig, &["rotate"]).await, 78);
    ledger.learn(&rig);
    ledger.assert_silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_before_vault_may_quote_a_request_and_nothing_of_it_is_printed() {
    let mut rig = in_vault(2).await;
    let relay = rig.relay_vault().await;
    let mut ledger = Ledger::new();
    ledger.run(&rig, &["rotate"]).await;
    let data = format!("/v1/{}/data/", rig.corner.mount);
    for (method, path) in
        [("POST", "/v1/auth/"), ("POST", &data), ("PUT", &data), ("PATCH", &data), ("GET", &data)]
    {
        for status in [400, 403, 412, 429, 500, 503] {
            relay.add_fault(Fault::new(method, path, Kind::Quoting(status)).times(20));
            ledger.run(&rig, &["rotate", "--all"]).await;
            ledger.run(&rig, &["rotate-credential"]).await;
            relay.clear_faults().await;
        }
    }
    assert!(relay.struck() > 60, "{} requests were quoted", relay.struck());
    ledger.learn(&rig);
    ledger.assert_silent();
    for (what, text) in &ledger.printed {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(!words.any(|word| word.len() == 48), "a fresh password in the output of {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_library_below_prints_a_secret_not_even_at_the_finest_level() {
    let bao: &'static Bao = Box::leak(Box::new(Bao::own_with_tls().await));
    let settings = Settings { organizations: 1, projects: 2, ..Settings::default() };
    let mut rig = Rig::on(bao, settings).await;
    rig.set("rotation", "overlap", "\"1s\"").set("rotation", "schedule", "\"* * * * * *\"");
    rig.set("vault", "ca_file", &format!("{:?}", bao.ca_file.as_ref().unwrap()));
    rig.set("log", "level", FINEST);
    let mut ledger = Ledger::new();
    assert_eq!(ledger.run(&rig, &["check"]).await, 0);
    assert_eq!(ledger.run(&rig, &["rotate"]).await, 0);
    assert_eq!(ledger.run(&rig, &["rotate", "--all", "--revoke-previous-now"]).await, 0);
    two_stages(&mut rig, &mut ledger).await;
    rig.set("exceptionless", "auth", "\"basic\"");
    assert_eq!(ledger.run(&rig, &["rotate", "--all"]).await, 0);

    let shared = format!("{FOLDER}/shared-{}", rig.projects()[0]);
    rig.corner.put_raw(&shared, json!({"password": OF_ANOTHER})).await;
    rig.set("vault", "write", "\"merge\"").set("vault", "field_prefix", "\"ex_\"");
    let former = rig.config["vault"].clone();
    rig.set("secret.fields", "DSN", "\"https://{api_key}@host\"");
    rig.set("vault", "path", &format!("\"{FOLDER}/shared-{{project_id}}\""));
    for arguments in [&["rotate"][..], &["rotate", "--all"], &["explain", "*"], &["check"]] {
        assert_eq!(ledger.run(&rig, arguments).await, 0);
    }
    assert_eq!(rig.corner.get_raw(&shared).await["password"], OF_ANOTHER);
    rig.config.insert("vault".to_owned(), former);
    rig.set("vault", "write", "\"replace\"").unset("vault", "field_prefix");

    let mut daemon = rig.daemon();
    daemon.until("key.retired", 2).await;
    let process = PathBuf::from(format!("/proc/{}", daemon.id()));
    for name in ["cmdline", "environ", "comm"] {
        match std::fs::read(process.join(name)) {
            Ok(text) => ledger.printed.push((name.to_owned(), String::from_utf8_lossy(&text).into_owned())),
            // Only root may look into it.
            Err(error) => assert_eq!((error.kind(), name), (ErrorKind::PermissionDenied, "environ")),
        }
    }
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    let children = std::fs::read_to_string(process.join(format!("task/{}/children", daemon.id()))).unwrap();
    assert_eq!(children, "", "it hands nothing to another process");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    let said = daemon.text();
    for (library, words) in
        [("hyper", "idle connection"), ("h2", "StreamId"), ("reqwest", "starting new connection")]
    {
        assert!(said.contains(words), "{library} says nothing");
    }
    ledger.printed.push(("run".to_owned(), said));
    ledger.learn(&rig);
    ledger.assert_silent();
}

/// Keys are disabled, brought back, listed and ended by hand, also where the answers go wrong, which name the key.
async fn two_stages(rig: &mut Rig, ledger: &mut Ledger) {
    rig.set("rotation", "revocation", "\"disable_then_delete\"");
    let project = rig.projects().remove(0);
    rig.emulator.create_person_key(&project, &format!("once {OF_ANOTHER}"));
    let unmanaged = ["retire-unmanaged", "--older-than", "0s", "--yes"];
    let delete = [&unmanaged[..], &["--delete"]].concat();
    for kind in
        [Kind::Status(500), Kind::Status(400), Kind::Status(403), Kind::Html, Kind::CutJson, Kind::Drop]
    {
        rig.emulator.add_fault(Fault::new("PATCH", "tokens/{ids}", kind.clone()).times(60));
        ledger.run(rig, &["rotate", "--all"]).await;
        ledger.run(rig, &unmanaged).await;
        ledger.run(rig, &["undo", "--all"]).await;
        rig.emulator.clear_faults();
    }
    let deleted = || rig.emulator.requests().count("PATCH", "tokens/{ids}");
    let before = deleted();
    rig.rotate_until("a key is disabled", async || deleted() > before).await;
    for arguments in [
        &["status", "--keys"][..],
        &["status", "--keys", "--output", "json"],
        &["undo", "--all"],
        &unmanaged,
        &delete,
    ] {
        assert_eq!(ledger.run(rig, arguments).await, 0, "{arguments:?}");
    }
    ledger.learn(rig);
    rig.set("rotation", "revocation", "\"delete\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_that_is_read_from_vault_or_changed_is_printed() {
    let mut rig = in_vault(1).await;
    rig.set("log", "level", FINEST).set("exceptionless", "timeout", "\"1s\"");
    let mut ledger = Ledger::new();
    let learn = async |ledger: &mut Ledger| {
        let held = crate::credentials::held(&rig).await;
        ledger.secrets.extend(
            ["password", "password_next"].iter().filter_map(|name| Some(held[name].as_str()?.to_owned())),
        );
        ledger.learn(&rig);
    };
    learn(&mut ledger).await;
    let change = |kind: Kind| Fault::new("POST", "auth/change-password", kind);
    for arguments in
        [&["rotate-credential", "--plan"][..], &["rotate-credential"], &["check"], &["rotate"], &["config"]]
    {
        assert_eq!(ledger.run(&rig, arguments).await, 0, "{arguments:?}");
        learn(&mut ledger).await;
    }
    for kind in [Kind::Status(500), Kind::Status(422), Kind::Drop, Kind::Html, Kind::CutJson] {
        rig.emulator.add_fault(change(kind.clone()).times(8));
        // Half a document comes after the change, and is looked up.
        let done = ledger.run(&rig, &["rotate-credential"]).await == 0;
        assert_eq!(done, kind == Kind::CutJson, "{kind:?}");
        learn(&mut ledger).await;
        for command in ["rotate", "check", "rotate-credential"] {
            ledger.run(&rig, &[command]).await;
        }
        rig.emulator.clear_faults();
        assert_eq!(ledger.run(&rig, &["rotate-credential"]).await, 0);
        learn(&mut ledger).await;
    }
    assert_eq!(ledger.run(&rig, &["rotate", "--all"]).await, 0);
    rig.emulator.change_password("rotator@example.test", WRONG_PASSWORD);
    for command in ["rotate-credential", "rotate", "check"] {
        assert_eq!(ledger.run(&rig, &[command]).await, 77, "{command}");
    }
    learn(&mut ledger).await;
    ledger.assert_silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_in_trouble_prints_no_secret() {
    let mut rig = Rig::sized(2).await;
    rig.set("rotation", "overlap", "\"1s\"").set("rotation", "schedule", "\"*/2 * * * * *\"");
    rig.set("rotation", "reconcile_every", "\"1s\"").set("exceptionless", "timeout", "\"1s\"");
    let mut ledger = Ledger::new();
    let mut daemon = Process::start(rig.command(&["run"]), rig.path("run.log"));
    daemon.until("key.published", 2).await;
    rig.emulator
        .add_fault(Fault::new("POST", "projects/{id}/tokens", Kind::Hang(Duration::from_secs(9))).applied());
    rig.emulator.add_fault(Fault::new("DELETE", "tokens/{ids}", Kind::Status(500)).times(3));
    rig.corner.revoke_logins().await;
    daemon.until("key.recovered", 1).await;
    daemon.until("key.retired", 2).await;
    rig.set("vault", "no_such_key", "\"correct horse\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reload_refused", 1).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
    ledger.printed.push(("run".to_owned(), daemon.text()));
    ledger.learn(&rig);
    for project in rig.projects() {
        ledger.secrets.extend(rig.secret(&project).await["api_key"].as_str().map(str::to_owned));
    }
    ledger.assert_silent();
}

#[test]
#[should_panic(expected = "a secret of 13 letters")]
fn a_secret_that_is_printed_is_found() {
    let mut ledger = Ledger::new();
    ledger.secrets.extend((0..9).map(|number| format!("not-printed-{number}")));
    ledger.secrets.insert("correct horse".to_owned());
    ledger.printed.push(("a test".to_owned(), "Authorization: Basic Y29ycmVjdCBob3JzZQ==".to_owned()));
    ledger.assert_silent();
}
