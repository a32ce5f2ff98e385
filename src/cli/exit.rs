//! How a command ends: a code for programs and a message for people.

use std::error::Error;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::engine::credential::CredentialError;
use crate::engine::{PassError, event};
use crate::exceptionless::{ErrorKind as ExceptionlessKind, ExceptionlessError};
use crate::vault::{Kind as VaultKind, VaultError};

/// The exit codes, which other programs rely on. All but the first two are those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything is as it should be.
    Done,
    /// Some project failed.
    SomeFailed,
    /// The command line is wrong.
    Usage,
    /// A server cannot be reached, or does not answer as it should.
    Unavailable,
    /// A credential is refused, or lacks a right.
    NotPermitted,
    /// The configuration is wrong.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::SomeFailed => 1,
            Exit::Usage => 64,
            Exit::Unavailable => 69,
            Exit::NotPermitted => 77,
            Exit::Configuration => 78,
        })
    }
}

/// A command that could not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Says what went wrong, on standard error.
    pub(super) fn report(self) -> Exit {
        eprintln!("error: {}", self.message);
        self.exit
    }

    fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, event::chain(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Exit::Configuration, &error)
    }
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        let exit = match &error {
            PassError::Exceptionless(cause) => of_exceptionless(cause),
            PassError::Vault(cause) | PassError::VaultLost(cause) => of_vault(cause),
            PassError::Panicked => Exit::SomeFailed,
            PassError::NoneMatches { .. } | PassError::LeftOut { .. } => Exit::Usage,
            PassError::NoProject { .. } | PassError::NoneSelected { .. } => Exit::Configuration,
        };
        Self::of(exit, &error)
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let exit = match &error {
            CredentialError::Exceptionless(cause) => of_exceptionless(cause),
            CredentialError::Vault(cause) => of_vault(cause),
            CredentialError::Absent(_) | CredentialError::Colon { .. } | CredentialError::Ending { .. } => {
                Exit::Configuration
            }
            CredentialError::Gullible { .. } => Exit::Unavailable,
            CredentialError::Lost { .. }
            | CredentialError::Refused { .. }
            | CredentialError::Untaken { .. } => Exit::NotPermitted,
            CredentialError::Rival { .. }
            | CredentialError::Clocks
            | CredentialError::Panicked
            | CredentialError::Interrupted => Exit::SomeFailed,
        };
        Self::of(exit, &error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::of(Exit::SomeFailed, &error)
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::of(of_vault(&error), &error)
    }
}

impl From<ExceptionlessError> for Failure {
    fn from(error: ExceptionlessError) -> Self {
        Self::of(of_exceptionless(&error), &error)
    }
}

/// The code for trouble with Exceptionless.
pub(super) fn of_exceptionless(error: &ExceptionlessError) -> Exit {
    match error.kind() {
        ExceptionlessKind::Unreachable | ExceptionlessKind::Throttled => Exit::Unavailable,
        ExceptionlessKind::NotPermitted => Exit::NotPermitted,
        ExceptionlessKind::Misconfigured => Exit::Configuration,
        ExceptionlessKind::NotFound | ExceptionlessKind::Other => Exit::SomeFailed,
    }
}

/// The code for trouble with Vault.
pub(super) fn of_vault(error: &VaultError) -> Exit {
    match error.kind() {
        VaultKind::Unreachable | VaultKind::Ambiguous => Exit::Unavailable,
        VaultKind::NotPermitted => Exit::NotPermitted,
        VaultKind::Misconfigured => Exit::Configuration,
        VaultKind::Conflict | VaultKind::Other => Exit::SomeFailed,
    }
}
