//! What an answer may quote of its request, and nobody shall read in a log.
//!
//! Vault itself quotes nothing, but what stands before it may, or a plugin inside of it. Such words go into errors, and from
//! there to the log and the status page, so everything is taken out of them that the request carried in confidence.

use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::vault::attempt::Operation;

/// No password and no key is shorter, and shorter texts stand in sentences by chance.
const SHORTEST: usize = 6;

/// What was sent in confidence: the token, and the texts of a body that may be secret.
pub(super) fn secrets(
    operation: Operation,
    request: &Request,
    token: Option<&SecretString>,
) -> Vec<SecretString> {
    let mut secrets: Vec<SecretString> = token.cloned().into_iter().collect();
    if operation.is_confidential()
        && let Some(bytes) = request.body().and_then(|body| body.as_bytes())
        && let Ok(body) = serde_json::from_slice(bytes)
    {
        collect(&body, &mut secrets);
    }
    secrets.retain(|secret| secret.expose_secret().len() >= SHORTEST);
    secrets
}

fn collect(value: &Value, secrets: &mut Vec<SecretString>) {
    match value {
        Value::String(text) => secrets.push(text.as_str().into()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, secrets)),
        // By its role a login is known to people, who need to read it.
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "role" | "name"))
            .for_each(|(_, value)| collect(value, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
