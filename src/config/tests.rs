//! The configuration as an operator meets it: files and variables in, a checked configuration or a list of
//! complaints out.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

mod certificates;
mod effective;
mod fuzz;
mod leaks;
mod mistakes;
mod sources;
mod unwise;
mod vault_auth;
mod ways;

/// A file that lacks nothing, with its secrets in files beside it.
const GOOD: &str = r#"
[exceptionless]
email = "rotator@example.com"
password_file = "password"

[vault]
address = "https://vault.example.com:8200"

[vault.auth]
method = "approle"
role_id = "role"
secret_id_file = "secret-id"
"#;

/// A folder with secrets, and the configuration files that a test writes into it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: TempDir::new().expect("a folder") };
        desk.write("password", "correct horse\n");
        desk.write("secret-id", "c0ffee\n");
        desk.write("token", "hvs.token\n");
        desk.write("empty", "\n");
        desk.write("colon", "correct:horse\n");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in our folder");
        path
    }

    fn load(&self, toml: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load(&self.write("config.toml", toml), environment)
    }

    fn good(&self, toml: &str, environment: &[(&str, &str)]) -> Loaded {
        match self.load(toml, environment) {
            Ok(loaded) => loaded,
            Err(error) => panic!("{error}"),
        }
    }

    fn problems(&self, toml: &str, environment: &[(&str, &str)]) -> Vec<Problem> {
        self.load(toml, environment).expect_err("a problem").problems
    }

    /// The good file with one line added to, or replaced in, its section.
    fn with(&self, section: &str, line: &str) -> String {
        let key = line.split('=').next().unwrap_or_default().trim();
        let mut here = false;
        let mut text: String = GOOD
            .lines()
            .filter(|old| {
                if old.starts_with('[') {
                    here = *old == format!("[{section}]");
                }
                !(here && old.split('=').next().unwrap_or_default().trim() == key)
            })
            .map(|old| format!("{old}\n"))
            .collect();
        let header = format!("[{section}]\n");
        if !text.contains(&header) {
            text.push_str(&header);
        }
        text.replace(&header, &format!("{header}{line}\n"))
    }
}

fn load(path: &Path, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    Config::load(Some(path), variables(environment), now())
}

fn variables(environment: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}
