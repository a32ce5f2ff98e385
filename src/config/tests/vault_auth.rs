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
    (APPROLE, r#"AppRole { mount: "approle", role_id: "role", secret_id: SecretSource(DIR/secret-id) }"#),
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
const KEYS: [&str; 8] = [
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
            let own = lines.lines().any(|line| key(line) == key(foreign));
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
        assert_eq!(loaded.config.vault.auth.credential().to_string(), format!("${variable}"));
        let shown = loaded.effective.to_string();
        assert!(shown.contains("[redacted]") && !shown.contains("a secret"), "{shown}");
    }
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
