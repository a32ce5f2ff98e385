//! Mistakes in the file. Each is reported with its key, the file and what to write instead.

use super::{misconfigured, quoted};
use crate::support::rig::{PASSWORD, Rig};

macro_rules! rows {
    ($($name:ident: |$rig:ident| $change:expr, $words:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let mut rig = Rig::new().await;
            let $rig = &mut rig;
            $change;
            let $rig = &rig;
            misconfigured($rig, &$words).await;
        }
    )*};
}

rows! {
    an_unknown_key_is_named_with_the_one_that_was_meant: |rig| rig.set("vault", "adress", "\"x\""),
        ["vault.adress (", "config.toml)", "is not a known key", "did you mean vault.address?"];
    an_unknown_section_is_named_with_the_one_that_was_meant: |rig| rig.set("rotatoin", "overlap", "\"1h\""),
        ["rotatoin (", "config.toml)", "is not a known key", "did you mean rotation?"];
    a_missing_key_is_named_with_the_line_to_write: |rig| rig.unset("vault", "address"),
        ["vault.address: is missing", "write address = ", "under [vault] in ", "config.toml", "VAULT_ADDR"];
    an_ill_typed_key_is_named_with_both_types: |rig| rig.set("rotation", "concurrency", "\"many\""),
        ["rotation.concurrency (", "config.toml)", "is text, not a whole number", "without quotes"];
    a_cron_expression_with_too_few_fields_is_refused: |rig| rig.set("rotation", "schedule", "\"0 3 * *\""),
        ["rotation.schedule (", "config.toml)", "has 4 fields", "\"0 3 * * *\""];
    a_cron_expression_out_of_range_is_refused: |rig| rig.set("rotation", "schedule", "\"0 25 * * *\""),
        ["rotation.schedule (", "config.toml)", "is not a cron expression", "\"0 3 * * *\""];
    a_cron_time_that_never_comes_is_refused: |rig| rig.set("rotation", "schedule", "\"0 3 31 2 *\""),
        ["rotation.schedule (", "config.toml)", "never comes", "\"0 3 * * *\""];
    an_unknown_zone_is_refused: |rig| rig.set("rotation", "timezone", "\"Europe/Berln\""),
        ["rotation.timezone (", "config.toml)", "is not a time zone", "did you mean \"Europe/Berlin\"?"];
    a_bad_duration_is_refused: |rig| rig.set("rotation", "overlap", "\"1 fortnight\""),
        ["rotation.overlap (", "config.toml)", "is not a duration", "\"1h 30m\""];
    a_bad_placeholder_is_refused: |rig| rig.set("vault", "path", "\"apps/{projekt}\""),
        ["vault.path (", "config.toml)", "unknown placeholder {projekt}", "{project_id}"];
    a_path_that_names_no_project_is_refused: |rig| rig.set("vault", "path", "\"apps/exceptionless\""),
        ["vault.path (", "config.toml)", "names no project", "add {project_id}"];
    a_url_with_the_api_path_is_refused: |rig| {
        let url = format!("{}/api/v2", rig.emulator.url());
        rig.set("exceptionless", "url", &quoted(&url))
    }, ["exceptionless.url (", "config.toml)", "/api/v2, which is added by itself", "write it without"];
    a_secret_file_that_is_missing_is_refused:
        |rig| rig.set("exceptionless", "password_file", "\"/etc/no-such-password\""),
        ["exceptionless.password_file (", "config.toml)", "the file /etc/no-such-password does not exist",
         "write the name of a file that holds the secret"];
    a_secret_file_beside_the_configuration_that_is_missing_is_refused:
        |rig| rig.set("exceptionless", "password_file", "\"no-such-file\""),
        ["exceptionless.password_file (", "config.toml)", "no file of that name is in /",
         "write the name of a file that holds the secret"];
    a_secret_file_that_is_a_directory_is_refused: |rig| {
        std::fs::create_dir(rig.path("folder")).unwrap();
        rig.set("exceptionless", "password_file", "\"folder\"")
    }, ["exceptionless.password_file (", "config.toml)", "/folder", "directory", "write the name of a file"];
    an_empty_secret_file_is_refused: |rig| {
        std::fs::write(rig.path("empty"), "\n").unwrap();
        rig.set("vault.auth", "secret_id_file", "\"empty\"")
    },
        ["vault.auth.secret_id_file (", "config.toml)", "/empty is empty", "put the secret there"];
    a_secret_in_the_file_is_refused_and_not_repeated:
        |rig| rig.unset("exceptionless", "password_file").set("exceptionless", "password", &quoted(PASSWORD)),
        ["exceptionless.password (", "config.toml)", "never stands in the file", "password_file",
         "ROTATOR__EXCEPTIONLESS__PASSWORD"];
    an_empty_selection_is_refused: |rig| rig.set("projects", "include", "[]"),
        ["projects.include (", "config.toml)", "no project matches", "[\"*\"]"];
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_are_reported_in_one_go() {
    let mut rig = Rig::new().await;
    rig.set("vault", "adress", "\"x\"").unset("vault", "address");
    rig.set("rotation", "schedule", "\"often\"").set("rotation", "concurrency", "\"many\"");
    rig.environment.insert("ROTATOR__ROTATION__OVERLAP".to_owned(), "86400".to_owned());
    let lines = [
        "error: the configuration has 5 problems\n",
        "\n- vault.address: is missing",
        "\n- rotation.schedule (",
        "\n- rotation.overlap (environment variable ROTATOR__ROTATION__OVERLAP): ",
        "\n- rotation.concurrency (",
        "\n- vault.adress (",
    ];
    misconfigured(&rig, &lines).await;
}
