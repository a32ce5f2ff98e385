//! What errors speak of: the attempt, and what Vault said to it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What was attempted: an operation and the API path it was for. It prints as
/// `read secret/data/exceptionless/42`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    operation: Operation,
    path: String,
}

/// The operations on Vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Publish,
    Merge,
    Mark,
    Withdraw,
    ReadLease,
    HoldLease,
    MarkLease,
    ReadCredential,
    StoreCredential,
    List,
    LogIn,
    LookUpWrapping,
    Unwrap,
    Renew,
    LogOut,
    LookUp,
    InspectMount,
    AskCapabilities,
    AskHealth,
}

impl Operation {
    /// Whether it changes a secret, so that an answer that does not come leaves a doubt.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Self::Publish
                | Self::Merge
                | Self::Mark
                | Self::Withdraw
                | Self::HoldLease
                | Self::MarkLease
                | Self::StoreCredential
        )
    }

    /// Whether it keeps the process in office and logged in, whatever its pass does, and so tells nothing of the pass.
    pub(super) fn is_upkeep(self) -> bool {
        matches!(
            self,
            Self::ReadLease
                | Self::HoldLease
                | Self::MarkLease
                | Self::LogIn
                | Self::LookUpWrapping
                | Self::Unwrap
                | Self::Renew
                | Self::LogOut
                | Self::LookUp
        )
    }

    /// Whether it can be sent again without a thought. A login may use up a secret id, unwrapping uses up the token, and
    /// whoever logs out is in a hurry.
    pub(super) fn is_repeatable(self) -> bool {
        !self.writes() && !matches!(self, Self::LogIn | Self::LogOut | Self::Unwrap)
    }

    /// The stable word for logs and tests.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Merge => "merge",
            Self::Mark => "mark",
            Self::Withdraw => "withdraw",
            Self::ReadLease => "read_lease",
            Self::HoldLease => "hold_lease",
            Self::MarkLease => "mark_lease",
            Self::ReadCredential => "read_credential",
            Self::StoreCredential => "store_credential",
            Self::List => "list",
            Self::LogIn => "log_in",
            Self::LookUpWrapping => "look_up_wrapping",
            Self::Unwrap => "unwrap",
            Self::Renew => "renew",
            Self::LogOut => "log_out",
            Self::LookUp => "look_up",
            Self::InspectMount => "inspect_mount",
            Self::AskCapabilities => "ask_capabilities",
            Self::AskHealth => "ask_health",
        }
    }

    /// Whether the body has what nobody else shall read.
    pub(super) fn is_confidential(self) -> bool {
        match self {
            Self::Publish | Self::Merge | Self::StoreCredential | Self::LogIn | Self::LookUpWrapping => true,
            Self::Read
            | Self::ReadLease
            | Self::ReadCredential
            | Self::HoldLease
            | Self::Mark
            | Self::MarkLease
            | Self::Withdraw
            | Self::List
            | Self::Unwrap
            | Self::Renew
            | Self::LogOut
            | Self::LookUp
            | Self::InspectMount
            | Self::AskCapabilities
            | Self::AskHealth => false,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Read | Self::ReadLease | Self::ReadCredential => "read",
            Self::Publish | Self::Merge | Self::HoldLease | Self::StoreCredential => "write",
            Self::Mark | Self::MarkLease => "mark",
            Self::Withdraw => "delete",
            Self::List => "list",
            Self::LogIn => "log in at",
            Self::LookUpWrapping => "look up the wrapping token at",
            Self::Unwrap => "unwrap the secret id at",
            Self::Renew => "renew the token at",
            Self::LogOut => "revoke the token at",
            Self::LookUp => "look up the token at",
            Self::InspectMount | Self::AskCapabilities | Self::AskHealth => "ask",
        }
    }

    fn capabilities(self) -> &'static str {
        match self {
            // All that its passes need there: a policy's rule for one path hides what a wider one grants.
            Self::Read | Self::Publish | Self::ReadLease | Self::HoldLease => r#""create", "read", "update""#,
            Self::Merge => r#""create", "patch", "read", "update""#,
            Self::StoreCredential => r#""read", "patch""#,
            Self::ReadCredential | Self::LookUp | Self::InspectMount | Self::AskHealth => r#""read""#,
            Self::Mark | Self::MarkLease => r#""patch""#,
            Self::List => r#""list""#,
            Self::Withdraw
            | Self::LogIn
            | Self::LookUpWrapping
            | Self::Unwrap
            | Self::Renew
            | Self::LogOut
            | Self::AskCapabilities => r#""update""#,
        }
    }
}

impl Attempt {
    pub(super) fn new(operation: Operation, path: String) -> Self {
        Self { operation, path }
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) fn policy_line(&self) -> String {
        format!("path \"{}\" {{ capabilities = [{}] }}", self.path, self.operation.capabilities())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation.verb(), self.path)
    }
}

/// Vault's own `errors` list, made fit for one line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    /// Enough for Vault's longest sentences, too little for a page.
    const LONGEST: usize = 200;

    /// So many letters of a secret do not stand in a text by chance.
    const TELLING: usize = 12;

    /// Without these secrets, should Vault quote them.
    pub(super) fn new(errors: &[String], secrets: &[SecretString]) -> Self {
        let said =
            secrets.iter().fold(errors.join("; "), |said, secret| without(said, secret.expose_secret()));
        Self(Self::in_one_line(&said))
    }

    /// Any text of Vault's that is shown to people.
    pub(super) fn in_one_line(text: &str) -> String {
        let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
        let line = words.collect::<Vec<_>>().join(" ");
        line.chars().take(Self::LONGEST).collect()
    }
}

/// A text without a secret, whole or cut off, as it is or as JSON writes it: what follows its first letters is left out.
fn without(text: String, secret: &str) -> String {
    let escaped = serde_json::to_string(secret).unwrap_or_default();
    let forms =
        [secret, escaped.trim_matches('"')].map(|form| form.chars().take(Said::TELLING).collect::<String>());
    let found =
        forms.iter().filter(|form| !form.is_empty()).filter_map(|form| text.find(form.as_str())).min();
    match found {
        Some(start) => format!("{}[redacted]", &text[..start]),
        None => text,
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(no reason given)" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vault_says_fits_on_one_line() {
        let errors = ["1 error occurred:\n\t* permission\u{1b}[31m denied".to_owned(), "x".repeat(500)];
        let said = Said::new(&errors, &[]).to_string();
        assert!(said.starts_with("1 error occurred: * permission [31m denied; xxx"), "{said}");
        assert_eq!(said.chars().count(), Said::LONGEST);
        assert_eq!(Said::new(&[], &[]).to_string(), "(no reason given)");
    }

    #[test]
    fn a_secret_that_vault_quotes_is_left_out_even_if_its_end_is_cut_off() {
        let (short, long) = ("correct horse".to_owned(), "eyJhbGciOiJFZERTQSJ9.".repeat(20));
        for secret in [short, long, "my\"pass".to_owned(), "two\nlines of it".to_owned()] {
            let secrets = ["another one".into(), SecretString::from(secret.as_str())];
            for quoted in [secret.clone(), serde_json::json!({ "password": secret }).to_string()] {
                let said = Said::new(&[format!("bad token {quoted} in the request")], &secrets).to_string();
                assert!(said.starts_with("bad token ") && said.ends_with("[redacted]"), "{said}");
                assert!(
                    !said.contains("correct") && !said.contains("pass\"") && !said.contains("two"),
                    "{said}"
                );
            }
        }
        let said = Said::new(&["permission denied".to_owned()], &["x y z uvw".into()]);
        assert_eq!(said.to_string(), "permission denied");
    }
}
