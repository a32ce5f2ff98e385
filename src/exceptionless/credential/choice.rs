//! Which of two passwords is the right one, while one is being replaced by the other.
//!
//! HTTP Basic has no counter of attempts (`ApiKeyAuthenticationHandler.cs`), so it is asked, and not the login. Without its
//! database the server refuses both; then the one is taken that was in force before, and the login says what is wrong.

use secrecy::{ExposeSecret, SecretString};

use crate::exceptionless::door::{Authorization, Call, Door};
use crate::exceptionless::error::ExceptionlessError;
use crate::exceptionless::keeper::Kept;
use crate::exceptionless::operation::Operation;

/// The password to use.
pub(super) async fn which(door: &Door, email: &str, kept: Kept) -> Result<SecretString, ExceptionlessError> {
    let Kept { current, next: Some(next) } = kept else { return Ok(kept.current) };
    for candidate in [&current, &next] {
        // Of one that HTTP Basic cannot carry nothing is found out by it.
        let Ok(authorization) = basic(email, candidate.clone()) else { continue };
        if door.pass(&question(), &authorization).await?.status.is_success() {
            return Ok(candidate.clone());
        }
    }
    Ok(current)
}

/// What asks nothing but whether a password is right.
pub(in crate::exceptionless) fn question() -> Call {
    Call::get(Operation::TryPassword, "users/me")
}

/// E-mail and password, as they are sent with a request.
pub(in crate::exceptionless) fn basic(
    email: &str,
    password: SecretString,
) -> Result<Authorization, ExceptionlessError> {
    let email = email.to_owned();
    if email.contains(':') || password.expose_secret().contains(':') {
        return Err(ExceptionlessError::Colon { email });
    }
    Ok(Authorization::Basic { email, password })
}
