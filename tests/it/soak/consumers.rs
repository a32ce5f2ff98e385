//! The programs that use the keys, as they come from their makers: an agent of OpenBao that renders files, applications
//! with the official JavaScript client that read these, and a reader in Python that asks Vault itself.
//!
//! They have a role of their own, which may read and nothing else. A key reaches them through a file or through
//! Vault, never through an argument or a variable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::bao::{FOLDER, binary};
use crate::support::patience;
use crate::support::rig::Rig;

/// Ends the program when the guard's input ends, and tells of the program's end by its own.
const GUARD: &str = r#"
exec 3<&0
"$0" "$@" </dev/null & program=$!
{ cat <&3 >/dev/null; kill -9 "$program"; } & watch=$!
exec 3<&-
wait "$program"; status=$?
kill "$watch"
exit "$status"
"#;

/// A running program. It is killed when this is dropped, and at the latest when this process ends, however that
/// comes about.
pub struct Program {
    pub name: &'static str,
    guard: Child,
    log: PathBuf,
}

impl Program {
    fn start(name: &'static str, folder: &Path, command: &str, arguments: &[&Path]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, command]).args(arguments).current_dir(folder).env_clear();
        guard.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        guard.env("HOME", folder).env("PYTHONPATH", tools("reader"));
        guard.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { name, guard: guard.spawn().unwrap(), log }
    }

    /// What it said, if it has ended.
    pub fn last_words(&mut self) -> Option<String> {
        let ended = self.guard.try_wait().unwrap()?;
        Some(format!("{ended}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// All programs, each of which has read a key of every project. The projects must have keys.
pub async fn start(rig: &Rig) -> Vec<Program> {
    let folder = rig.path("consumers");
    let rendered = folder.join("rendered");
    fs::create_dir_all(&rendered).unwrap();
    add_role(rig, &folder).await;

    let agent = folder.join("agent.hcl");
    fs::write(&agent, agent_configuration(rig, &folder, &rendered)).unwrap();
    let bao = binary();
    let option = PathBuf::from(format!("-config={}", agent.display()));
    let mut agent = Program::start("agent", &folder, bao.to_str().unwrap(), &[Path::new("agent"), &option]);
    patience("a file for each project", async || {
        assert_eq!(agent.last_words(), None, "the agent does not run");
        fs::read_dir(&rendered).unwrap().count() == rig.projects().len()
    })
    .await;

    // A script finds its packages beside itself.
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/soak");
    fs::copy(scripts.join("events.mjs"), folder.join("events.mjs")).unwrap();
    std::os::unix::fs::symlink(tools("node").join("node_modules"), folder.join("node_modules")).unwrap();
    let applications = Program::start("applications", &folder, "node", &[Path::new("events.mjs"), &rendered]);

    let settings = folder.join("reader.json");
    fs::write(&settings, reader_settings(rig, &folder).to_string()).unwrap();
    let reader = Program::start("reader", &folder, "python3", &[&scripts.join("reader.py"), &settings]);
    vec![agent, applications, reader]
}

/// Where `make` has put what the programs need.
fn tools(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(name);
    assert!(path.is_dir(), "{} is missing: run `make test-system`, which installs it", path.display());
    path
}

/// A role that may read the secrets, and the files that open it.
async fn add_role(rig: &Rig, folder: &Path) {
    let mount = &rig.corner.mount;
    let bao = rig.corner.bao;
    let policy = format!("path \"{mount}/data/{FOLDER}/*\" {{ capabilities = [\"read\"] }}");
    bao.root("POST", &format!("sys/policies/acl/{mount}-reader"), json!({ "policy": policy })).await;
    let role = format!("auth/{mount}/role/reader");
    bao.root("POST", &role, json!({ "token_policies": [format!("{mount}-reader")] })).await;
    let answer = bao.root("GET", &format!("{role}/role-id"), Value::Null).await;
    fs::write(folder.join("role-id"), answer["data"]["role_id"].as_str().unwrap()).unwrap();
    let answer = bao.root("POST", &format!("{role}/secret-id"), json!({})).await;
    fs::write(folder.join("secret-id"), answer["data"]["secret_id"].as_str().unwrap()).unwrap();
}

fn agent_configuration(rig: &Rig, folder: &Path, rendered: &Path) -> String {
    let (mount, rendered) = (&rig.corner.mount, rendered.display());
    let mut text = rig.corner.agent_login(folder, "");
    text += "template_config { static_secret_render_interval = \"1s\" }\n";
    for project in rig.projects() {
        text += &format!(
            r#"
template {{
  destination = "{rendered}/{project}.json"
  perms = "0400"
  contents = "{{{{ with secret \"{mount}/data/{place}\" }}}}{{{{ .Data.data | toJSON }}}}{{{{ end }}}}"
}}
"#,
            place = Rig::place(&project)
        );
    }
    text
}

fn reader_settings(rig: &Rig, folder: &Path) -> Value {
    json!({
        "vault": rig.corner.bao.address,
        "mount": rig.corner.mount,
        "auth_mount": rig.corner.mount,
        "role_id_file": folder.join("role-id"),
        "secret_id_file": folder.join("secret-id"),
        "paths": rig.projects().iter().map(|project| Rig::place(project)).collect::<Vec<_>>(),
    })
}
