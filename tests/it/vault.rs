//! The Vault store against a real OpenBao.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use exceptionless_rotator::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use exceptionless_rotator::domain::key::ApiKey;
use exceptionless_rotator::domain::path::SecretPath;
use exceptionless_rotator::domain::project::Project;
use exceptionless_rotator::domain::retiring::Retiring;
use exceptionless_rotator::domain::secret::Publication;
use tokio::time::Instant;

use crate::support::bao::{FOLDER, instance};

mod auth;
mod faults;
mod kv;
mod merge;
mod methods;
mod pauses;
mod quotas;
mod rights;
mod secrecy;
mod service_account;
mod sink;
mod tls;
mod wrapped;

const KEY: &str = "LhhP1C9gijpSKCslHHCvwdSIz298twx271nTest0";

fn path(name: &str) -> SecretPath {
    SecretPath::parse(&format!("{FOLDER}/{name}")).unwrap()
}

fn publication(instance: Instance) -> Publication {
    let rotated_at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    Publication {
        instance,
        api_key: ApiKey::parse(KEY).unwrap(),
        server_url: "https://api.exceptionless.com".to_owned(),
        project: Arc::new(Project {
            id: ProjectId::parse("64f0c0ffee00000000000100").unwrap(),
            name: "Checkout".to_owned(),
            organization_id: OrganizationId::parse("64f0c0ffee00000000000010").unwrap(),
            organization_name: "Acme".into(),
        }),
        rotation: RotationId::fresh(rotated_at),
        rotated_at,
        next_rotation_at: None,
        overlap: Duration::from_secs(3600),
        retiring: Retiring::default(),
        shape: Arc::default(),
        shaped_at: None,
    }
}

fn ours() -> Publication {
    publication(instance())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// An error as the operator sees it, with its chain, and as a programmer does.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} | {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(" | {cause}");
        next = cause.source();
    }
    text
}
