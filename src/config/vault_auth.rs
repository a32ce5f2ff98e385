//! `[vault.auth]`: who we are at Vault.

use super::VaultAuth;
use super::effective::quoted;
use super::error::Complaint;
use super::reader::{Choice, Report, Section};
use super::sources::{Layer, Place, Sources};
use super::value::Given;
use super::vault::mount_like;

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

pub(super) fn section(sources: &Sources, report: &mut Report) -> Option<VaultAuth> {
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
