//! `[exceptionless]`: how to reach the server, and as whom.

use chrono::{DateTime, Utc};
use url::Url;

use super::credential_source::{CredentialSource, credential};
use super::error::Complaint;
use super::projects::schedule;
use super::proxy::Server;
use super::reader::{Choice, Report, Section};
use super::server::server_url;
use super::sources::Sources;
use super::value::Given;
use super::{Exceptionless, ExceptionlessAuth, Ha, Vault};
use crate::domain::path::PathTemplate;

#[derive(Clone, Copy)]
enum Scheme {
    Login,
    Basic,
    Token,
}

/// What `[exceptionless]` says. The schedule of the password is in UTC: its zone stands in `[rotation]`.
pub(super) fn section(sources: &Sources, report: &mut Report, now: DateTime<Utc>) -> Option<Exceptionless> {
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
    let password =
        credential(&mut section, ["password", "password_file"], choice.as_ref(), by_password, |password| {
            if basic && password.contains(':') {
                return Err(Complaint::new(
                    "the password contains a colon, with which auth = \"basic\" never works",
                    "write auth = \"login\", or change the password",
                ));
            }
            Ok(())
        });
    let by_token = matches!(method, Some(Scheme::Token));
    let token = credential(&mut section, ["token", "token_file"], choice.as_ref(), by_token, |_| Ok(()));
    let password_schedule =
        section.required("password_schedule", "\"\"", |given| match given.text()?.trim() {
            "" => Ok(None),
            _ => schedule(given, now).map(Some),
        });
    if by_password
        && let (Some(Some(_)), Some(CredentialSource::Here(source))) = (&password_schedule, &password)
    {
        let complaint = Complaint::new(
            format!("needs a password that is kept in Vault, and it comes from {source}"),
            "write password = { vault = \"secret/data/exceptionless-rotator/user#password\" }, or leave password_schedule empty",
        );
        section.complain("password_schedule", complaint);
    } else if by_token && matches!(password_schedule, Some(Some(_))) {
        let complaint = Complaint::new(
            "has no use with auth = \"token\", which knows no password",
            "leave it empty, or write auth = \"login\"",
        );
        section.complain("password_schedule", complaint);
    }
    let timeout = section.required("timeout", "\"30s\"", Given::positive);
    let rate_reserve = section.required("rate_reserve", "0.2", |given| match given.number()? {
        share if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err(Complaint::new("is out of range", "write a number from 0 to below 1, such as 0.2")),
    });
    let rate_window = section.required("rate_window", "\"15m\"", Given::positive);
    section.finish(report);
    let proxy = match &url {
        Some(url) => sources.proxies.towards(url, Server::Exceptionless, report),
        None => None,
    };

    let auth = match method? {
        Scheme::Login => ExceptionlessAuth::Login { email: email?, password: password? },
        Scheme::Basic => ExceptionlessAuth::Basic { email: email?, password: password? },
        Scheme::Token => ExceptionlessAuth::Token { token: token? },
    };
    Some(Exceptionless {
        url: url?,
        proxy: proxy?,
        auth,
        password_schedule: password_schedule?,
        timeout: timeout?,
        rate_reserve: rate_reserve?,
        rate_window: rate_window?,
    })
}

/// A credential in Vault must not stand where a project's secret, or the lease, is written.
pub(super) fn keep_apart(
    auth: &ExceptionlessAuth,
    vault: &Vault,
    templates: &[&PathTemplate],
    ha: Option<&Ha>,
    report: &mut Report,
) {
    let Some(field) = auth.kept_in_vault().filter(|field| *field.mount == *vault.mount) else { return };
    let template = templates.iter().find(|template| template.may_be(&field.path));
    let whose = match (template, ha) {
        (Some(template), _) => format!("a project's secret, by {:?}", template.to_string()),
        (None, Some(ha)) if ha.lease_path == field.path => "the lease (ha.lease_path)".to_owned(),
        (None, _) => return,
    };
    let key = if matches!(auth, ExceptionlessAuth::Token { .. }) { "token" } else { "password" };
    let complaint = Complaint::new(
        format!("names the secret {}, which may be that of {whose}", field.data_path()),
        "keep it at a path that nothing else can have",
    );
    report.problems.push(complaint.at(format!("exceptionless.{key}"), None));
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
