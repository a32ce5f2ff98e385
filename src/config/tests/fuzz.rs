//! Files and variables of any kind.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::*;
use crate::domain::fuzz::{Damage, any_text, cases, damage, damaged_text, damages, gives_away, secret};

const TOML: &str = r#"[exceptionless]
password = "SECRET"
email = "rotator@example.com"
rate_reserve = 0.25
timeout = "30s"

[vault]
address = "https://vault.example.com:8200"
path = "apps/{organization_name}/{project_id}"
[vault.auth]
method = "approle"
role_id = "role"
secret_id = ["SECRET"]
secret_id_file = "secret-id"

[projects]
include = ["*", 'Acme/check[a-z]?']
[rotation]
schedule = "0 3 * * MON-FRI"
timezone = "Europe/Berlin"
concurrency = 8
[[override]]
match = "Acme/checkout"
overlap = "2h 30m"
"#;

const YAML: &str = r#"exceptionless:
  password: "SECRET"
  email: rotator@example.com
  rate_reserve: 0.25
vault:
  address: "https://vault.example.com:8200"
  auth: {method: approle, role_id: role, secret_id_file: secret-id}
projects:
  include: &all ["*"]
  exclude: []
rotation:
  concurrency: 8
  schedule: >-
    0 3 * * *
override:
  - match: *all
    overlap: 2h
"#;

const JSON: &str = r#"{"exceptionless": {"password": "SECRET", "email": "rotator@example.com", "rate_reserve": 0.25},
 "vault": {"address": "https://vault.example.com:8200",
 "auth": {"method": "approle", "role_id": "role", "secret_id_file": "secret-id"}},
 "projects": {"include": ["*"], "exclude": null}, "rotation": {"concurrency": 8, "schedule": "0 3 * * *"},
 "override": [{"match": ["Acme/checkout"], "overlap": "2h"}]}"#;

const FILES: [(&str, &str); 3] = [("a.toml", TOML), ("a.yaml", YAML), ("a.json", JSON)];

/// Keys with values that are good, by the name of their variable.
const VALUES: [(&str, &str); 21] = [
    ("exceptionless.url", "https://rotator:SECRET@api.exceptionless.com:8443/x?token=SECRET"),
    ("exceptionless.url", "https://api.exceptionless.com/base/"),
    ("exceptionless.email", "rotator@example.com"),
    ("exceptionless.timeout", "1h 30m 5s 20ms"),
    ("exceptionless.rate_reserve", "0.2"),
    ("exceptionless.rate_window", "15m"),
    ("vault.address", "http://[::1]:8200"),
    ("vault.namespace", "team/a"),
    ("vault.mount", "secret/a"),
    ("vault.path", "apps/{organization_name}/{project_name}"),
    ("vault.field_prefix", "ex_"),
    ("vault.adopt_paths", "true"),
    ("vault.auth.role_id", "role"),
    ("projects.include", "*,Acme/check[a-z]?"),
    ("rotation.instance", "default"),
    ("rotation.schedule", "0 3 * * MON-FRI"),
    ("rotation.timezone", "Europe/Berlin"),
    ("rotation.splay", "30m"),
    ("rotation.overlap", "24h"),
    ("rotation.concurrency", "8"),
    ("log.level", "info,exceptionless_rotator=debug"),
];

/// Tries a target; the desk is made once, for it is made of files.
fn check<T: std::fmt::Debug>(
    costly: u32,
    inputs: impl Strategy<Value = T>,
    target: impl Fn(T) -> Result<(), TestCaseError>,
) {
    if let Err(found) = TestRunner::new(cases(costly)).run(&inputs, target) {
        panic!("{found}");
    }
}

/// What must hold of a configuration, whatever it was read from.
fn judge(desk: &Desk, result: Result<Loaded, ConfigError>, secret: &str) -> Result<(), TestCaseError> {
    let loaded = match result {
        Ok(loaded) => loaded,
        Err(error) => {
            prop_assert!(!error.problems.is_empty());
            for Problem { key, problem, place, remedy } in &error.problems {
                let said = format!("{problem} {place:?} {remedy:?}");
                // What stands where a key belongs is repeated as a key.
                prop_assert!(gives_away(key, secret) || !gives_away(&said, secret), "{key}: {said}");
            }
            let lines = error.to_string().lines().count();
            prop_assert!(!error.to_string().contains(|c: char| c.is_control() && c != '\n'), "{error:?}");
            prop_assert_eq!(lines, error.problems.len() + 1, "a problem is a line: {}", error);
            return Ok(());
        }
    };
    let config = &loaded.config;
    for url in [&config.exceptionless.url, &config.vault.address] {
        prop_assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
        prop_assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none());
    }
    let durations = [config.exceptionless.timeout, config.vault.timeout, config.policy.rule.overlap];
    prop_assert!(
        durations.iter().all(|long| !long.is_zero() && *long <= Duration::from_secs(10 * 31_557_600))
    );
    prop_assert!((0.0..1.0).contains(&config.exceptionless.rate_reserve));
    prop_assert!((1..=64).contains(&config.pace.concurrency));

    let text = loaded.effective.to_string();
    let path = desk.write("effective.toml", &text);
    match load(&path, &[("ROTATOR__EXCEPTIONLESS__PASSWORD", "correct horse"), ("VAULT_TOKEN", "t")]) {
        Ok(again) => {
            let plain = |config: &Config| {
                let Config { exceptionless, vault, policy, pace, ha, admin, log } = config;
                let auth = std::mem::discriminant(&vault.auth);
                let server =
                    (&exceptionless.url, exceptionless.timeout, exceptionless.rate_reserve.to_bits());
                format!(
                    "{server:?} {auth:?} {:?} {} {:?} {policy:?} {pace:?} {ha:?} {admin:?} {log:?}",
                    vault.write, vault.mount, vault.namespace
                )
            };
            prop_assert_eq!(plain(&again.config), plain(config));
        }
        Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}"))),
    }
    Ok(())
}

fn written(secret: &str, document: &str, damages: &[Damage]) -> Vec<u8> {
    damage(document.replace("SECRET", secret).into_bytes(), damages)
}

#[test]
fn a_damaged_file_is_refused_without_its_secrets_or_means_what_it_shows() {
    let desk = Desk::new();
    check(2, (secret(), select(&FILES[..]), damages()), |(secret, (name, document), damages)| {
        fs::write(desk.path(name), written(&secret, document, &damages)).unwrap();
        judge(&desk, load(&desk.path(name), &[]), &secret)
    });
}

/// Most damages of the others only find the secret that does not belong there.
#[test]
fn a_damaged_file_without_secrets_is_refused_or_means_what_it_shows() {
    let desk = Desk::new();
    let environment = [("ROTATOR__EXCEPTIONLESS__PASSWORD", "correct horse")];
    check(2, (select(&FILES[..]), damages()), |((name, document), damages)| {
        let lines =
            document.lines().filter(|line| !line.contains("= [\"SECRET") && !line.contains("SECRET\"\n"));
        let text = lines.collect::<Vec<_>>().join("\n").replace("\"password\": \"SECRET\", ", "");
        let text = text.replace("password = \"SECRET\"\n", "").replace("  password: \"SECRET\"\n", "");
        fs::write(desk.path(name), damage(text.into_bytes(), &damages)).unwrap();
        judge(&desk, load(&desk.path(name), &environment), "nothing to hide")
    });
}

#[test]
fn any_text_is_refused_in_every_format() {
    let desk = Desk::new();
    check(2, (select(&FILES[..]), any_text()), |((name, _), text)| {
        fs::write(desk.path(name), text).unwrap();
        judge(&desk, load(&desk.path(name), &[]), "nothing to hide")
    });
}

#[test]
fn a_damaged_value_means_the_same_in_the_file_and_in_a_variable_or_is_refused() {
    let desk = Desk::new();
    let value = |(key, value): (&'static str, &str)| (Just(key), damaged_text(&[value]), secret());
    check(1, select(&VALUES[..]).prop_flat_map(value), |(key, value, secret)| {
        let value = value.replace("SECRET", &secret);
        let file = desk.write("good.toml", GOOD);
        let name = crate::config::sources::variable_of(key);
        judge(&desk, load(&file, &[(&name, &value)]), &secret)?;
        let (section, key) = key.rsplit_once('.').unwrap();
        let line = format!("{key} = {}", crate::config::effective::quoted(&value));
        let toml = desk.with(section, &line);
        judge(&desk, desk.load(&toml, &[]), &secret)
    });
}

#[test]
fn variables_of_any_name_are_refused_or_have_no_effect() {
    let desk = Desk::new();
    let part = prop_oneof![
        "[A-Za-z_]{0,12}",
        select(vec!["EXCEPTIONLESS", "VAULT", "AUTH", "PASSWORD", "OVERRIDE"]).prop_map(str::to_owned),
        any_text()
    ];
    let name = prop::collection::vec(part, 0..5).prop_map(|parts| format!("ROTATOR__{}", parts.join("__")));
    let variables = prop::collection::vec((name, prop_oneof![secret(), any_text()]), 0..4);
    check(2, variables, |variables| {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let file = desk.write("good.toml", GOOD);
        judge(&desk, load(&file, &variables), "nothing to hide")
    });
}
