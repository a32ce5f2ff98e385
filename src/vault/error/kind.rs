//! What a caller can branch on, and nothing finer.

/// The kinds of failure that a caller can treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Vault cannot be reached, cannot serve now, or what answers is not Vault. Nothing was changed.
    Unreachable,
    /// Vault knows us and refuses, or does not know us. Nothing was changed.
    NotPermitted,
    /// It cannot work until somebody changes the configuration. Nothing was changed.
    Misconfigured,
    /// Somebody else wrote first. Nothing was changed.
    Conflict,
    /// A write may or may not have been applied: read back.
    Ambiguous,
    /// Anything else. Nothing was changed.
    Other,
}

impl Kind {
    /// A name for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NotPermitted => "not_permitted",
            Self::Misconfigured => "misconfigured",
            Self::Conflict => "conflict",
            Self::Ambiguous => "ambiguous",
            Self::Other => "other",
        }
    }
}
