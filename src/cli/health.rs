//! `health`: is the daemon of this configuration well?
//!
//! For what can start a program and look at its exit code, and nothing else: the health check of a container that has
//! no shell and no curl, a script, a person. It asks the daemon where its configuration says that it answers, and
//! needs neither server nor any secret.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::engine::event::chain;
use crate::{config, tls};

use super::exit::{Exit, Failure};
use super::setup;
use super::table::print;

/// A daemon that lives answers in milliseconds. Shorter than what supervisors allow a check, so that they see our
/// message.
const PATIENCE: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once, and passed on")]
pub(super) fn run(file: Option<&Path>) -> Result<Exit, Failure> {
    let address = reachable(config::admin(file, std::env::vars())?)?;
    setup::block_on(ask(address))??;
    print("ok\n")?;
    Ok(Exit::Done)
}

/// Where a program on the same machine reaches who listens there.
fn reachable(listen: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    let refused = |problem: &str| {
        let remedy = "set it to an address and a port, such as \"127.0.0.1:9184\", and restart the daemon";
        Failure::new(Exit::Configuration, format!("admin.listen {problem}; {remedy}"))
    };
    let mut address = listen.ok_or_else(|| refused("is empty, so that the daemon answers nowhere"))?;
    match address.ip() {
        _ if address.port() == 0 => {
            return Err(refused("has port 0, so that nobody knows where the daemon answers"));
        }
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

async fn ask(address: SocketAddr) -> Result<(), Failure> {
    let url = format!("http://{address}/healthz");
    let unwell = |problem: String| {
        let remedy = "see whether it runs, with this configuration, and what its log says";
        Failure::new(Exit::Unavailable, format!("the daemon is not well: {problem}; {remedy}"))
    };
    tls::install_provider();
    let client = reqwest::Client::builder()
        // No TLS, so nobody to trust; and a proxy has no business between a daemon and its own machine.
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build();
    let answer = async { client?.get(&url).send().await };
    let answer = answer.await.map_err(|error| unwell(format!("{url}: {}", chain(&error.without_url()))))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(unwell(format!("{url} answers {}", answer.status())));
    }
    Ok(())
}
