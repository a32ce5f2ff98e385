//! Real answers, changed after they were written.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use crate::answer::Rendered;
use crate::json;

/// Half of the document, under a length that fits it.
pub(super) fn cut(mut answer: Rendered) -> Rendered {
    answer.body = half(&answer.body);
    answer
}

/// The length as a header of its own, which holds whatever is sent then.
pub(super) fn declare_length(mut answer: Rendered) -> Rendered {
    let length = HeaderValue::from(answer.body.len());
    answer.headers.insert(CONTENT_LENGTH, length);
    answer
}

pub(super) fn half(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// Another content type.
pub(super) fn relabel(mut answer: Rendered, content_type: &str) -> Rendered {
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers.insert(CONTENT_TYPE, value);
    }
    answer
}

/// Another value of a header.
pub(super) fn restate(mut answer: Rendered, name: &str, value: &str) -> Rendered {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        answer.headers.insert(name, value);
    }
    answer
}

/// Other words in the document.
pub(super) fn replace(mut answer: Rendered, from: &str, to: &str) -> Rendered {
    answer.body = String::from_utf8_lossy(&answer.body).replace(from, to).into();
    answer
}

/// Claims other values for some members of an object.
pub(super) fn claim(answer: Rendered, claims: [(&str, Option<Value>); 3]) -> Rendered {
    edit(answer, |document| {
        if let Some(members) = document.as_object_mut() {
            for (name, value) in claims {
                members.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
    })
}

/// Leaves out the last entries of an array.
pub(super) fn shorten(answer: Rendered, missing: usize) -> Rendered {
    edit(answer, |document| {
        if let Some(items) = document.as_array_mut() {
            items.truncate(items.len().saturating_sub(missing));
        }
    })
}

/// Changes the document if it is JSON; anything else stays as it is.
fn edit(mut answer: Rendered, edit: impl FnOnce(&mut Value)) -> Rendered {
    if let Ok(mut document) = serde_json::from_slice(&answer.body) {
        edit(&mut document);
        answer.body = json::to_vec(&document).into();
    }
    answer
}
