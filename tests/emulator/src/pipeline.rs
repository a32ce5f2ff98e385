//! The order in which the server looks at a request (contract 10.1).
//!
//! Routing happened before; here follow authentication, authorization (its 401 and 403 are not counted), the
//! short-circuit for configuration and heartbeat (not counted either), the throttle, and only then the handler. The
//! order is what makes key verification free and lets a refused caller keep its budget.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};

use crate::answer::Answer;
use crate::handlers::{self, Call};
use crate::identity::Identity;
use crate::request::Request;
use crate::route::{Policy, Route};
use crate::state::State;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// A handler's second half, run under the lock after a pause.
type SecondHalf = Box<dyn FnOnce(&mut State) -> Answer + Send>;

/// What came out: an answer, or a pause between a handler's reading and writing that races can slip into.
pub(crate) enum Outcome {
    Done(Answer),
    Paused(Duration, SecondHalf),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Done(answer)
    }
}

/// Runs the request. `instead` is a fault's status, sent at the moment the handler would have been called.
pub(crate) fn run(state: &mut State, request: &Request, instead: Option<StatusCode>) -> Outcome {
    if matches!(request.route, Route::Health | Route::Ready) {
        // Both ping the database (contract 6.4).
        let health = match state.switches.elasticsearch_down {
            true => Answer::text(StatusCode::SERVICE_UNAVAILABLE, "Unhealthy"),
            false => Answer::text(StatusCode::OK, "Healthy"),
        };
        return instead.map_or(health, Answer::bare_problem).into();
    }
    let Ok(identity) = Identity::of(state, request) else {
        return Answer::bare_problem(StatusCode::INTERNAL_SERVER_ERROR).into();
    };
    if let Err(refusal) = authorize(request, &identity) {
        return refusal.into();
    }
    if is_exempt(request) {
        return handle(state, request, identity, instead);
    }
    match count(state, request, &identity) {
        Ok(None) => handle(state, request, identity, instead),
        Ok(Some(standing)) => standing.attach(handle(state, request, identity, instead)),
        Err(refusal) => refusal.into(),
    }
}

fn handle(state: &mut State, request: &Request, identity: Identity, instead: Option<StatusCode>) -> Outcome {
    match instead {
        Some(status) => Answer::bare_problem(status).into(),
        None => {
            let worded = state.switches.server_version.words_its_refusals();
            match handlers::dispatch(Call { state, request, identity }) {
                outcome if worded => outcome,
                Outcome::Done(answer) => Outcome::Done(answer.without_words()),
                Outcome::Paused(pause, second) => {
                    Outcome::Paused(pause, Box::new(move |state| second(state).without_words()))
                }
            }
        }
    }
}

fn authorize(request: &Request, identity: &Identity) -> Result<(), Answer> {
    let allowed = match request.route.policy() {
        Policy::Anonymous => true,
        Policy::Client => identity.is_client(),
        Policy::User => identity.is_user(),
    };
    match identity {
        _ if allowed => Ok(()),
        Identity::Anonymous => {
            // A 401 of the policy carries a challenge; those that handlers make do not (contract 1.4).
            let challenge = format!(
                "Bearer resource_metadata=\"{}/.well-known/oauth-protected-resource/api/v2\"",
                request.origin()
            );
            Err(Answer::bare_problem(StatusCode::UNAUTHORIZED).with_text(WWW_AUTHENTICATE, &challenge))
        }
        Identity::User { .. } | Identity::Key { .. } => Err(Answer::bare_problem(StatusCode::FORBIDDEN)),
    }
}

/// Compared case-sensitively, unlike every other path (contract 4.1).
fn is_exempt(request: &Request) -> bool {
    request.method == Method::GET
        && matches!(request.path.as_str(), "/api/v2/projects/config" | "/api/v2/events/session/heartbeat")
}

/// Where a caller stands in the current window.
struct Standing {
    limit: u32,
    remaining: u32,
}

fn count(state: &mut State, request: &Request, identity: &Identity) -> Result<Option<Standing>, Answer> {
    if state.rate_limit == 0 {
        return Ok(None);
    }
    let key = identity.throttle_key(state, request);
    let now = state.now();
    let count = state.throttle.add(&key, now);
    state.counters.sums.counted += 1;
    match state.rate_limit.checked_sub(count) {
        Some(remaining) => Ok(Some(Standing { limit: state.rate_limit, remaining })),
        // No rate headers and no Retry-After: the client has to know the window (contract 5).
        None => Err(Answer::bare_problem(StatusCode::TOO_MANY_REQUESTS)),
    }
}

impl Standing {
    fn attach(self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Done(answer) => Outcome::Done(self.note(answer)),
            Outcome::Paused(pause, second) => {
                Outcome::Paused(pause, Box::new(move |state| self.note(second(state))))
            }
        }
    }

    fn note(&self, answer: Answer) -> Answer {
        answer.with(LIMIT, HeaderValue::from(self.limit)).with(REMAINING, HeaderValue::from(self.remaining))
    }
}
