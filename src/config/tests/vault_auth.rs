//! What each way to log in to Vault needs, and that nothing else may stand beside it.

use super::*;

const APPROLE: &str = "method = \"approle\"\nrole_id = \"role\"\nsecret_id_file = \"secret-id\"";

/// A configuration with this section.
fn with(lines: &str) -> String {
    GOOD.replace(APPROLE, lines)
}

/// The methods, each with no more than it needs, and what the configuration makes of it.
const METHODS: [(&str, &str); 5] = [
    (
        r#"method = "token"
token_file = "token""#,
        "Token { token: SecretSource(DIR/token) }",
    ),
    (
        APPROLE,
        r#"AppRole { mount: "approle", role_id: "role", secret_id: SecretSource(DIR/secret-id), wrapped: false }"#,
    ),
    (
        r#"method = "kubernetes"
role = "rotator"
jwt_file = "token""#,
        r#"Kubernetes { mount: "kubernetes", role: "rotator", jwt: SecretSource(DIR/token) }"#,
    ),
    (
        r#"method = "jwt"
role = "rotator"
jwt_file = "token""#,
        r#"Jwt { mount: "jwt", role: "rotator", jwt: SecretSource(DIR/token) }"#,
    ),
    (
        r#"method = "userpass"
username = "rotator"
password_file = "password""#,
        r#"UserPass { mount: "userpass", username: "rotator", password: SecretSource(DIR/password) }"#,
    ),
];

/// Every key that some method has, with a value that would be good there.
const KEYS: [&str; 9] = [
    "secret_id_wrapped = true",
    "mount = \"somewhere\"",
    "role_id = \"role\"",
    "secret_id_file = \"secret-id\"",
    "role = \"rotator\"",
    "jwt_file = \"token\"",
    "username = \"rotator\"",
    "password_file = \"password\"",
    "token_file = \"token\"",
];

fn key(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[test]
fn each_method_is_content_with_what_it_needs() {
    let desk = Desk::new();
    for (lines, meant) in METHODS {
        let auth = format!("{:?}", desk.good(&with(lines), &[]).config.vault.auth);
        assert_eq!(auth.replace(&desk.folder.path().display().to_string(), "DIR"), meant);
    }
}

#[test]
fn what_a_method_needs_is_missed_and_said_with_where_to_write_it() {
    let desk = Desk::new();
    for (lines, _) in METHODS {
        let method = lines.lines().next().expect("the method");
        for needed in lines.lines().skip(1) {
            let rest: Vec<_> = lines.lines().filter(|line| *line != needed).collect();
            let problems = desk.problems(&with(&rest.join("\n")), &[]);
            let [problem] = problems.as_slice() else { panic!("{needed}: {problems:#?}") };
            assert_eq!(problem.key, format!("vault.auth.{}", key(needed)));
            let said = problem.to_string();
            // With kubernetes there is a place where every pod finds it.
            let remedy = if said.contains("/var/run/secrets") { "does not exist" } else { "needs it; write" };
            assert!(said.contains(remedy), "{said}");
            assert!(said.contains(method) || remedy == "does not exist", "{said}");
        }
    }
}

#[test]
fn a_key_of_another_method_is_refused() {
    let desk = Desk::new();
    let mut refused = 0;
    for (lines, _) in METHODS {
        let method = lines.lines().next().expect("the method");
        for foreign in KEYS {
            let own = lines.lines().any(|line| key(line) == key(foreign))
                || (key(foreign) == "secret_id_wrapped" && lines == APPROLE);
            if own || (key(foreign) == "mount" && !lines.contains("token_file")) {
                continue;
            }
            let problems = desk.problems(&with(&format!("{lines}\n{foreign}")), &[]);
            let [problem] = problems.as_slice() else { panic!("{method}, {foreign}: {problems:#?}") };
            assert_eq!(problem.key, format!("vault.auth.{}", key(foreign)));
            assert!(problem.to_string().contains(&format!("has no use with {method}")), "{problem}");
            refused += 1;
        }
    }
    assert!(refused >= 25, "{refused}");
}

#[test]
fn every_secret_may_come_by_a_variable() {
    let desk = Desk::new();
    for (lines, _) in METHODS {
        let file = lines.lines().last().expect("the secret");
        let variable =
            format!("ROTATOR__VAULT__AUTH__{}", key(file).trim_end_matches("_file").to_uppercase());
        let toml = with(&lines.replace(file, ""));
        let loaded = desk.good(&toml, &[(variable.as_str(), "a secret")]);
        assert_eq!(
            loaded.config.vault.auth.credential().expect("a secret").to_string(),
            format!("${variable}")
        );
        let shown = loaded.effective.to_string();
        assert!(shown.contains("[redacted]") && !shown.contains("a secret"), "{shown}");
    }
}

#[test]
fn a_wrapped_secret_id_is_said_to_be_one() {
    let desk = Desk::new();
    let wrapped = |lines: &str, environment: &[(&str, &str)]| {
        let auth = desk.good(&with(lines), environment).config.vault.auth;
        matches!(auth, VaultAuth::AppRole { wrapped: true, .. })
    };
    assert!(wrapped(&format!("{APPROLE}\nsecret_id_wrapped = true"), &[]));
    assert!(wrapped(APPROLE, &[("ROTATOR__VAULT__AUTH__SECRET_ID_WRAPPED", "true")]));
    assert!(!wrapped(&format!("{APPROLE}\nsecret_id_wrapped = false"), &[]));
    let problems = desk.problems(&with(&format!("{APPROLE}\nsecret_id_wrapped = \"yes\"")), &[]);
    assert_eq!(problems[0].key, "vault.auth.secret_id_wrapped");
}

#[test]
fn a_certificate_needs_its_files_and_nothing_else() {
    let desk = Desk::new();
    let problems = desk.problems(&with("method = \"cert\""), &[]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(problem.key, "vault.auth.method");
    let said = problem.to_string();
    assert!(said.contains("vault.client_cert_file and vault.client_key_file"), "{said}");

    desk.write("client.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n");
    let files = "client_cert_file = \"client.pem\"\nclient_key_file = \"client.pem\"\n[vault.auth]";
    let auth = |lines: &str| {
        let toml = with(lines).replace("[vault.auth]", files);
        format!("{:?}", desk.good(&toml, &[]).config.vault.auth)
    };
    assert_eq!(auth("method = \"cert\""), "Cert { mount: \"cert\", role: None }");
    let named = "method = \"cert\"\nmount = \"pki/clients\"\nrole = \"rotator\"";
    assert_eq!(auth(named), "Cert { mount: \"pki/clients\", role: Some(\"rotator\") }");
    let toml = with("method = \"cert\"\npassword_file = \"password\"").replace("[vault.auth]", files);
    assert!(desk.problems(&toml, &[])[0].to_string().contains("has no use with method = \"cert\""));
}

#[test]
fn a_name_that_would_lead_elsewhere_is_refused() {
    let desk = Desk::new();
    for (lines, _) in METHODS {
        for wrong in ["a/b", "a b", "..", ""] {
            let toml = with(&lines.replace("\"rotator\"", &format!("{wrong:?}")));
            if lines.contains("\"rotator\"") {
                let problems = desk.problems(&toml, &[]);
                assert!(
                    problems.iter().any(|problem| problem.key.starts_with("vault.auth.")),
                    "{problems:#?}"
                );
            }
        }
    }
}
