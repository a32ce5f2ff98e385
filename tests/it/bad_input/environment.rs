//! The same mistakes in the environment. Each is reported with its key and the variable.

use super::misconfigured;
use crate::support::rig::{PASSWORD, Rig};

macro_rules! rows {
    ($($name:ident: $variable:literal = $value:expr, $words:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let mut rig = Rig::new().await;
            rig.environment.insert($variable.to_owned(), $value.to_owned());
            misconfigured(&rig, &$words).await;
        }
    )*};
}

rows! {
    an_unknown_variable_is_named_with_the_key_that_was_meant: "ROTATOR__VAULT__ADRESS" = "x",
        ["vault.adress (environment variable ROTATOR__VAULT__ADRESS)", "did you mean vault.address?"];
    an_ill_typed_variable_is_named: "ROTATOR__ROTATION__CONCURRENCY" = "many",
        ["rotation.concurrency (environment variable ROTATOR__ROTATION__CONCURRENCY)", "is not a whole number"];
    a_bad_cron_expression_is_refused: "ROTATOR__ROTATION__SCHEDULE" = "0 25 * * *",
        ["rotation.schedule (environment variable ROTATOR__ROTATION__SCHEDULE)", "is not a cron expression"];
    a_cron_time_that_never_comes_is_refused: "ROTATOR__ROTATION__SCHEDULE" = "0 3 31 2 *",
        ["rotation.schedule (environment variable ROTATOR__ROTATION__SCHEDULE)", "never comes"];
    an_unknown_zone_is_refused: "ROTATOR__ROTATION__TIMEZONE" = "Berlin",
        ["rotation.timezone (environment variable ROTATOR__ROTATION__TIMEZONE)", "\"Europe/Berlin\"?"];
    a_bad_duration_is_refused: "ROTATOR__ROTATION__OVERLAP" = "86400",
        ["rotation.overlap (environment variable ROTATOR__ROTATION__OVERLAP)", "is not a duration", "\"30s\""];
    a_bad_placeholder_is_refused: "ROTATOR__VAULT__PATH" = "apps/{id}",
        ["vault.path (environment variable ROTATOR__VAULT__PATH)", "unknown placeholder {id}", "{project_id}"];
    a_url_with_the_api_path_is_refused: "ROTATOR__EXCEPTIONLESS__URL" = "https://a.example/api/v2/",
        ["exceptionless.url (environment variable ROTATOR__EXCEPTIONLESS__URL)", "/api/v2"];
    a_secret_file_that_is_missing_is_refused: "ROTATOR__VAULT__AUTH__SECRET_ID_FILE" = "/etc/no-such-secret",
        ["vault.auth.secret_id_file (environment variable ROTATOR__VAULT__AUTH__SECRET_ID_FILE)",
         "the file /etc/no-such-secret does not exist", "write the name of a file that holds the secret"];
    a_secret_file_that_is_a_directory_is_refused: "ROTATOR__EXCEPTIONLESS__PASSWORD_FILE" = "/etc",
        ["exceptionless.password_file (environment variable ROTATOR__EXCEPTIONLESS__PASSWORD_FILE)",
         "/etc", "directory", "write the name of a file that holds the secret"];
    an_empty_secret_file_is_refused: "ROTATOR__EXCEPTIONLESS__PASSWORD_FILE" = "/dev/null",
        ["exceptionless.password_file (environment variable ROTATOR__EXCEPTIONLESS__PASSWORD_FILE)",
         "/dev/null is empty", "put the secret there"];
    a_proxy_of_another_kind_is_refused: "VAULT_PROXY_ADDR" = "socks5://127.0.0.1:1080",
        ["environment variable VAULT_PROXY_ADDR: names a SOCKS proxy", "name one that does"];
    a_socket_without_its_folder_is_refused: "ROTATOR__VAULT__ADDRESS" = "unix://agent.sock",
        ["vault.address (environment variable ROTATOR__VAULT__ADDRESS)", "unix:///run/vault/agent.sock"];
    a_client_certificate_that_is_none_is_refused: "VAULT_CLIENT_CERT" = "/etc/passwd",
        ["vault.client_cert_file (environment variable VAULT_CLIENT_CERT)", "/etc/passwd holds no PEM certificate"];
    a_secret_in_place_of_its_file_is_not_repeated: "ROTATOR__EXCEPTIONLESS__PASSWORD_FILE" = PASSWORD,
        ["exceptionless.password_file (environment variable ROTATOR__EXCEPTIONLESS__PASSWORD_FILE)",
         "no file of that name"];
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_everywhere_names_the_variable_that_would_do() {
    let mut rig = Rig::new().await;
    rig.config.clear();
    let words = [
        "the configuration has 4 problems",
        "exceptionless.email: is missing",
        "or set ROTATOR__EXCEPTIONLESS__EMAIL",
        "or set ROTATOR__EXCEPTIONLESS__PASSWORD",
        "or set ROTATOR__VAULT__ADDRESS or VAULT_ADDR (BAO_ADDR is not read)",
        "or set ROTATOR__VAULT__AUTH__METHOD",
    ];
    misconfigured(&rig, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_variable_of_the_vault_cli_names_that_variable() {
    let mut rig = Rig::new().await;
    rig.unset("vault", "address");
    rig.environment.insert("VAULT_ADDR".to_owned(), "vault:8200".to_owned());
    misconfigured(&rig, &["vault.address (environment variable VAULT_ADDR)", "https://"]).await;
}
