//! The shape of the source: imports run downward, files stay readable, and the log's words are documented.
//!
//! The compiler allows any module to import any other. What keeps the planner free of servers, and the two
//! clients free of each other, is this test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use exceptionless_rotator::engine::event::EVENTS;

/// What each module may import, besides itself. Modules on one floor do not know each other.
const FLOORS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("tls", &[]),
    ("traffic", &[]),
    ("kill_point", &[]),
    ("jitter", &[]),
    ("process", &[]),
    ("config", &["domain"]),
    ("plan", &["domain"]),
    ("exceptionless", &["domain", "config", "plan", "tls", "traffic", "kill_point", "jitter"]),
    ("vault", &["domain", "config", "plan", "tls", "traffic", "kill_point", "jitter"]),
    ("engine", &["domain", "config", "plan", "tls", "traffic", "exceptionless", "vault"]),
    ("daemon", &["domain", "config", "plan", "tls", "traffic", "exceptionless", "vault", "engine"]),
    ("cli", &["domain", "config", "plan", "tls", "traffic", "exceptionless", "vault", "engine", "daemon"]),
];

const LONGEST_FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, except what was built or fetched.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn source() -> BTreeMap<String, String> {
    let files = rust_files(&root().join("src")).into_iter();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(named).collect()
}

/// The top modules of this crate that a file names.
fn imports(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices("crate::").chain(text.match_indices("exceptionless_rotator::")) {
        let before = text[..start].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = &text[start..];
        let path = &rest[rest.find("::").unwrap() + 2..];
        // A group such as `crate::{config, tls}` is read to its end, however it is nested.
        if path.starts_with('{') {
            found.extend(FLOORS.iter().map(|(name, _)| *name).filter(|name| {
                let group = &path[..path.find(';').unwrap_or(path.len())];
                group
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .any(|part| part == *name)
            }));
        } else {
            let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            found.insert(&path[..end.unwrap_or(path.len())]);
        }
    }
    found
}

#[test]
fn imports_run_downward_only() {
    let floors = BTreeMap::from(FLOORS);
    let mut upward = Vec::new();
    let mut seen = 0;
    for (file, text) in source() {
        let module = file.split(['/', '.']).next().unwrap();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let below = floors.get(module).unwrap_or_else(|| panic!("{file} stands on no floor"));
        for import in imports(&text) {
            seen += 1;
            if import != module && !below.contains(&import) {
                upward.push(format!("{file} knows {import}"));
            }
        }
    }
    assert!(seen > 100, "the imports were not found");
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn only_the_engine_writes_to_a_server() {
    let writes = [
        ".create_key(",
        ".delete_keys(",
        ".set_disabled(",
        ".publish(",
        ".stamp(",
        ".mark_vanished(",
        ".mark_moved(",
        ".withdraw(",
        ".hold_lease(",
        ".stamp_lease(",
        ".change_password(",
        ".store_credential(",
    ];
    let writers: BTreeSet<String> = source()
        .into_iter()
        .filter(|(file, _)| !file.contains("tests") && !file.starts_with("plan/"))
        .filter(|(_, text)| {
            writes.iter().any(|call| {
                text.contains(&format!("exceptionless{call}")) || text.contains(&format!("vault{call}"))
            })
        })
        .map(|(file, _)| file)
        .collect();
    let allowed = [
        "engine/attempt.rs",
        "engine/moved.rs",
        "engine/retire.rs",
        "engine/retire/disable.rs",
        "engine/retire/unmanaged.rs",
        "engine/undo.rs",
        "engine/tidy.rs",
        "engine/lease/candidate.rs",
        "engine/credential.rs",
        "engine/credential/hold.rs",
    ]
    .map(str::to_owned);
    assert!(writers.is_subset(&BTreeSet::from(allowed)), "{writers:?}");
}

#[test]
fn the_planner_knows_no_clock_and_waits_for_nothing() {
    for (file, text) in source() {
        let pure = file.starts_with("plan") || file.starts_with("domain");
        let code = || text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for word in ["async ", ".await", "tokio", "Utc::now", "SystemTime"] {
            assert!(!(pure && code().any(|line| line.contains(word))), "{file} has {word:?}");
        }
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let long: Vec<_> = rust_files(root())
        .into_iter()
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_list_of_events_of_the_engine_is_complete() {
    let source = source();
    let code = source["engine/event.rs"].split_once("];").unwrap().1.to_owned();
    let children = source.iter().filter(|(file, _)| file.starts_with("engine/event/"));
    let code = children.fold(code, |code, (_, text)| code + text);
    let names = code.split('"').skip(1).step_by(2).filter(|word| {
        let letters =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        word.split_once('.').is_some_and(|(noun, verb)| letters(noun) && letters(verb))
    });
    let unlisted: Vec<_> = names.filter(|name| !EVENTS.contains(name)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    for event in EVENTS {
        assert!(code.contains(&format!("\"{event}\"")), "no word of the log is {event}");
    }
}

/// Every value of the field `event` that is written anywhere.
fn events() -> BTreeSet<String> {
    let mut events: BTreeSet<String> = EVENTS.into_iter().map(str::to_owned).collect();
    for text in source().values() {
        let literals = text.match_indices("event = \"").map(|(start, words)| &text[start + words.len()..]);
        events.extend(literals.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    events
}

#[test]
fn the_readme_lists_every_event_of_the_log() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    let missing: Vec<_> =
        events().into_iter().filter(|event| !rows.contains(&format!("`{event}`"))).collect();
    assert!(missing.is_empty(), "no table of README.md lists {missing:?}");
}
