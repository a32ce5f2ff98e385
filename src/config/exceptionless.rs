//! `[exceptionless]`: how to reach the server, and as whom.

use url::Url;

use super::error::Complaint;
use super::proxy::Server;
use super::reader::{Choice, Report, Section};
use super::server::server_url;
use super::sources::Sources;
use super::value::Given;
use super::{Exceptionless, ExceptionlessAuth};

#[derive(Clone, Copy)]
enum Scheme {
    Login,
    Basic,
    Token,
}

pub(super) fn section(sources: &Sources, report: &mut Report) -> Option<Exceptionless> {
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
        timeout: timeout?,
        rate_reserve: rate_reserve?,
        rate_window: rate_window?,
    })
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
