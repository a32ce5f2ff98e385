//! What Vault says of a token.
//!
//! vaultrs wants to know more of it than we do, the token itself and its accessor included; and an agent that puts its own
//! token in place of ours leaves out just these.

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
pub(in crate::vault) struct Lookup {
    #[serde(default)]
    pub(in crate::vault) display_name: String,
    pub(in crate::vault) policies: Vec<String>,
    pub(in crate::vault) identity_policies: Option<Vec<String>>,
    /// In seconds.
    pub(in crate::vault) ttl: u64,
    pub(in crate::vault) expire_time: Option<IgnoredAny>,
    pub(in crate::vault) renewable: Option<bool>,
    #[serde(default)]
    pub(in crate::vault) num_uses: u64,
}
