//! What each method sends to log in, and what a refusal of it means.
//!
//! The credential is read for each login and kept no longer, unless it was wrapped: an operator may have replaced a
//! secret id, and a cluster replaces the token of a service account long before it ends.

use rustify::Endpoint;
use rustify_derive::Endpoint;
use secrecy::{ExposeSecret, SecretString};
use vaultrs::api::AuthInfo;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::auth::userpass::requests::LoginRequest;

use super::{auth_info, read};
use crate::config::SecretSource;
use crate::vault::attempt::{Attempt, Operation, Said};
use crate::vault::error::{LoginRefused, VaultError};
use crate::vault::transport::Transport;

pub(super) async fn with_approle(
    transport: &Transport,
    mount: &str,
    role_id: &str,
    secret: SecretString,
    place: String,
    wrapped: bool,
) -> Result<AuthInfo, VaultError> {
    let request = LoginWithApproleRequest {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id: secret.expose_secret().to_owned(),
    };
    let mount = mount.to_owned();
    let wrapping = ["hvs.", "s.", "b."].iter().any(|start| secret.expose_secret().starts_with(start));
    let refused = |said| match wrapped {
        true => LoginRefused::Unwrapped { mount, place, said },
        false => LoginRefused::AppRole { mount, place, wrapping, said },
    };
    log_in(transport, &request, refused).await
}

pub(super) async fn with_kubernetes(
    transport: &Transport,
    mount: &str,
    role: &str,
    jwt: &SecretSource,
) -> Result<AuthInfo, VaultError> {
    let secret = read(jwt)?;
    let (mount, role, place) = (mount.to_owned(), role.to_owned(), jwt.to_string());
    let request = LoginWithKubernetesRequest {
        mount: mount.clone(),
        role: role.clone(),
        jwt: secret.expose_secret().to_owned(),
    };
    log_in(transport, &request, |said| LoginRefused::Kubernetes { mount, role, place, said }).await
}

pub(super) async fn with_jwt(
    transport: &Transport,
    mount: &str,
    role: &str,
    jwt: &SecretSource,
) -> Result<AuthInfo, VaultError> {
    let secret = read(jwt)?;
    let (mount, role, place) = (mount.to_owned(), role.to_owned(), jwt.to_string());
    let request = JWTLoginRequest {
        mount: mount.clone(),
        role: Some(role.clone()),
        jwt: secret.expose_secret().to_owned(),
    };
    log_in(transport, &request, |said| LoginRefused::Jwt { mount, role, place, said }).await
}

pub(super) async fn with_password(
    transport: &Transport,
    mount: &str,
    username: &str,
    password: &SecretSource,
) -> Result<AuthInfo, VaultError> {
    let secret = read(password)?;
    let (mount, username, place) = (mount.to_owned(), username.to_owned(), password.to_string());
    let request = LoginRequest {
        mount: mount.clone(),
        username: username.clone(),
        password: secret.expose_secret().to_owned(),
    };
    log_in(transport, &request, |said| LoginRefused::UserPass { mount, username, place, said }).await
}

/// vaultrs calls the name otherwise than Vault does.
#[derive(Endpoint)]
#[endpoint(path = "auth/{self.mount}/login", method = "POST")]
struct LoginWithCertificate {
    #[endpoint(skip)]
    mount: String,
    name: Option<String>,
}

pub(super) async fn with_certificate(
    transport: &Transport,
    mount: &str,
    role: Option<&str>,
) -> Result<AuthInfo, VaultError> {
    let mount = mount.to_owned();
    let request = LoginWithCertificate { mount: mount.clone(), name: role.map(str::to_owned) };
    log_in(transport, &request, |said| LoginRefused::Cert { mount, said }).await
}

async fn log_in(
    transport: &Transport,
    request: &impl Endpoint,
    refused: impl FnOnce(Said) -> LoginRefused,
) -> Result<AuthInfo, VaultError> {
    let attempt = Attempt::new(Operation::LogIn, request.path().trim_start_matches('/').to_owned());
    let call = transport.prepare(attempt, request)?;
    let refused = |said| VaultError::Login(refused(said));
    match transport.send(&call, None, None).await {
        Ok(answer) if !answer.is_not_found() => auth_info(transport, &call.attempt, &answer),
        // A mount that does not exist is a 403 to whoever has no token, and a 404 in some versions.
        Err(VaultError::Rejected { said, .. } | VaultError::Forbidden { said, .. }) => Err(refused(said)),
        Ok(_) | Err(VaultError::NoMount { .. }) => {
            Err(refused(Said::new(&["permission denied".to_owned()], &[])))
        }
        Err(error) => Err(error),
    }
}
