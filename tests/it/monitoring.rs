//! The alert rules and the dashboard: what they ask for is what a daemon exports, and what they say helps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use exceptionless_emulator::{Fault, Kind};
use serde_json::{Value, json};

use crate::support::patience;
use crate::support::process::Process;
use crate::support::rig::Rig;
use crate::support::visitor::Visitor;
use crate::support::yaml;

#[cfg(feature = "system")]
mod prometheus;

const PREFIX: &str = "exceptionless_rotator_";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules_file() -> PathBuf {
    root().join("config/prometheus/alerts.yaml")
}

/// The file that says what fires when.
fn stories_file() -> PathBuf {
    root().join("tests/it/monitoring/alerts.yaml")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn rules() -> Vec<Value> {
    let document = yaml::documents(&fs::read_to_string(rules_file()).unwrap()).remove(0);
    list(&document["groups"]).iter().flat_map(|group| list(&group["rules"])).cloned().collect()
}

fn dashboard() -> Value {
    let file = root().join("config/grafana/dashboard.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row")
}

/// Each query of the dashboard, by where it stands.
fn queries(dashboard: &Value) -> Vec<(&str, &str)> {
    let targets = panels(dashboard).flat_map(|panel| {
        list(&panel["targets"]).iter().map(move |target| (text(panel, "title"), text(target, "expr")))
    });
    targets.collect()
}

/// The metrics that a text names, without the prefix.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.match_indices(PREFIX)
        .map(|(start, _)| {
            let rest = &text[start + PREFIX.len()..];
            &rest[..rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len())]
        })
        .collect()
}

/// A fleet in which everything that can be counted happens: projects are rotated, and then one fails, and one has a
/// conflict.
async fn troubled_fleet() -> (Rig, Process, Visitor) {
    let mut rig = Rig::sized(3).await;
    Visitor::prepare(&mut rig).set("rotation", "schedule", "\"*/3 * * * * *\"");
    let [failing, strange, _] = rig.projects().try_into().unwrap();
    let route = format!("/api/v2/projects/{failing}/tokens");
    rig.corner.put_raw(&Rig::place(&strange), json!({"password": "of somebody else"})).await;
    let daemon = rig.daemon();
    let visitor = Visitor::of(&daemon).await;
    patience("nothing failed in a pass", async || {
        visitor.metric("last_success_timestamp_seconds", "").await.is_some()
    })
    .await;
    rig.emulator.add_fault(Fault::new("POST", &route, Kind::Status(400)).always());
    patience("a rotation failed", async || visitor.metric("rotation_failures_total", "").await.is_some())
        .await;
    (rig, daemon, visitor)
}

#[tokio::test]
async fn what_is_asked_for_is_exported_and_what_is_exported_is_asked_for() {
    let (_rig, _daemon, visitor) = troubled_fleet().await;
    let page = visitor.text("/metrics").await;
    let kinds: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(PREFIX)?.split_once(' '))
        .collect();
    let exported: BTreeSet<&str> = kinds.keys().copied().collect();

    let (rules, dashboard) = (fs::read_to_string(rules_file()).unwrap(), dashboard().to_string());
    let base = |name| {
        let mut parts = ["_bucket", "_sum", "_count"].iter().filter_map(|end| str::strip_suffix(name, end));
        parts.find(|base| kinds.get(base) == Some(&"histogram")).unwrap_or(name)
    };
    let asked: BTreeSet<&str> = metrics(&rules).union(&metrics(&dashboard)).map(|name| base(name)).collect();
    let known: BTreeSet<&str> = exported.iter().copied().collect();
    assert_eq!(asked.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "nobody exports these");
    assert_eq!(known.difference(&asked).collect::<Vec<_>>(), Vec::<&&str>::new(), "nobody asks for these");
}

#[test]
fn each_alert_says_how_bad_it_is_what_it_is_and_what_to_do_and_has_a_story_in_which_it_fires() {
    let stories = fs::read_to_string(stories_file()).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rules = rules();
    assert!(rules.len() > 10, "the rules were not found");
    for rule in &rules {
        let name = text(rule, "alert");
        assert!(name.starts_with("ExceptionlessRotator"), "{name}");
        assert!(["critical", "warning"].contains(&text(&rule["labels"], "severity")), "{name}");
        let (summary, description) =
            (text(&rule["annotations"], "summary"), text(&rule["annotations"], "description"));
        assert!(summary.len() < 120 && !summary.ends_with('.'), "{name}: {summary}");
        assert!(description.len() > 80 && description.ends_with('.'), "{name}: {description}");
        let short = format!("`{}`", name.trim_start_matches("ExceptionlessRotator"));
        assert!(readme.contains(&short), "README.md has no {short}");
        let fires = [format!("alertname=\"{name}\""), format!("alertname: {name}\n")];
        assert!(fires.iter().any(|words| stories.contains(words)), "no story has {name}");
    }
}

#[test]
fn an_alert_names_only_commands_keys_and_events_that_there_are() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let defaults = fs::read_to_string(root().join("config/default.toml")).unwrap();
    let mut seen = 0;
    for rule in rules() {
        let description = text(&rule["annotations"], "description");
        let words =
            description.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/'));
        for word in words.map(|word| word.trim_matches('.')).filter(|word| !word.starts_with("labels.")) {
            let Some((section, key)) = word.split_once('.') else { continue };
            if word.contains('/') {
                assert!(root().join(word).is_file(), "{word} is no file");
            } else {
                let is_section = defaults.contains(&format!("\n[{section}]\n"));
                let is_key =
                    ["\n", "\n# "].iter().any(|start| defaults.contains(&format!("{start}{key} = ")));
                let is_event = readme.contains(&format!("`{word}`"));
                assert!((is_section && is_key) || is_event, "{word} is neither a key nor an event");
            }
            seen += 1;
        }
        for (_, rest) in description
            .match_indices("`exceptionless-rotator ")
            .map(|(at, it)| description.split_at(at + it.len()))
        {
            let command = rest.split([' ', '`']).next().unwrap();
            assert!(readme.contains(&format!("| `{command}")), "{command} is no command");
            seen += 1;
        }
    }
    assert!(seen > 15, "the words were not found");
}

#[test]
fn the_dashboard_is_one_that_grafana_lays_out_as_it_stands() {
    let dashboard = dashboard();
    assert_eq!(
        dashboard["schemaVersion"], 41,
        "that of Grafana 12; later ones bring it up to date by themselves"
    );
    assert_eq!(dashboard["uid"], "exceptionless-rotator");
    assert!(dashboard["id"].is_null(), "whoever imports it gives it a number");
    let mut taken = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the number of another");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title} is out of the grid");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                let other = taken.insert((x, y), title);
                assert_eq!(other, None, "{title} covers another");
            }
        }
    }
    assert!(ids.len() > 20, "the panels were not found");
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(text(panel, "description").ends_with('.'), "{title} is not explained");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}");
        let letters: BTreeSet<&str> =
            list(&panel["targets"]).iter().map(|target| text(target, "refId")).collect();
        assert_eq!(letters.len(), list(&panel["targets"]).len(), "{title}");
        for asked in [panel].into_iter().chain(list(&panel["targets"])) {
            assert_eq!(asked["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}), "{title}");
        }
    }
    let variables: BTreeSet<&str> =
        list(&dashboard["templating"]["list"]).iter().map(|variable| text(variable, "name")).collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "job", "organization"]));
    for (title, query) in queries(&dashboard) {
        assert!(query.contains("job=~\"$job\""), "{title} looks at every job");
    }
}
