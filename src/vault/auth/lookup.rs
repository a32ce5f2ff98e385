//! What Vault says of a token.
//!
//! vaultrs wants to know more of it than we do, and demands the token itself and its accessor; but an agent that puts its own
//! token in place of ours leaves out just these.

use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub(in crate::vault) struct Lookup {
    /// The token itself.
    #[serde(default, deserialize_with = "secret")]
    pub(in crate::vault) id: Option<SecretString>,
    #[serde(default)]
    pub(in crate::vault) display_name: String,
    pub(in crate::vault) policies: Vec<String>,
    pub(in crate::vault) identity_policies: Option<Vec<String>>,
    /// In seconds.
    pub(in crate::vault) ttl: u64,
    pub(in crate::vault) expire_time: Option<IgnoredAny>,
    pub(in crate::vault) renewable: Option<bool>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub(in crate::vault) creation_time: i64,
    /// How long it lives at the most, however often it is renewed, in seconds; 0 if nobody has said that.
    #[serde(default)]
    pub(in crate::vault) explicit_max_ttl: i64,
    #[serde(default)]
    pub(in crate::vault) num_uses: u64,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretString::from))
}
