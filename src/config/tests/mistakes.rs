//! One row for each mistake: where it is made, and what the operator is told.

use super::*;

/// Each mistake alone, in the file: section, line, key, part of the message.
const IN_FILE: &[(&str, &str, &str, &str)] = &[
    (
        "exceptionless",
        r#"urll = "https://a.example""#,
        "exceptionless.urll",
        "did you mean exceptionless.url?",
    ),
    (
        "exceptionless",
        r#"schedule = "0 3 * * *""#,
        "exceptionless.schedule",
        "did you mean rotation.schedule?",
    ),
    ("exceptionless", r#"zzzzzz = 1"#, "exceptionless.zzzzzz", "known here are url, auth, "),
    ("vault", r#"adress = "https://a.example""#, "vault.adress", "did you mean vault.address?"),
    ("valt", r#"address = "https://a.example""#, "valt", "did you mean vault?"),
    ("exceptionless", r#"url = "a.example""#, "exceptionless.url", "is not a URL"),
    ("exceptionless", r#"url = """#, "exceptionless.url", "is empty"),
    ("exceptionless", r#"url = "ftp://a.example""#, "exceptionless.url", "neither http nor https"),
    ("exceptionless", r#"url = "https://u:p@a.example""#, "exceptionless.url", "contains credentials"),
    ("exceptionless", r#"url = "https://a.example/api/v2/""#, "exceptionless.url", "/api/v2"),
    ("exceptionless", r#"url = "https://a.example/api""#, "exceptionless.url", "/api/v2"),
    ("exceptionless", r#"url = "https://a.example/?x=1""#, "exceptionless.url", "query"),
    ("exceptionless", r#"url = 7"#, "exceptionless.url", "is a whole number, not text"),
    ("exceptionless", r#"auth = "ldap""#, "exceptionless.auth", r#"write one of "login", "basic", "token""#),
    ("exceptionless", r#"email = """#, "exceptionless.email", "is empty"),
    ("exceptionless", r#"password_file = "empty""#, "exceptionless.password_file", "is empty"),
    ("exceptionless", r#"password_file = "absent""#, "exceptionless.password_file", "no file of that name"),
    (
        "exceptionless",
        r#"token_file = "token""#,
        "exceptionless.token_file",
        r#"has no use with auth = "login""#,
    ),
    (
        "exceptionless",
        r#"password = { vault = "kv/rotator#password" }"#,
        "exceptionless.password",
        "has no /data/",
    ),
    (
        "exceptionless",
        r#"password = { vault = "kv/data/rotator" }"#,
        "exceptionless.password",
        "add one, such as #password",
    ),
    (
        "exceptionless",
        r#"password = { valt = "kv/data/r#p" }"#,
        "exceptionless.password",
        r#"has other keys than "vault""#,
    ),
    ("exceptionless", r#"password = { vault = 7 }"#, "exceptionless.password", "that is no text"),
    (
        "exceptionless",
        r#"token = { vault = "kv/data/r#t" }"#,
        "exceptionless.token",
        "has no use with auth = \"login\"",
    ),
    (
        "exceptionless",
        r#"password_schedule = "0 4 1 * *""#,
        "exceptionless.password_schedule",
        "needs a password that is kept in Vault",
    ),
    (
        "exceptionless",
        r#"password_schedule = "monthly""#,
        "exceptionless.password_schedule",
        "a schedule has 5",
    ),
    (
        "vault.auth",
        r#"secret_id = { vault = "kv/data/r#s" }"#,
        "vault.auth.secret_id",
        "only the password or token for Exceptionless",
    ),
    ("exceptionless", r#"timeout = 30"#, "exceptionless.timeout", "is a whole number, not a duration"),
    ("exceptionless", r#"timeout = "0s""#, "exceptionless.timeout", "is 0"),
    ("exceptionless", r#"timeout = "soon""#, "exceptionless.timeout", "is not a duration"),
    ("exceptionless", r#"timeout = "11y""#, "exceptionless.timeout", "longer than 10 years"),
    ("exceptionless", r#"rate_reserve = 1.0"#, "exceptionless.rate_reserve", "is out of range"),
    ("exceptionless", r#"rate_reserve = -0.1"#, "exceptionless.rate_reserve", "is out of range"),
    ("exceptionless", r#"rate_reserve = nan"#, "exceptionless.rate_reserve", "not a number"),
    ("exceptionless", r#"rate_reserve = "0.2""#, "exceptionless.rate_reserve", "is text, not a number"),
    ("exceptionless", r#"rate_window = "0s""#, "exceptionless.rate_window", "is 0"),
    ("vault", r#"address = "https://a.example/v1""#, "vault.address", "has a path"),
    ("vault", r#"address = "https://a.example#x""#, "vault.address", "fragment"),
    ("vault", r#"namespace = "a//b""#, "vault.namespace", "segment"),
    ("vault", r#"mount = "../sys""#, "vault.mount", "segment"),
    ("vault", r#"mount = """#, "vault.mount", "is empty"),
    ("vault", r#"path = "exceptionless""#, "vault.path", "names no project"),
    ("vault", r#"path = "a/{project}""#, "vault.path", "unknown placeholder"),
    ("vault", r#"write = "merge""#, "vault.field_prefix", r#"write = "merge" needs it"#),
    ("vault", r#"field_prefix = "x_""#, "vault.field_prefix", r#"has no use with write = "replace""#),
    ("vault", r#"field_prefix = "x y""#, "vault.field_prefix", "other characters"),
    ("vault", r#"adopt_paths = "true""#, "vault.adopt_paths", "is text, not true or false"),
    ("vault", r#"ca_file = "absent.pem""#, "vault.ca_file", "cannot be read"),
    ("vault", r#"ca_file = "password""#, "vault.ca_file", "no PEM certificate"),
    ("vault", r#"timeout = "0s""#, "vault.timeout", "is 0"),
    ("vault.auth", r#"mount = "a//b""#, "vault.auth.mount", "segment"),
    ("vault.auth", r#"role = "rotator""#, "vault.auth.role", r#"has no use with method = "approle""#),
    ("vault.auth", r#"jwt_file = "token""#, "vault.auth.jwt_file", r#"has no use with method = "approle""#),
    ("vault.auth", r#"method = "ldap""#, "vault.auth.method", "none of the known words"),
    ("vault.auth", r#"role_id = """#, "vault.auth.role_id", "is empty"),
    ("vault.auth", r#"token_file = "token""#, "vault.auth.token_file", "has no use"),
    ("vault.auth", r#"username = "rotator""#, "vault.auth.username", r#"has no use with method = "approle""#),
    ("vault.auth", r#"password_file = "token""#, "vault.auth.password_file", "has no use with method"),
    ("secret", r#"max_versions = 0"#, "secret.max_versions", "from 1 to 100000"),
    ("secret", r#"cas_required = "true""#, "secret.cas_required", "is text, not true or false"),
    ("secret", r#"versions = 3"#, "secret.versions", "did you mean secret.max_versions?"),
    (
        "secret.fields",
        r#"A = "{apikey}""#,
        "secret.fields.A",
        "unknown placeholder {apikey}; known are {api_key}, ",
    ),
    ("secret.fields", r#"A = "{api_key""#, "secret.fields.A", "a brace without its partner; write"),
    ("secret.fields", r#"A = """#, "secret.fields.A", "is empty, and no standard field; write"),
    ("secret.fields", r#"A = 7"#, "secret.fields.A", "is a whole number, not text"),
    ("secret.fields", r#"A = "a\nb""#, "secret.fields.A", "contains a control character"),
    ("secret.fields", r#""A B" = "x""#, "secret.fields.A B", "other characters than letters"),
    ("secret.fields", r#"server_url = "x""#, "secret.fields.server_url", "is a standard field"),
    ("secret.fields", r#"retiring = """#, "secret.fields.retiring", "keeps no other state; remove this"),
    ("secret.fields", r#"api_key = """#, "secret.fields.api_key", "add one whose template is exactly"),
    ("projects", r#"include = []"#, "projects.include", "no project matches"),
    ("projects", r#"include = ["a", 1]"#, "projects.include", "holds a whole number"),
    ("projects", r#"include = ["[a"]"#, "projects.include", "is not a glob"),
    ("projects", r#"exclude = true"#, "projects.exclude", "is true or false, not a list"),
    ("rotation", r#"instance = "a b""#, "rotation.instance", "is not an instance name"),
    ("rotation", r#"schedule = "0 3 * *""#, "rotation.schedule", "has 4 fields"),
    ("rotation", r#"schedule = "0 99 * * *""#, "rotation.schedule", "is not a cron expression"),
    ("rotation", r#"schedule = "0 0 31 2 *""#, "rotation.schedule", "never comes"),
    ("rotation", r#"timezone = "Berlin""#, "rotation.timezone", r#"did you mean "Europe/Berlin"?"#),
    ("rotation", r#"timezone = "Europe/Berln""#, "rotation.timezone", r#"did you mean "Europe/Berlin"?"#),
    ("rotation", r#"timezone = "on the moon""#, "rotation.timezone", "IANA"),
    ("rotation", r#"splay = "1500ms""#, "rotation.splay", "whole number of seconds"),
    ("rotation", r#"overlap = "0s""#, "rotation.overlap", "is 0"),
    ("rotation", r#"overlap = "1500ms""#, "rotation.overlap", "whole number of seconds"),
    ("rotation", r#"reconcile_every = "0s""#, "rotation.reconcile_every", "is 0"),
    ("rotation", r#"concurrency = 0"#, "rotation.concurrency", "from 1 to 64"),
    ("rotation", r#"concurrency = 65"#, "rotation.concurrency", "from 1 to 64"),
    ("rotation", r#"concurrency = "8""#, "rotation.concurrency", "is text, not a whole number"),
    ("rotation", r#"revocation = "disable""#, "rotation.revocation", r#""delete", "disable_then_delete""#),
    ("rotation", r#"disabled_for = "0s""#, "rotation.disabled_for", "is 0"),
    (
        "rotation",
        r#"disabled_for = "30d""#,
        "rotation.disabled_for",
        r#"has no use with revocation = "delete""#,
    ),
    ("rotation", r#"disabled_for = 7"#, "rotation.disabled_for", "not a duration"),
    ("rotation", r#"on_vanished = "forget""#, "rotation.on_vanished", "none of the known words"),
    ("ha", r#"enabled = "yes""#, "ha.enabled", "is text, not true or false"),
    ("ha", r#"lease_path = "/a""#, "ha.lease_path", "is not a path"),
    ("ha", r#"lease_ttl = "2s""#, "ha.lease_ttl", "too short to be renewed"),
    ("ha", r#"lease_ttl = "3500ms""#, "ha.lease_ttl", "whole number of seconds"),
    ("ha", r#"lease_ttl = "61m""#, "ha.lease_ttl", "longer than an hour"),
    ("admin", r#"listen = ":9184""#, "admin.listen", "is not an IP address and a port"),
    ("log", r#"format = "xml""#, "log.format", "none of the known words"),
    ("log", r#"level = "inof""#, "log.level", "is not a log filter"),
    ("log", r#"level = "info,exceptionless_rotator""#, "log.level", "is not a log filter"),
    ("log", r#"level = "loud=very=much""#, "log.level", "is not a log filter"),
];

#[test]
fn each_mistake_in_the_file_is_reported_alone_with_its_key_its_place_and_a_remedy() {
    let desk = Desk::new();
    for (section, line, key, message) in IN_FILE {
        let problems = desk.problems(&desk.with(section, line), &[]);
        let [problem] = problems.as_slice() else { panic!("{line}: {problems:#?}") };
        assert_eq!(problem.key, *key, "{line}: {problem}");
        assert!(problem.to_string().contains(message), "{line}: {problem}");
        let file = desk.path("config.toml").display().to_string();
        if *line != r#"write = "merge""# {
            assert_eq!(problem.place, Some(file), "{line}: {problem}");
        }
    }
}

/// Each mistake alone, in the environment: variable, value, key, part of the message.
const IN_ENVIRONMENT: &[(&str, &str, &str, &str)] = &[
    ("ROTATOR__VAULT__ADRESS", "https://a.example", "vault.adress", "did you mean vault.address?"),
    ("ROTATOR__VAULT__TOKEN", "x", "vault.token", "did you mean exceptionless.token?"),
    ("ROTATOR__VAULT__ADDRESS__HOST", "x", "vault.address", "is not text"),
    ("ROTATOR__VAULT", "x", "vault", "is a section, not a value"),
    ("ROTATOR__VAULT__AUTH", "x", "vault.auth", "set its keys, such as ROTATOR__VAULT__AUTH__KEY"),
    ("ROTATOR__OVERRIDE[99999999999]__PATH", "x", "override[99999999999].path", "only stand in the file"),
    ("ROTATOR__OVERRIDE", "x", "override", "no variable can set them"),
    ("ROTATOR__ROTATION__CONCURRENCY", "many", "rotation.concurrency", "is not a whole number"),
    ("ROTATOR__EXCEPTIONLESS__RATE_RESERVE", "inf", "exceptionless.rate_reserve", "is not a number"),
    ("ROTATOR__VAULT__ADOPT_PATHS", "maybe", "vault.adopt_paths", "is not true or false"),
    ("ROTATOR__SECRET__FIELDS__A", "{api_key}", "secret.fields.a", "capitals"),
    ("ROTATOR__SECRET__FIELDS", "x", "secret.fields", "is a section, not a value"),
    ("ROTATOR__PROJECTS__INCLUDE", " , ", "projects.include", "no project matches"),
    ("ROTATOR__ROTATION__OVERLAP", "86400", "rotation.overlap", "is not a duration"),
    ("ROTATOR__ROTATION__TIMEZONE", "utc+1", "rotation.timezone", "is not a time zone"),
    ("ROTATOR__EXCEPTIONLESS__URL", "https://u:p@a.example", "exceptionless.url", "contains credentials"),
    ("ROTATOR__EXCEPTIONLESS__TOKEN", "x", "exceptionless.token", r#"has no use with auth = "login""#),
    ("rotator__vault__mount", "..", "vault.mount", "segment"),
];

#[test]
fn each_mistake_in_the_environment_is_reported_alone_and_names_its_variable() {
    let desk = Desk::new();
    for (variable, value, key, message) in IN_ENVIRONMENT {
        let problems = desk.problems(GOOD, &[(variable, value)]);
        let [problem] = problems.as_slice() else { panic!("{variable}: {problems:#?}") };
        assert_eq!(problem.key, *key, "{variable}: {problem}");
        assert!(problem.to_string().contains(message), "{variable}: {problem}");
        assert_eq!(problem.place, Some(format!("environment variable {variable}")), "{problem}");
    }
}

#[test]
fn a_mistake_in_a_variable_of_the_vault_cli_names_that_variable() {
    let desk = Desk::new();
    let toml = GOOD.replace("address =", "# address =");
    let problems = desk.problems(&toml, &[("VAULT_ADDR", "vault:8200")]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(problem.place.as_deref(), Some("environment variable VAULT_ADDR"));
}

#[test]
fn missing_keys_say_what_to_write_and_which_variable_would_do() {
    let desk = Desk::new();
    let problems = desk.problems("", &[]);
    let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
    let file = desk.path("config.toml").display().to_string();
    assert_eq!(
        texts,
        [
            format!(
                "exceptionless.email: is missing, and auth = \"login\" needs it; write email = \"rotator@example.com\" under [exceptionless] in {file}, or set ROTATOR__EXCEPTIONLESS__EMAIL"
            ),
            format!(
                "exceptionless.password_file: is missing, and auth = \"login\" needs it; write password_file = \"/run/secrets/...\" under [exceptionless] in {file}, or set ROTATOR__EXCEPTIONLESS__PASSWORD"
            ),
            format!(
                "vault.address: is missing; write address = \"https://vault.example.com:8200\" under [vault] in {file}, or set ROTATOR__VAULT__ADDRESS or VAULT_ADDR (BAO_ADDR is not read)"
            ),
            format!(
                "vault.auth.method: is missing; write method = \"approle\" under [vault.auth] in {file}, or set ROTATOR__VAULT__AUTH__METHOD"
            ),
        ]
    );
}

#[test]
fn all_mistakes_of_all_sources_are_reported_at_once() {
    let desk = Desk::new();
    let toml =
        desk.with("rotation", "overlap = \"soon\"").replace("method = \"approle\"", "method = \"ldap\"");
    let toml = format!("{toml}\n[[override]]\nschedule = \"never\"\nmach = \"x\"\n");
    let error = desk
        .load(&toml, &[("ROTATOR__VAULT__ADRESS", "x"), ("ROTATOR__ROTATION__CONCURRENCY", "0")])
        .expect_err("problems");
    let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "vault.auth.method",
            "rotation.overlap",
            "rotation.concurrency",
            "override[0].match",
            "override[0].schedule",
            "vault.adress",
            "override[0].mach"
        ]
    );
    assert_eq!(error.to_string().lines().count(), 8);
    assert!(error.to_string().starts_with("the configuration has 7 problems\n- vault.auth.method ("));
}

#[test]
fn all_mistakes_in_the_fields_of_a_secret_are_reported_at_once() {
    let desk = Desk::new();
    let merging = desk.with("vault", "write = \"merge\"\nfield_prefix = \"ex_\"");
    let fields =
        "[secret.fields]\nex_api_key = \"x\"\nrotated_at = \"\"\nB = \"{b}\"\nC = \"{\"\nD = \"{api_key}\"\n";
    let problems = desk.problems(&format!("{merging}{fields}"), &[]);
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let place = |name: &str| format!("secret.fields.{name}");
    assert_eq!(keys, ["B", "C", "ex_api_key", "rotated_at"].map(place));
    assert!(problems[2].to_string().contains("vault.field_prefix = \"ex_\""), "{problems:?}");
    assert!(desk.load(&format!("{GOOD}[secret.fields]\nex_api_key = \"{{api_key}}\"\n"), &[]).is_ok());
}

#[test]
fn what_binds_the_other_owners_of_a_shared_secret_is_refused() {
    let desk = Desk::new();
    let rules = "[secret]\nmax_versions = 3\ncas_required = false\n";
    let merging = desk.with("vault", "write = \"merge\"\nfield_prefix = \"ex_\"");
    let problems = desk.problems(&format!("{merging}{rules}"), &[]);
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["secret.max_versions", "secret.cas_required"]);
    for problem in &problems {
        let said = problem.to_string();
        assert!(said.contains("other owners") && said.contains("remove it"), "{said}");
    }
    assert!(desk.load(&format!("{GOOD}{rules}"), &[]).is_ok());
}

#[test]
fn overrides_are_checked_like_the_general_rule() {
    let desk = Desk::new();
    let rows = [
        ("match = []", "override[1].match", "no project matches"),
        ("match = \"x\"\npath = \"a/{b}\"", "override[1].path", "unknown placeholder"),
        ("match = \"x\"\ndisabled_for = \"7d\"", "override[1].disabled_for", "has no use"),
        ("match = \"x\"\npath = \"fixed\"", "override[1].path", "is the path of override[0] as well"),
        ("match = \"x\"\ntimezone = \"Nowhere/AtAll\"", "override[1].timezone", "is not a time zone"),
        ("match = \"x\"\nsplay = 5", "override[1].splay", "is a whole number"),
        ("match = \"x\"\noverlap = \"0s\"", "override[1].overlap", "is 0"),
        ("match = \"x\"\nshedule = \"@daily\"", "override[1].shedule", "did you mean override[1].schedule?"),
    ];
    for (lines, key, message) in rows {
        let toml = format!("{GOOD}\n[[override]]\nmatch = \"a\"\npath = \"fixed\"\n[[override]]\n{lines}\n");
        let problems = desk.problems(&toml, &[]);
        let [problem] = problems.as_slice() else { panic!("{lines}: {problems:#?}") };
        assert_eq!(problem.key, key, "{problem}");
        assert!(problem.to_string().contains(message), "{problem}");
    }
    let problems = desk.problems(&format!("override = [\"x\"]\n{GOOD}"), &[]);
    assert!(problems[0].to_string().contains("is a section, not a value"), "{problems:?}");
}

#[test]
fn a_quoted_key_is_neither_a_path_nor_a_command_to_the_terminal() {
    let desk = Desk::new();
    for (line, key) in [
        ("\"vault.mount\" = \"x\"", "vault.mount"),
        ("\"override[99999999999]\" = \"x\"", "override[99999999999]"),
        ("\"a\\u001bb\" = 1", "a?b"),
    ] {
        let problems = desk.problems(&format!("{line}\n{GOOD}"), &[]);
        let [problem] = problems.as_slice() else { panic!("{line}: {problems:#?}") };
        assert_eq!(problem.key, key, "{problem}");
        assert!(problem.problem.contains("is not a known key"), "{problem}");
    }
}

#[test]
fn text_in_place_of_a_section_hides_nothing_else() {
    let desk = Desk::new();
    let toml = GOOD.replace("[vault.auth]", "[vault_auth]").replace("[vault]", "[vault]\nauth = \"approle\"");
    let keys: Vec<_> = desk.problems(&toml, &[]).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["vault.auth", "vault.auth.method", "vault_auth"]);
}

#[test]
fn a_password_with_a_colon_is_refused_with_basic_only() {
    let desk = Desk::new();
    let colon = desk.with("exceptionless", "password_file = \"colon\"");
    assert!(desk.load(&colon, &[]).is_ok());
    let problems = desk.problems(&colon, &[("ROTATOR__EXCEPTIONLESS__AUTH", "basic")]);
    assert!(problems[0].to_string().contains("never works"), "{problems:?}");
    assert_eq!(problems[0].key, "exceptionless.password_file");
}

#[test]
fn a_secret_from_two_variables_is_a_contradiction() {
    let desk = Desk::new();
    let both =
        [("ROTATOR__EXCEPTIONLESS__PASSWORD", "x"), ("ROTATOR__EXCEPTIONLESS__PASSWORD_FILE", "password")];
    let problems = desk.problems(GOOD, &both);
    assert!(problems[0].to_string().contains("excludes password_file"), "{problems:?}");
    let twins = [("ROTATOR__VAULT__MOUNT", "a"), ("Rotator__Vault__Mount", "b")];
    assert!(desk.problems(GOOD, &twins)[0].to_string().contains("means the same variable as"));
    let twins = [("ROTATOR__VAULT__AUTH__SECRET_ID", "a"), ("Rotator__Vault__Auth__Secret_Id", "b")];
    assert!(desk.problems(GOOD, &twins)[0].to_string().contains("means the same variable as"));
}

#[test]
fn files_that_cannot_be_read_are_reported_without_guesses_about_what_is_missing() {
    let desk = Desk::new();
    let rows = [
        (desk.path("absent.toml"), "does not exist"),
        (desk.write("config.ini", GOOD), "unsupported extension"),
        (desk.write("config", GOOD), "has no extension"),
        (
            desk.write("bad.toml", "[vault]\nmount = \"a\"\naddress = https\n"),
            "is not a configuration in TOML at line 3, column 11: ",
        ),
        (
            desk.write("twice.toml", "[log]\nlevel = \"a\"\nlevel = \"b\"\n"),
            "is not a configuration in TOML at line 3, column 1: duplicate key",
        ),
        (
            desk.write("bad.json", "{\n  \"vault\": {,}\n}"),
            "is not a configuration in JSON at line 2, column 13",
        ),
        (
            desk.write("bad.yaml", "vault:\n  mount: [a\nlog: x\n"),
            "is not a configuration in YAML at line 3, column ",
        ),
        (desk.write("list.yaml", "- a\n"), "is not a configuration in YAML"),
    ];
    for (path, message) in rows {
        let problems = load(&path, &[]).expect_err("a problem").problems;
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(problem.to_string().contains(message), "{problem}");
        assert_eq!(problem.key, path.display().to_string());
        assert!(problem.remedy.is_some(), "{problem}");
    }
    let latin = desk.path("latin.toml");
    fs::write(&latin, b"[log]\nlevel = \"\xe9\"\n").expect("a file");
    assert!(load(&latin, &[]).expect_err("a problem").to_string().contains("is not UTF-8 text (byte 15)"));
    let both =
        load(&desk.path("bad.toml"), &[("ROTATOR__LOG__FORMAT", "xml")]).expect_err("problems").problems;
    assert_eq!(both.len(), 2, "{both:#?}");
}

#[test]
fn a_value_that_is_quoted_cannot_begin_a_line_of_its_own() {
    let desk = Desk::new();
    for (section, line) in
        [("vault", r#"path = "a/{\nx}""#), ("rotation", r#"schedule = "\u001b[2J 3 * * *""#)]
    {
        for problem in desk.problems(&desk.with(section, line), &[]) {
            assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
        }
    }
}

#[test]
fn yaml_that_grows_or_nests_without_bound_is_refused_before_it_does() {
    let desk = Desk::new();
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let part = format!("*a{}, ", level - 1).repeat(10);
        yaml.push_str(&format!("a{level}: &a{level} [{part}]\n"));
    }
    let error = load(&desk.write("bomb.yaml", &yaml), &[]).expect_err("a problem").to_string();
    assert!(error.contains("repeats parts of itself"), "{error}");
    for level in ["- ", "? ", "["] {
        let deep = format!("a:\n  {}x\n", level.repeat(100_000));
        load(&desk.write("deep.yaml", &deep), &[]).expect_err("a problem");
    }
    let few = "projects:\n  include: &all [\"*\"]\n  exclude: *all\n";
    let error = load(&desk.write("few.yaml", few), &[]).expect_err("a problem").to_string();
    assert!(!error.contains("repeats"), "{error}");
}

#[test]
fn the_lease_never_lies_where_a_project_s_secret_may() {
    let desk = Desk::new();
    let lease = |path: &str| format!("[ha]\nenabled = true\nlease_path = \"{path}\"\n");
    let named = desk.with("vault", "path = \"{organization_name}/{project_name}\"");
    let special = format!("{GOOD}[[override]]\nmatch = \"a\"\npath = \"locks/leader\"\n");
    for (base, path, message) in [
        (GOOD, "exceptionless/leader", "by \"exceptionless/{project_id}\""),
        (&named, "exceptionless-rotator/leader", "by \"{organization_name}/{project_name}\""),
        (&special, "locks/leader", "by \"locks/leader\""),
    ] {
        let problems = desk.problems(&format!("{base}{}", lease(path)), &[]);
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert_eq!(problem.key, "ha.lease_path");
        assert!(problem.to_string().contains(message), "{problem}");
    }
    for (base, path) in [(GOOD, "exceptionless/locks/leader"), (&named, "exceptionless-rotator/locks/leader")]
    {
        let ha = desk.good(&format!("{base}{}", lease(path)), &[]).config.ha.expect("it is enabled");
        assert_eq!((ha.lease_path.as_str(), ha.lease_ttl), (path, Duration::from_secs(30)));
    }
    let unused = lease("exceptionless/leader").replace("true", "false");
    assert_eq!(desk.good(&format!("{GOOD}{unused}"), &[]).config.ha, None);
}
