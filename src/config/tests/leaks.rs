//! No message contains a secret, wherever an operator may have put it.

use super::*;

const MARKER: &str = "hunter2MARKER";

fn assert_silent(result: Result<Loaded, ConfigError>, row: &str) {
    let error = match result {
        Ok(loaded) => panic!("{row}: accepted as {:?}", loaded.config),
        Err(error) => error,
    };
    let said = format!("{error}\n{error:?}\n{error:#?}");
    assert!(!said.contains(MARKER), "{row}: {said}");
}

#[test]
fn a_secret_in_the_wrong_place_of_the_file_is_not_repeated() {
    let desk = Desk::new();
    let lines = [
        ("exceptionless", format!("password = \"{MARKER}\"")),
        ("exceptionless", format!("password = [\"{MARKER}\"]")),
        ("exceptionless", format!("password = {{ value = \"{MARKER}\" }}")),
        ("exceptionless", format!("passwort = \"{MARKER}\"")),
        ("exceptionless", format!("password_file = \"{MARKER}\"")),
        ("exceptionless", format!("password_file = \"/{MARKER}\"")),
        ("exceptionless", format!("password_file = \"/{MARKER}/{MARKER}\"")),
        ("exceptionless", format!("password_file = \"{MARKER}/{MARKER}\"")),
        ("exceptionless", format!("password_file = [\"{MARKER}\"]")),
        ("exceptionless", format!("token = \"{MARKER}\"")),
        ("exceptionless", format!("auth = \"{MARKER}\"")),
        ("exceptionless", format!("email = [\"{MARKER}\"]")),
        ("exceptionless", format!("timeout = \"{MARKER}\"")),
        ("exceptionless", format!("url = \"https://rotator:{MARKER}@a.example\"")),
        ("exceptionless", format!("url = \"https://{MARKER}@a.example\"")),
        ("exceptionless", format!("url = \"https://rotator:{MARKER}@a.example:port\"")),
        ("exceptionless", format!("url = \"https://rotator:{MARKER}@\"")),
        ("exceptionless", format!("url = \"https://a.example/?access_token={MARKER}\"")),
        ("vault", format!("address = \"https://root:{MARKER}@a.example\"")),
        ("vault", format!("token = \"{MARKER}\"")),
        ("vault.auth", format!("method = \"{MARKER}\"")),
        ("vault.auth", format!("secret_id = \"{MARKER}\"")),
        ("vault.auth", format!("token = \"{MARKER}\"")),
        ("vault.auth", format!("secret_id_file = \"{MARKER}\"")),
        ("vault.auth", format!("jwt = \"{MARKER}\"")),
        ("vault.auth", format!("jwt_file = \"{MARKER}\"")),
        ("vault.auth", format!("password = \"{MARKER}\"")),
        ("vault.auth", format!("password_file = \"{MARKER}\"")),
        ("projects", format!("include = [[\"{MARKER}\"]]")),
        ("log", format!("level = \"{MARKER}=={MARKER}\"")),
    ];
    for (section, line) in &lines {
        assert_silent(desk.load(&desk.with(section, line), &[]), line);
    }
}

#[test]
fn a_secret_in_a_line_that_cannot_be_parsed_is_not_repeated() {
    let desk = Desk::new();
    let rows = [
        ("a.toml", format!("[exceptionless]\npassword = {MARKER}\n")),
        ("b.toml", format!("[exceptionless]\npassword = \"{MARKER}\n")),
        ("c.toml", format!("[exceptionless]\npassword: {MARKER}\n")),
        ("d.toml", format!("[exceptionless]\npassword.{MARKER} = 1\npassword = \"{MARKER}\"\n")),
        ("e.toml", format!("{MARKER}\n")),
        ("a.json", format!("{{\"password\": {MARKER}}}")),
        ("b.json", format!("{{\"password\": \"{MARKER}}}")),
        ("c.json", format!("\"{MARKER}\"")),
        ("a.yaml", format!("password: \"{MARKER}\n")),
        ("b.yaml", format!("password: *{MARKER}\n")),
        ("c.yaml", format!("{MARKER}: 1\n{MARKER}: 2\n")),
        ("d.yaml", format!("? [{MARKER}]\n: 1\n")),
        ("e.yaml", format!("{MARKER}\n")),
        ("f.yaml", format!("password: !{MARKER}! x\n---\n{MARKER}\n")),
    ];
    for (name, text) in rows {
        assert_silent(load(&desk.write(name, &text), &[]), name);
    }
}

#[test]
fn a_secret_in_a_variable_is_not_repeated() {
    let desk = Desk::new();
    let two_lines = format!("{MARKER}\n{MARKER}");
    let names = [
        "ROTATOR__EXCEPTIONLESS__PASSWORD",
        "ROTATOR__EXCEPTIONLESS__PASSWORT",
        "ROTATOR__EXCEPTIONLESS__PASSWORD__",
        "ROTATOR__EXCEPTIONLESS__PASSWORD_FILE",
        "ROTATOR__VAULT__AUTH__SECRET_ID",
        "ROTATOR__VAULT__AUTH",
        "ROTATOR__VAULT__TOKEN",
        "ROTATOR__PASSWORD",
    ];
    for name in names {
        assert_silent(desk.load(GOOD, &[(name, &two_lines)]), name);
    }
}

#[test]
fn what_was_loaded_prints_no_secret() {
    let desk = Desk::new();
    let toml = GOOD.replace("method = \"approle\"\nrole_id = \"role\"\nsecret_id_file = \"secret-id\"", "");
    let loaded = desk.good(&toml, &[("ROTATOR__EXCEPTIONLESS__PASSWORD", MARKER), ("VAULT_TOKEN", MARKER)]);
    let said = format!("{loaded:?}\n{}", loaded.effective);
    assert!(!said.contains(MARKER), "{said}");
    assert!(said.contains("ROTATOR__EXCEPTIONLESS__PASSWORD"), "{said}");
}

#[test]
fn a_name_is_told_from_a_secret_by_the_folder_where_it_begins() {
    let (desk, other) = (Desk::new(), TempDir::new().expect("a folder"));
    let missing = other.path().join("run/secrets").display().to_string();
    let (there, beside) = (other.path().display(), desk.folder.path().display());
    for (name, said) in [
        (format!("{missing}/x"), format!("the folder {there}/run does not exist")),
        (format!("{there}/x"), format!("the file {there}/x does not exist")),
        ("/no-such-folder/x".to_owned(), "no file of that name exists (the name is not repeated".to_owned()),
        ("no-such-folder/x".to_owned(), format!("no file of that name is in {beside} (the name")),
    ] {
        let toml = desk.with("exceptionless", &format!("password_file = \"{name}\""));
        let error = desk.load(&toml, &[]).expect_err("no such file").to_string();
        assert!(error.contains(&said), "{name}: {error}");
    }
}
