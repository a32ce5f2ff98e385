//! From what the operator wrote to what the rotator may rely on.
//!
//! Three sources, later wins: the built-in defaults, the file, the environment; `VAULT_ADDR` and its
//! siblings speak only where the file is silent. Everything is read and checked here, once, and every
//! problem is reported at once, each with its key and where it came from: an operator should not have to
//! start the rotator five times to learn of five mistakes.
//!
//! No secret stands in the file. It comes from a `*_file`, which is read anew whenever it is needed so
//! that it may itself be rotated, or from the environment.
//!
//! The way: `sources` lays the sources over each other, `reader` reads the sections from the result
//! and collects what is wrong, and one file per group of sections (`servers`, `projects`, `daemon`)
//! knows the keys. `config/default.toml` documents them, and is the built-in defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use crate::domain::field::SecretField;
use crate::domain::path::SecretPath;
use crate::domain::policy::Policy;
use crate::domain::schedule::Schedule;

pub use credential_source::CredentialSource;
pub use effective::Effective;
pub use error::{ConfigError, Problem};
pub use proxy::Proxy;
pub use restart::NeedsRestart;
pub use secret_fields::SecretRules;
pub use secret_source::{SecretSource, SecretUnreadable, one_line};
pub use sources::DEFAULT_FILE;
pub use vault_tls::ClientCertificate;

mod bounds;
mod credential_source;
mod daemon;
mod effective;
mod error;
mod exceptionless;
mod projects;
mod proxy;
mod reader;
mod restart;
mod secret_fields;
mod secret_source;
mod secrets;
mod server;
mod sources;
mod syntax;
mod unwise;
mod value;
mod vault;
mod vault_address;
mod vault_auth;
mod vault_tls;

/// A configuration that was found good.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the rotator may rely on.
    pub config: Config,
    /// What is legal and probably not meant, a sentence each.
    pub warnings: Vec<String>,
    /// Every key, its value and its origin, for people.
    pub effective: Effective,
}

/// The checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach Exceptionless.
    pub exceptionless: Exceptionless,
    /// How to reach Vault.
    pub vault: Vault,
    /// What to do with the projects.
    pub policy: Policy,
    /// How the daemon paces itself.
    pub pace: Pace,
    /// How replicas agree which of them works; `None` when there is one rotator only.
    pub ha: Option<Ha>,
    /// Where the daemon shows what it does, if anywhere.
    pub admin: Option<SocketAddr>,
    /// How to log.
    pub log: Log,
}

impl Config {
    /// Reads and checks the configuration.
    ///
    /// Without `file`, [`DEFAULT_FILE`] is read if it exists. The environment is handed in whole; besides
    /// `ROTATOR__` variables, the ones of the vault CLI (`VAULT_ADDR`, `VAULT_TOKEN` and their siblings) and
    /// `CREDENTIALS_DIRECTORY` are looked at. A relative name of a secret file is looked up in
    /// `$CREDENTIALS_DIRECTORY`, and if it is not there, in the folder of the configuration file. `now`
    /// only serves to find out whether a schedule ever comes, and how often.
    ///
    /// # Errors
    ///
    /// One error with every problem at once: a file that cannot be read or parsed; unknown, missing,
    /// ill-typed and contradictory keys; values out of their range; secrets that cannot be read. No secret
    /// is in it, wherever it may stand. While the file cannot be read, nothing is said about what is
    /// missing.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        now: DateTime<Utc>,
    ) -> Result<Loaded, ConfigError> {
        let mut report = reader::Report::default();
        let sources = sources::Sources::gather(file, environment, &mut report.problems);
        let exceptionless = exceptionless::section(&sources, &mut report, now);
        let (vault, paths) = vault::section(&sources, &mut report);
        let selection = projects::selection(&sources, &mut report);
        let template = paths.as_ref().map(|paths| paths.template.clone());
        let rotation = projects::rotation(&sources, &mut report, template, now);
        let templates = rotation.as_ref().map(projects::Rotation::templates).unwrap_or_default();
        let ha = daemon::ha(&sources, &mut report, &templates);
        let admin = daemon::admin(&sources, &mut report);
        let log = daemon::log(&sources, &mut report);
        if let (Some(exceptionless), Some(vault)) = (&exceptionless, &vault) {
            let ha = ha.as_ref().and_then(Option::as_ref);
            exceptionless::keep_apart(&exceptionless.auth, vault, &templates, ha, &mut report);
        }
        report.close();

        let build = || {
            let (exceptionless, vault, paths, rotation) = (exceptionless?, vault?, paths?, rotation?);
            let zone = rotation.rule.schedule.zone();
            let password_schedule = exceptionless.password_schedule.map(|schedule| schedule.in_zone(zone));
            let exceptionless = Exceptionless { password_schedule, ..exceptionless };
            let policy = Policy {
                instance: rotation.instance,
                server_url: exceptionless.url.as_str().trim_end_matches('/').to_owned(),
                selection: selection?,
                rule: rotation.rule,
                overrides: rotation.overrides,
                shape: Arc::clone(&vault.secret.shape),
                adopt_paths: paths.adopt,
                on_vanished: rotation.on_vanished,
                publication_limit: vault.timeout,
            };
            Some(Self {
                exceptionless,
                vault,
                policy,
                pace: rotation.pace,
                ha: ha?,
                admin: admin?,
                log: log?,
            })
        };
        match build() {
            Some(config) if report.problems.is_empty() => Ok(Loaded {
                warnings: sources.ignored().chain(unwise::warnings(&config, now)).collect(),
                effective: Effective::new(report.sections),
                config,
            }),
            _ => Err(ConfigError { problems: sources.no_file().chain(report.problems).collect() }),
        }
    }
}

/// Where the daemon of a configuration answers; `None` if nowhere.
///
/// Only this is read, because who asks whether a daemon is well must not be kept from it by a mistake elsewhere, which
/// the running daemon has refused, or by a secret that only the daemon may read.
///
/// # Errors
///
/// The file cannot be read, or `admin.listen` is no address.
pub fn admin(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Option<SocketAddr>, ConfigError> {
    let (mut report, mut problems) = (reader::Report::default(), Vec::new());
    let sources = sources::Sources::gather(file, environment, &mut problems);
    match daemon::admin(&sources, &mut report) {
        Some(listen) if !sources.incomplete => Ok(listen),
        _ => Err(ConfigError { problems: problems.into_iter().chain(report.problems).collect() }),
    }
}

/// `[exceptionless]`
#[derive(Debug, Clone)]
pub struct Exceptionless {
    /// The server, without `/api/v2` and without a slash at its end.
    pub url: Url,
    /// The proxy in between, if any.
    pub proxy: Option<Proxy>,
    /// Who we are there.
    pub auth: ExceptionlessAuth,
    /// When the user's password is changed, if the rotator does that by itself.
    pub password_schedule: Option<Schedule>,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// The share of the request budget that is left to people, from 0 to below 1.
    pub rate_reserve: f64,
    /// The server's throttle window, aligned to UTC.
    pub rate_window: Duration,
}

/// The user whose projects are rotated. No API key can do it: see the variants' credentials.
#[derive(Debug, Clone)]
pub enum ExceptionlessAuth {
    /// E-mail and password are exchanged for a login token.
    Login {
        /// The user's e-mail address.
        email: String,
        /// The user's password.
        password: CredentialSource,
    },
    /// E-mail and password are sent with each request.
    Basic {
        /// The user's e-mail address.
        email: String,
        /// The user's password, without a colon.
        password: CredentialSource,
    },
    /// A login token that somebody else obtained.
    Token {
        /// The login token.
        token: CredentialSource,
    },
}

impl ExceptionlessAuth {
    /// Where in Vault the credential is kept, if it is.
    pub fn kept_in_vault(&self) -> Option<&SecretField> {
        let (Self::Login { password: source, .. }
        | Self::Basic { password: source, .. }
        | Self::Token { token: source }) = self;
        match source {
            CredentialSource::Vault(field) => Some(field),
            CredentialSource::Here(_) => None,
        }
    }
}

/// `[vault]`
#[derive(Debug, Clone)]
pub struct Vault {
    /// The server: scheme, host and port, no path.
    pub address: Url,
    /// The socket of this machine that leads there, and not the network.
    pub socket: Option<PathBuf>,
    /// The proxy in between, if any.
    pub proxy: Option<Proxy>,
    /// The namespace, if any.
    pub namespace: Option<String>,
    /// The mount of the KV v2 engine, without slashes at its ends.
    pub mount: String,
    /// How our fields stand in a secret.
    pub write: Write,
    /// What a secret looks like, and how Vault shall keep it.
    pub secret: SecretRules,
    /// A PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who we are in the handshake, for a server that wants to know it then.
    pub client_certificate: Option<ClientCertificate>,
    /// The name in the server's certificate, if it is another than that in the address.
    pub tls_server_name: Option<String>,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// Who we are there.
    pub auth: VaultAuth,
}

/// How our fields stand in a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The secret is ours alone.
    Replace,
    /// Our fields, each with this prefix, stand beside those of other owners.
    Merge {
        /// The prefix, not empty.
        prefix: String,
    },
}

/// `[vault.auth]`
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// A token that somebody else obtained, and may replace in its file.
    Token {
        /// The token.
        token: SecretSource,
    },
    /// Role id and secret id.
    AppRole {
        /// Where the method is mounted, such as `approle`.
        mount: String,
        /// The role id.
        role_id: String,
        /// The secret id, or the token that it is wrapped in.
        secret_id: SecretSource,
        /// Whether it is wrapped.
        wrapped: bool,
    },
    /// The token of a pod's service account.
    Kubernetes {
        /// Where the method is mounted, such as `kubernetes`.
        mount: String,
        /// The role at Vault, which names the service accounts that may take it.
        role: String,
        /// The service account's token, which the cluster replaces before it ends.
        jwt: SecretSource,
    },
    /// A token that an issuer has signed whom Vault trusts.
    Jwt {
        /// Where the method is mounted, such as `jwt`.
        mount: String,
        /// The role at Vault, which says what must be in the token.
        role: String,
        /// The token, which its issuer replaces before it ends.
        jwt: SecretSource,
    },
    /// A user of Vault's own.
    UserPass {
        /// Where the method is mounted, such as `userpass`.
        mount: String,
        /// The user.
        username: String,
        /// The user's password.
        password: SecretSource,
    },
    /// The client certificate of the connection.
    Cert {
        /// Where the method is mounted, such as `cert`.
        mount: String,
        /// The role at Vault; without one, whichever knows the certificate.
        role: Option<String>,
    },
}

/// How the daemon paces itself.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The longest time between two passes.
    pub reconcile_every: Duration,
    /// How many projects are worked on at the same time.
    pub concurrency: usize,
}

/// `[ha]`, when it is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ha {
    /// Where the lease lies in the KV mount.
    pub lease_path: SecretPath,
    /// How long it lasts.
    pub lease_ttl: Duration,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The filter: a level, or directives such as `info,exceptionless_rotator=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// The journal's own fields.
    Journald,
}

#[cfg(test)]
mod tests;
