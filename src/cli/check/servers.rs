//! Both servers, who they take us for and for how long, and their clocks.

use std::time::Duration;

use chrono::{DateTime, Months, TimeDelta, Utc};

use crate::cli::exit::{Exit, Failure};
use crate::config::{Config, CredentialSource, ExceptionlessAuth, SecretSource, VaultAuth};
use crate::domain::clocks::time_text;
use crate::engine::credential::CredentialError;
use crate::engine::event::chain;
use crate::engine::lease::LeaseView;
use crate::engine::{Engine, WIDEST_SPREAD, clock};
use crate::plan::credential::{Step, due};
use crate::vault::{Identity, Wrapped};

use super::Findings;

/// More than this between two clocks, and somebody's time is wrong. Keys stay safe, since the latest clock
/// dates and the earliest judges; they are only retired later.
const TOLERABLE_SKEW: TimeDelta = TimeDelta::seconds(5);

/// Exceptionless lets a login live so long from its beginning, whatever it is used for.
const LOGIN_LIVES: Months = Months::new(3);

/// Enough time for a person to replace a login.
const SOON: TimeDelta = TimeDelta::days(14);

/// A token that does not live so long would have to be replaced by hand all the time.
const LASTING: TimeDelta = TimeDelta::days(1);

/// Whether Exceptionless can be asked further.
pub(super) async fn exceptionless(engine: &Engine, config: &Config, findings: &mut Findings) -> bool {
    match engine.exceptionless.who_am_i().await {
        Ok(user) => {
            let organizations = user.organization_ids.len();
            findings.fine(
                "exceptionless",
                format!("signed in as {}, member of {organizations} organizations", user.email),
            );
            login(&config.exceptionless.auth, findings);
            true
        }
        Err(error) => {
            findings.bad("exceptionless", error);
            false
        }
    }
}

/// How long the login lasts. The server tells nobody when one ends, so this is an estimate at best.
fn login(auth: &ExceptionlessAuth, findings: &mut Findings) {
    const CHECK: &str = "exceptionless login";
    let token = match auth {
        ExceptionlessAuth::Login { .. } => {
            return findings
                .fine(CHECK, "lasts three months at most; the rotator signs in again when it ends");
        }
        ExceptionlessAuth::Basic { .. } => {
            return findings.fine(CHECK, "the password goes with each request; nothing ends");
        }
        ExceptionlessAuth::Token { token } => token,
    };
    let remedy =
        format!("put a fresh one into {token}, or let the rotator sign in itself with auth = \"login\"");
    let Some(written) = written(token) else {
        let text = format!(
            "nobody can tell when the login token in {token} ends, three months after it began at the latest; {remedy}"
        );
        return findings.unwise(CHECK, text);
    };
    let left = written.checked_add_months(LOGIN_LIVES).map_or(TimeDelta::MAX, |end| end - clock::now());
    let day = written.format("%Y-%m-%d");
    if left < TimeDelta::zero() {
        findings.unwise(CHECK, format!(
            "how long the login token lasts cannot be estimated: {token} was written on {day}, longer ago than the three \
             months that a login lives; before it ends, {remedy}"
        ));
    } else {
        let text = format!(
            "the login token lasts {} days more at most, an estimate: a login lives three months, and {token} was written on {day}",
            left.num_days()
        );
        if left < SOON {
            findings.unwise(CHECK, format!("{text}; {remedy}"))
        } else {
            findings.fine(CHECK, text)
        }
    }
}

/// When the secret was put there: its beginning lies before that.
fn written(secret: &CredentialSource) -> Option<DateTime<Utc>> {
    match secret {
        CredentialSource::Here(SecretSource::File(path)) => {
            Some(std::fs::metadata(path).ok()?.modified().ok()?.into())
        }
        CredentialSource::Here(SecretSource::Environment { .. }) | CredentialSource::Vault(_) => None,
    }
}

/// Whether the password can be changed, where the rotator keeps it.
pub(super) async fn password(engine: &Engine, findings: &mut Findings) {
    const CHECK: &str = "exceptionless password";
    let Some(custody) = &engine.custody else { return };
    let look = match engine.look_at_credential(custody).await {
        Ok(look) => look,
        Err(error @ CredentialError::Colon { .. }) if custody.schedule.is_none() => {
            return findings.unwise(CHECK, chain(&error));
        }
        Err(error) => return findings.bad(CHECK, error),
    };
    let place = format!("kept in Vault's {}, version {}", custody.field, look.version);
    let since = look.changed_at.map_or_else(
        || "nobody knows since when it is in force".to_owned(),
        |changed| format!("in force since {}", time_text(changed)),
    );
    if let Some(obstacle) = look.obstacle(custody, &engine.clocks()) {
        return findings.unwise(CHECK, obstacle.to_string());
    }
    match look.step {
        Step::Prepare => {
            let schedule = custody.schedule.as_ref();
            let next = schedule.and_then(|schedule| due(schedule, look.changed_at, false, &engine.clocks()));
            let next = next.map_or_else(
                || "changed by rotate-credential".to_owned(),
                |next| format!("the daemon changes it at {}", time_text(next)),
            );
            findings.fine(CHECK, format!("{place}; {since}; {next}"));
        }
        Step::Change | Step::Promote => findings.unwise(CHECK, format!(
            "{place}; a change was begun and not ended, and until then either password may be the right one; run \
             exceptionless-rotator rotate-credential"
        )),
        Step::Recover => findings.unwise(CHECK, format!(
            "{place}; Exceptionless does not accept it, but one of an older version; run exceptionless-rotator \
             rotate-credential, which puts that back, and find out who wrote over it"
        )),
    }
}

/// How long our certificate serves. A handshake that is refused for it does not always say so.
fn client_certificate(engine: &Engine, config: &Config, findings: &mut Findings) {
    const CHECK: &str = "client certificate";
    let (Some(files), Some(ends)) = (&config.vault.client_certificate, engine.vault.certificate_ends())
    else {
        return;
    };
    let (file, day, left) = (files.cert_file.display(), ends.format("%Y-%m-%d"), ends - clock::now());
    if left < TimeDelta::zero() {
        findings.unwise(CHECK, format!("{file} ended on {day}; renew it, a restart is not needed"));
    } else {
        findings.fine(CHECK, format!("{file} lasts until {day}"));
    }
}

/// Whether Vault can be asked further.
pub(super) async fn vault(engine: &Engine, config: &Config, findings: &mut Findings) -> bool {
    client_certificate(engine, config, findings);
    match engine.vault.health().await {
        Ok(health) => {
            let within = config.vault.namespace.as_ref().map(|name| format!(", in the namespace {name}"));
            let (version, way) = (health.version, engine.vault.way());
            findings
                .fine("vault", format!("version {version} answers at {way}{}", within.unwrap_or_default()));
        }
        Err(error) => {
            findings.bad("vault", error);
            return false;
        }
    }
    match engine.vault.wrapped_secret_id().await {
        Ok(None) => {}
        Ok(Some(wrapped)) => {
            left_wrapped(&wrapped, &config.vault.auth, findings);
            return false;
        }
        Err(error) => {
            findings.bad("vault token", error);
            return false;
        }
    }
    if let Err(error) = engine.vault.preflight().await {
        findings.bad("vault", error);
        return false;
    }
    match engine.vault.whoami().await {
        Ok(identity) => token(&identity, &config.vault.auth, findings),
        Err(error) => findings.unwise("vault token", format!("it cannot be looked up: {}", chain(&error))),
    }
    true
}

/// A secret id can be unwrapped once, and that is for the process that will work with it.
fn left_wrapped(wrapped: &Wrapped, auth: &VaultAuth, findings: &mut Findings) {
    let place = auth.credential().map(SecretSource::to_string).unwrap_or_default();
    let lasts = humantime::format_duration(Duration::from_secs(wrapped.lasts.as_secs()));
    findings.fine("vault token", format!(
        "by {}, whose secret id in {place} is wrapped by {} and can be unwrapped for another {lasts}; it is left wrapped for \
         the process that will run, so nothing behind a login was looked at",
        auth.method(), wrapped.path
    ));
}

fn token(identity: &Identity, auth: &VaultAuth, findings: &mut Findings) {
    const CHECK: &str = "vault token";
    let whole = |ttl: Duration| humantime::format_duration(Duration::from_secs(ttl.as_secs()));
    let life = match identity.ttl {
        None => "does not expire".to_owned(),
        Some(ttl) if identity.renewable => format!("expires in {}, renewable", whole(ttl)),
        Some(ttl) => format!("expires in {}, not renewable", whole(ttl)),
    };
    findings.fine(CHECK, format!("by {}, policies {}; {life}", auth.method(), identity.policies.join(", ")));
    if identity.policies.iter().any(|policy| policy == "root") {
        findings.unwise(CHECK, "it is a root token; use one with the policy in config/vault-policy.hcl");
    }
    if let Some(uses) = identity.uses {
        findings.unwise(CHECK, format!(
            "it may be used {uses} times more, and a pass needs one use for each request; make it without a limit \
             (token_num_uses = 0 at the role)"
        ));
    }
    // Any other method logs in again.
    if let (VaultAuth::Token { token }, Some(ttl), false) = (auth, identity.ttl, identity.renewable) {
        findings.unwise(CHECK, format!(
            "it ends in {} and cannot be renewed; put another one into {token} before, as vault agent does, or use \
             method = \"approle\"",
            whole(ttl)
        ));
    }
    if let (VaultAuth::Token { token }, true, Some(end)) = (auth, identity.renewable, identity.ends_at_last)
        && end - clock::now() < LASTING
    {
        findings.unwise(CHECK, format!(
            "it ends at {} however often it is renewed (explicit_max_ttl); put another one into {token} before, as vault \
             agent does, or use method = \"approle\"",
            time_text(end)
        ));
    }
}

pub(super) fn clocks(engine: &Engine, findings: &mut Findings) {
    const CHECK: &str = "clocks";
    let clocks = engine.clocks();
    let mut skew =
        |name: &str, theirs: Option<DateTime<Utc>>| {
            let Some(theirs) = theirs else { return };
            let ahead = theirs - clocks.ours;
            if ahead.abs() <= TOLERABLE_SKEW {
                return findings.fine(CHECK, format!("{name} agrees with this machine"));
            }
            let direction = if ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
            findings.unwise(CHECK, format!(
            "{name} is {} s {direction} this machine; keys stay safe but are retired that much later; \
             let time synchronisation run on both",
            ahead.num_seconds().abs()
        ));
        };
    skew("Exceptionless", clocks.exceptionless);
    skew("Vault", clocks.vault);
    if clocks.spread() > WIDEST_SPREAD {
        let text = "the clocks differ by more than a day, so nothing is published; set the one that is wrong";
        findings.bad(CHECK, Failure::new(Exit::SomeFailed, text));
    }
}

/// Whether replicas can agree, where they shall.
pub(super) async fn lease(engine: &Engine, findings: &mut Findings) {
    const CHECK: &str = "lease";
    match engine.read_lease().await {
        Ok(None) => {}
        Ok(Some(LeaseView { conflict: Some(conflict), .. })) => {
            findings
                .bad(CHECK, Failure::new(Exit::SomeFailed, format!("no replica can hold it: {conflict}")));
        }
        Ok(Some(LeaseView { holder: None, .. })) => findings.fine(CHECK, "nobody holds it"),
        Ok(Some(LeaseView { holder: Some(holder), .. })) => findings.fine(CHECK, format!("held by {holder}")),
        Err(error) => findings.bad(CHECK, error),
    }
}
