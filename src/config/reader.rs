//! Reads sections of the merged tree, key by key, and goes on after each mistake.
//!
//! Deserializing would stop at the first mistake and print the value it did not like. Here each key is
//! asked for by name with a function that checks it; whatever was not asked for when a section is
//! finished is an unknown key, and what was asked for is what the `config` command shows.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::effective::{Line, Lines, Shown, quoted};
use super::error::{Complaint, Problem, nearest};
use super::secret_source::SecretSource;
use super::sources::{Layer, Place, Sources, variable_of};
use super::value::Given;

/// What reading the sections brought.
#[derive(Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    pub(super) sections: Vec<Lines>,
    known: Vec<String>,
    unknown: Vec<Unknown>,
}

struct Unknown {
    section: String,
    key: String,
    siblings: Vec<&'static str>,
    place: Option<String>,
}

impl Report {
    /// Puts what was read out of turn behind what comes before it in the file.
    pub(super) fn append(&mut self, Self { problems, sections, known, unknown }: Self) {
        self.problems.extend(problems);
        self.sections.extend(sections);
        self.known.extend(known);
        self.unknown.extend(unknown);
    }

    /// Adds the unknown keys. Last, because a key may belong into another section.
    pub(super) fn close(&mut self) {
        for Unknown { section, key, siblings, place } in std::mem::take(&mut self.unknown) {
            let elsewhere = || {
                let same = |known: &&String| known.rsplit('.').next() == Some(key.as_str());
                self.known.iter().find(same).cloned()
            };
            let guess = nearest(&key, siblings.iter().copied())
                .map(|sibling| joined(&section, sibling))
                .or_else(elsewhere);
            let remedy = match guess {
                Some(guess) => format!("did you mean {guess}?"),
                None => format!("known here are {}", siblings.join(", ")),
            };
            self.problems
                .push(Complaint::new("is not a known key", remedy).at(joined(&section, &key), place));
        }
    }
}

/// A key that decides which others have a use.
pub(super) struct Choice {
    /// As it could be written: `auth = "login"`.
    pub(super) text: String,
    /// Who decided. What an earlier source says for another choice is overruled, not contradictory.
    pub(super) layer: Layer,
}

/// One section of the tree.
pub(super) struct Section<'a> {
    sources: &'a Sources,
    name: String,
    header: String,
    table: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
    /// Whoever writes it chooses the names of its keys.
    is_free: bool,
    lines: Vec<Line>,
    problems: Vec<Problem>,
}

impl<'a> Section<'a> {
    /// The section of that name; `""` is the file as a whole.
    pub(super) fn open(sources: &'a Sources, name: &str) -> Self {
        let mut value = Some(&sources.tree);
        for step in name.split('.').filter(|step| !step.is_empty()) {
            value = match value.map(|value| &value.kind) {
                Some(ValueKind::Table(table)) => table.get(step),
                _ => None,
            };
        }
        Self::over(sources, name.to_owned(), format!("[{name}]"), value)
    }

    /// One entry of a list of sections.
    pub(super) fn entry(sources: &'a Sources, name: &str, index: usize, value: &'a Value) -> Self {
        Self::over(sources, format!("{name}[{index}]"), format!("[[{name}]]"), Some(value))
    }

    fn over(sources: &'a Sources, name: String, header: String, value: Option<&'a Value>) -> Self {
        let mut problems = Vec::new();
        let table = match value.map(|value| (&value.kind, value)) {
            None => None,
            Some((ValueKind::Table(table), _)) => Some(table),
            Some((_, value)) => {
                let complaint =
                    Complaint::new("is a section, not a value", format!("write its keys under {header}"));
                problems.push(complaint.at(name.clone(), Place::of(value).map(|place| place.to_string())));
                None
            }
        };
        Self { sources, name, header, table, asked: Vec::new(), is_free: false, lines: Vec::new(), problems }
    }

    /// Names the sections inside this one, which are opened by themselves.
    pub(super) fn holds(&mut self, sections: &[&'static str]) {
        self.asked.extend(sections);
    }

    /// The value of a key as it stands.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.get(key)
    }

    /// YAML and JSON can leave a value empty; then the key was not given.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.table?.get(key).filter(|value| value.kind != ValueKind::Nil)
    }

    /// Whether a key was given as a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(value.kind, ValueKind::Table(_)))
    }

    /// Where else than by a table the secret of this key was given, in sources that an earlier one does not overrule.
    pub(super) fn other_places(
        &mut self,
        key: &'static str,
        file_key: &'static str,
    ) -> Vec<(&'static str, Place)> {
        let layer = self.layer(key);
        let variable = self.sources.secrets.variable(&joined(&self.name, key));
        let variable = variable.map(|(place, _)| (key, place));
        let file = self.raw(file_key).and_then(Place::of).map(|place| (file_key, place));
        self.show(file_key, Shown::Unset, String::new());
        variable.into_iter().chain(file).filter(|(_, place)| place.layer() >= layer).collect()
    }

    /// Where a key was given.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.get(key).and_then(Place::of)
    }

    /// Who gave a key.
    pub(super) fn layer(&self, key: &str) -> Layer {
        self.place(key).map_or(Layer::Default, |place| place.layer())
    }

    /// A key that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&mut Given<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let value = self.raw(key);
        let Some(value) = value else {
            self.show(key, Shown::Unset, String::new());
            return None;
        };
        let place = Place::of(value);
        let mut given = Given::new(value, place.as_ref().map_or(Layer::Default, Place::layer));
        match check(&mut given) {
            Ok(checked) => {
                let origin = place.map(|place| place.to_string()).unwrap_or_default();
                self.show(key, Shown::Toml(given.shown), origin);
                Some(checked)
            }
            Err(complaint) => {
                self.complain(key, complaint);
                None
            }
        }
    }

    /// All keys of a section in which people choose the names; `None` if one of them is wrong.
    pub(super) fn each<T>(
        &mut self,
        check: impl Fn(&str, &mut Given<'a>) -> Result<T, Complaint>,
    ) -> Option<BTreeMap<String, T>> {
        self.is_free = true;
        let given: BTreeMap<_, _> = self.table.into_iter().flatten().collect();
        let mut checked = Some(BTreeMap::new());
        for (name, value) in given.into_iter().filter(|(_, value)| value.kind != ValueKind::Nil) {
            let place = Place::of(value);
            let mut given = Given::new(value, place.as_ref().map_or(Layer::Default, Place::layer));
            match check(name, &mut given) {
                Ok(entry) => {
                    let origin = place.map(|place| place.to_string()).unwrap_or_default();
                    self.lines.push(Line {
                        key: name.clone().into(),
                        value: Shown::Toml(given.shown),
                        origin,
                    });
                    if let Some(checked) = &mut checked {
                        checked.insert(name.clone(), entry);
                    }
                }
                Err(complaint) => {
                    self.complain(name, complaint);
                    checked = None;
                }
            }
        }
        checked
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// A key that nobody gave, and what it is taken to be.
    pub(super) fn assume(&mut self, key: &'static str, toml: &str, origin: &str) {
        self.asked.push(key);
        self.show(key, Shown::Toml(toml.to_owned()), origin.to_owned());
    }

    /// A key that must be there. `example` is a value, as TOML.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        check: impl FnOnce(&mut Given<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let absent = self.place(key).is_none();
        let found = self.optional(key, check);
        if absent {
            self.missing(key, "is missing", &format!("{key} = {example}"), &self.variable(key));
        }
        found
    }

    /// A key that is needed or useless, as `choice` decides; `None` when that itself is not known.
    pub(super) fn chosen<T>(
        &mut self,
        key: &'static str,
        choice: Option<&Choice>,
        used: bool,
        example: &str,
        check: impl FnOnce(&mut Given<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let absent = self.place(key).is_none();
        let found = self.allowed(key, choice, used, check);
        if let (Some(choice), true, true) = (choice, used, absent) {
            let problem = format!("is missing, and {} needs it", choice.text);
            self.missing(key, &problem, &format!("{key} = {example}"), &self.variable(key));
        }
        found
    }

    /// A key that may be absent, or is useless, as `choice` decides.
    pub(super) fn allowed<T>(
        &mut self,
        key: &'static str,
        choice: Option<&Choice>,
        used: bool,
        check: impl FnOnce(&mut Given<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let place = self.place(key);
        let found = self.optional(key, check);
        if let (Some(choice), false, Some(place)) = (choice, used, place) {
            self.useless(key, &place, choice);
        }
        found.filter(|_| used)
    }

    /// A secret: `key` by its variable, `{key}_file` by anything.
    pub(super) fn secret(
        &mut self,
        keys: [&'static str; 2],
        choice: Option<&Choice>,
        used: bool,
        fits: impl FnOnce(&str) -> Result<(), Complaint>,
    ) -> Option<SecretSource> {
        self.secret_or(keys, choice, used, None, fits)
    }

    /// The same; `fallback` serves where nothing else was said.
    pub(super) fn secret_or(
        &mut self,
        [key, file_key]: [&'static str; 2],
        choice: Option<&Choice>,
        used: bool,
        fallback: Option<(Place, SecretSource)>,
        fits: impl FnOnce(&str) -> Result<(), Complaint>,
    ) -> Option<SecretSource> {
        let secrets = &self.sources.secrets;
        let path = joined(&self.name, key);
        let in_file = self.raw(key).is_some();
        if self.is_table(key) {
            let remedy = format!(
                "write the name of a file that holds it as {file_key}, or set {}",
                variable_of(&path)
            );
            let problem =
                "is a section, and only the password or token for Exceptionless can be read from Vault";
            self.complain(key, Complaint::new(problem, remedy));
        } else if in_file {
            let remedy = format!(
                "write it into a file of its own and name that with {file_key}, or set {}; and change the secret, if others could read this file",
                variable_of(&path)
            );
            self.complain(key, Complaint::new("a secret never stands in the file", remedy));
        }
        let variable = secrets.variable(&path).map(|(place, source)| (key, place, Ok(source)));
        let file = self.raw(file_key).and_then(|value| {
            let place = Place::of(value)?;
            let name = Given::new(value, place.layer()).text();
            Some((file_key, place, name.map(|name| SecretSource::File(secrets.locate(name)))))
        });
        let fallback = fallback.filter(|_| used).map(|(place, source)| match source {
            SecretSource::File(_) => (file_key, place, Ok(source)),
            SecretSource::Environment { .. } => (key, place, Ok(source)),
        });
        let is_file = fallback.as_ref().is_some_and(|(name, ..)| *name == file_key);
        if variable.is_none() && file.is_none() && !is_file {
            self.show(file_key, Shown::Unset, String::new());
        }
        let choice = choice?;
        if !used {
            for (key, place, _) in variable.iter().chain(&file) {
                self.useless(key, place, choice);
            }
            return None;
        }
        if let (Some((_, place, _)), Some((_, other, _))) = (&variable, &file)
            && other.layer() == Layer::Variable
        {
            let complaint = Complaint::new(format!("excludes {file_key} ({other})"), "keep one of the two");
            self.problems.push(complaint.at(path.clone(), Some(place.to_string())));
        }

        let Some((key, place, source)) = variable.or(file).or(fallback) else {
            if !in_file {
                let problem = format!("is missing, and {} needs it", choice.text);
                let line = format!("{file_key} = \"/run/secrets/...\"");
                self.missing(file_key, &problem, &line, &self.variable(key));
            }
            return None;
        };
        match source.and_then(|source| secrets.probe(&place, &source, fits).map(|()| source)) {
            Ok(source) => {
                let shown = match &source {
                    SecretSource::File(path) => Shown::Toml(quoted(&path.display().to_string())),
                    SecretSource::Environment { .. } => Shown::Secret,
                };
                self.show(key, shown, place.to_string());
                Some(source)
            }
            Err(complaint) => {
                self.problems.push(complaint.at(joined(&self.name, key), Some(place.to_string())));
                None
            }
        }
    }

    /// Records what is wrong with a key.
    pub(super) fn complain(&mut self, key: &str, complaint: Complaint) {
        let place = self.place(key).map(|place| place.to_string());
        self.problems.push(complaint.at(joined(&self.name, key), place));
    }

    /// Records what is wrong between keys. When the file could not be read, this may be the file's fault.
    pub(super) fn complain_of_pair(&mut self, key: &str, complaint: Complaint) {
        if !self.sources.incomplete {
            self.complain(key, complaint);
        }
    }

    /// Ends the section: what was not asked for is unknown.
    pub(super) fn finish(self, report: &mut Report) {
        let Self { sources: _, name, header, table, asked, is_free, lines, problems } = self;
        for (key, value) in table.into_iter().flatten().collect::<BTreeMap<_, _>>() {
            if !is_free && !asked.contains(&key.as_str()) {
                report.unknown.push(Unknown {
                    section: name.clone(),
                    key: key.clone(),
                    siblings: asked.clone(),
                    place: Place::of(value).map(|place| place.to_string()),
                });
            }
        }
        report.problems.extend(problems);
        if !header.starts_with("[[") {
            report.known.extend(asked.iter().map(|key| joined(&name, key)));
        }
        if !lines.is_empty() {
            report.sections.push(Lines { header, lines });
        }
    }

    fn useless(&mut self, key: &str, place: &Place, choice: &Choice) {
        if place.layer() >= choice.layer && !self.sources.incomplete {
            let choice = &choice.text;
            let complaint =
                Complaint::new(format!("has no use with {choice}"), format!("remove it, or change {choice}"));
            self.problems.push(complaint.at(joined(&self.name, key), Some(place.to_string())));
        }
    }

    fn missing(&mut self, key: &str, problem: &str, line: &str, variable: &str) {
        if self.sources.incomplete {
            return;
        }
        let (header, file) = (&self.header, self.sources.file.display());
        let complaint = Complaint::new(problem, format!("write {line} under {header} in {file}{variable}"));
        self.problems.push(complaint.at(joined(&self.name, key), None));
    }

    /// The advice to set a variable instead; empty inside a list, which no variable reaches.
    fn variable(&self, key: &str) -> String {
        let path = joined(&self.name, key);
        let also = match path.as_str() {
            "vault.address" => " or VAULT_ADDR (BAO_ADDR is not read)",
            "vault.auth.token" => " or VAULT_TOKEN",
            _ => "",
        };
        if path.contains('[') { String::new() } else { format!(", or set {}{also}", variable_of(&path)) }
    }

    fn show(&mut self, key: &'static str, value: Shown, origin: String) {
        // An override shows only what it overrides.
        if !(self.header.starts_with("[[") && matches!(value, Shown::Unset)) {
            self.lines.push(Line { key: key.into(), value, origin });
        }
    }
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
