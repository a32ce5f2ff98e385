//! `[vault]`: how to reach the server, and what stands where in it.

use super::error::Complaint;
use super::proxy::Server;
use super::reader::{Report, Section};
use super::sources::Sources;
use super::value::Given;
use super::vault_address::Address;
use super::{Vault, Write, secret_fields, vault_address, vault_auth, vault_tls};
use crate::domain::path::{PathTemplate, SecretPath};

/// What `[vault]` says of the policy.
pub(super) struct Paths {
    pub(super) template: PathTemplate,
    pub(super) adopt: bool,
}

pub(super) fn section(sources: &Sources, report: &mut Report) -> (Option<Vault>, Option<Paths>) {
    let mut section = Section::open(sources, "vault");
    section.holds(&["auth"]);
    let address = section.required("address", "\"https://vault.example.com:8200\"", vault_address::address);
    let namespace = section.required("namespace", "\"\"", |given| match given.text()?.trim_matches('/') {
        "" => Ok(None),
        text => mount_like(text).map(Some),
    });
    let mount =
        section.required("mount", "\"secret\"", |given| mount_like(given.filled()?.trim_matches('/')));
    let template = section.required("path", "\"exceptionless/{project_id}\"", |given| {
        PathTemplate::parse(given.text()?).map_err(|error| Complaint::of(&error))
    });
    let merges =
        section.required("write", "\"replace\"", |given| given.word(&[("replace", false), ("merge", true)]));
    let prefix = section.required("field_prefix", "\"\"", |given| field_prefix(given.text()?));
    let write = merges.zip(prefix).and_then(|(merges, prefix)| write(&mut section, merges, prefix));
    let adopt = section.required("adopt_paths", "false", Given::switch);
    let ca_file = section.required("ca_file", "\"\"", |given| vault_tls::ca_file(given, sources));
    let client_certificate = vault_tls::client_certificate(&mut section, sources);
    let tls_server_name = section.required("tls_server_name", "\"\"", vault_tls::server_name);
    let timeout = section.required("timeout", "\"15s\"", Given::positive);
    // A socket leads past all proxies.
    let proxy = match &address {
        Some(Address { url, socket: None }) => sources.proxies.towards(url, Server::Vault, report),
        Some(Address { socket: Some(_), .. }) | None => Some(None),
    };
    if let (Some(Some(proxy)), Some(Some(_))) = (&proxy, &tls_server_name) {
        section.complain("tls_server_name", vault_tls::name_behind(proxy));
    }
    section.finish(report);

    let has_certificate = client_certificate.as_ref().map(Option::is_some);
    let auth = vault_auth::section(sources, report, has_certificate);
    let secret = secret_fields::section(sources, report, write.as_ref());
    let paths = template.zip(adopt).map(|(template, adopt)| Paths { template, adopt });
    let build = || {
        Some(Vault {
            address: address.as_ref()?.url.clone(),
            socket: address?.socket,
            proxy: proxy?,
            namespace: namespace?,
            mount: mount?,
            write: write?,
            secret: secret?,
            ca_file: ca_file?,
            client_certificate: client_certificate?,
            tls_server_name: tls_server_name?,
            timeout: timeout?,
            auth: auth?,
        })
    };
    (build(), paths)
}

fn write(section: &mut Section<'_>, merges: bool, prefix: String) -> Option<Write> {
    match (merges, prefix.is_empty()) {
        (false, true) => Some(Write::Replace),
        (true, false) => Some(Write::Merge { prefix }),
        (true, true) => {
            let complaint = Complaint::new(
                "is empty, and write = \"merge\" needs it",
                "write what the rotator's fields shall begin with, such as \"exceptionless_\"",
            );
            section.complain_of_pair("field_prefix", complaint);
            None
        }
        (false, false) => {
            let complaint = Complaint::new(
                "has no use with write = \"replace\"",
                "remove it, or write write = \"merge\"",
            );
            section.complain_of_pair("field_prefix", complaint);
            None
        }
    }
}

/// A mount, or a namespace.
pub(super) fn mount_like(text: &str) -> Result<String, Complaint> {
    match SecretPath::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Complaint::new(
            "has an empty, '.' or '..' segment, or a control character",
            "write names with single slashes between them, such as \"secret\" or \"team/secret\"",
        )),
    }
}

fn field_prefix(text: &str) -> Result<String, Complaint> {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(
            "has other characters than letters, digits, '.', '_' and '-'",
            "write it with those only",
        ))
    }
}
