//! What the addresses of both servers have in common.

use url::Url;

use super::error::Complaint;

/// A URL may carry a password, even one that is not well-formed, so no message repeats it.
pub(super) fn server_url(text: &str) -> Result<Url, Complaint> {
    let url = Url::parse(text).map_err(|error| {
        Complaint::new(format!("is not a URL: {error}"), "write it like https://server.example.com")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Complaint::new("is neither http nor https", "write it like https://server.example.com"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Complaint::new(
            "contains credentials",
            "write them into their own keys; and change the password, if others could read it here",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Complaint::new("has a query or a fragment", "write it without '?' and '#'"));
    }
    Ok(url)
}
