//! `[exceptionless]`, `[vault]` and `[vault.auth]`: how to reach both servers, and as whom.

use std::path::PathBuf;

use url::Url;

use super::effective::quoted;
use super::error::Complaint;
use super::reader::{Choice, Report, Section};
use super::sources::{Layer, Place, Sources};
use super::value::Given;
use super::{Exceptionless, ExceptionlessAuth, Vault, VaultAuth, Write};
use crate::domain::path::{PathTemplate, SecretPath};

/// What `[vault]` says of the policy.
pub(super) struct Paths {
    pub(super) template: PathTemplate,
    pub(super) adopt: bool,
}

#[derive(Clone, Copy)]
enum Scheme {
    Login,
    Basic,
    Token,
}

pub(super) fn exceptionless(sources: &Sources, report: &mut Report) -> Option<Exceptionless> {
    let mut section = Section::open(sources, "exceptionless");
    let url = section.required("url", "\"https://api.exceptionless.com\"", exceptionless_url);
    let methods = [("login", Scheme::Login), ("basic", Scheme::Basic), ("token", Scheme::Token)];
    let layer = section.layer("auth");
    let method = section.required("auth", "\"login\"", |given| Ok((given.word(&methods)?, given.text()?)));
    let choice = method.map(|(_, word)| Choice { text: format!("auth = \"{word}\""), layer });
    let method = method.map(|(method, _)| method);

    let by_password = matches!(method, Some(Scheme::Login | Scheme::Basic));
    let basic = matches!(method, Some(Scheme::Basic));
    let email = section.chosen("email", choice.as_ref(), by_password, "\"rotator@example.com\"", |given| {
        let email = given.filled()?;
        if basic && email.contains(':') {
            return Err(Complaint::new(
                "contains a colon, which auth = \"basic\" cannot send",
                "write auth = \"login\"",
            ));
        }
        Ok(email.to_owned())
    });
    let password = section.secret(["password", "password_file"], choice.as_ref(), by_password, |password| {
        if basic && password.contains(':') {
            return Err(Complaint::new(
                "the password contains a colon, with which auth = \"basic\" never works",
                "write auth = \"login\", or change the password",
            ));
        }
        Ok(())
    });
    let by_token = matches!(method, Some(Scheme::Token));
    let token = section.secret(["token", "token_file"], choice.as_ref(), by_token, |_| Ok(()));
    let timeout = section.required("timeout", "\"30s\"", Given::positive);
    let rate_reserve = section.required("rate_reserve", "0.2", |given| match given.number()? {
        share if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err(Complaint::new("is out of range", "write a number from 0 to below 1, such as 0.2")),
    });
    let rate_window = section.required("rate_window", "\"15m\"", Given::positive);
    section.finish(report);

    let auth = match method? {
        Scheme::Login => ExceptionlessAuth::Login { email: email?, password: password? },
        Scheme::Basic => ExceptionlessAuth::Basic { email: email?, password: password? },
        Scheme::Token => ExceptionlessAuth::Token { token: token? },
    };
    Some(Exceptionless {
        url: url?,
        auth,
        timeout: timeout?,
        rate_reserve: rate_reserve?,
        rate_window: rate_window?,
    })
}

pub(super) fn vault(sources: &Sources, report: &mut Report) -> (Option<Vault>, Option<Paths>) {
    let mut section = Section::open(sources, "vault");
    section.holds(&["auth"]);
    let address = section.required("address", "\"https://vault.example.com:8200\"", vault_address);
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
    let ca_file = section.required("ca_file", "\"\"", |given| ca_file(given, sources));
    let timeout = section.required("timeout", "\"15s\"", Given::positive);
    section.finish(report);

    let auth = vault_auth(sources, report);
    let paths = template.zip(adopt).map(|(template, adopt)| Paths { template, adopt });
    let build = || {
        Some(Vault {
            address: address?,
            namespace: namespace?,
            mount: mount?,
            write: write?,
            ca_file: ca_file?,
            timeout: timeout?,
            auth: auth?,
        })
    };
    (build(), paths)
}

#[derive(Clone, Copy)]
enum Method {
    Token,
    AppRole,
    Kubernetes,
    Later,
}

const METHODS: [(&str, Method); 6] = [
    ("token", Method::Token),
    ("approle", Method::AppRole),
    ("kubernetes", Method::Kubernetes),
    ("jwt", Method::Later),
    ("userpass", Method::Later),
    ("cert", Method::Later),
];

const AUTH_KEYS: [&str; 10] = [
    "method",
    "mount",
    "role_id",
    "secret_id",
    "secret_id_file",
    "role",
    "jwt",
    "jwt_file",
    "token",
    "token_file",
];

fn vault_auth(sources: &Sources, report: &mut Report) -> Option<VaultAuth> {
    let mut section = Section::open(sources, "vault.auth");
    let layer = section.layer("method");
    let said = AUTH_KEYS.iter().any(|key| section.layer(key) > Layer::Default);
    let token_given = sources.secrets.vault_token().is_some();
    let (method, choice) = if token_given && !said && !sources.secrets.speak_of("vault.auth") {
        section.assume("method", "\"token\"", "environment variable VAULT_TOKEN");
        let choice = Choice { text: "method = \"token\"".to_owned(), layer: Layer::VaultVariable };
        (Some(Method::Token), Some(choice))
    } else {
        let method = section.required("method", "\"approle\"", |given| match given.word(&METHODS)? {
            Method::Later => Err(Complaint::new(
                "is a method that this version does not support",
                "write \"approle\", \"kubernetes\" or \"token\"",
            )),
            method => Ok((method, given.text()?)),
        });
        let choice = method.map(|(_, word)| Choice { text: format!("method = \"{word}\""), layer });
        (method.map(|(method, _)| method), choice)
    };

    let mount = auth_mount(&mut section, method);
    let by_role = matches!(method, Some(Method::AppRole));
    let role_id = section
        .chosen("role_id", choice.as_ref(), by_role, "\"...\"", |given| given.filled().map(str::to_owned));
    let secret_id = section.secret(["secret_id", "secret_id_file"], choice.as_ref(), by_role, |_| Ok(()));
    let by_pod = matches!(method, Some(Method::Kubernetes));
    let role = section.chosen("role", choice.as_ref(), by_pod, "\"exceptionless-rotator\"", role_name);
    let jwt = section.secret(["jwt", "jwt_file"], choice.as_ref(), by_pod, |_| Ok(()));
    let by_token = matches!(method, Some(Method::Token));
    let token = section.secret(["token", "token_file"], choice.as_ref(), by_token, |_| Ok(()));
    section.finish(report);

    match method? {
        Method::Token => Some(VaultAuth::Token { token: token? }),
        Method::AppRole => {
            Some(VaultAuth::AppRole { mount: mount?, role_id: role_id?, secret_id: secret_id? })
        }
        Method::Kubernetes => Some(VaultAuth::Kubernetes { mount: mount?, role: role?, jwt: jwt? }),
        Method::Later => None,
    }
}

/// Each method is usually mounted under its own name.
fn auth_mount(section: &mut Section<'_>, method: Option<Method>) -> Option<String> {
    let usual = match method {
        Some(Method::AppRole) => Some("approle"),
        Some(Method::Kubernetes) => Some("kubernetes"),
        Some(Method::Token | Method::Later) | None => None,
    };
    match usual {
        Some(usual) if section.place("mount").is_none() => {
            section.assume("mount", &quoted(usual), &Place::built_in().to_string());
            Some(usual.to_owned())
        }
        _ => section.optional("mount", |given| mount_like(given.filled()?.trim_matches('/'))),
    }
}

/// It stands in messages and in the commands that these advise.
fn role_name(given: &mut Given<'_>) -> Result<String, Complaint> {
    let name = given.filled()?;
    if name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/') {
        return Err(Complaint::new(
            "has a slash, white space or a control character",
            "write the name of the role alone, such as \"exceptionless-rotator\"",
        ));
    }
    Ok(name.to_owned())
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

fn exceptionless_url(given: &mut Given<'_>) -> Result<Url, Complaint> {
    let mut url = server_url(given.filled()?)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/api/v2") || path.ends_with("/api") {
        return Err(Complaint::new(
            "ends with a part of /api/v2, which is added by itself",
            "write it without that",
        ));
    }
    url.set_path(&path);
    Ok(url)
}

fn vault_address(given: &mut Given<'_>) -> Result<Url, Complaint> {
    let url = server_url(given.filled()?)?;
    if url.path() != "/" {
        return Err(Complaint::new(
            "has a path, which the Vault client cannot use",
            "write scheme, host and port only, such as https://vault.example.com:8200",
        ));
    }
    Ok(url)
}

/// A URL may carry a password, even one that is not well-formed, so no message repeats it.
fn server_url(text: &str) -> Result<Url, Complaint> {
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

fn mount_like(text: &str) -> Result<String, Complaint> {
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

fn ca_file(given: &mut Given<'_>, sources: &Sources) -> Result<Option<PathBuf>, Complaint> {
    let name = given.text()?;
    if name.is_empty() {
        return Ok(None);
    }
    // The vault CLI reads VAULT_CACERT from where it is called.
    let path = match given.layer {
        Layer::VaultVariable => PathBuf::from(name),
        Layer::Default | Layer::File | Layer::Variable => sources.secrets.beside_file(name),
    };
    let remedy = "write the name of a PEM file that this user may read";
    match std::fs::read(&path) {
        Err(error) => {
            Err(Complaint::new(format!("the file {} cannot be read: {error}", path.display()), remedy))
        }
        Ok(bytes) if !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => {
            Err(Complaint::new(format!("the file {} holds no PEM certificate", path.display()), remedy))
        }
        Ok(_) => {
            given.shown = quoted(&path.display().to_string());
            Ok(Some(path))
        }
    }
}
