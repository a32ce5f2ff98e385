//! The password that is made.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::*;

#[test]
fn a_fresh_password_is_long_and_has_letters_and_digits_only() {
    let made: BTreeSet<String> = (0..200).map(|_| fresh().expose_secret().to_owned()).collect();
    assert_eq!(made.len(), 200, "none comes twice");
    assert!(made.iter().all(|password| password.len() == LENGTH));
    let letters: BTreeSet<char> = made.iter().flat_map(|password| password.chars()).collect();
    assert!(letters.iter().all(char::is_ascii_alphanumeric));
    assert_eq!(letters.len(), 62, "each letter comes");
}
