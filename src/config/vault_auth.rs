//! `[vault.auth]`: who we are at Vault.
//!
//! Each method has its own keys, and a key of another method is a mistake: whoever wrote it believes that it counts.

use super::VaultAuth;
use super::effective::quoted;
use super::error::Complaint;
use super::reader::{Choice, Report, Section};
use super::secret_source::SecretSource;
use super::sources::{Layer, Place, Sources};
use super::value::Given;
use super::vault::mount_like;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Token,
    AppRole,
    Kubernetes,
    Jwt,
    UserPass,
    Cert,
}

const METHODS: [(&str, Method); 6] = [
    ("token", Method::Token),
    ("approle", Method::AppRole),
    ("kubernetes", Method::Kubernetes),
    ("jwt", Method::Jwt),
    ("userpass", Method::UserPass),
    ("cert", Method::Cert),
];

const AUTH_KEYS: [&str; 14] = [
    "method",
    "mount",
    "role_id",
    "secret_id",
    "secret_id_file",
    "secret_id_wrapped",
    "role",
    "jwt",
    "jwt_file",
    "username",
    "password",
    "password_file",
    "token",
    "token_file",
];

/// Where every pod finds the token of its service account.
const IN_A_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// `certificate` is whether there is a client certificate, if that is known.
pub(super) fn section(
    sources: &Sources,
    report: &mut Report,
    certificate: Option<bool>,
) -> Option<VaultAuth> {
    let mut section = Section::open(sources, "vault.auth");
    let (method, choice) = method(&mut section, sources);
    let choice = choice.as_ref();
    let is = |wanted: &[Method]| method.is_some_and(|method| wanted.contains(&method));

    let mount = auth_mount(&mut section, method, choice);
    let by_role = is(&[Method::AppRole]);
    let role_id =
        section.chosen("role_id", choice, by_role, "\"...\"", |given| given.filled().map(str::to_owned));
    let secret_id = section.secret(["secret_id", "secret_id_file"], choice, by_role, |_| Ok(()));
    let wrapped = section.allowed("secret_id_wrapped", choice, by_role, Given::switch);
    let by_jwt = is(&[Method::Kubernetes, Method::Jwt]);
    let by_cert = is(&[Method::Cert]);
    let role = match by_cert {
        true => section.allowed("role", choice, true, role_name),
        false => section.chosen("role", choice, by_jwt, "\"exceptionless-rotator\"", role_name),
    };
    if by_cert && certificate == Some(false) {
        let complaint = Complaint::new(
            "needs vault.client_cert_file and vault.client_key_file",
            "write both under [vault], or choose another method",
        );
        section.complain_of_pair("method", complaint);
    }
    // Any other issuer's token lies where the operator has put it.
    let of_pod = is(&[Method::Kubernetes]).then(|| (Place::built_in(), SecretSource::File(IN_A_POD.into())));
    let jwt = section.secret_or(["jwt", "jwt_file"], choice, by_jwt, of_pod, |_| Ok(()));
    let by_password = is(&[Method::UserPass]);
    let username = section.chosen("username", choice, by_password, "\"exceptionless-rotator\"", user_name);
    let password = section.secret(["password", "password_file"], choice, by_password, |_| Ok(()));
    let (by_token, of_cli) = (is(&[Method::Token]), sources.secrets.vault_token());
    let token = section.secret_or(["token", "token_file"], choice, by_token, of_cli, |_| Ok(()));
    section.finish(report);

    Some(match method? {
        Method::Token => VaultAuth::Token { token: token? },
        Method::AppRole => VaultAuth::AppRole {
            mount: mount?,
            role_id: role_id?,
            secret_id: secret_id?,
            wrapped: wrapped.unwrap_or(false),
        },
        Method::Kubernetes => VaultAuth::Kubernetes { mount: mount?, role: role?, jwt: jwt? },
        Method::Jwt => VaultAuth::Jwt { mount: mount?, role: role?, jwt: jwt? },
        Method::UserPass => VaultAuth::UserPass { mount: mount?, username: username?, password: password? },
        Method::Cert => VaultAuth::Cert { mount: mount?, role },
    })
}

/// The method, and who has chosen it.
fn method(section: &mut Section<'_>, sources: &Sources) -> (Option<Method>, Option<Choice>) {
    let layer = section.layer("method");
    let said = AUTH_KEYS.iter().any(|key| section.layer(key) > Layer::Default);
    let token_given = sources.secrets.vault_token().is_some();
    if token_given && !said && !sources.secrets.speak_of("vault.auth") {
        section.assume("method", "\"token\"", "environment variable VAULT_TOKEN");
        let choice = Choice { text: "method = \"token\"".to_owned(), layer: Layer::VaultVariable };
        return (Some(Method::Token), Some(choice));
    }
    let method =
        section.required("method", "\"approle\"", |given| Ok((given.word(&METHODS)?, given.text()?)));
    let choice = method.map(|(_, word)| Choice { text: format!("method = \"{word}\""), layer });
    (method.map(|(method, _)| method), choice)
}

/// Each method is usually mounted under its own name.
fn auth_mount(section: &mut Section<'_>, method: Option<Method>, choice: Option<&Choice>) -> Option<String> {
    let mounted = method != Some(Method::Token);
    let usual = METHODS.iter().find(|(_, known)| Some(*known) == method).map(|(name, _)| *name);
    match usual {
        Some(usual) if mounted && section.place("mount").is_none() => {
            section.assume("mount", &quoted(usual), &Place::built_in().to_string());
            Some(usual.to_owned())
        }
        _ => section.allowed("mount", choice, mounted, |given| mount_like(given.filled()?.trim_matches('/'))),
    }
}

fn role_name(given: &mut Given<'_>) -> Result<String, Complaint> {
    name(given, "write the name of the role alone, such as \"exceptionless-rotator\"")
}

fn user_name(given: &mut Given<'_>) -> Result<String, Complaint> {
    name(given, "write the name of the user alone, such as \"exceptionless-rotator\"")
}

/// It stands in paths, in messages and in the commands that these advise.
fn name(given: &mut Given<'_>, remedy: &str) -> Result<String, Complaint> {
    let name = given.filled()?;
    if name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/') {
        return Err(Complaint::new("has a slash, white space or a control character", remedy));
    }
    if matches!(name, "." | "..") {
        return Err(Complaint::new("is no name", remedy));
    }
    Ok(name.to_owned())
}

impl VaultAuth {
    /// The name of the method, as in `vault.auth.method`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::AppRole { .. } => "approle",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Jwt { .. } => "jwt",
            Self::UserPass { .. } => "userpass",
            Self::Cert { .. } => "cert",
        }
    }

    /// Where the secret stands by which we are known; `None` if that is the connection's own.
    pub fn credential(&self) -> Option<&SecretSource> {
        Some(match self {
            Self::Token { token } => token,
            Self::AppRole { secret_id, .. } => secret_id,
            Self::Kubernetes { jwt, .. } | Self::Jwt { jwt, .. } => jwt,
            Self::UserPass { password, .. } => password,
            Self::Cert { .. } => return None,
        })
    }
}
