//! What a running process cannot take over from a configuration that is read anew.

use super::effective::{Effective, Line, Lines, Shown};

/// A key that has another value now, which has no effect until a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsRestart {
    /// The key.
    pub key: String,
    /// What is in force, what the file says, and what to do.
    pub explanation: String,
}

impl Effective {
    /// The keys in which `fresh` differs from what this process was started with, among those that are read only then.
    pub fn needs_restart(&self, fresh: &Self) -> Vec<NeedsRestart> {
        let line = |(key, line): (String, &Line)| {
            let remedy = remedy(&key)?;
            let before = self.value(&key);
            if before == Some(&line.value) {
                return None;
            }
            let shown = |value: Option<&Shown>| match value {
                Some(Shown::Toml(text)) => text.clone(),
                Some(Shown::Secret) => "[redacted]".to_owned(),
                Some(Shown::Unset) | None => "not set".to_owned(),
            };
            let (before, now, origin) = (shown(before), shown(Some(&line.value)), &line.origin);
            let explanation = format!(
                "{key} cannot change while the rotator runs: {before} stays in force, and not {now} ({origin}); {remedy}"
            );
            Some(NeedsRestart { key, explanation })
        };
        fresh.keys().filter_map(line).collect()
    }

    fn value(&self, key: &str) -> Option<&Shown> {
        self.keys().find(|(name, _)| name == key).map(|(_, line)| &line.value)
    }

    fn keys(&self) -> impl Iterator<Item = (String, &Line)> {
        self.sections().iter().flat_map(|Lines { header, lines }| {
            let section = header.trim_matches(['[', ']']);
            lines.iter().map(move |line| (format!("{section}.{}", line.key), line))
        })
    }
}

/// What to do about a key that only a restart takes over; `None` for the others.
fn remedy(key: &str) -> Option<&'static str> {
    let restart = "restart the rotator to change it";
    match key {
        "rotation.instance" => Some(
            "put the old name back: under another one the rotator does not know its own keys and secrets, and every \
             path is a conflict",
        ),
        "log.format" => Some(restart),
        _ => None,
    }
}
