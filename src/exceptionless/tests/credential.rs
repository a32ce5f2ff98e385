//! What a refusal means, and how often it is tempted.

use super::*;

const FAILED: &str = r#"{"title":"Login failed."}"#;

fn logins(server: &Server) -> usize {
    server.targets().iter().filter(|target| *target == "POST /api/v2/auth/login").count()
}

#[tokio::test]
async fn a_refused_login_is_remembered_until_the_quarter_hour_ends() {
    let server = Server::start(|_: &Arrival, _| json(401, DATE, FAILED)).await;
    let client = client(&server, login());
    for _ in 0..3 {
        let error = client.who_am_i().await.expect_err("refused");
        let text = told(&error);
        assert!(text.contains("e-mail or password of rotator@example.test; check $SECRET"), "{text}");
        assert!(text.contains("2026-11-22T00:00:00Z"), "{text}");
        assert_eq!(error.kind(), ErrorKind::NotPermitted);
    }
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn in_a_servers_trouble_a_login_is_not_repeated_before_basic_says_that_it_is_worth_it() {
    for (basic, most) in [(500, 1), (200, 3), (404, 3)] {
        let server = Server::start(move |request: &Arrival, _| match request.target.as_str() {
            "GET /api/v2/users/me" => json(basic, "", "{}"),
            _ => json(500, "", "{}"),
        })
        .await;
        let client = client(&server, login());
        for _ in 0..6 {
            let error = client.who_am_i().await.expect_err("trouble");
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{basic}: {error}");
        }
        assert_eq!(logins(&server), most, "{basic}");
    }
}

/// Refuses every password, and says this of its health.
async fn refusing(health: u16) -> Server {
    Server::start(move |request: &Arrival, _| match request.target.as_str() {
        "GET /health" => raw(health, "content-type: text/plain\r\n", "as it is"),
        _ => json(401, DATE, FAILED),
    })
    .await
}

#[tokio::test]
async fn a_refusal_by_a_server_that_is_not_well_is_no_refusal() {
    let server = refusing(503).await;
    let client = client(&server, login());
    for _ in 0..5 {
        let error = client.who_am_i().await.expect_err("refused");
        assert!(told(&error).contains("/health there says"), "{error}");
        assert_eq!((error.kind(), logins(&server)), (ErrorKind::Unreachable, 1));
    }
}

#[tokio::test]
async fn a_server_that_does_not_show_its_health_is_taken_at_its_word() {
    for health in [200, 404, 401] {
        let server = refusing(health).await;
        let client = client(&server, login());
        for _ in 0..3 {
            let error = client.who_am_i().await.expect_err("refused");
            assert!(matches!(error, ExceptionlessError::LoginRefused { .. }), "{error}");
        }
        assert_eq!(logins(&server), 1);
    }
}

/// Lets in at the first attempt, and at none after it. Its tokens are refused at once.
fn let_in_once(request: &Arrival, before: usize) -> Reply {
    match request.target.as_str() {
        "POST /api/v2/auth/login" if before == 0 => json(200, "", &format!(r#"{{"token":"{TOKEN}"}}"#)),
        "GET /health" => json(200, "", ""),
        _ => json(401, DATE, FAILED),
    }
}

#[tokio::test]
async fn a_password_that_has_worked_is_asked_about_without_another_login_and_then_no_more() {
    let server = Server::start(let_in_once).await;
    let client = client(&server, login());
    for attempt in 1..=5 {
        let error = client.who_am_i().await.expect_err("refused");
        let words = if attempt < 3 { "which it had accepted before" } else { "2026-11-22T00:00:00Z" };
        assert!(told(&error).contains(words) && told(&error).contains("$SECRET"), "{error}");
        assert_eq!(logins(&server), 2, "what Basic refuses too costs no further attempt");
    }
}

const USER: &str = r#"{"id":"6506b1a0c7a9d1f2e3b4c5d6","email_address":"rotator@example.test"}"#;

/// `rotator@example.test:battery staple`, as HTTP Basic carries it.
const RIGHT: &str = "cm90YXRvckBleGFtcGxlLnRlc3Q6YmF0dGVyeSBzdGFwbGU=";

#[tokio::test]
async fn a_refusal_is_about_one_password_and_the_right_one_is_let_in_after_any_number_of_guesses() {
    let server = Server::start(|request: &Arrival, _| match request.target.as_str() {
        "POST /api/v2/auth/login" if request.body.contains("battery staple") => {
            json(200, "", &format!(r#"{{"token":"{TOKEN}"}}"#))
        }
        "GET /api/v2/users/me" if request.head.contains(RIGHT) => json(200, "", USER),
        _ if request.head.contains(TOKEN) => json(200, "", "[]"),
        _ => json(401, DATE, FAILED),
    })
    .await;
    let (file, client) = guessing(&server);
    for number in 0..8 {
        client.organizations().await.expect_err("refused");
        client.organizations().await.expect_err("remembered");
        put(&file, &format!("a guess {number}"));
    }
    assert_eq!(logins(&server), 3, "two are left to people");
    put(&file, "battery staple");
    client.organizations().await.expect("organizations");
    assert_eq!(logins(&server), 4);
}

#[tokio::test]
async fn where_basic_knows_no_password_the_login_decides() {
    // As with Active Directory.
    let server = Server::start(|request: &Arrival, before| match request.target.as_str() {
        "POST /api/v2/auth/login" if before == 0 => json(500, "", "{}"),
        "POST /api/v2/auth/login" => json(200, "", &format!(r#"{{"token":"{TOKEN}"}}"#)),
        _ if request.head.contains(TOKEN) => json(200, "", "[]"),
        _ => json(401, DATE, FAILED),
    })
    .await;
    let client = client(&server, login());
    client.organizations().await.expect_err("trouble");
    client.organizations().await.expect("organizations");
    assert_eq!(logins(&server), 2);
}

#[tokio::test]
async fn a_web_page_is_no_word_about_a_password() {
    let page = |_: &Arrival, _| raw(401, "content-type: text/html\r\n", "<html>who are you?</html>");
    let server = Server::start(page).await;
    let client = client(&server, login());
    let error = client.who_am_i().await.expect_err("a page");
    assert!(matches!(error, ExceptionlessError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_client_that_takes_the_place_of_another_remembers_what_was_refused() {
    let server = Server::start(|_: &Arrival, _| json(401, DATE, FAILED)).await;
    let mut client = client(&server, login());
    for _ in 0..6 {
        client.organizations().await.expect_err("refused");
        let fresh = self::client(&server, login());
        fresh.inherit(&client).await;
        client = fresh;
    }
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn guesses_that_basic_cannot_carry_leave_two_attempts_to_people() {
    let server = Server::start(|_: &Arrival, _| json(401, DATE, FAILED)).await;
    let (file, client) = guessing(&server);
    for number in 0..8 {
        put(&file, &format!("a:guess {number}"));
        client.organizations().await.expect_err("refused");
    }
    assert_eq!(logins(&server), 3);
}

#[tokio::test]
async fn that_a_password_worked_for_its_predecessor_is_no_reason_to_doubt_a_refusal() {
    let server = Server::start(let_in_once).await;
    let former = client(&server, login());
    former.who_am_i().await.expect_err("its token is refused, and so is the next login");
    let client = client(&server, login());
    client.inherit(&former).await;
    let error = client.who_am_i().await.expect_err("refused");
    assert!(matches!(error, ExceptionlessError::LoginRefused { .. }), "{error}");
    assert_eq!(logins(&server), 2);
}

/// A client that logs in with what stands in the file.
fn guessing(server: &Server) -> (tempfile::NamedTempFile, ExceptionlessClient) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    put(&file, PASSWORD);
    let email = "rotator@example.test".to_owned();
    let client = client(server, ExceptionlessAuth::Login { email, password: self::file(&file) });
    (file, client)
}

fn put(file: &tempfile::NamedTempFile, password: &str) {
    fs::write(file.path(), password).expect("written");
}

#[tokio::test]
async fn with_basic_a_refusal_says_whether_it_can_be_believed() {
    for (health, worked, words) in [
        (503, false, "/health there says"),
        (503, true, "/health there says"),
        (200, true, "which it had accepted before"),
        (404, false, "check $SECRET and that the account is active"),
    ] {
        let server = Server::start(move |request: &Arrival, before| match request.target.as_str() {
            "GET /health" => raw(health, "", ""),
            _ if worked && before == 0 => json(200, "", "[]"),
            _ => json(401, "", "{}"),
        })
        .await;
        let client = client(&server, basic());
        if worked {
            client.organizations().await.expect("organizations");
        }
        let error = client.organizations().await.expect_err("refused");
        assert!(told(&error).contains(words), "{health} {worked}: {error}");
        let kind = if health == 503 { ErrorKind::Unreachable } else { ErrorKind::NotPermitted };
        assert_eq!(error.kind(), kind);
    }
}
