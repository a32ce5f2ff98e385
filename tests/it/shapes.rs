//! What a secret looks like: fields by template, standard ones left out, and what Vault keeps of it.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::bao::binary;
use crate::support::rig::{OF_ANOTHER, Rig};

const STATE: [&str; 5] = ["managed_by", "overlap_seconds", "project_id", "rotated_at", "rotation_id"];

async fn one(fields: &[(&str, &str)]) -> (Rig, String) {
    let mut rig = Rig::sized(1).await;
    set(&mut rig, fields);
    let project = rig.projects().remove(0);
    (rig, project)
}

/// These fields and no other.
fn set(rig: &mut Rig, fields: &[(&str, &str)]) {
    rig.config.remove("secret.fields");
    for (name, template) in fields {
        rig.set("secret.fields", name, &format!("{template:?}"));
    }
}

/// The only project's row of a pass.
async fn pass(rig: &Rig, arguments: &[&str]) -> Value {
    rig.json(&[&["rotate"], arguments].concat()).await["projects"][0].take()
}

/// As if its shape had been written an hour ago. A shape is left alone for a while.
async fn age(rig: &Rig, project: &str) {
    let mut secret = rig.secret(project).await;
    let name = rig.field("shape");
    let (digest, rest) = secret[&name].as_str().unwrap().split_once('@').unwrap();
    let names = rest.split_once(',').map(|(_, names)| format!(",{names}")).unwrap_or_default();
    let then = (Utc::now() - TimeDelta::hours(1)).to_rfc3339();
    secret[&name] = json!(format!("{digest}@{then}{names}"));
    rig.corner.put_raw(&Rig::place(project), secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_an_environment_file_for_who_renders_it_as_it_is() {
    let fields = [
        ("EXCEPTIONLESS_API_KEY", "{api_key}"),
        ("EXCEPTIONLESS_DSN", "https://{api_key}@host/{project_id}?of={organization_name}"),
        ("api_key", ""),
        ("server_url", ""),
        ("project_name", ""),
    ];
    let (rig, project) = one(&fields).await;
    pass(&rig, &[]).await;
    let secret = rig.secret(&project).await;
    let key = rig.emulator.live_keys(&project).into_iter().find(crate::support::rig::is_own).unwrap().id;
    assert_eq!(secret["EXCEPTIONLESS_API_KEY"], key);
    assert_eq!(secret["EXCEPTIONLESS_DSN"], format!("https://{key}@host/{project}?of=Acme"));
    for name in ["api_key", "server_url", "project_name"] {
        assert_eq!(secret.get(name), None, "{name}");
    }
    assert!(STATE.iter().all(|name| secret[*name].is_string()), "{secret}");

    std::fs::write(rig.path("role-id"), rig.corner.role_id().await).unwrap();
    let template = format!(
        "template {{\n  destination = \"{}\"\n  contents = <<-EOT\n  {{{{ with secret \"{}/data/{}\" -}}}}\n  \
         {{{{ range $name, $value := .Data.data }}}}{{{{ $name }}}}={{{{ $value }}}}\n  \
         {{{{ end }}}}{{{{ end }}}}\n  EOT\n}}\n",
        rig.path("app.env").display(),
        rig.corner.mount,
        Rig::place(&project),
    );
    let agent = rig.corner.agent_login(rig.corner.dir.path(), "") + &template + "exit_after_auth = true\n";
    std::fs::write(rig.path("agent.hcl"), agent).unwrap();
    let mut command = Command::new(binary());
    command.arg("agent").arg("-config").arg(rig.path("agent.hcl")).kill_on_drop(true);
    let ended = command.output().await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let file = std::fs::read_to_string(rig.path("app.env")).unwrap();
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
    // As docker, podman and systemd read such a file: up to the first equals sign, and all that follows.
    let read: serde_json::Map<String, Value> = lines
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("{line:?}")))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    assert_eq!(Value::Object(read), secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_fields_are_written_at_once_with_the_same_key_and_only_once() {
    let (mut rig, project) = one(&[]).await;
    pass(&rig, &[]).await;
    assert_eq!(rig.secret(&project).await.get("shape"), None);
    pass(&rig, &["--all"]).await;
    let (key, before) = (rig.key(&project).await, rig.json(&["status"]).await);
    set(&mut rig, &[("EXCEPTIONLESS_URL", "{server_url}"), ("server_url", "")]);
    let planned = rig.json(&["plan"]).await["projects"][0].take();
    assert_eq!((&planned["decision"], &planned["reason"]), (&json!("reshape"), &json!("fields_changed")));

    let row = pass(&rig, &[]).await;
    assert_eq!((&row["outcome"], &row["version"]), (&json!("reshaped"), &json!(3)), "{row}");
    let secret = rig.secret(&project).await;
    assert_eq!(secret["EXCEPTIONLESS_URL"], rig.emulator.url());
    assert_eq!((secret.get("server_url"), &secret["api_key"]), (None, &json!(key)));
    let after = rig.json(&["status"]).await;
    assert_eq!(
        after["projects"][0]["retiring"], before["projects"][0]["retiring"],
        "no key lives longer for it"
    );
    assert_eq!(pass(&rig, &[]).await["outcome"], "held");
    assert_eq!((rig.version(&project).await, rig.emulator.requests().tokens_created), (3, 2));
    let explained = rig.run(&["explain", &project]).await.stdout;
    assert!(explained.contains("EXCEPTIONLESS_URL added; server_url left out"), "{explained}");
    set(&mut rig, &[]);
    age(&rig, &project).await;
    let table = rig.rotate().await.stdout;
    assert!(table.contains("1 projects: 0 published, 1 reshaped, 0 keys retired"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotators_with_other_fields_leave_each_other_s_alone_for_a_while_and_then_say_so() {
    let (mut rig, project) = one(&[("A", "1")]).await;
    pass(&rig, &[]).await;
    for (fields, version) in [(&[("B", "2")][..], 3), (&[], 5), (&[("A", "1")], 7)] {
        set(&mut rig, fields);
        assert_eq!(pass(&rig, &[]).await["outcome"], "held", "not so soon");
        age(&rig, &project).await;
        let ended = rig.rotate().await;
        assert!(ended.events().contains(&"secret.reshaped".to_owned()), "{ended:?}");
        assert_eq!(rig.version(&project).await, version);
        let secret = rig.secret(&project).await;
        for name in ["A", "B"] {
            let wanted = fields.iter().find(|(field, _)| *field == name).map(|(_, value)| json!(value));
            assert_eq!(secret.get(name).cloned(), wanted, "{secret}");
        }
        assert_eq!(pass(&rig, &[]).await["outcome"], "held");
    }
    assert_eq!(rig.emulator.requests().tokens_created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_renamed_is_read_back_rotated_and_retired_and_found_again_under_its_old_name() {
    let (mut rig, project) = one(&[("KEY", "{api_key}"), ("api_key", "")]).await;
    rig.set("rotation", "overlap", "\"1s\"");
    let key = async || rig.secret(&project).await["KEY"].as_str().map(str::to_owned);
    pass(&rig, &[]).await;
    let first = key().await.unwrap();
    assert_eq!(pass(&rig, &[]).await["outcome"], "held");
    pass(&rig, &["--all"]).await;
    let second = key().await.unwrap();
    assert_ne!(first, second);
    let alone = async || rig.own_keys(&project) == [key().await.unwrap()];
    rig.rotate_until("the replaced key is revoked", alone).await;
    assert_eq!(key().await.as_ref(), Some(&second));

    for fields in [&[][..], &[("OTHER", "{api_key}"), ("api_key", "")]] {
        age(&rig, &project).await;
        set(&mut rig, fields);
        assert_eq!(pass(&rig, &[]).await["outcome"], "reshaped");
        let secret = rig.secret(&project).await;
        let name = if fields.is_empty() { "api_key" } else { "OTHER" };
        assert_eq!((&secret[name], secret.get("KEY")), (&json!(second), None));
    }
    assert_eq!(rig.own_keys(&project), [second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_secret_added_names_are_literal_and_removed_with_us() {
    let (mut rig, project) =
        one(&[("KEY", "{api_key}"), ("api_key", ""), ("NOTE", "of {project_name}")]).await;
    rig.share().await;
    pass(&rig, &[]).await;
    let secret = rig.secret(&project).await;
    assert_eq!((&secret["password"], &secret["NOTE"]), (&json!(OF_ANOTHER), &json!("of Project 1")));
    assert!(secret["ex_managed_by"].is_string() && secret.get("ex_api_key").is_none(), "{secret}");
    let key = secret["KEY"].clone();

    age(&rig, &project).await;
    set(&mut rig, &[]);
    assert_eq!(pass(&rig, &[]).await["outcome"], "reshaped");
    let secret = rig.secret(&project).await;
    assert_eq!((&secret["ex_api_key"], &secret["password"]), (&key, &json!(OF_ANOTHER)));
    assert_eq!((secret.get("KEY"), secret.get("NOTE")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_shape_in_a_shared_secret_stops_neither_a_pass_nor_an_emergency() {
    let (mut rig, project) =
        one(&[("KEY", "{api_key}"), ("api_key", ""), ("NOTE", "of {project_name}")]).await;
    rig.share().await;
    pass(&rig, &[]).await;
    let damage = async || {
        let mut secret = rig.secret(&project).await;
        secret[&rig.field("shape")] = json!("damaged");
        rig.corner.put_raw(&Rig::place(&project), secret).await;
    };
    damage().await;
    let leaked = rig.secret(&project).await["KEY"].as_str().unwrap().to_owned();
    assert_eq!(pass(&rig, &[]).await["outcome"], "reshaped");
    assert_eq!(rig.secret(&project).await["KEY"], json!(leaked));
    damage().await;
    assert_eq!(pass(&rig, &["--all", "--revoke-previous-now", "--yes"]).await["outcome"], "published");
    assert!(!rig.emulator.authenticates(&leaked));
    assert!(rig.others_are_kept().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_another_owner_is_not_overwritten_by_an_added_one() {
    let (mut rig, project) = one(&[("password", "{api_key}")]).await;
    rig.share().await;
    let refused = async |rig: &Rig, words: &str| {
        let ended = rig.run(&["rotate", "--output", "json"]).await;
        let row = ended.document()["projects"][0].take();
        assert_eq!((ended.code, &row["reason"]), (1, &json!("conflict")), "{ended:?}");
        assert!(row["problem"].as_str().unwrap().contains(words), "{row}");
        assert!(rig.others_are_kept().await);
    };
    refused(&rig, "adopt_paths").await;
    set(&mut rig, &[("MINE", "{api_key}")]);
    pass(&rig, &[]).await;
    age(&rig, &project).await;
    set(&mut rig, &[("password", "{api_key}")]);
    refused(&rig, "the field \"password\"").await;
    assert_eq!(rig.run(&["check"]).await.code, 1);
    rig.set("vault", "adopt_paths", "true");
    assert_eq!(pass(&rig, &[]).await["outcome"], "reshaped");
    assert_eq!(rig.secret(&project).await["password"], json!(rig.key(&project).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vault_keeps_is_set_once_and_blind_writes_are_refused() {
    let (mut rig, project) = one(&[]).await;
    let relay = rig.relay_vault().await;
    let marks = || relay.seen().iter().filter(|request| request.starts_with("PATCH ")).count();
    pass(&rig, &[]).await;
    assert_eq!(marks(), 1);
    rig.set("secret", "max_versions", "3").set("secret", "cas_required", "true");
    for _ in 0..2 {
        assert_eq!(pass(&rig, &[]).await["outcome"], "held");
        assert_eq!(marks(), 2, "once, and not in each pass");
    }
    let metadata = rig.corner.metadata(&Rig::place(&project)).await;
    assert_eq!((&metadata["max_versions"], &metadata["cas_required"]), (&json!(3), &json!(true)));
    let data = format!("{}/data/{}", rig.corner.mount, Rig::place(&project));
    let (status, said) = rig.corner.bao.any("POST", &data, json!({"data": {"api_key": "x"}})).await;
    assert!(status == 400 && said.to_string().contains("check-and-set"), "{said}");

    rig.set("secret", "max_versions", "5").unset("secret", "cas_required");
    pass(&rig, &["--all"]).await;
    let metadata = rig.corner.metadata(&Rig::place(&project)).await;
    assert_eq!((&metadata["max_versions"], &metadata["cas_required"]), (&json!(5), &json!(true)));
    assert_eq!((marks(), &pass(&rig, &[]).await["outcome"]), (3, &json!("held")));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_that_other_fields_are_wanted_and_from_when_on_they_may_be_written() {
    let (mut rig, project) = one(&[("KEY", "{api_key}")]).await;
    pass(&rig, &[]).await;
    let told = async |rig: &Rig| {
        let story = rig.run(&["explain", &project]).await.stdout;
        (story.contains("the fields are not, and are written again after"), story.contains("has others yet"))
    };
    assert_eq!(told(&rig).await, (false, false));
    set(&mut rig, &[("TOKEN", "{api_key}")]);
    assert_eq!(told(&rig).await, (true, true));
    age(&rig, &project).await;
    assert_eq!(told(&rig).await, (false, true), "the next pass does it");
}
