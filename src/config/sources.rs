//! The sources, laid over each other: built-in defaults, Vault's own variables, the file, `ROTATOR__`
//! variables. Later wins.
//!
//! Each source is brought into shape before the `config` crate merges it. Merging replaces a whole section
//! where a later source has text in its place, and what is lost there would be reported as missing; so
//! such text is reported here and left out. Every value keeps its origin.
//!
//! Secrets in variables are taken out first: they never stand in the tree, so that nothing which walks
//! or prints it can show them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Environment, FileFormat, Map, Source, Value, ValueKind};

use super::error::{Complaint, Problem};
use super::proxy::Proxies;
use super::secrets::Secrets;
use super::syntax::{self, Unreadable};

/// Where the configuration lies when no other file is named.
pub const DEFAULT_FILE: &str = "/etc/exceptionless-rotator/config.toml";

/// Being the shipped file itself, the defaults cannot differ from their documentation.
const DEFAULTS: &str = include_str!("../../config/default.toml");

const BUILT_IN: &str = "built-in default";
const VARIABLE: &str = "environment variable ";
const PREFIX: &str = "ROTATOR";
const SEPARATOR: &str = "__";

/// The variables of the vault CLI that mean the same here.
const VAULT_VARIABLES: [(&str, &str); 6] = [
    ("VAULT_ADDR", "vault.address"),
    ("VAULT_NAMESPACE", "vault.namespace"),
    ("VAULT_CACERT", "vault.ca_file"),
    ("VAULT_CLIENT_CERT", "vault.client_cert_file"),
    ("VAULT_CLIENT_KEY", "vault.client_key_file"),
    ("VAULT_TLS_SERVER_NAME", "vault.tls_server_name"),
];

/// A source by its rank: a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// The built-in defaults.
    Default,
    /// `VAULT_ADDR` and its siblings.
    VaultVariable,
    /// The file.
    File,
    /// `ROTATOR__` variables.
    Variable,
}

/// Where a value comes from, as a person would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn variable(name: &str) -> Self {
        Self(format!("{VARIABLE}{name}"))
    }

    /// What holds when nobody says otherwise.
    pub(super) fn built_in() -> Self {
        Self(BUILT_IN.to_owned())
    }

    /// The place of a value. Sections that were made to hold one variable have none of their own.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match (value.origin(), &value.kind) {
            (Some(origin), _) => Some(Self(origin.to_owned())),
            (None, ValueKind::Table(table)) => table.values().find_map(Self::of),
            (None, ValueKind::Array(array)) => array.iter().find_map(Self::of),
            _ => None,
        }
    }

    pub(super) fn layer(&self) -> Layer {
        match self.0.strip_prefix(VARIABLE) {
            Some(name) if name.starts_with("VAULT_") => Layer::VaultVariable,
            Some(_) => Layer::Variable,
            None if self.0 == BUILT_IN => Layer::Default,
            None => Layer::File,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that was said, not yet understood.
pub(super) struct Sources {
    /// The merged tree.
    pub(super) tree: Value,
    /// The secrets that came by variable, and where files with secrets are looked up.
    pub(super) secrets: Secrets,
    /// What the environment says of proxies.
    pub(super) proxies: Proxies,
    /// The environment asks not to look at Vault's certificate.
    skip_verify: bool,
    /// The configuration file, for advice on where to write what is missing.
    pub(super) file: PathBuf,
    /// The file could not be read, so that nothing can be said about what is missing.
    pub(super) incomplete: bool,
    /// There is no file, and none was named: that alone is no mistake.
    pub(super) absent: bool,
}

impl Sources {
    pub(super) fn gather(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        let mut environment: BTreeMap<String, String> =
            environment.filter(|(_, value)| !value.is_empty()).collect();
        let secrets = Secrets::take(&mut environment, path, problems);
        let proxies = Proxies::take(&environment);
        let no = ["0", "f", "false"];
        let skip_verify = environment
            .get("VAULT_SKIP_VERIFY")
            .is_some_and(|value| !no.contains(&value.to_lowercase().as_str()));
        let (mut incomplete, mut absent) = (false, false);

        let defaults = syntax::parse(FileFormat::Toml, DEFAULTS, BUILT_IN).unwrap_or_else(|complaint| {
            problems.push(complaint.at(BUILT_IN.to_owned(), None));
            Map::new()
        });
        let from_file = syntax::read(path).unwrap_or_else(|error| {
            let complaint = match error {
                Unreadable::Absent if file.is_none() => {
                    absent = true;
                    return Map::new();
                }
                Unreadable::Absent => Complaint::new("does not exist", "name an existing file"),
                Unreadable::Broken(complaint) => complaint,
            };
            incomplete = true;
            problems.push(complaint.about_file(path));
            Map::new()
        });
        let from_file = in_shape(from_file, &defaults, "", problems);

        let sections = defaults.clone();
        let mut layers = vec![Single(defaults)];
        layers.extend(vault_variables(&environment));
        layers.push(Single(from_file));
        layers.extend(own_variables(&environment, &sections, problems));
        Self { tree: merge(layers), secrets, proxies, skip_verify, file: path.to_owned(), incomplete, absent }
    }
}

impl Sources {
    /// What comes before everything else that is wrong.
    pub(super) fn no_file(&self) -> impl Iterator<Item = Problem> {
        let complaint = || {
            Complaint::new(
                "does not exist, and no other file was named",
                "create it, or name another with --config",
            )
        };
        self.absent.then(|| complaint().about_file(&self.file)).into_iter()
    }

    /// What the environment says in vain.
    pub(super) fn ignored(&self) -> impl Iterator<Item = String> {
        let skip = self.skip_verify.then(|| {
            "VAULT_SKIP_VERIFY is ignored: whoever stands between could read every key; set vault.ca_file to the authority \
             of Vault's certificate, and vault.tls_server_name if that has another name"
                .to_owned()
        });
        skip.into_iter()
    }
}

/// Drops what was left empty (YAML and JSON can say so), and reports text where a section belongs.
fn in_shape(
    layer: Map<String, Value>,
    defaults: &Map<String, Value>,
    parent: &str,
    problems: &mut Vec<Problem>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, mut value) in layer {
        let path = format!("{parent}{key}");
        let section = match defaults.get(&key).map(|value| &value.kind) {
            Some(ValueKind::Table(section)) => Some(section),
            _ => None,
        };
        // `config` would take such a key for a path through the tree.
        if parent.is_empty() && key.contains(['.', '[']) {
            let complaint = Complaint::new("is not a known key", "write plain keys under their sections");
            problems.push(complaint.at(path, Place::of(&value).map(|place| place.to_string())));
            continue;
        }
        match (&mut value.kind, section) {
            (ValueKind::Nil, _) => continue,
            (ValueKind::Table(table), Some(section)) => {
                let table = std::mem::take(table);
                value.kind = ValueKind::Table(in_shape(table, section, &format!("{path}."), problems));
            }
            (ValueKind::Table(_), None) | (_, None) => {}
            (_, Some(_)) => {
                problems
                    .push(not_a_section(&path).at(path, Place::of(&value).map(|place| place.to_string())));
                continue;
            }
        }
        kept.insert(key, value);
    }
    kept
}

fn not_a_section(path: &str) -> Complaint {
    Complaint::new("is a section, not a value", format!("write its keys under [{path}]"))
}

fn vault_variables(environment: &BTreeMap<String, String>) -> Vec<Single> {
    VAULT_VARIABLES
        .iter()
        .filter_map(|(name, key)| {
            let value = environment.get(*name)?;
            Some(Single::new(key, Place::variable(name), value.clone()))
        })
        .collect()
}

/// The `ROTATOR__` variables, each a source of its own, in the order of their names: `config` merges the
/// variables of one source in the order of a hash map, which would leave it to chance which of two that
/// contradict each other wins.
fn own_variables(
    environment: &BTreeMap<String, String>,
    defaults: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Vec<Single> {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for name in environment.keys() {
        // `config` folds the case as well; the name is kept for the messages.
        if let Some(twin) = names.insert(name.to_lowercase(), name)
            && name.to_lowercase().starts_with(&format!("{PREFIX}{SEPARATOR}").to_lowercase())
        {
            let complaint =
                Complaint::new(format!("means the same variable as {twin}"), "keep one of the two");
            problems.push(complaint.at(key_of(name), Some(Place::variable(name).to_string())));
        }
    }
    let source = Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .try_parsing(false)
        .ignore_empty(true)
        .source(Some(environment.clone().into_iter().collect()));
    // It fails only for text that is not Unicode, and this text is.
    let flat: BTreeMap<String, Value> = source.collect().unwrap_or_default().into_iter().collect();
    let mut layers = Vec::new();
    for (key, value) in flat {
        let folded = format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR)).to_lowercase();
        let name = names.get(&folded).map_or(folded.as_str(), |name| *name);
        let place = Place::variable(name);
        if is_section(defaults, &key) {
            problems.push(
                Complaint::new("is a section, not a value", format!("set its keys, such as {name}__KEY"))
                    .at(key, Some(place.to_string())),
            );
        } else if key.contains('[') {
            let complaint =
                Complaint::new("is not a known key", "lists of sections can only stand in the file");
            problems.push(complaint.at(key, Some(place.to_string())));
        } else if let ValueKind::String(text) = value.kind {
            layers.push(Single::new(&key, place, text));
        }
    }
    layers
}

/// The key that a variable sets.
fn key_of(variable: &str) -> String {
    variable.to_lowercase().split(SEPARATOR).skip(1).collect::<Vec<_>>().join(".")
}

/// The variable that sets a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_uppercase())
}

fn is_section(defaults: &Map<String, Value>, key: &str) -> bool {
    let (head, rest) = key.split_once('.').map_or((key, None), |(head, rest)| (head, Some(rest)));
    match (defaults.get(head).map(|value| &value.kind), rest) {
        (Some(ValueKind::Table(_)), None) => true,
        (Some(ValueKind::Table(section)), Some(rest)) => is_section(section, rest),
        _ => false,
    }
}

fn merge(layers: Vec<Single>) -> Value {
    let builder =
        layers.into_iter().fold(config::Config::builder(), |builder, layer| builder.add_source(layer));
    // These sources hold their values already, so nothing can fail; an empty tree would report every
    // key as missing.
    builder.build().map(|merged| merged.cache).unwrap_or_default()
}

/// A source that has been read.
#[derive(Clone)]
struct Single(Map<String, Value>);

impl Single {
    fn new(key: &str, place: Place, text: String) -> Self {
        let value = Value::new(Some(&place.0), ValueKind::String(text));
        Self(Map::from_iter([(key.to_owned(), value)]))
    }
}

/// `config` wants it; the values are not for printing.
impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Single")
    }
}

impl Source for Single {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}
