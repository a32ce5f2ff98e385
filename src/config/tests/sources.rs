//! Who wins, and what a source may look like.

use super::*;
use crate::domain::schedule::Schedule;

fn password_of(loaded: &Loaded) -> &SecretSource {
    let (ExceptionlessAuth::Login { password: source, .. }
    | ExceptionlessAuth::Basic { password: source, .. }
    | ExceptionlessAuth::Token { token: source }) = &loaded.config.exceptionless.auth;
    match source {
        CredentialSource::Here(source) => source,
        CredentialSource::Vault(field) => panic!("it is in Vault, {field}"),
    }
}

fn vault_secret_of(loaded: &Loaded) -> String {
    match &loaded.config.vault.auth {
        VaultAuth::Token { token } => format!("token {token}"),
        VaultAuth::AppRole { mount, role_id, secret_id, wrapped: _ } => {
            format!("{mount} {role_id} {secret_id}")
        }
        VaultAuth::Kubernetes { mount, role, jwt } | VaultAuth::Jwt { mount, role, jwt } => {
            format!("{mount} {role} {jwt}")
        }
        VaultAuth::UserPass { mount, username, password } => format!("{mount} {username} {password}"),
        VaultAuth::Cert { mount, role } => format!("{mount} {role:?}"),
    }
}

#[test]
fn defaults_fill_what_the_file_leaves_out() {
    let Config { exceptionless, vault, policy, pace, ha, admin, log } = Desk::new().good(GOOD, &[]).config;
    assert_eq!(policy.server_url, "https://api.exceptionless.com");
    assert_eq!(exceptionless.timeout, Duration::from_secs(30));
    assert_eq!(exceptionless.rate_window, Duration::from_secs(900));
    assert!((exceptionless.rate_reserve - 0.2).abs() < 1e-9);
    assert_eq!((vault.mount.as_str(), vault.namespace, vault.ca_file), ("secret", None, None));
    assert_eq!(vault.write, Write::Replace);
    assert_eq!(policy.publication_limit, Duration::from_secs(15));
    assert_eq!(policy.rule.path.to_string(), "exceptionless/{project_id}");
    assert_eq!(policy.rule.schedule.to_string(), "0 3 * * * UTC");
    assert_eq!(policy.rule.overlap, Duration::from_secs(86400));
    assert_eq!(policy.selection.include.len(), 1);
    assert_eq!((pace.concurrency, pace.reconcile_every), (8, Duration::from_secs(900)));
    assert_eq!(admin, Some("127.0.0.1:9184".parse().unwrap()));
    assert_eq!(ha, None);
    assert_eq!((log.format, log.level.as_str()), (LogFormat::Json, "info"));
}

#[test]
fn a_pod_finds_the_token_of_its_service_account_unless_another_is_named() {
    let desk = Desk::new();
    let approle = "method = \"approle\"\nrole_id = \"role\"\nsecret_id_file = \"secret-id\"";
    let toml =
        |more: &str| GOOD.replace(approle, &format!("method = \"kubernetes\"\nrole = \"rotator\"\n{more}"));
    let token = desk.path("token").display().to_string();
    let loaded = desk.good(&toml("jwt_file = \"token\""), &[]);
    assert_eq!(vault_secret_of(&loaded), format!("kubernetes rotator {token}"));
    assert!(loaded.effective.to_string().contains("mount = \"kubernetes\"  # built-in default"));
    let loaded = desk.good(&toml("mount = \"pods\""), &[("ROTATOR__VAULT__AUTH__JWT", "x")]);
    assert_eq!(vault_secret_of(&loaded), "pods rotator $ROTATOR__VAULT__AUTH__JWT");

    let problems = desk.problems(&toml(""), &[]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(problem.key, "vault.auth.jwt_file");
    let said = "the file /var/run/secrets/kubernetes.io/serviceaccount/token does not exist";
    assert!(problem.to_string().contains(said), "{problem}");

    let problems = desk.problems(&toml("jwt_file = \"token\"").replace("\"rotator\"", "\"a/b\""), &[]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(problem.to_string().contains("has a slash"), "{problem}");

    let problems =
        desk.problems(&GOOD.replace(approle, "method = \"kubernetes\"\njwt_file = \"token\""), &[]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(problem.to_string().contains("role = \"exceptionless-rotator\""), "{problem}");
}

#[test]
fn variables_win_over_the_file_and_the_file_over_the_vault_cli() {
    let desk = Desk::new();
    let cli = ("VAULT_ADDR", "https://cli.example:8200");
    let own = ("ROTATOR__VAULT__ADDRESS", "https://own.example:8200");
    let address = |toml: &str, environment: &[(&str, &str)]| {
        desk.good(toml, environment).config.vault.address.host_str().map(str::to_owned)
    };
    let silent = GOOD.replace("address =", "# address =");
    assert_eq!(address(&silent, &[cli]).as_deref(), Some("cli.example"));
    assert_eq!(address(GOOD, &[cli]).as_deref(), Some("vault.example.com"));
    assert_eq!(address(GOOD, &[cli, own]).as_deref(), Some("own.example"));
    assert_eq!(address(GOOD, &[("ROTATOR__VAULT__ADDRESS", "")]).as_deref(), Some("vault.example.com"));

    let namespace = desk.good(GOOD, &[("VAULT_NAMESPACE", "admin/team/")]).config.vault.namespace;
    assert_eq!(namespace.as_deref(), Some("admin/team"));
}

#[test]
fn what_kubernetes_injects_is_not_ours() {
    let injected = [("ROTATOR_SERVICE_HOST", "10.0.0.1"), ("ROTATOR_PORT", "tcp://10.0.0.1:80")];
    Desk::new().good(GOOD, &injected);
}

#[test]
fn text_from_a_variable_stays_as_it_was_written() {
    let desk = Desk::new();
    for text in ["000123", "1e5", "TRUE", "12345678901234567890", "1.50"] {
        let loaded = desk.good(GOOD, &[("ROTATOR__VAULT__AUTH__ROLE_ID", text)]);
        assert!(vault_secret_of(&loaded).contains(&format!(" {text} ")), "{text}");
    }
}

#[test]
fn numbers_switches_and_lists_are_read_from_variables() {
    let environment = [
        ("ROTATOR__ROTATION__CONCURRENCY", "3"),
        ("ROTATOR__EXCEPTIONLESS__RATE_RESERVE", "0"),
        ("ROTATOR__VAULT__ADOPT_PATHS", "True"),
        ("ROTATOR__PROJECTS__INCLUDE", "Acme/*, 64f0*,"),
    ];
    let config = Desk::new().good(GOOD, &environment).config;
    assert_eq!(config.pace.concurrency, 3);
    assert!(config.exceptionless.rate_reserve.abs() < 1e-9);
    assert!(config.policy.adopt_paths);
    let include: Vec<_> = config.policy.selection.include.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!(include, ["Acme/*", "64f0*"]);
}

#[test]
fn yaml_and_json_say_the_same_as_toml() {
    let desk = Desk::new();
    let toml =
        format!("{GOOD}\n[[override]]\nmatch = [\"a\", \"b\"]\noverlap = \"2h\"\n[ha]\nenabled = false\n");
    let yaml = "
exceptionless: {email: rotator@example.com, password_file: password}
vault:
  address: https://vault.example.com:8200
  namespace:
  auth: {method: approle, role_id: role, secret_id_file: secret-id}
override:
  - match: [a, b]
    overlap: 2h
    path:
ha:
  enabled: false
";
    let json = r#"{
        "exceptionless": {"email": "rotator@example.com", "password_file": "password", "auth": null},
        "vault": {
            "address": "https://vault.example.com:8200",
            "auth": {"method": "approle", "role_id": "role", "secret_id_file": "secret-id"}
        },
        "override": [{"match": ["a", "b"], "overlap": "2h"}],
        "ha": {"enabled": false}
    }"#;
    let expected = format!("{:?}", desk.good(&toml, &[]).config);
    for (name, text) in [("config.yaml", yaml), ("config.yml", yaml), ("config.json", json)] {
        let loaded = load(&desk.write(name, text), &[]).expect("a good file");
        assert_eq!(format!("{:?}", loaded.config), expected, "{name}");
    }
    load(&desk.write("bom.toml", &format!("\u{feff}{GOOD}")), &[]).expect("a good file");
}

#[test]
fn variables_alone_are_enough() {
    let environment = [
        ("ROTATOR__EXCEPTIONLESS__EMAIL", "rotator@example.com"),
        ("ROTATOR__EXCEPTIONLESS__PASSWORD", "correct horse"),
        ("VAULT_ADDR", "https://vault.example.com:8200"),
        ("VAULT_TOKEN", "hvs.token"),
    ];
    let loaded = Config::load(None, variables(&environment), now()).expect("a good environment");
    assert_eq!(vault_secret_of(&loaded), "token $VAULT_TOKEN");
    assert_eq!(password_of(&loaded).to_string(), "$ROTATOR__EXCEPTIONLESS__PASSWORD");
}

#[test]
fn vault_token_serves_only_where_nothing_else_speaks_of_authentication() {
    let desk = Desk::new();
    let cli = ("VAULT_TOKEN", "hvs.cli");
    let auth = |toml: &str, environment: &[(&str, &str)]| vault_secret_of(&desk.good(toml, environment));
    assert!(auth(GOOD, &[cli]).starts_with("approle role "));
    let silent = GOOD.split("[vault.auth]").next().expect("the start");
    assert_eq!(auth(silent, &[cli]), "token $VAULT_TOKEN");
    let method = format!("{silent}\n[vault.auth]\nmethod = \"token\"\n");
    assert_eq!(auth(&method, &[cli]), "token $VAULT_TOKEN");
    assert_eq!(
        auth(&method, &[cli, ("ROTATOR__VAULT__AUTH__TOKEN", "x")]),
        "token $ROTATOR__VAULT__AUTH__TOKEN"
    );
    let file = format!("{method}token_file = \"token\"\n");
    assert_eq!(auth(&file, &[cli]), format!("token {}", desk.path("token").display()));
    let half = desk.problems(silent, &[cli, ("ROTATOR__VAULT__AUTH__ROLE_ID", "x")]);
    assert_eq!(half[0].key, "vault.auth.method");
}

#[test]
fn a_variable_that_changes_the_method_overrules_the_keys_of_the_old_one() {
    let desk = Desk::new();
    let environment = [("ROTATOR__VAULT__AUTH__METHOD", "token"), ("VAULT_TOKEN", "hvs.cli")];
    assert_eq!(vault_secret_of(&desk.good(GOOD, &environment)), "token $VAULT_TOKEN");
    let environment = [("ROTATOR__EXCEPTIONLESS__AUTH", "token"), ("ROTATOR__EXCEPTIONLESS__TOKEN", "x")];
    assert_eq!(password_of(&desk.good(GOOD, &environment)).to_string(), "$ROTATOR__EXCEPTIONLESS__TOKEN");
}

#[test]
fn a_secret_in_a_variable_wins_over_a_file_that_the_file_names() {
    let desk = Desk::new();
    let absent = desk.with("exceptionless", "password_file = \"absent\"");
    let loaded = desk.good(&absent, &[("ROTATOR__EXCEPTIONLESS__PASSWORD", "x")]);
    assert_eq!(password_of(&loaded).to_string(), "$ROTATOR__EXCEPTIONLESS__PASSWORD");
}

#[test]
fn a_secret_file_is_looked_up_among_the_credentials_and_then_beside_the_configuration() {
    let desk = Desk::new();
    let credentials = TempDir::new().expect("a folder");
    let folder = credentials.path().display().to_string();
    let environment = [("CREDENTIALS_DIRECTORY", folder.as_str())];
    let place = |environment| password_of(&desk.good(GOOD, environment)).to_string();
    assert_eq!(place(&environment), desk.path("password").display().to_string());
    let credential = credentials.path().join("password");
    fs::write(&credential, "correct horse").expect("a credential");
    assert_eq!(place(&environment), credential.display().to_string());
    assert_eq!(place(&[]), desk.path("password").display().to_string());
}

#[test]
fn the_authorities_come_from_a_file_beside_the_configuration_or_from_the_vault_cli() {
    let desk = Desk::new();
    let pem = desk.write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let ca_file =
        |toml: &str, environment: &[(&str, &str)]| desk.good(toml, environment).config.vault.ca_file;
    assert_eq!(ca_file(&desk.with("vault", "ca_file = \"ca.pem\""), &[]).as_ref(), Some(&pem));
    let absolute = pem.display().to_string();
    assert_eq!(ca_file(GOOD, &[("VAULT_CACERT", &absolute)]).as_ref(), Some(&pem));
}

#[test]
fn urls_lose_the_slash_at_their_end() {
    let desk = Desk::new();
    let toml = desk.with("exceptionless", "url = \"https://a.example/errors//\"");
    let config = desk.good(&toml, &[]).config;
    assert_eq!(config.policy.server_url, "https://a.example/errors");
    assert_eq!(config.exceptionless.url.as_str(), "https://a.example/errors");
}

#[test]
fn an_override_changes_what_it_names_and_keeps_the_rest() {
    let toml = format!(
        "{GOOD}
[rotation]
schedule = \"0 4 * * *\"
overlap = \"12h\"
[[override]]
match = \"Acme/checkout\"
path = \"teams/checkout\"
timezone = \"Europe/Berlin\"
splay = \"0s\"
"
    );
    let policy = Desk::new().good(&toml, &[]).config.policy;
    let [special] = policy.overrides.as_slice() else { panic!("one override") };
    let zone = chrono_tz::Tz::Europe__Berlin;
    assert_eq!(special.rule.schedule, Schedule::parse("0 4 * * *", zone, now()).expect("a schedule"));
    assert_eq!(special.rule.path.to_string(), "teams/checkout");
    assert_eq!((special.rule.overlap, special.rule.splay), (Duration::from_secs(43200), Duration::ZERO));
}

#[test]
fn merging_needs_a_prefix_and_gets_it() {
    let desk = Desk::new();
    let toml = desk.with("vault", "write = \"merge\"\nfield_prefix = \"exceptionless_\"");
    assert_eq!(desk.good(&toml, &[]).config.vault.write, Write::Merge { prefix: "exceptionless_".into() });
}

#[test]
fn the_file_that_the_package_brings_lacks_only_what_it_asks_for() {
    let desk = Desk::new();
    desk.write("exceptionless-password", "correct horse\n");
    desk.write("vault-secret-id", "c0ffee\n");
    let starter = include_str!("../../../config/starter.toml");
    let missing: Vec<_> = desk.problems(starter, &[]).into_iter().map(|problem| problem.key).collect();
    assert_eq!(missing, ["exceptionless.email", "vault.address", "vault.auth.role_id"]);
    let filled = ["email =", "address =", "role_id ="]
        .iter()
        .fold(starter.to_owned(), |text, key| text.replace(&format!("# {key}"), key));
    assert!(desk.good(&filled, &[]).warnings.is_empty());
}

#[test]
fn where_the_daemon_answers_is_read_past_mistakes_elsewhere_but_not_past_a_broken_file() {
    let desk = Desk::new();
    let listen = |text: &str| admin(Some(&desk.write("config.toml", text)), variables(&[]));
    let address = Some("127.0.0.1:9184".parse().expect("an address"));
    assert_eq!(listen("shedule = 1\n[vault]\naddress = 7\n").ok(), Some(address));
    assert_eq!(listen("[admin]\nlisten = \"\"\n").ok(), Some(None));
    assert!(listen("[admin]\nlisten = \"here\"\n").is_err());
    assert!(listen("[admin\n").is_err());
}

fn kept_in_vault(loaded: &Loaded) -> String {
    let field = loaded.config.exceptionless.auth.kept_in_vault();
    field.map(ToString::to_string).unwrap_or_default()
}

const IN_VAULT: &str = r#"password = { vault = "kv/data/rotator#password" }"#;

#[test]
fn the_password_may_be_kept_in_vault_and_its_place_is_shown() {
    let desk = Desk::new();
    let toml = desk.with("exceptionless", IN_VAULT).replace("password_file = \"password\"\n", "");
    let loaded = desk.good(&toml, &[]);
    assert_eq!(kept_in_vault(&loaded), "kv/data/rotator#password");
    let effective = loaded.effective.to_string();
    assert!(effective.contains(IN_VAULT), "{effective}");
    let text = desk.good(&effective, &[]);
    assert_eq!(kept_in_vault(&text), "kv/data/rotator#password", "what is shown can be used");

    let variable = [("ROTATOR__EXCEPTIONLESS__PASSWORD__VAULT", "secret/data/other#pw")];
    for toml in [GOOD.to_owned(), toml.clone()] {
        assert_eq!(kept_in_vault(&desk.good(&toml, &variable)), "secret/data/other#pw", "a variable wins");
    }
    let yaml = desk.write(
        "vault.yaml",
        "exceptionless: {auth: token, token: {vault: 'kv/data/rotator#token'}}\n\
         vault: {address: 'https://vault.example.com', auth: {method: token, token_file: token}}\n",
    );
    let loaded = load(&yaml, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kept_in_vault(&loaded), "kv/data/rotator#token");
}

#[test]
fn a_password_that_is_kept_in_two_places_is_refused() {
    let desk = Desk::new();
    let toml = desk.with("exceptionless", IN_VAULT);
    let problems = desk.problems(&toml, &[]);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].contains("excludes password_file"), "{said:?}");
    let toml = toml.replace("password_file = \"password\"\n", "");
    let variable = [("ROTATOR__EXCEPTIONLESS__PASSWORD", "correct horse")];
    let said = desk.problems(&toml, &variable).iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("excludes password") && !said.contains("correct horse"), "{said}");
}

#[test]
fn the_password_is_changed_by_a_schedule_in_the_zone_of_the_others() {
    let desk = Desk::new();
    let toml = desk
        .with("exceptionless", &format!("{IN_VAULT}\npassword_schedule = \"0 4 1 * *\""))
        .replace("password_file = \"password\"\n", "")
        + "[rotation]\ntimezone = \"Europe/Berlin\"\n";
    let schedule = desk.good(&toml, &[]).config.exceptionless.password_schedule;
    assert_eq!(schedule.map(|schedule| schedule.to_string()).as_deref(), Some("0 4 1 * * Europe/Berlin"));
    assert_eq!(desk.good(GOOD, &[]).config.exceptionless.password_schedule, None);
}

#[test]
fn a_password_must_not_stand_where_something_else_is_written() {
    let desk = Desk::new();
    for (path, whose) in [
        ("secret/data/exceptionless/64f0c0ffee00000000000100", "a project's secret"),
        ("secret/data/exceptionless-rotator/leader", "the lease"),
    ] {
        let line = format!("password = {{ vault = \"{path}#password\" }}");
        let toml = desk.with("exceptionless", &line).replace("password_file = \"password\"\n", "")
            + "[ha]\nenabled = true\n";
        let said = desk.problems(&toml, &[]).iter().map(ToString::to_string).collect::<String>();
        assert!(said.contains(whose) && said.contains("exceptionless.password"), "{said}");
    }
    let elsewhere = r#"password = { vault = "kv/data/exceptionless/64f0c0ffee00000000000100#password" }"#;
    desk.good(&desk.with("exceptionless", elsewhere).replace("password_file = \"password\"\n", ""), &[]);
}
