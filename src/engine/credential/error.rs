//! Why the password was not changed, and what to do.

use chrono::{DateTime, Utc};

use super::keeper::{Absent, MAX_OLDER};
use crate::domain::clocks::time_text;
use crate::domain::field::SecretField;
use crate::exceptionless::ExceptionlessError;
use crate::vault::VaultError;

/// Why the password was not changed. What was begun is found again.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Vault did not let us.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Exceptionless did not let us.
    #[error(transparent)]
    Exceptionless(#[from] ExceptionlessError),
    /// The secret lacks what it needs.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// HTTP Basic cannot carry it, and so cannot tell whether it works.
    #[error(
        "the present password in Vault's {field} cannot be changed by the rotator, because it has a colon, with which HTTP \
         Basic cannot say whether it is right; change it once by hand to one without"
    )]
    Colon {
        /// Where it is kept.
        field: SecretField,
    },
    /// No password in the secret works.
    #[error(
        "Exceptionless accepts no password of {email} that Vault's {field} holds, nor one of the {older} versions before: \
         somebody else has changed it, or the account is inactive; a still older version may hold it (vault kv get \
         -mount={mount} -version=N {path}, with N below {version}); put the right one there (vault kv patch -mount={mount} \
         {path} {name}=-), or have it reset by e-mail at Exceptionless first",
        mount = .field.mount, path = .field.path, name = .field.name, older = MAX_OLDER
    )]
    Lost {
        /// Whose password it is.
        email: String,
        /// Where it is kept.
        field: SecretField,
        /// The latest version.
        version: u64,
    },
    /// The server does not take the new password, and the present one is right.
    #[error(
        "Exceptionless refused to change the password of {email} (status {status}); the present one stays in force; does the \
         account have a local password?"
    )]
    Refused {
        /// Whose password it is.
        email: String,
        /// How it said so.
        status: u16,
    },
    /// The server says that it took the new password, and accepts the present one.
    #[error(
        "Exceptionless took a new password of {email} more than once, and accepts only the present one all the same; is it \
         kept elsewhere, such as in Active Directory?"
    )]
    Untaken {
        /// Whose password it is.
        email: String,
    },
    /// Something says yes to every password.
    #[error(
        "cannot find out which password of {email} is right: GET /api/v2/users/me accepted one that was just made up; look \
         for a proxy between here and Exceptionless that answers from a cache; nothing was changed in Vault"
    )]
    Gullible {
        /// Whose password it is.
        email: String,
    },
    /// A time by these clocks would be worth nothing.
    #[error(
        "the clocks of this machine, Exceptionless and Vault differ by more than a day, so no change of the password is begun; \
         set the one that is wrong (check says which)"
    )]
    Clocks,
    /// Vault would delete the new password by itself.
    #[error(
        "Vault deletes this version of {field} by itself at {at}, and would delete the new password likewise; set \
         delete_version_after to 0s (vault kv metadata put -mount={mount} -delete-version-after=0s {path}, and in the mount's \
         config), then write the secret once more (vault kv patch -mount={mount} {path} {name}=-)",
        mount = .field.mount, path = .field.path, name = .field.name, at = time_text(*.at)
    )]
    Ending {
        /// Where it is kept.
        field: SecretField,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody else changes it.
    #[error(
        "somebody else wrote Vault's {field} meanwhile, and may be changing the password; look again in a moment"
    )]
    Rival {
        /// Where it is kept.
        field: SecretField,
    },
    /// A mistake in this program.
    #[error(
        "an error in the rotator itself kept the password from being changed; the log says where (process.panicked): please \
         report it; the next change goes on"
    )]
    Panicked,
    /// The process is to end, or works no longer.
    #[error("the change of the password was interrupted; the next one goes on")]
    Interrupted,
}
