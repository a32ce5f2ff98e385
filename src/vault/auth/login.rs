//! What each method sends to log in, and what a refusal of it means.
//!
//! The credential is read for each login and kept no longer: an operator may have replaced a secret id, and a
//! cluster replaces the token of a service account long before it ends.

use rustify::Endpoint;
use secrecy::ExposeSecret;
use vaultrs::api::AuthInfo;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;

use super::{auth_info, read};
use crate::config::SecretSource;
use crate::vault::attempt::{Attempt, Operation, Said};
use crate::vault::error::VaultError;
use crate::vault::transport::Transport;

pub(super) async fn with_approle(
    transport: &Transport,
    mount: &str,
    role_id: &str,
    secret_id: &SecretSource,
) -> Result<AuthInfo, VaultError> {
    let request = LoginWithApproleRequest {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id: read(secret_id)?.expose_secret().to_owned(),
    };
    let refused = |said| VaultError::Login { mount: mount.to_owned(), place: secret_id.to_string(), said };
    log_in(transport, mount, &request, refused).await
}

pub(super) async fn with_kubernetes(
    transport: &Transport,
    mount: &str,
    role: &str,
    jwt: &SecretSource,
) -> Result<AuthInfo, VaultError> {
    let request = LoginWithKubernetesRequest {
        mount: mount.to_owned(),
        role: role.to_owned(),
        jwt: read(jwt)?.expose_secret().to_owned(),
    };
    let refused = |said| VaultError::ServiceAccount {
        mount: mount.to_owned(),
        role: role.to_owned(),
        place: jwt.to_string(),
        said,
    };
    log_in(transport, mount, &request, refused).await
}

async fn log_in(
    transport: &Transport,
    mount: &str,
    request: &impl Endpoint,
    refused: impl FnOnce(Said) -> VaultError,
) -> Result<AuthInfo, VaultError> {
    let attempt = Attempt::new(Operation::LogIn, format!("auth/{mount}/login"));
    let call = transport.prepare(attempt, request)?;
    match transport.send(&call, None, None).await {
        Ok(answer) if !answer.is_not_found() => auth_info(transport, &call.attempt, &answer),
        // A mount that does not exist is a 403 to whoever has no token, and a 404 in some versions.
        Err(VaultError::Rejected { said, .. } | VaultError::Forbidden { said, .. }) => Err(refused(said)),
        Ok(_) | Err(VaultError::NoMount { .. }) => Err(refused(Said::new(&["permission denied".to_owned()]))),
        Err(error) => Err(error),
    }
}
