//! The search for secrets where none may be.

use std::collections::BTreeSet;

use super::rig::Rig;

/// Every secret that this arrangement has.
pub fn known(rig: &Rig) -> BTreeSet<String> {
    let mut secrets: BTreeSet<String> = rig.emulator.issued_secrets().into_iter().collect();
    for name in ["secret-id", "vault-token", "password"] {
        let text = std::fs::read_to_string(rig.path(name));
        secrets.extend(text.ok().map(|text| text.trim().to_owned()));
    }
    secrets.insert(rig.corner.bao.root_token().to_owned());
    secrets
}

/// The first secret in a text, described so that the description can be printed.
pub fn leak(text: &str, secrets: &BTreeSet<String>) -> Option<String> {
    for secret in secrets {
        let coded = (0..3).filter_map(|start| text.find(base64(&secret[start.min(secret.len())..]).as_str()));
        let at = text.find(secret.as_str()).or_else(|| coded.min());
        if let Some(at) = at {
            let line = text[..at].lines().next_back().unwrap_or_default();
            return Some(format!("a secret of {} letters after {line:?}", secret.len()));
        }
    }
    // OpenBao's service tokens start with `s.`, its batch tokens with `b.`, Vault's with `hvs.`.
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    let is_token =
        |word: &&str| word.len() > 20 && ["s.", "b.", "hvs."].iter().any(|start| word.starts_with(start));
    words.find(is_token).map(|word| format!("a token of {} letters", word.len()))
}

/// Whether a long text has one of many secrets in it as a word, which keys and tokens are. For logs of hours, which
/// [`leak`] would search for each secret anew.
#[cfg(feature = "system")]
pub fn betrays(text: &str, secrets: &BTreeSet<String>) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| secrets.contains(word))
}

/// As in a header of basic authentication. What stands before decides which letter begins a group of three, so all
/// three beginnings are looked for.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triples = text.as_bytes().chunks_exact(3);
    let coded = triples.flat_map(|three| {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]))
    });
    coded.collect()
}
