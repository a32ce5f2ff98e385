use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use server::{Arrival, Reply, Server, json, raw};

use super::*;
use crate::config::{CredentialSource, Exceptionless, ExceptionlessAuth, SecretSource};
use crate::domain::field::SecretField;
use crate::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use crate::domain::key::ApiKey;
use crate::domain::marker::Marker;
use crate::traffic::Traffic;

mod credential;
mod server;

const KEY: &str = "Zx81aQ0pLmN7bVc2RtYu5IoPsDf3GhJk9LzXcVb4";
const PASSWORD: &str = "correct horse";
const TOKEN: &str = "LoginTokenLoginTokenLoginTokenLoginToken";
const DATE: &str = "date: Sat, 21 Nov 2026 23:58:00 GMT\r\n";

fn secret(value: &str) -> CredentialSource {
    let variable = "SECRET".to_owned();
    CredentialSource::Here(SecretSource::Environment { variable, value: value.into() })
}

fn file(file: &tempfile::NamedTempFile) -> CredentialSource {
    CredentialSource::Here(SecretSource::File(file.path().to_owned()))
}

/// Keeps nothing.
struct Nobody;

impl Keeper for Nobody {
    fn read<'a>(&'a self, field: &'a SecretField) -> BoxFuture<'a, Result<Kept, NotKept>> {
        panic!("was asked for {field}")
    }

    fn older<'a>(
        &'a self,
        field: &'a SecretField,
    ) -> BoxFuture<'a, Result<Vec<secrecy::SecretString>, NotKept>> {
        unreachable!("{field}")
    }
}

fn basic() -> ExceptionlessAuth {
    ExceptionlessAuth::Basic { email: "rotator@example.test".to_owned(), password: secret(PASSWORD) }
}

fn login() -> ExceptionlessAuth {
    ExceptionlessAuth::Login { email: "rotator@example.test".to_owned(), password: secret(PASSWORD) }
}

fn client_at(url: &str, auth: ExceptionlessAuth) -> ExceptionlessClient {
    let settings = Exceptionless {
        url: url.parse().expect("a URL"),
        proxy: None,
        auth,
        password_schedule: None,
        timeout: Duration::from_millis(500),
        rate_reserve: 0.2,
        rate_window: Duration::from_secs(1),
    };
    ExceptionlessClient::new(&settings, Arc::new(Nobody), &Traffic::default()).expect("a client")
}

fn client(server: &Server, auth: ExceptionlessAuth) -> ExceptionlessClient {
    client_at(&format!("http://{}", server.address), auth)
}

fn key() -> ApiKey {
    ApiKey::parse(KEY).expect("a key")
}

fn project() -> ProjectId {
    ProjectId::parse("64f0c0ffee00000000000100").expect("an id")
}

fn organization() -> OrganizationId {
    OrganizationId::parse("64f0c0ffee00000000000010").expect("an id")
}

fn marker() -> Marker {
    let instance = Instance::parse("default").expect("a name");
    Marker { instance, rotation: RotationId::parse("0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77").expect("an id") }
}

fn token(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","organization_id":"{}","project_id":"{}","scopes":["client"],
            "created_utc":"2026-08-21T12:34:56.1234567Z"}}"#,
        organization(),
        project()
    )
}

/// Everything that a log could ever show of an error.
fn told(error: &ExceptionlessError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(" {source} {source:?}");
        next = source.source();
    }
    assert!(![KEY, PASSWORD, TOKEN].iter().any(|secret| text.contains(secret)), "{text}");
    text
}

#[tokio::test]
async fn listings_are_paged_by_number_and_skip_what_cannot_be_a_key() {
    let server = Server::start(|request: &Arrival, _| {
        let page = if request.target.ends_with("page=1") { 0..100 } else { 100..101 };
        let odd = page.start == 100;
        let mut items: Vec<_> = page.map(|n| token(&format!("{n:040}"))).collect();
        items.extend(odd.then(|| token("old and odd")));
        let body = format!("[{}]", items.join(","));
        json(200, "x-result-count: 102\r\nlink: <http://127.0.0.1:1/>; rel=\"next\"\r\n", &body)
    })
    .await;
    let keys = client(&server, basic()).project_keys(&project(), |_| true).await.expect("keys").kept;
    assert_eq!(keys.len(), 101);
    let route = format!("GET /api/v2/projects/{}/tokens?limit=100&page=", project());
    assert_eq!(server.targets(), [format!("{route}1"), format!("{route}2")]);
}

#[tokio::test]
async fn too_many_keys_are_known_after_one_page_and_a_short_listing_is_an_error() {
    let server = Server::start(|request: &Arrival, _| {
        let count = if request.target.contains("/organizations/") { 9_901 } else { 2 };
        let body =
            if request.target.ends_with("page=1") { format!("[{}]", token(KEY)) } else { "[]".to_owned() };
        json(200, &format!("x-result-count: {count}\r\n"), &body)
    })
    .await;
    let client = client(&server, basic());
    let keys = client.organization_keys(&organization(), |_| true).await.expect("an answer");
    assert_eq!(keys, KeyListing::TooMany { count: 9_901 });
    assert_eq!(server.targets().len(), 1);
    let error = client.project_keys(&project(), |_| true).await.expect_err("one is missing");
    assert!(told(&error).contains("ended after 1 of 2"));
}

#[tokio::test]
async fn a_redirect_is_refused_and_its_location_is_not_repeated() {
    let server =
        Server::start(|_: &Arrival, _| raw(301, &format!("location: http://127.0.0.1:1/{KEY}\r\n"), ""))
            .await;
    let client = client(&server, basic());
    let error = client.delete_keys(client.turn().await, &[key()]).await.expect_err("a redirect");
    assert!(told(&error).contains("redirects are not followed"));
    assert_eq!((error.kind(), server.targets().len()), (ErrorKind::Unreachable, 1));
}

#[tokio::test]
async fn an_answer_that_is_not_the_apis_names_the_route_and_nothing_of_the_body() {
    let bodies = [
        raw(200, "content-type: text/html\r\n", &format!("<html>{KEY}")),
        json(200, "x-result-count: 1\r\n", &format!("[{}", token(KEY))),
        json(200, "x-result-count: 1\r\n", &format!(r#"["{KEY}"]"#)),
        json(200, "", &format!("[{}]", token(KEY))),
    ];
    let server = Server::start(move |_: &Arrival, before| bodies[before].clone()).await;
    let client = client(&server, basic());
    for problem in ["a web page", "broken JSON", "unexpected JSON", "no X-Result-Count header"] {
        let error = client.organization_keys(&organization(), |_| true).await.expect_err("unreadable");
        let text = told(&error);
        assert!(text.contains(problem) && text.contains("GET /api/v2/organizations/{id}/tokens"), "{text}");
    }
}

/// Accepts the second token that it issues, and no other.
fn forgetful(request: &Arrival, before: usize) -> Reply {
    if request.target == "POST /api/v2/auth/login" {
        assert_eq!(request.body, r#"{"email":"rotator@example.test","password":"correct horse"}"#);
        assert!(request.head.to_lowercase().contains("content-type: application/json"));
        return json(200, "", &format!(r#"{{"token":"{}"}}"#, if before == 0 { "stale" } else { TOKEN }));
    }
    if request.head.contains(&format!("Bearer {TOKEN}")) {
        return json(200, "", "[]");
    }
    json(401, "", r#"{"title":"Unauthorized"}"#)
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_everybody() {
    let server = Server::start(forgetful).await;
    let client = client(&server, login());
    let asked = (0..8).map(|_| client.organizations());
    for result in futures_util::future::join_all(asked).await {
        result.expect("organizations");
    }
    let logins = server.targets().iter().filter(|target| target.contains("login")).count();
    assert_eq!(logins, 2);
}

#[tokio::test]
async fn a_create_is_sent_once_and_says_whether_a_key_may_exist() {
    for (reply, ambiguous) in [
        (json(500, "", "{}"), true),
        (json(408, "", "{}"), true),
        (None, true),
        (json(201, "", "{"), true),
        (json(404, "", "{}"), false),
        (json(422, "", "{}"), false),
        (json(403, "", "{}"), false),
    ] {
        let server = Server::start(move |_: &Arrival, _| reply.clone()).await;
        let error = client(&server, basic()).create_key(&project(), &marker()).await.expect_err("no key");
        told(error.error());
        assert_eq!(matches!(error, CreateError::Ambiguous(_)), ambiguous, "{error:?}");
        assert_eq!(server.targets().len(), 1);
    }
    let nobody = client_at("http://127.0.0.1:1", basic()).create_key(&project(), &marker()).await;
    assert!(matches!(nobody, Err(CreateError::Refused(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_created_key_comes_with_what_the_server_made_of_it() {
    let server = Server::start(|_: &Arrival, _| {
        json(201, &format!("location: http://x/api/v2/tokens/{KEY}\r\n"), &token(KEY))
    })
    .await;
    let created = client(&server, basic()).create_key(&project(), &marker()).await.expect("a key");
    assert_eq!((created.key, created.project_id), (key(), Some(project())));
    let [arrival] = &server.arrivals()[..] else { panic!("one request") };
    assert_eq!(arrival.body, format!(r#"{{"scopes":["client"],"notes":"{}"}}"#, marker()));
    assert!(arrival.head.to_lowercase().contains("content-type: application/json"));
}

#[tokio::test]
async fn reading_is_repeated_in_transient_trouble() {
    let server = Server::start(|_: &Arrival, before| match before {
        0 => raw(503, "retry-after: 0\r\n", "Service Unavailable"),
        1 => None,
        _ => json(200, "", "[]"),
    })
    .await;
    client(&server, basic()).organizations().await.expect("organizations");
    assert_eq!(server.targets().len(), 3);
}

#[tokio::test]
async fn a_spent_budget_is_waited_for_even_by_a_create() {
    let server = Server::start(|_: &Arrival, before| match before {
        0 => json(429, DATE, "{}"),
        _ => json(201, "x-ratelimit-limit: 40\r\nx-ratelimit-remaining: 39\r\n", &token(KEY)),
    })
    .await;
    let client = client(&server, basic());
    client.create_key(&project(), &marker()).await.expect("a key");
    assert_eq!((client.throttled_requests(), client.refused_requests()), (2, 1));
    let budget = client.budget().expect("a budget");
    assert_eq!((budget.limit, budget.remaining, budget.reserve), (40, 39, 8));
}

#[tokio::test]
async fn a_key_is_tried_as_itself_and_outside_of_the_budget() {
    let replies = [
        (json(200, "", r#"{"version":3}"#), Some(KeyCheck::Works)),
        (json(401, "", "{}"), Some(KeyCheck::Refused)),
        (json(403, "", "{}"), Some(KeyCheck::Refused)),
        (raw(404, "", ""), Some(KeyCheck::ProjectGone)),
        (raw(404, "content-type: text/html\r\n", "<html>"), None),
        (raw(200, "content-type: text/html\r\n", "<html>"), None),
    ];
    let expected = replies.each_ref().map(|(_, check)| *check);
    let server = Server::start(move |_: &Arrival, before| replies[before].0.clone()).await;
    let client = client(&server, login());
    for check in expected {
        let found = client.key_works(&key()).await;
        assert_eq!(found.as_ref().ok(), check.as_ref(), "{found:?}");
    }
    assert_eq!(client.throttled_requests(), 0);
    for arrival in server.arrivals() {
        assert_eq!(arrival.target, "GET /api/v2/projects/config");
        assert!(arrival.head.contains(&format!("Bearer {KEY}")));
    }
}

#[tokio::test]
async fn deleted_means_gone_however_it_came_about() {
    let failure = |status: u16| {
        json(
            400,
            "",
            &format!(r#"{{"success":["{KEY}"],"failure":[{{"status_code":{status}}}],"workers":[]}}"#),
        )
    };
    let replies = [json(202, "", r#"{"workers":[]}"#), json(404, "", "{}"), failure(404), failure(400)];
    let server = Server::start(move |_: &Arrival, before| replies[before].clone()).await;
    let client = client(&server, basic());
    let other = ApiKey::parse(&"a".repeat(24)).expect("a key");
    let both = [key(), other];
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(client.delete_keys(client.turn().await, &both).await.expect("gone"));
    }
    assert_eq!(found, [Deleted::All, Deleted::Unfound, Deleted::Unfound]);
    let error = client.delete_keys(client.turn().await, &both).await.expect_err("denied");
    assert!(told(&error).contains("cannot delete 1 of 2 keys"));
    assert_eq!(server.targets()[0], format!("DELETE /api/v2/tokens/{KEY},{}", "a".repeat(24)));
    let short = ApiKey::parse("short").expect("a key");
    assert!(client.delete_keys(client.turn().await, &[short]).await.is_err());
    assert_eq!(server.targets().len(), 4);
}

#[tokio::test]
async fn a_change_is_sent_once_and_believed_only_when_the_answer_says_so() {
    let view =
        |disabled: bool| token(KEY).replace("\"scopes\"", &format!("\"is_disabled\":{disabled},\"scopes\""));
    let replies = [
        json(200, "", &view(true)),
        json(200, "", &view(false)),
        json(404, "", &format!(r#"{{"title":"Token not found.","instance":"PATCH /api/v2/tokens/{KEY}"}}"#)),
        json(200, "", &view(true)),
        json(500, "", &format!(r#"{{"instance":"PATCH /api/v2/tokens/{KEY}"}}"#)),
        None,
    ];
    let server = Server::start(move |_: &Arrival, before| replies[before].clone()).await;
    let client = client(&server, basic());
    for (disabled, outcome) in [(true, Updated::Done), (false, Updated::Done), (true, Updated::Unfound)] {
        let updated = client.set_disabled(client.turn().await, &key(), disabled).await;
        assert_eq!(updated.expect("an answer"), outcome);
    }
    for words in ["an unusable is_disabled", "in trouble itself", "no answer"] {
        let error = client.set_disabled(client.turn().await, &key(), false).await.expect_err("no success");
        assert!(told(&error).contains("cannot enable a key") && told(&error).contains(words), "{error}");
    }
    let arrivals = server.arrivals();
    assert_eq!(arrivals.len(), 6);
    assert!(arrivals.iter().all(|arrival| arrival.target == format!("PATCH /api/v2/tokens/{KEY}")));
    assert!(arrivals[0].head.contains("content-type: application/json"));
    assert_eq!(
        (&*arrivals[0].body, &*arrivals[1].body),
        (r#"{"is_disabled":true}"#, r#"{"is_disabled":false}"#)
    );
}

#[tokio::test]
async fn an_api_key_in_place_of_a_login_token_is_called_by_its_name() {
    for (organizations, words) in
        [(200, "scope user"), (403, "scope client"), (401, "unknown, expired or disabled")]
    {
        let server = Server::start(move |request: &Arrival, _| {
            let status = if request.target.ends_with("users/me") { 401 } else { organizations };
            json(status, "", "[]")
        })
        .await;
        let error = client(&server, ExceptionlessAuth::Token { token: secret(KEY) }).who_am_i().await;
        let text = told(&error.expect_err("no user"));
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_in_its_file_is_read_again() {
    let server = Server::start(forgetful).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "stale\n").expect("written");
    let client = client(&server, ExceptionlessAuth::Token { token: self::file(&file) });
    client.organizations().await.expect_err("stale");
    fs::write(file.path(), TOKEN).expect("written");
    client.organizations().await.expect("organizations");
}

#[tokio::test]
async fn a_server_without_tls_behind_https_is_not_trusted() {
    let server = Server::start(|_: &Arrival, _| json(200, "", "[]")).await;
    let error = client_at(&format!("https://{}", server.address), basic()).organizations().await;
    assert!(told(&error.expect_err("no TLS")).contains("no trusted TLS connection"));
}

#[tokio::test]
async fn the_servers_clock_is_known_after_any_answer() {
    let server = Server::start(|_: &Arrival, _| json(404, DATE, "{}")).await;
    let client = client(&server, basic());
    assert_eq!(client.server_time(), None);
    client.key_works(&key()).await.expect("an answer");
    let time = client.server_time().expect("a time");
    assert_eq!(time.timestamp(), 1_795_305_480);
}
