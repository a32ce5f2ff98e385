//! The delete matrix (contract 3.6, checklist 9).

use exceptionless_emulator::Token;
use serde_json::json;

use crate::server::{Send, Server};

const MISSING: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const MISSING_TOO: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A key that carries another person's id.
fn foreign_key(server: &Server) -> String {
    let mut key = server.emulator.create_person_key(&server.project(), "someone else's");
    key.user_id = Some("64f0c0ffee00000000000099".to_owned());
    server.emulator.state(|state| state.put_token(key.clone()));
    key.id
}

/// A key whose project no longer exists.
fn orphan(server: &Server) -> String {
    let gone = "64f0c0ffee00000000000000";
    let organization = server.organization();
    let key: Token = server.emulator.state(|state| state.create_person_key(&organization, gone, "orphan"));
    key.id
}

#[tokio::test]
async fn a_batch_of_known_keys_is_accepted_and_gone() {
    let server = Server::start().await;
    let (a, b) = (server.create_key().await, server.create_key().await);
    let reply = server.delete(&[&a, &b, &a]).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.text, r#"{"workers":[]}"#);
    assert_eq!(server.verify(&a).await, 401);
    assert_eq!(server.verify(&b).await, 401);
    let revoked: Vec<_> =
        server.emulator.revocations().into_iter().map(|revocation| revocation.key.id).collect();
    assert_eq!(revoked, [&*a, &*b]);
    let again = server.delete(&[&a, &b]).await;
    assert_eq!((again.status.as_u16(), again.title()), (404, "No tokens found.".to_owned()));
}

#[tokio::test]
async fn one_unknown_id_makes_a_400_of_a_batch_that_was_deleted() {
    let server = Server::start().await;
    let key = server.create_key().await;
    let reply = server.delete(&[MISSING, &key]).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(
        reply.json(),
        json!({
            "success": [key],
            "failure": [{ "allowed": false, "id": MISSING, "status_code": 404 }],
            "workers": [],
        })
    );
    assert_eq!(server.verify(&key).await, 401, "deleted all the same");
}

#[tokio::test]
async fn a_single_denial_is_a_problem_document() {
    let server = Server::start().await;
    let foreign = foreign_key(&server);
    let reply = server.delete(&[&foreign]).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.title(), "Can only delete tokens created by you.");
    let orphan = orphan(&server);
    let reply = server.delete(&[&orphan]).await;
    assert_eq!((reply.status.as_u16(), reply.title()), (404, "Not found.".to_owned()));
}

#[tokio::test]
async fn several_denials_are_listed_and_a_foreign_one_has_no_id() {
    let server = Server::start().await;
    let (foreign, orphan) = (foreign_key(&server), orphan(&server));
    let denied =
        json!({ "allowed": false, "message": "Can only delete tokens created by you.", "status_code": 400 });
    let reply = server.delete(&[&foreign, &orphan]).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["success"], json!([]));
    let unresolved = json!({ "allowed": false, "id": orphan, "status_code": 404 });
    assert_eq!(reply.json()["failure"], json!([denied, unresolved]));

    let key = server.create_key().await;
    let reply = server.delete(&[&foreign, &key]).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["success"], json!([key]));
    assert_eq!(reply.json()["failure"], json!([denied]));
    assert!(server.emulator.state(|state| state.token(&foreign)).is_some());
}

#[tokio::test]
async fn keys_of_organizations_one_is_not_in_are_simply_unknown() {
    let server = Server::start().await;
    let key = server.create_key().await;
    server.emulator.state(|state| state.users[0].organization_ids.remove(0));
    assert_eq!(server.delete(&[&key, MISSING]).await.title(), "No tokens found.");
    assert!(server.emulator.authenticates(&key));
}

#[tokio::test]
async fn one_malformed_id_fails_the_whole_route() {
    let server = Server::start().await;
    let key = server.create_key().await;
    for ids in [format!("{key},short"), format!("{key},"), format!("{key},%20{MISSING}"), format!("{key}_")] {
        let reply = server.user("DELETE", &format!("/api/v2/tokens/{ids}")).reply().await;
        assert_eq!((reply.status.as_u16(), reply.title()), (404, "Not Found".to_owned()), "{ids}");
    }
    assert!(server.emulator.authenticates(&key));
}

#[tokio::test]
async fn an_encoded_comma_separates_too() {
    let server = Server::start().await;
    let (a, b) = (server.create_key().await, server.create_key().await);
    let reply = server.user("DELETE", &format!("/api/v2/tokens/{a}%2C{b}")).reply().await;
    assert_eq!(reply.status, 202);
}

#[tokio::test]
async fn ids_are_case_sensitive() {
    let server = Server::start().await;
    assert_eq!(server.delete(&[&MISSING.to_uppercase(), MISSING_TOO]).await.status, 404);
    let key = server.create_key().await;
    let swapped: String = key
        .chars()
        .map(|letter| match letter.is_ascii_lowercase() {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        })
        .collect();
    assert_eq!(server.delete(&[&swapped]).await.status, 404);
}

#[tokio::test]
async fn a_request_line_fits_199_ids_and_not_200() {
    let server = Server::start().await;
    let ids = vec![MISSING; 199];
    let fits = server.delete(&ids).await;
    assert_eq!((fits.status.as_u16(), fits.title()), (404, "No tokens found.".to_owned()));
    let ids = vec![MISSING; 200];
    let reply = server.delete(&ids).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (414, ""));
    assert_eq!(reply.header("connection"), Some("close"));
}
