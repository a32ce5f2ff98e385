//! Why Vault does not let us in. Vault says little, lest it help a stranger, so each method names all that may be wrong.

use crate::vault::attempt::Said;

/// A credential that Vault does not accept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginRefused {
    /// A role id with its secret id.
    #[error(
        "Vault refuses the login at auth/{mount}: {said}; check vault.auth.mount, vault.auth.role_id, vault.namespace, and that the secret id in {place} is not expired or used up"
    )]
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// Where the secret id comes from.
        place: String,
        /// Vault's own words.
        said: Said,
    },
    /// A pod's service account.
    #[error(
        "Vault refuses the login at auth/{mount} with the role {role}: {said}; check vault.auth.mount, vault.auth.role and vault.namespace, that `vault read auth/{mount}/role/{role}` names this pod's service account, its namespace and the audience of the token in {place}, and that Vault may review tokens in this cluster"
    )]
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role that was asked for.
        role: String,
        /// Where the service account's token comes from.
        place: String,
        /// Vault's own words.
        said: Said,
    },
    /// A signed token of another issuer.
    #[error(
        "Vault refuses the login at auth/{mount} with the role {role}: {said}; check vault.auth.mount, vault.auth.role and vault.namespace, that the token in {place} has not expired, that its issuer is the one in `vault read auth/{mount}/config`, and that `vault read auth/{mount}/role/{role}` names its audience, subject and claims"
    )]
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// The role that was asked for.
        role: String,
        /// Where the token comes from.
        place: String,
        /// Vault's own words.
        said: Said,
    },
    /// A user with a password.
    #[error(
        "Vault refuses the login at auth/{mount} as {username}: {said}; check vault.auth.mount, vault.auth.username, vault.namespace and the password in {place}; after five wrong ones Vault also refuses the right one, for a quarter of an hour"
    )]
    UserPass {
        /// Where the method is mounted.
        mount: String,
        /// The user.
        username: String,
        /// Where the password comes from.
        place: String,
        /// Vault's own words.
        said: Said,
    },
}

impl LoginRefused {
    /// Whether Vault counts it, and locks the account after a few. It does so where a secret could be guessed.
    pub(in crate::vault) fn may_lock(&self) -> bool {
        matches!(self, Self::AppRole { .. } | Self::UserPass { .. })
    }
}
