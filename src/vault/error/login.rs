//! Why Vault does not let us in. Vault says little, lest it help a stranger, so each method names all that may be wrong.

use crate::vault::attempt::Said;

/// A credential that Vault does not accept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginRefused {
    /// A role id with its secret id.
    #[error(
        "Vault refuses the login at auth/{mount}: {said}; check vault.auth.mount, vault.auth.role_id, vault.namespace, and that the secret id in {place} is not expired or used up{}",
        if *.wrapping { "; what stands there looks like a wrapping token, which needs vault.auth.secret_id_wrapped = true" } else { "" }
    )]
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// Where the secret id comes from.
        place: String,
        /// Whether a token stands in its place.
        wrapping: bool,
        /// Vault's own words.
        said: Said,
    },
    /// A secret id that was wrapped.
    #[error(
        "Vault refuses the login at auth/{mount} with the secret id that was wrapped in {place}: {said}; it is expired or used up, or not of the role in vault.auth.role_id; put a new wrapping token there: {}",
        wrap(mount)
    )]
    Unwrapped {
        /// Where the method is mounted.
        mount: String,
        /// Where the wrapping token comes from.
        place: String,
        /// Vault's own words.
        said: Said,
    },
    /// A wrapping token that is not valid any more.
    #[error(
        "the wrapping token in {place} was unwrapped before, or has expired, or is no wrapping token at all; unless an earlier run of this rotator has used it up, somebody else may hold the secret id: treat that as a compromise, destroy the secret ids of the role (vault list auth/{mount}/role/NAME/secret-id) and look into Vault's audit log; then put a new wrapping token there: {}",
        wrap(mount)
    )]
    Spent {
        /// Where the method is mounted.
        mount: String,
        /// Where the wrapping token comes from.
        place: String,
    },
    /// A secret id that nobody has wrapped.
    #[error(
        "what stands in {place} is no wrapping token, but looks like a plain secret id; remove vault.auth.secret_id_wrapped, or put a wrapping token there: {}",
        wrap(mount)
    )]
    Plain {
        /// Where the method is mounted.
        mount: String,
        /// Where the wrapping token should come from.
        place: String,
    },
    /// A wrapping token that we have used up in vain.
    #[error(
        "the wrapping token in {place} is used up, and the answer with the secret id was lost on its way here; put a new one there: {}",
        wrap(mount)
    )]
    UnwrappedUnheard {
        /// Where the method is mounted.
        mount: String,
        /// Where the wrapping token comes from.
        place: String,
    },
    /// A wrapping token of something else.
    #[error(
        "the wrapping token in {place} comes from {path} and not from a role's secret-id endpoint below auth/{mount}, so it was left alone; who has stolen a secret id can wrap it again like that: unless vault.auth.mount is wrong, treat it as a compromise and destroy the secret ids of the role; then put a new wrapping token there: {}",
        wrap(mount)
    )]
    WrappedElsewhere {
        /// Where the method is mounted.
        mount: String,
        /// Where the wrapping token comes from.
        place: String,
        /// Which endpoint made it.
        path: String,
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
    /// The client certificate of the connection.
    #[error(
        "Vault refuses the login at auth/{mount} with the client certificate: {said}; check vault.auth.mount, vault.auth.role and vault.namespace, that vault.address begins with https and nothing before Vault ends TLS, and that a role below auth/{mount}/certs knows the certificate in vault.client_cert_file or its authority"
    )]
    Cert {
        /// Where the method is mounted.
        mount: String,
        /// Vault's own words.
        said: Said,
    },
}

/// How to make what is missing.
fn wrap(mount: &str) -> String {
    format!("vault write -wrap-ttl=10m -f -field=wrapping_token auth/{mount}/role/NAME/secret-id")
}

impl LoginRefused {
    /// Whether Vault counts it, and locks the account after a few. It does so where a secret could be guessed.
    pub(in crate::vault) fn may_lock(&self) -> bool {
        matches!(self, Self::AppRole { .. } | Self::Unwrapped { .. } | Self::UserPass { .. })
    }
}
