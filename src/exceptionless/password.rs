//! Changing the user's own password.
//!
//! The server demands the present password with the new one (`ChangePasswordModel.cs`, `AuthHandler.cs`), so a change that
//! is sent twice, or late, is done once at most. It ends all sessions of the user, and spares the keys of projects. Both
//! requests go by HTTP Basic, which has no counter of attempts.

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::client::{ExceptionlessClient, Turn};
use super::credential::choice::{basic, is_accepted, question};
use super::door::Call;
use super::error::ExceptionlessError;
use super::health::Health;
use super::model::Changed;
use super::operation::Operation;
use super::wire;
use crate::plan::credential::Verdict;

impl ExceptionlessClient {
    /// `GET users/me` by HTTP Basic: whether this password is the user's. `place` is where it comes from.
    pub async fn try_password(
        &self,
        email: &str,
        password: &SecretString,
        place: &str,
    ) -> Result<Verdict, ExceptionlessError> {
        let session = self.session();
        let call = question();
        let answer = session.ask_with(&basic(email, password.clone())?, &call).await?;
        if is_accepted(&session.door, email, &answer)? {
            return Ok(Verdict::Accepted);
        }
        match answer.status {
            StatusCode::UNAUTHORIZED if Health::ask(&session.door).await == Health::Sick => {
                let (operation, server) = (call.operation, session.door.server.clone());
                let (email, place) = (email.to_owned(), place.to_owned());
                Err(ExceptionlessError::DoubtfulRefusal { operation, server, email, place, sick: true })
            }
            StatusCode::UNAUTHORIZED => Ok(Verdict::Refused),
            _ => Err(session.refusal(&call, &answer)),
        }
    }

    /// `POST auth/change-password`, sent once. After an error it may have been done all the same, but where the request was
    /// [`Throttled`](ExceptionlessError::Throttled).
    pub async fn change_password(
        &self,
        turn: Turn<'_>,
        email: &str,
        current: &SecretString,
        new: &SecretString,
    ) -> Result<Changed, ExceptionlessError> {
        let session = self.session();
        let body =
            wire::ChangePassword { current_password: current.expose_secret(), password: new.expose_secret() };
        let call = Call {
            method: Method::POST,
            body: Some(wire::encode(&body)),
            ..Call::get(Operation::ChangePassword, "auth/change-password")
        };
        let answer = session.ask_once(turn.0, &call, &basic(email, current.clone())?).await?;
        match answer.status {
            status if status.is_success() => Ok(Changed::Done),
            // Releases up to 8.1 answer 400 where later ones answer 422 (`AuthController.cs`).
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Ok(Changed::Refused { status: answer.status.as_u16() })
            }
            _ => Err(session.refusal(&call, &answer)),
        }
    }
}
