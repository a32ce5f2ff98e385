//! What foreign input may look like: text of any kind, and real documents that were damaged.
//!
//! Each parser of foreign input has a module `fuzz` beside it, with properties that hold whatever comes in: no
//! panic and no hang, what is accepted keeps the promises of its type and reads back as it was written, and no
//! error repeats a secret. Text of any kind is refused at the first byte and tests little more than that; so most
//! cases begin as a document of the contract, in which bytes are turned, cut, doubled and put in, and words
//! replaced by what parsers are known to stumble over.
//!
//! The same targets are short in `make test` and long in `make fuzz`. A finding becomes a test of its own with
//! its input written out, so no file of seeds is kept.

use std::fmt::{Debug, Display};

use proptest::prelude::*;
use proptest::sample::{Index, select};

mod nouns;

/// What parsers stumble over: each format's own signs, numbers at the edges of types, times at the edges of
/// calendars, signs that a terminal or a URL takes for something else.
const ODD: [&str; 84] = [
    "",
    " ",
    "\0",
    "\n",
    "\r\n",
    "\t",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "é",
    "ß",
    "İ",
    "ſ",
    "\u{202e}",
    "\u{feff}",
    "\u{1f4a5}",
    "\u{2028}",
    "null",
    "~",
    "true",
    "false",
    "0",
    "00",
    "-0",
    "-1",
    "+1",
    "1e999",
    "1e-999",
    "1_0",
    "0x10",
    "65536",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "NaN",
    "inf",
    "[]",
    "{}",
    "[{}]",
    "\"\"",
    "\"x\"",
    "'",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    ",",
    ":",
    ": ",
    "=",
    "@",
    "/",
    "..",
    "%2f",
    "%2e%2e",
    "?",
    "#",
    "*",
    "&a ",
    "*a",
    "<<",
    "!!",
    "---\n",
    "[",
    "]",
    "{",
    "}",
    "-",
    "L",
    "W",
    "*/0",
    "1-",
    "$HOME",
    "1ns",
    "99999999999999999999years",
    "9999-12-31T23:59:59.9999999Z",
    "0001-01-01T00:00:00",
    "0000-01-01T00:00:00Z",
    "+262142-12-31T23:59:59Z",
    "2026-11-21T23:59:60Z",
    "9999-12-31T23:59:59-23:59",
    "2026-11-21T03:00:22.9999999+02:00",
];

/// What parsers that call themselves run out of stack, or of time, with.
const REPEATED: [&str; 9] = ["[", "{\"a\":", "a", "9", "a.", "- ", "*/", "é", "\n"];

/// 256 cases, or as many as `PROPTEST_CASES` says; fewer by this factor where each of them is costly.
pub(crate) fn cases(costly: u32) -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "what cannot be read is ignored in silence otherwise")]
    if let Ok(text) = std::env::var("PROPTEST_CASES") {
        assert!(text.parse::<u32>().is_ok(), "PROPTEST_CASES is a number below 2^32, not {text:?}");
    }
    let all = ProptestConfig::default();
    ProptestConfig {
        cases: (all.cases / costly).max(1),
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..all
    }
}

/// One of what parsers stumble over.
pub(crate) fn odd() -> impl Strategy<Value = String> {
    let long = (select(&REPEATED[..]), 2usize..3_000).prop_map(|(part, times)| part.repeat(times));
    prop_oneof![12 => select(&ODD[..]).prop_map(str::to_owned), 1 => long]
}

/// Text of any kind.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let any = prop::collection::vec(any::<char>(), 0..100).prop_map(String::from_iter);
    let printable = "[ -~]{0,80}";
    let odd = prop::collection::vec(odd(), 0..8).prop_map(|parts| parts.concat());
    prop_oneof![any, printable, odd]
}

/// A secret, which no message shall repeat.
pub(crate) fn secret() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9]{40}"
}

/// All that a value can be made to say of itself.
pub(crate) fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// All that an error can be made to say of itself.
pub(crate) fn said(error: &(impl Display + Debug)) -> String {
    format!("{error} {}", shown(error))
}

/// Whether text gives away a part of a secret by which it could be found.
pub(crate) fn gives_away(text: &str, secret: &str) -> bool {
    let parts = secret.as_bytes().windows(10).filter_map(|part| std::str::from_utf8(part).ok());
    parts.into_iter().any(|part| text.contains(part))
}

/// One of these documents, mostly damaged.
pub(crate) fn damaged(documents: &[&str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let documents: Vec<String> = documents.iter().map(|text| (*text).to_owned()).collect();
    (select(documents), damages()).prop_map(|(document, damages)| damage(document.into_bytes(), &damages))
}

/// The same where text is wanted.
pub(crate) fn damaged_text(documents: &[&str]) -> impl Strategy<Value = String> + use<> {
    damaged(documents).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// What may befall a document.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Cut(Index, usize),
    Double(Index, usize),
    End(Index),
    Insert(Index, String),
    /// A whole word: a number, a name, a time.
    Replace(Index, String),
    /// Text in quotes, with its quotes: another type in its place.
    Retype(Index, String),
}

pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let any = || any::<Index>();
    let one = prop_oneof![
        2 => (any(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (any(), 1usize..40).prop_map(|(at, length)| Damage::Cut(at, length)),
        1 => (any(), 1usize..40).prop_map(|(at, length)| Damage::Double(at, length)),
        1 => any().prop_map(Damage::End),
        2 => (any(), odd()).prop_map(|(at, text)| Damage::Insert(at, text)),
        4 => (any(), odd()).prop_map(|(at, text)| Damage::Replace(at, text)),
        4 => (any(), odd()).prop_map(|(at, text)| Damage::Retype(at, text)),
    ];
    prop::collection::vec(one, 0..4)
}

pub(crate) fn damage(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        let range = |at: &Index, long: usize| {
            let at = at.index(length);
            at..(at + long).min(length)
        };
        match damage {
            Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Damage::Cut(at, long) => drop(bytes.drain(range(at, *long))),
            Damage::Double(at, long) => {
                let again = bytes[range(at, *long)].to_vec();
                let end = range(at, *long).end;
                bytes.splice(end..end, again);
            }
            Damage::End(at) => bytes.truncate(at.index(length)),
            Damage::Insert(at, text) => {
                let at = at.index(length);
                bytes.splice(at..at, text.bytes());
            }
            Damage::Replace(at, text) => {
                let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(byte);
                let at = at.index(length);
                let start =
                    bytes[..at].iter().rposition(|byte| !of_word(byte)).map_or(0, |before| before + 1);
                let end =
                    bytes[at..].iter().position(|byte| !of_word(byte)).map_or(length, |after| at + after);
                bytes.splice(start..end.max(start), text.bytes());
            }
            Damage::Retype(at, text) => {
                let at = at.index(length);
                let open = bytes[..at].iter().rposition(|byte| *byte == b'"');
                let close = bytes[at..].iter().position(|byte| *byte == b'"');
                if let (Some(open), Some(close)) = (open, close) {
                    bytes.splice(open..=at + close, text.bytes());
                }
            }
        }
    }
    bytes
}

#[test]
fn a_part_of_a_secret_is_found_wherever_it_stands() {
    assert!(gives_away("at line 7: x-CDEFGHIJKL.", "ABCDEFGHIJKLMNOP"));
    assert!(!gives_away("at line 7: x-CDEFGHIJ", "ABCDEFGHIJKLMNOP"));
}
