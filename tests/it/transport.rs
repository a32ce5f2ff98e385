//! The ways to Vault, each with a whole rotation over it.

use exceptionless_emulator::Settings;

mod certificates;
mod namespaces;
mod proxies;
mod sockets;

/// As many projects as it takes to see that it works.
fn small() -> Settings {
    Settings { organizations: 1, projects: 2, ..Settings::default() }
}
