//! Proofs: tests whose findings are kept in `docs/reliability.md`, a part of it each.
//!
//! `RELIABILITY` names the document. A test that finds it set does its whole proof and writes down what it found;
//! without it, as in `make test`, the same test is short and only prints.

use std::sync::Mutex;

/// The parts of the document are written one at a time.
static DOCUMENT: Mutex<()> = Mutex::new(());

/// Whether this is the whole proof, which is written down.
pub fn is_whole() -> bool {
    std::env::var_os("RELIABILITY").is_some()
}

/// How often to repeat: the long number in the whole proof.
pub fn rounds(short: usize, long: usize) -> usize {
    if is_whole() { long } else { short }
}

/// Prints what was found, and in the whole proof puts it in its part of the document.
pub fn record(part: &str, findings: &str) {
    println!("{findings}");
    let Ok(file) = std::env::var("RELIABILITY") else { return };
    let _alone = DOCUMENT.lock().unwrap();
    let document = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, replaced(&document, part, findings)).unwrap();
}

/// A table of the document.
pub fn table<Row: IntoIterator<Item = String>>(
    header: impl IntoIterator<Item = impl AsRef<str>>,
    rows: impl IntoIterator<Item = Row>,
) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let header: Vec<String> = header.into_iter().map(|cell| cell.as_ref().to_owned()).collect();
    let rule = line(vec!["---".to_owned(); header.len()]);
    let rows = rows.into_iter().map(|row| line(row.into_iter().collect()));
    [line(header), rule].into_iter().chain(rows).collect()
}

/// How often, for a cell of a table.
pub fn times(times: usize) -> String {
    if times == 0 { "-".to_owned() } else { times.to_string() }
}

/// The document with this part, which it must have, made anew.
fn replaced(document: &str, part: &str, findings: &str) -> String {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = document.split_once(&begin).expect("the document has this part");
    let (_, after) = rest.split_once(&end).expect("the part has an end");
    format!("{before}{begin}\n{}\n\n{end}{after}", findings.trim())
}

#[test]
fn only_the_part_itself_is_made_anew() {
    let document = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
    assert_eq!(replaced(document, "x", "new\n"), "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n");
}
