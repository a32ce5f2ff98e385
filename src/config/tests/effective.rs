//! The `config` command's text, and the shipped file of defaults.

use super::*;

const DEFAULTS: &str = include_str!("../../../config/default.toml");

fn shown(text: &str, key: &str) -> String {
    let starts = |line: &&str| line.trim_start_matches("# ").starts_with(&format!("{key} "));
    text.lines().find(starts).unwrap_or_else(|| panic!("{key} in {text}")).to_owned()
}

#[test]
fn each_value_is_shown_with_its_origin_and_secrets_are_not() {
    let desk = Desk::new();
    let environment = [
        ("ROTATOR__ROTATION__CONCURRENCY", "3"),
        ("ROTATOR__PROJECTS__EXCLUDE", "a,b"),
        ("ROTATOR__EXCEPTIONLESS__PASSWORD", "x"),
        ("VAULT_NAMESPACE", "a\"b"),
    ];
    let text = desk.good(GOOD, &environment).effective.to_string();
    let file = desk.path("config.toml").display().to_string();
    let secret_id = desk.path("secret-id").display().to_string();
    for (key, line) in [
        ("url", "url = \"https://api.exceptionless.com\"  # built-in default".to_owned()),
        ("email", format!("email = \"rotator@example.com\"  # {file}")),
        ("concurrency", "concurrency = 3  # environment variable ROTATOR__ROTATION__CONCURRENCY".to_owned()),
        ("exclude", "exclude = [\"a\", \"b\"]  # environment variable ROTATOR__PROJECTS__EXCLUDE".to_owned()),
        ("namespace", "namespace = \"a\\\"b\"  # environment variable VAULT_NAMESPACE".to_owned()),
        ("secret_id_file", format!("secret_id_file = \"{secret_id}\"  # {file}")),
        ("token_file", "# token_file is not set".to_owned()),
        (
            "password",
            "# password = \"[redacted]\"  # environment variable ROTATOR__EXCEPTIONLESS__PASSWORD".to_owned(),
        ),
    ] {
        assert_eq!(shown(&text, key), line);
    }
}

#[test]
fn the_text_is_a_configuration_that_says_the_same() {
    let desk = Desk::new();
    let toml = format!(
        "{GOOD}\n[rotation]\nschedule = \"*/30 * * * *\"\n[[override]]\nmatch = \"a\"\npath = \"x/{{project_id}}\"\n[[override]]\nmatch = [\"b\", \"c\"]\noverlap = \"2h\"\n\
         [secret]\ncas_required = true\n[secret.fields]\nKEY = \"{{api_key}}\"\napi_key = \"\"\nDsn = \"a\\\"{{api_key}}\"\n"
    );
    let loaded = desk.good(&toml, &[("ROTATOR__EXCEPTIONLESS__RATE_RESERVE", "0.5")]);
    let again = desk.good(&loaded.effective.to_string(), &[]);
    assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
    let values = |effective: &Effective| -> Vec<String> {
        let text = effective.to_string();
        text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&again.effective), values(&loaded.effective));
}

#[test]
fn a_line_break_in_the_name_of_the_file_cannot_end_a_comment() {
    let desk = Desk::new();
    let path = desk.write("a\nadopt_paths = true.toml", GOOD);
    let text = load(&path, &[]).expect("a good file").effective.to_string();
    assert!(text.lines().all(|line| !line.starts_with("adopt_paths = true")), "{text}");
}

#[test]
fn the_shipped_file_names_every_key_and_no_other() {
    let all: String = DEFAULTS.lines().map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let desk = Desk::new();
    let toml = format!(
        "{GOOD}[[override]]\nmatch = \"a\"\npath = \"b\"\nschedule = \"@daily\"\ntimezone = \"UTC\"\nsplay = \"0s\"\noverlap = \"1h\"\nrevocation = \"disable_then_delete\"\ndisabled_for = \"1h\"\n"
    );
    let text = desk.good(&toml, &[]).effective.to_string();
    let keys = |text: &str| -> Vec<String> {
        let key = |line: &str| {
            let line = line.trim_start_matches("# ");
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let is_key = rest.starts_with("= ") || rest == "is not set";
            (is_key || word.starts_with('[')).then(|| word.to_owned())
        };
        let mut section = String::new();
        let mut keys: Vec<String> = text
            .lines()
            .filter_map(key)
            .filter_map(|word| {
                if word.starts_with('[') {
                    section = word;
                    None
                } else {
                    Some(format!("{section} {word}"))
                }
            })
            .collect();
        // Whoever writes that section chooses the names.
        keys.retain(|key| !key.starts_with("[secret.fields] "));
        keys.sort();
        keys
    };
    assert_eq!(keys(&all), keys(&text));
}

#[test]
fn the_shipped_file_is_a_good_configuration_once_its_examples_are_real() {
    let desk = Desk::new();
    let text: String = DEFAULTS
        .lines()
        .map(|line| {
            let bare = line.trim_start_matches("# ");
            let example = bare.split_once(" = ").is_some_and(|(key, value)| {
                key.chars().all(|c| c.is_ascii_lowercase() || c == '_') && value.starts_with(['"', '['])
            });
            let unused =
                ["token_file", "role ", "jwt_file", "username", "password_file = \"/run/secrets/vault"];
            let unused = unused.iter().any(|key| bare.starts_with(key));
            let line = if (example && !unused) || bare == "[[override]]" { bare } else { line };
            line.replace("/run/secrets/exceptionless-password", "password")
                .replace("/run/secrets/vault-secret-id", "secret-id")
                + "\n"
        })
        .collect();
    let loaded = desk.good(&text, &[]);
    assert_eq!(loaded.config.policy.overrides.len(), 1);
}
