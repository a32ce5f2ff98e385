//! A real Prometheus that watches a real daemon.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{dashboard, list, queries, root, rules, rules_file, stories_file, text, troubled_fleet};
use crate::support::guard::{Guard, SAID};
use crate::support::patience;

/// What stands in the README in place of the rules and the daemon.
const RULES: &str = "/etc/prometheus/exceptionless-rotator.yaml";
const TARGET: &str = "127.0.0.1:9184";

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool").args(arguments).arg(file).output();
    let output = output.expect("promtool is missing: run make operators");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}

#[test]
fn the_alerts_fire_when_they_shall_and_at_no_other_time() {
    promtool(&["check", "rules"], &rules_file());
    promtool(&["test", "rules"], &stories_file());
}

struct Prometheus {
    address: String,
    client: reqwest::Client,
    home: TempDir,
    _guard: Guard,
}

impl Prometheus {
    /// As the README sets it up, but that it looks at another target, every second, and judges the rules as often.
    fn watching(target: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let readme = fs::read_to_string(root().join("README.md")).unwrap();
        let (_, section) = readme.split_once("\n### Alerts and a dashboard\n").unwrap();
        let config = section.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
        assert!(config.contains(RULES) && config.contains(TARGET), "{config}");
        let config = config.replace(RULES, rules_file().to_str().unwrap()).replace(TARGET, target);
        let config = format!("global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{config}");
        let file = home.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        promtool(&["check", "config"], &file);
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", home.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let guard = Guard::start(Path::new("prometheus"), &arguments, home.path(), Some(home.path()));
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { address: format!("http://127.0.0.1:{port}"), client, home, _guard: guard }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let answer =
            self.client.get(format!("{}/api/v1/{path}", self.address)).query(query).send().await.ok()?;
        answer.json().await.ok()
    }

    /// How many series a query finds now.
    async fn finds(&self, query: &str) -> usize {
        let Some(answer) = self.get("query", &[("query", query)]).await else { return 0 };
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        list(&answer["data"]["result"]).len()
    }
}

#[tokio::test]
async fn prometheus_takes_the_rules_and_each_panel_of_the_dashboard_has_something_to_show() {
    let (_rig, _daemon, visitor) = troubled_fleet().await;
    let prometheus = Prometheus::watching(visitor.url.strip_prefix("http://").unwrap());
    let up = format!("it scrapes, in {}", prometheus.home.path().join(SAID).display());
    patience(&up, async || prometheus.finds("exceptionless_rotator_build_info").await == 1).await;
    assert_eq!(prometheus.finds("up == 1").await, 1);

    let dashboard = dashboard();
    for (title, query) in queries(&dashboard) {
        let query = query.replace("$__rate_interval", "10s").replace("[1h]", "[10s]");
        let query = query.replace("$job", ".*").replace("$organization", ".*");
        patience(&format!("{title} shows something: {query}"), async || prometheus.finds(&query).await > 0)
            .await;
    }

    let mut judged = Vec::new();
    patience("every rule was judged", async || {
        let answer = prometheus.get("rules", &[]).await.unwrap();
        judged =
            list(&answer["data"]["groups"]).iter().flat_map(|group| list(&group["rules"])).cloned().collect();
        judged.len() == rules().len() && judged.iter().all(|rule| rule["health"] != "unknown")
    })
    .await;
    for rule in &judged {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // The fleet has a conflict, and a project without a key.
    let pending =
        |name: &str| judged.iter().any(|rule| text(rule, "name") == name && rule["state"] == "pending");
    assert!(pending("ExceptionlessRotatorConflict"), "{judged:#?}");
    assert!(pending("ExceptionlessRotatorProblems"), "{judged:#?}");
    assert!(!pending("ExceptionlessRotatorAbsent") && !pending("ExceptionlessRotatorDown"), "{judged:#?}");
}
