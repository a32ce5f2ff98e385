//! Files that cannot be the configuration.

use super::{CONFIGURATION, Refusal, misconfigured_in};
use crate::support::rig::{PASSWORD, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_exist_is_named() {
    let rig = Rig::new().await;
    let file = rig.path("no-such.toml");
    misconfigured_in(&rig, &file, &["no-such.toml: does not exist", "name an existing file"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_a_directory_is_named() {
    let rig = Rig::new().await;
    let file = rig.path("folder.toml");
    std::fs::create_dir(&file).unwrap();
    misconfigured_in(&rig, &file, &["folder.toml: cannot be read", "check that it is a file"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_is_not_known_is_refused_with_those_that_are() {
    let rig = Rig::new().await;
    for (name, problem) in [("config.ini", "unsupported extension \"ini\""), ("config", "no extension")] {
        let file = rig.path(name);
        std::fs::write(&file, "").unwrap();
        misconfigured_in(&rig, &file, &[name, problem, "name it .toml, .yaml, .yml or .json"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_parsed_names_the_position_and_never_the_line() {
    let rig = Rig::new().await;
    for (name, text, place) in [
        ("broken.toml", format!("[exceptionless]\npassword = {PASSWORD}\n"), "TOML at line 2, column 12"),
        ("broken.yaml", format!("exceptionless:\n  password: \"{PASSWORD}\n"), "YAML at line "),
        ("broken.json", format!("{{\"exceptionless\": {{\"password\": {PASSWORD}}}}}"), "JSON at line 1"),
    ] {
        let file = rig.path(name);
        std::fs::write(&file, text).unwrap();
        misconfigured_in(&rig, &file, &[name, "is not a configuration in", place, "correct it there"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_file_is_told_where_it_was_looked_for() {
    let rig = Rig::new().await;
    let program = rig.command(&["rotate"]).as_std().get_program().to_owned();
    let output = tokio::process::Command::new(program).arg("rotate").env_clear().output().await.unwrap();
    let words = ["/etc/exceptionless-rotator/config.toml: does not exist", "name another with --config"];
    Refusal::of(&rig, output.into()).await.says(CONFIGURATION, &words);
}
