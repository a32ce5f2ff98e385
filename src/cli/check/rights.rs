//! Whether the Vault policy allows what the passes to come will do, at every path where they will do it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::exit::{Exit, Failure};
use crate::domain::field::SecretField;
use crate::domain::path::SecretPath;
use crate::domain::policy::OnVanished;
use crate::engine::event::chain;
use crate::engine::{Engine, Survey};
use crate::plan::reason::Hold;
use crate::plan::{Decision, Step};
use crate::vault::{MAX_ASKED_AT_ONCE, VaultError, grants};

use super::Findings;

const CHECK: &str = "vault policy";

/// Where a login is kept alive. Every token may do it, unless it is without the policy `default`.
const RENEWAL: &str = "auth/token/renew-self";

/// What is needed at a path, and the path in the line of a policy that grants it.
struct Need {
    capabilities: &'static [&'static str],
    rule: String,
}

pub(super) async fn policy(
    engine: &Engine,
    kept: Option<&SecretField>,
    survey: &Survey,
    findings: &mut Findings,
) {
    let needs = needs(engine, kept, survey);
    let paths: Vec<String> = needs.keys().cloned().chain([RENEWAL.to_owned()]).collect();
    let granted = match ask(engine, &paths).await {
        Ok(granted) => granted,
        Err(error) => {
            return findings.unwise(CHECK, format!(
                "it cannot be asked for: {}; without the answer, what is missing is found out when a key is published",
                chain(&error)
            ));
        }
    };
    let lacking = |path: &str, needed: &[&'static str]| {
        let held = granted.get(path).map(Vec::as_slice).unwrap_or_default();
        needed.iter().copied().filter(|capability| !grants(held, capability)).collect::<Vec<_>>()
    };
    let mut gaps: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for (path, need) in &needs {
        let missing = lacking(path, need.capabilities);
        if !missing.is_empty() {
            gaps.entry((&need.rule, missing)).or_default().push(path);
        }
    }
    if gaps.is_empty() {
        findings.fine(CHECK, format!("allows what is needed, asked for {} paths", needs.len()));
    }
    for ((rule, missing), paths) in gaps {
        // All that the line must grant: of several that fit a path, Vault heeds the most specific one alone.
        let lines = needs.values().filter(|need| need.rule == rule);
        let whole: BTreeSet<_> = lines.flat_map(|need| need.capabilities).collect();
        let quoted: Vec<_> = whole.iter().map(|capability| format!("{capability:?}")).collect();
        let (missing, quoted) = (missing.join(", "), quoted.join(", "));
        let place = match &paths[..] {
            [path] => format!("{path} lacks {missing}"),
            paths => format!("{} paths lack {missing}, such as {}", paths.len(), paths[0]),
        };
        let text = format!(
            "{place}; add path \"{rule}\" {{ capabilities = [{quoted}] }} to the policy (see config/vault-policy.hcl)"
        );
        findings.bad(CHECK, Failure::new(Exit::NotPermitted, text));
    }
    if !lacking(RENEWAL, &["update"]).is_empty() {
        findings.unwise(
            CHECK,
            format!(
                "{RENEWAL} lacks update, so that a token cannot be kept alive; add path \"{RENEWAL}\" \
             {{ capabilities = [\"update\"] }} to the policy (see config/vault-policy.hcl)"
            ),
        );
    }
}

/// What the passes to come will need, by the path as policies write it.
fn needs(engine: &Engine, kept: Option<&SecretField>, survey: &Survey) -> BTreeMap<String, Need> {
    let vault = &engine.vault;
    let mut needs = BTreeMap::new();
    let mut need_at = |path: String, rule: String, capabilities: &'static [&'static str]| {
        needs.insert(path, Need { capabilities, rule });
    };
    if let Some(field) = kept {
        let changed = engine.custody.as_ref().is_some_and(|custody| custody.schedule.is_some());
        let path = field.data_path();
        need_at(path.clone(), path, if changed { &["patch", "read"] } else { &["read"] });
    }
    if let Some(ha) = &engine.ha {
        let (data, metadata) = (vault.data_path(&ha.lease_path), vault.metadata_path(&ha.lease_path));
        need_at(data.clone(), data, &["create", "read", "update"]);
        need_at(metadata.clone(), metadata, &["patch"]);
    }
    // The secrets of projects are many, and those to come are not known yet.
    let mut need = |path: String, capabilities: &'static [&'static str]| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let rule = format!("{folder}/*");
        need_at(path, rule, capabilities);
    };
    let writing: &[_] = match vault.is_shared() {
        true => &["create", "patch", "read", "update"],
        false => &["create", "read", "update"],
    };
    for path in survey.plan.steps.iter().filter_map(writable) {
        need(vault.data_path(path), writing);
        need(vault.metadata_path(path), &["patch"]);
        if engine.policy.on_vanished == OnVanished::Delete {
            need(vault.delete_path(path), &["update"]);
        }
    }
    for folder in engine.policy.folders() {
        need(vault.folder_path(folder), &["list"]);
    }
    needs
}

/// Where a project's key is published, or will be. What could not be read mostly lacks a right.
fn writable(step: &Step) -> Option<&SecretPath> {
    let others = matches!(step.decision, Decision::Hold(Hold::Conflict(_)));
    step.observed.target.place.as_ref().ok().filter(|_| !others)
}

async fn ask(engine: &Engine, paths: &[String]) -> Result<BTreeMap<String, Vec<String>>, VaultError> {
    let mut granted = BTreeMap::new();
    for question in paths.chunks(MAX_ASKED_AT_ONCE) {
        granted.extend(engine.vault.capabilities(question).await?);
    }
    Ok(granted)
}
