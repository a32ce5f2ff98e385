//! Request bodies the way the server binds them (contract 3.3, 3.5 and 8): names in any case, unknown members
//! ignored, wrong types and unwelcome nulls a 400 without details.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::date;
use crate::request::{Payload, Request};

/// The members of a JSON object.
pub(super) struct Members(Map<String, Value>);

/// What a member says.
pub(super) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Given<T> {
    /// For members typed nullable: null is as good as absent.
    pub(super) fn nullable(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Absent => None,
        }
    }

    /// For members typed non-null, where an explicit null is an error.
    pub(super) fn required_if_present(self) -> Result<Option<T>, Answer> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Absent => Ok(None),
            Self::Null => Err(bad_request()),
        }
    }
}

impl Members {
    /// The body's object; `None` for an absent body and for `null`.
    pub(super) fn of(request: &Request) -> Result<Option<Self>, Answer> {
        let Payload::Whole(bytes) = &request.payload else {
            return Err(Answer::bare_problem(StatusCode::PAYLOAD_TOO_LARGE));
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::Object(members)) => Ok(Some(Self(members))),
            Ok(_) | Err(_) => Err(bad_request()),
        }
    }

    /// The body's object where one must be sent.
    pub(super) fn required(request: &Request) -> Result<Self, Answer> {
        Self::of(request)?.ok_or_else(|| {
            Answer::invalid(StatusCode::BAD_REQUEST, "", "A non-empty request body is required.")
        })
    }

    pub(super) fn none() -> Self {
        Self(Map::new())
    }

    pub(super) fn text(&self, name: &str) -> Result<Given<String>, Answer> {
        match self.find(name) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(Value::String(text)) => Ok(Given::Value(text.clone())),
            Some(_) => Err(bad_request()),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Given<bool>, Answer> {
        match self.find(name) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(Value::Bool(value)) => Ok(Given::Value(*value)),
            Some(_) => Err(bad_request()),
        }
    }

    /// A date that cannot be read is a wrong type.
    pub(super) fn date(&self, name: &str) -> Result<Given<chrono::DateTime<chrono::Utc>>, Answer> {
        Ok(match self.text(name)? {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => Given::Value(date::read(&text).ok_or_else(bad_request)?),
        })
    }

    /// A list of strings. A null inside is not caught by binding and breaks the handler: 500 (contract 3.3).
    pub(super) fn texts(&self, name: &str) -> Result<Given<Vec<String>>, Answer> {
        let items = match self.find(name) {
            None => return Ok(Given::Absent),
            Some(Value::Null) => return Ok(Given::Null),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(bad_request()),
        };
        items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Err(Answer::bare_problem(StatusCode::INTERNAL_SERVER_ERROR)),
                _ => Err(bad_request()),
            })
            .collect::<Result<_, _>>()
            .map(Given::Value)
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(super) fn bad_request() -> Answer {
    Answer::bare_problem(StatusCode::BAD_REQUEST)
}
