//! Whatever Vault, or a proxy in its place, may answer; and the way of a path into a URL.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::api::kv2::responses::{ListSecretsResponse, ReadSecretResponse, SecretVersionMetadata};

use super::*;
use crate::config::{SecretRules, SecretSource, VaultAuth, Write};
use crate::domain::fuzz::{
    any_text, cases, damage, damaged, damaged_text, damages, gives_away, said, secret, shown,
};
use crate::domain::ids::Instance;
use crate::domain::path::SecretPath;
use crate::domain::secret::{LONGEST_PROMISE, SecretState};
use crate::plan::moved::kept_until;
use crate::vault::secret::Layout;

const STATUSES: [u16; 14] = [200, 204, 301, 307, 400, 403, 404, 412, 429, 472, 473, 500, 502, 503];
const ANSWERS: [&str; 6] = [
    r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#,
    r#"{"errors":["check-and-set parameter did not match the current version"]}"#,
    r#"{"errors":[]}"#,
    r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":{"keys":["a","b/"]}}"#,
    r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":{"created_time":"2026-11-21T03:00:07.123456789Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":4}}"#,
    r#"{"initialized":true,"sealed":false,"standby":false,"version":"2.7.2"}"#,
];

pub(in crate::vault) fn transport() -> &'static Transport {
    static TRANSPORT: LazyLock<Transport> = LazyLock::new(|| {
        let settings = config::Vault {
            secret: SecretRules::default(),
            address: "http://127.0.0.1:8200".parse().unwrap(),
            namespace: None,
            mount: "secret".to_owned(),
            write: Write::Replace,
            ca_file: None,
            client_certificate: None,
            tls_server_name: None,
            socket: None,
            proxy: None,
            timeout: Duration::from_secs(15),
            auth: VaultAuth::Token { token: SecretSource::File("token".into()) },
        };
        Transport::new(&settings, &Traffic::default()).unwrap()
    });
    &TRANSPORT
}

pub(in crate::vault) fn attempt() -> Attempt {
    Attempt::new(Operation::Read, "secret/data/exceptionless/1".to_owned())
}

pub(in crate::vault) fn answer(status: u16, body: Vec<u8>) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), body, hints: Hints::default() }
}

/// A secret of ours at an old path, in which another owner has a field, with and without our prefix.
fn kept(prefix: &str, key: &str, other: &str, overlap: &str) -> String {
    let overlap = json!(overlap);
    format!(
        r#"{{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":{{"data":{{"{prefix}api_key":"{key}",
"{prefix}managed_by":"exceptionless-rotator/1 instance=default","{prefix}rotated_at":"2026-11-21T03:00:07Z",
"{prefix}overlap_seconds":"86400","{prefix}retiring":"9f86d081884c@2026-11-21T03:00:22Z","other":{other}}},
"metadata":{{"created_time":"2026-11-21T03:00:07.123456789Z","custom_metadata":{{"{prefix}managed_by":"exceptionless-rotator/1 instance=default",
"{prefix}moved_to":"apps/b","{prefix}moved_key":"9f86d081884c","{prefix}moved_overlap_seconds":{overlap},
"{prefix}kept_until":"2026-11-22T03:00:07Z"}},
"deletion_time":"","destroyed":false,"version":4}}}},"wrap_info":null,"warnings":null,"auth":null}}"#
    )
}

fn decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                u8::from_str_radix(std::str::from_utf8(&[bytes.next()?, bytes.next()?]).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_secret_that_is_read_shows_no_value_and_claims_no_field_of_another(
        prefix in select(vec!["", "ex_"]),
        key in secret(),
        overlap in prop_oneof![damaged_text(&["86400"]), any_text()],
        damages in damages(),
    ) {
        let write = if prefix.is_empty() { Write::Replace } else { Write::Merge { prefix: prefix.to_owned() } };
        let layout = Layout::new(&write, &SecretRules::default(), Instance::parse("default").unwrap());
        let answer = answer(200, damage(kept(prefix, &key, &format!(r#"["{key}"]"#), &overlap).into_bytes(), &damages));
        let response = transport().data::<ReadSecretResponse>(&attempt(), &answer);
        let secret = match response {
            Ok(response) => layout.interpret(response),
            Err(error) => {
                prop_assert!(!gives_away(&said(&error), &key));
                return Ok(());
            }
        };
        prop_assert!(!gives_away(&shown(&secret), &key));
        prop_assert!(!prefix.is_empty() || !secret.has_others);
        if let Some(moved) = &secret.moved {
            prop_assert!(moved.overlap.is_none_or(|overlap| overlap <= LONGEST_PROMISE));
            let now = DateTime::UNIX_EPOCH;
            prop_assert!(kept_until(moved.overlap, None, moved.kept_until.unwrap_or(now)) > now);
        }
        if let SecretState::Ours(published) = &secret.state {
            prop_assert!(published.api_key.as_ref().is_none_or(|key| (1..=128).contains(&key.expose().len())));
        }
    }

    #[test]
    fn every_answer_is_an_answer_or_an_error_in_one_line(
        status in select(&STATUSES[..]),
        body in prop_oneof![3 => damaged(&ANSWERS), 1 => any_text().prop_map(String::into_bytes)],
    ) {
        match transport().judge(&attempt(), answer(status, body), Vec::new) {
            Ok(answer) => {
                prop_assert!(status < 300 || status == 404);
                let _ = transport().data::<ListSecretsResponse>(&attempt(), &answer);
                let _ = transport().data::<SecretVersionMetadata>(&attempt(), &answer);
                prop_assert!(!answer.is_absence() || status == 404);
            }
            Err(error) => prop_assert!(status >= 300 && !error.to_string().contains(char::is_control), "{error}"),
        }
    }

    #[test]
    fn a_path_arrives_at_vault_as_it_was_written(path in any_text(), mount in prop_oneof![Just("secret".to_owned()), any_text()]) {
        let (Ok(path), Ok(mount)) = (SecretPath::parse(&path), SecretPath::parse(&mount)) else { return Ok(()) };
        let request = ReadSecretRequest { mount: mount.to_string(), path: path.to_string(), version: None };
        let Some(request) = transport().request(&request) else { return Ok(()) };
        prop_assert_eq!(decoded(request.url().path()), Some(format!("/v1/{mount}/data/{path}")));
        prop_assert_eq!((request.url().query().unwrap_or_default(), request.url().fragment()), ("", None));
    }

    #[test]
    fn a_clock_that_is_heard_is_one_to_reckon_with(date in prop_oneof![damaged(&["Sat, 21 Nov 2026 23:58:07 GMT"]), any_text().prop_map(String::into_bytes)]) {
        transport().hear(HeaderValue::from_bytes(&date).ok().as_ref());
        let time = transport().server_time();
        prop_assert!(time.is_none_or(|time| plausible(time) == Some(time)));
    }
}

#[test]
fn the_documents_are_read_as_they_are() {
    let answer = answer(200, kept("", "k", &json!({}).to_string(), "86400").into_bytes());
    let layout = Layout::new(&Write::Replace, &SecretRules::default(), Instance::parse("default").unwrap());
    let response: ReadSecretResponse = transport().data(&attempt(), &answer).unwrap();
    assert!(matches!(layout.interpret(response).state, SecretState::Ours(_)));
}
