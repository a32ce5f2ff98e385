//! Which of several passwords is the right one.
//!
//! HTTP Basic has no counter of attempts (`ApiKeyAuthenticationHandler.cs`), so it is asked, and not the login, wherever a
//! wrong one may be shown. Without its database the server refuses all; then the one is taken that was in force before, and
//! the login says what is wrong.

use secrecy::{ExposeSecret, SecretString};

use crate::exceptionless::door::{Answer, Authorization, Call, Door};
use crate::exceptionless::error::ExceptionlessError;
use crate::exceptionless::keeper::Kept;
use crate::exceptionless::operation::Operation;
use crate::exceptionless::wire;

/// The password to use.
pub(super) async fn which(door: &Door, email: &str, kept: Kept) -> Result<SecretString, ExceptionlessError> {
    let Kept { current, next: Some(next) } = kept else { return Ok(kept.current) };
    Ok(accepted(door, email, &[&current, &next]).await?.unwrap_or(current))
}

/// The first of these that is the user's.
pub(super) async fn accepted(
    door: &Door,
    email: &str,
    candidates: &[&SecretString],
) -> Result<Option<SecretString>, ExceptionlessError> {
    for candidate in candidates {
        // Of one that HTTP Basic cannot carry nothing is found out by it.
        let Ok(authorization) = basic(email, (*candidate).clone()) else { continue };
        let answer = door.pass(&question(), &authorization).await?;
        if is_accepted(door, email, &answer)? {
            return Ok(Some((*candidate).clone()));
        }
    }
    Ok(None)
}

/// What asks nothing but whether a password is right.
pub(in crate::exceptionless) fn question() -> Call {
    Call::get(Operation::TryPassword, "users/me")
}

/// Whether an answer to that question says that the password is right. A portal or a page about maintenance says 200 to
/// everything, and whoever believed that would throw the right password away: only the user's own document counts.
pub(in crate::exceptionless) fn is_accepted(
    door: &Door,
    email: &str,
    answer: &Answer,
) -> Result<bool, ExceptionlessError> {
    if !answer.status.is_success() {
        return Ok(false);
    }
    let user = answer.json::<wire::CurrentUser>().and_then(|user| user.is_of(email));
    user.map(|()| true).map_err(|problem| door.unreadable(&Operation::TryPassword, problem))
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
