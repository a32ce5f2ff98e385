//! What is wrong with a configuration, all of it.
//!
//! The texts are written for the person who has to repair it: the key, what is wrong, where it stands,
//! and what to write instead. They are also what ends up in logs and tickets, so none of them repeats a
//! value that may be a secret. That is why a wrong type is reported by its type alone.

use std::fmt;
use std::path::Path;

use strsim::damerau_levenshtein;

/// Every problem that a configuration has; at least one.
#[derive(Debug, thiserror::Error)]
#[error("{}", listing(.problems))]
pub struct ConfigError {
    /// The problems, in the order of the sections.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `vault.address`; the file's name when the whole file cannot be read.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// Where it stands: a file, a variable or the built-in defaults; `None` for what stands nowhere.
    pub place: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, problem, place, remedy } = self;
        f.write_str(key)?;
        if let Some(place) = place.as_ref().filter(|place| *place != key) {
            write!(f, " ({place})")?;
        }
        write!(f, ": {problem}")?;
        match remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

fn listing(problems: &[Problem]) -> String {
    let head = match problems.len() {
        1 => "the configuration has a problem".to_owned(),
        many => format!("the configuration has {many} problems"),
    };
    problems.iter().fold(head, |text, problem| format!("{text}\n- {problem}"))
}

/// What is wrong with one value, before it is known which key it belongs to.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) problem: String,
    pub(super) remedy: Option<String>,
}

impl Complaint {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: Some(remedy.into()) }
    }

    /// For the errors of the domain, which say themselves what to write.
    pub(super) fn of(error: &dyn fmt::Display) -> Self {
        Self { problem: error.to_string(), remedy: None }
    }

    pub(super) fn about_file(self, path: &Path) -> Problem {
        let name = path.display().to_string();
        self.at(name.clone(), Some(name))
    }

    pub(super) fn at(self, key: String, place: Option<String>) -> Problem {
        // Keys, names of files and quoted values may hold anything, also what a terminal obeys.
        let plain = |text: String| text.replace(char::is_control, "?");
        let (problem, remedy) = (plain(self.problem), self.remedy.map(plain));
        Problem { key: plain(key), problem, place: place.map(plain), remedy }
    }
}

/// The candidate that was probably meant: at most a third of the letters differ.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}
