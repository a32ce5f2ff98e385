//! The key itself, and the only name by which it may be spoken of.
//!
//! At Exceptionless the id of a token *is* the secret, so there is no harmless id to log. Whoever
//! wants to name a key in a log line, a metric or a table takes its [`Fingerprint`].

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// An API key. It prints as its fingerprint; [`expose`](Self::expose) is for the two wires.
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// Text that cannot be an API key. It does not repeat the text, which may be half a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected 1 to 128 letters, digits and dashes")]
pub struct InvalidKey;

impl ApiKey {
    /// Checks that `text` fits in a URL, where Exceptionless wants its keys. Its own are 24 to 40
    /// letters, digits and dashes.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let fits =
            (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }

    /// The key in clear, to be sent to Exceptionless or to Vault and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The name under which this key may be logged.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::digest(self.expose().as_bytes());
        let mut head = [0; 6];
        head.copy_from_slice(&digest[..6]);
        Fingerprint(head)
    }
}

impl PartialEq for ApiKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for ApiKey {}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.fingerprint())
    }
}

/// The first 12 hex digits of the SHA-256 of a key: enough to tell the keys of a project apart,
/// useless for anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    /// Reads the 12 lower-case hex digits that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 12 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let number = u64::from_str_radix(text, 16).ok()?.to_be_bytes();
        let mut head = [0; 6];
        head.copy_from_slice(&number[2..]);
        Some(Self(head))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that somebody typed, with words in place of what may be a key: one gets into a command line where something else
/// belongs. Shorter runs of its letters are ids and names; ids have 24, of which newer keys have 40.
pub fn without_keys(text: &str) -> String {
    const LONGEST_ID: usize = 24;
    let is_of_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|letter| !is_of_key(letter)).unwrap_or(rest.len());
        let (letters, after) = rest.split_at(run);
        shown.push_str(if run > LONGEST_ID { "what looks like a key" } else { letters });
        let others = after.find(is_of_key).unwrap_or(after.len());
        shown.push_str(&after[..others]);
        rest = &after[others..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_key_is_not_shown_again() {
        let key = "Zx81aQ0pLmN7bVc2RtYu5IoPsDf3GhJk9LzXcVb4";
        for (text, shown) in [
            (format!("'{key}'"), "'what looks like a key'"),
            (format!("Acme/{key}"), "Acme/what looks like a key"),
            (format!("tip: --{key}, é{key}"), "tip: what looks like a key, éwhat looks like a key"),
            (
                "the project \"64f0c0ffee00010000000001\"".to_owned(),
                "the project \"64f0c0ffee00010000000001\"",
            ),
            (String::new(), ""),
        ] {
            assert_eq!(without_keys(&text), shown);
        }
    }

    #[test]
    fn a_key_prints_as_its_fingerprint() {
        let key = ApiKey::parse("test").expect("a key");
        assert_eq!(format!("{key:?}"), "ApiKey(9f86d081884c)");
        assert_eq!(Fingerprint::parse("9f86d081884c"), Some(key.fingerprint()));
    }

    #[test]
    fn text_that_would_change_a_url_is_not_a_key() {
        for text in ["", "a/b", "a,b", "a b", "a%2f", "a\n", &"x".repeat(129)] {
            assert_eq!(ApiKey::parse(text), Err(InvalidKey));
        }
    }

    #[test]
    fn only_twelve_lower_case_hex_digits_are_a_fingerprint() {
        for text in ["9f86d081884", "9F86D081884C", "9f86d081884cc", "+f86d081884c"] {
            assert_eq!(Fingerprint::parse(text), None);
        }
    }
}
