//! The manifests for Kubernetes: the cluster's API knows what stands in them, our own reader accepts the configuration
//! in them, and what is said twice is said alike.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::yaml;

mod commands;

/// The oldest that knows sidecars without being told to, and the newest that the schemas are here for.
const VERSIONS: [&str; 2] = ["1.29.0", "1.37.0"];

const LABEL: &str = "app.kubernetes.io/name";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("config/kubernetes")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// The one object of a kind in a file.
fn object(file: &str, kind: &str) -> Value {
    let mut found = yaml::documents(&read(file)).into_iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("{file} has no {kind}"));
    assert!(found.next().is_none(), "{file} has two of {kind}");
    first
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn named<'a>(values: &'a Value, name: &str) -> &'a Value {
    list(values).iter().find(|value| value["name"] == name).unwrap_or_else(|| panic!("no {name} in {values}"))
}

/// A pod with a rotator in it, and the rotator's configuration.
struct Pod {
    spec: Value,
    rotator: Value,
    config: String,
}

/// The replicas of the fleet, and the sidecar of one application.
fn pods() -> [Pod; 2] {
    let fleet = object("deployment.yaml", "Deployment")["spec"]["template"]["spec"].take();
    let beside = object("sidecar.yaml", "Deployment")["spec"]["template"]["spec"].take();
    let config = object("sidecar.yaml", "ConfigMap")["data"]["config.toml"].as_str().unwrap().to_owned();
    [
        Pod {
            rotator: named(&fleet["containers"], "rotator").clone(),
            spec: fleet,
            config: read("config.toml"),
        },
        Pod { rotator: named(&beside["initContainers"], "rotator").clone(), spec: beside, config },
    ]
}

impl Pod {
    /// What a key of the configuration says. A commented line counts: somebody may remove the comment sign.
    fn says(&self, section: &str, key: &str) -> Option<&str> {
        let lines = self.config.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        lines.find_map(|line| {
            let (found, value) = line.trim_start_matches("# ").split_once(" = ")?;
            (found == key).then(|| value.trim_matches('"'))
        })
    }

    fn listens(&self) -> &str {
        self.says("admin", "listen").unwrap()
    }

    /// Whether a file is there: a volume that is mounted as its folder has an item of its name.
    fn has(&self, file: &str) -> bool {
        let (folder, name) = file.rsplit_once('/').unwrap();
        let mounts = list(&self.rotator["volumeMounts"]).iter();
        let mut volumes = mounts.filter(|mount| mount["mountPath"] == folder).map(|mount| {
            assert_eq!(mount["readOnly"], true, "{mount}");
            named(&self.spec["volumes"], mount["name"].as_str().unwrap())
        });
        volumes.any(|volume| names(volume, name) || volume["configMap"].is_object() && name == "config.toml")
    }
}

/// Whether a volume, however it is made, has an item of that path.
fn names(volume: &Value, path: &str) -> bool {
    match volume {
        Value::Object(map) => {
            map.get("path").is_some_and(|it| it == path) || map.values().any(|it| names(it, path))
        }
        Value::Array(items) => items.iter().any(|item| names(item, path)),
        _ => false,
    }
}

fn validated(files: &[PathBuf], version: &str) -> Output {
    let modules = root().join("target/tools/manifests");
    assert!(modules.is_dir(), "nothing here knows the API of Kubernetes: run make tools");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", modules).args(["-m", "kubernetes_validate", "--strict", "-k", version]);
    command.args(files).output().unwrap()
}

fn assert_valid(files: &[PathBuf], objects: usize) {
    for version in VERSIONS {
        let output = validated(files, version);
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
        assert_eq!(said.matches(" passed for resource ").count(), objects, "{version}: {said}");
    }
}

#[test]
fn the_api_of_the_cluster_knows_every_field() {
    let files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .collect();
    assert_valid(&files, 7);

    let folder = TempDir::new().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, read("deployment.yaml").replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
        .unwrap();
    assert!(!validated(&[wrong], VERSIONS[1]).status.success(), "a slip is found");
}

#[test]
fn the_kustomization_has_every_manifest_but_the_example() {
    let kustomization = object("kustomization.yaml", "Kustomization");
    let generator = &kustomization["configMapGenerator"][0];
    let files = list(&kustomization["resources"]).iter().chain(list(&generator["files"]));
    let mut listed: BTreeSet<String> = files.map(|file| file.as_str().unwrap().to_owned()).collect();
    listed.extend(["kustomization.yaml", "sidecar.yaml"].map(str::to_owned));
    let there =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(listed, there.collect());

    let image = &kustomization["images"][0];
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
    let namespace = object("namespace.yaml", "Namespace")["metadata"]["name"].take();
    assert_eq!(kustomization["namespace"], namespace);
    let [fleet, _] = pods();
    let config = named(&fleet.spec["volumes"], "config");
    assert_eq!(generator["name"], config["configMap"]["name"], "what is generated is what is mounted");
    assert_eq!(
        fleet.spec["serviceAccountName"],
        object("serviceaccount.yaml", "ServiceAccount")["metadata"]["name"]
    );
}

#[test]
fn each_configuration_is_accepted_as_it_stands() {
    for pod in pods() {
        let folder = TempDir::new().unwrap();
        let place = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let config = place("config.toml", &pod.config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_exceptionless-rotator"));
        command.env_clear().args(["config", "--config"]).arg(config);
        // Only what a pod has, and this machine has not, is elsewhere.
        command.env("ROTATOR__EXCEPTIONLESS__PASSWORD_FILE", place("password", "correct horse"));
        command.env("ROTATOR__VAULT__AUTH__JWT_FILE", place("token", "a.b.c"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_file_that_a_configuration_names_is_mounted() {
    for pod in pods() {
        for (section, key) in [("exceptionless", "password_file"), ("vault.auth", "jwt_file")] {
            let file = pod.says(section, key).unwrap();
            assert!(pod.has(file), "{key} = {file}");
        }
        if let Some(file) = pod.says("vault", "ca_file") {
            assert!(pod.has(file), "{file}");
        }
        let arguments: Vec<_> =
            list(&pod.rotator["args"]).iter().map(|word| word.as_str().unwrap()).collect();
        let ["run", "--config", config] = arguments[..] else { panic!("{arguments:?}") };
        assert!(pod.has(config), "{config}");
        assert!(!pod.has("/run/secrets/vault/tokens"));
    }
}

#[test]
fn ports_probes_and_policies_agree_with_the_configuration() {
    let deployment = object("deployment.yaml", "Deployment");
    let [fleet, beside] = pods();
    for pod in [&fleet, &beside] {
        let (address, port) = pod.listens().rsplit_once(':').unwrap();
        assert_eq!(address, "0.0.0.0", "the kubelet comes from outside");
        let port: u64 = port.parse().unwrap();
        assert_eq!(named(&pod.rotator["ports"], "admin")["containerPort"], port);
        let probes = ["startupProbe", "livenessProbe", "readinessProbe"];
        for probe in
            probes.map(|name| &pod.rotator[name]["httpGet"]).into_iter().filter(|get| get.is_object())
        {
            assert_eq!(probe["port"], "admin");
        }
        assert_eq!(pod.rotator["livenessProbe"]["httpGet"]["path"], "/healthz");
    }
    assert_eq!(fleet.rotator["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert!(beside.rotator["readinessProbe"].is_null(), "the application is ready without the rotator");

    let port = fleet.listens().rsplit_once(':').unwrap().1;
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], port);
    assert_eq!(annotations["prometheus.io/path"], "/metrics");

    let policy = object("networkpolicy.yaml", "NetworkPolicy");
    let ports = |rules: &Value| -> BTreeSet<String> {
        let ports = list(rules).iter().flat_map(|rule| list(&rule["ports"]));
        ports.map(|port| port["port"].to_string()).collect()
    };
    assert_eq!(ports(&policy["spec"]["ingress"]), BTreeSet::from([port.to_owned()]));
    let vault = fleet.says("vault", "address").unwrap().rsplit_once(':').unwrap().1.to_owned();
    assert!(fleet.says("exceptionless", "url").unwrap().starts_with("https://"));
    assert_eq!(ports(&policy["spec"]["egress"]), BTreeSet::from(["53".to_owned(), "443".to_owned(), vault]));

    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let budget = object("poddisruptionbudget.yaml", "PodDisruptionBudget");
    for selector in [
        &deployment["spec"]["selector"],
        &policy["spec"]["podSelector"],
        &budget["spec"]["selector"],
        &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"],
    ] {
        assert_eq!(selector["matchLabels"][LABEL], labels[LABEL]);
    }
    assert_eq!(
        fleet.says("ha", "enabled"),
        Some("true"),
        "there are {} replicas",
        deployment["spec"]["replicas"]
    );
}

#[test]
fn a_rotator_in_a_pod_has_no_right_that_it_does_not_need() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for pod in pods() {
        let user = pod.spec["securityContext"]["runAsUser"].to_string();
        assert!(dockerfile.contains(&format!("USER {user}:{user}")), "{user}");
        let context = json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(pod.spec["securityContext"], context);
        assert_eq!(pod.spec["automountServiceAccountToken"], false);
        assert_eq!(pod.spec["enableServiceLinks"], false);
        let context = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(pod.rotator["securityContext"], context);
        assert_eq!(pod.rotator["resources"]["limits"]["memory"], "64Mi");
        let image = format!("exceptionless-rotator:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(pod.rotator["image"], image);
    }
}

/// As `kubectl apply -k` sends it.
#[cfg(feature = "system")]
#[test]
fn what_kubectl_makes_of_the_kustomization_is_known_to_the_api_too() {
    let output = Command::new("kubectl").arg("kustomize").arg(folder()).output();
    let output = output.expect("kubectl is missing: run make operators");
    assert!(output.status.success(), "{output:?}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("all.yaml");
    fs::write(&file, &output.stdout).unwrap();
    assert_valid(&[file], 6);

    let objects = yaml::documents(&String::from_utf8(output.stdout).unwrap());
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let mounted = named(&of("Deployment")["spec"]["template"]["spec"]["volumes"], "config");
    assert_eq!(mounted["configMap"]["name"], of("ConfigMap")["metadata"]["name"]);
    assert_eq!(of("ConfigMap")["data"]["config.toml"], read("config.toml"));
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], "exceptionless-rotator", "{object}");
    }
}
