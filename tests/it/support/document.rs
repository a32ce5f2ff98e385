//! Documents of which parts are generated: each between two comments, so that people write the rest.

use std::path::Path;
use std::sync::Mutex;

/// Parts are written one at a time.
static WRITING: Mutex<()> = Mutex::new(());

/// Makes a part of a document anew.
pub fn write_part(file: &Path, part: &str, findings: &str) {
    let _alone = WRITING.lock().unwrap();
    let document = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, replaced(&document, part, findings)).unwrap();
}

/// A table, as documents have it.
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
