//! Every endpoint of both servers that the product calls, and how each is recognized on the wire.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use exceptionless_emulator::{Fault, Kind};

use super::scene::Situation;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Exceptionless,
    Vault,
}

/// One of them. The name is the label of the operation in the product.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub server: Server,
    pub name: &'static str,
    method: &'static str,
    /// A path with `{id}` for any one part, and `{mount}` for that of the corner. One with a slash at its end is the
    /// start of a path.
    path: &'static str,
    /// In which it is called.
    pub situation: Situation,
}

const fn of(
    server: Server,
    name: &'static str,
    method: &'static str,
    path: &'static str,
    situation: Situation,
) -> Endpoint {
    Endpoint { server, name, method, path, situation }
}

/// A path that fits two of them is the first one's.
pub const ENDPOINTS: [Endpoint; 26] = {
    use Server::{Exceptionless, Vault};
    use Situation::{
        Check, Disabling, FirstPublication, LongPass, LostMint, Retirement, Rotation, Shared, TokenOfItsOwn,
        Vanished, WrappedSecretId,
    };
    [
        of(Exceptionless, "log_in", "POST", "/api/v2/auth/login", Rotation),
        of(Exceptionless, "who_am_i", "GET", "/api/v2/users/me", Rotation),
        of(Exceptionless, "organizations", "GET", "/api/v2/organizations", Rotation),
        of(Exceptionless, "projects", "GET", "/api/v2/organizations/{id}/projects", Rotation),
        of(Exceptionless, "organization_keys", "GET", "/api/v2/organizations/{id}/tokens", Rotation),
        of(Exceptionless, "create_key", "POST", "/api/v2/projects/{id}/tokens", Rotation),
        of(Exceptionless, "project_keys", "GET", "/api/v2/projects/{id}/tokens", LostMint),
        of(Exceptionless, "check_key", "GET", "/api/v2/projects/config", Rotation),
        of(Exceptionless, "find_project", "GET", "/api/v2/projects/{id}", Vanished),
        of(Exceptionless, "delete_keys", "DELETE", "/api/v2/tokens/{ids}", Retirement),
        of(Exceptionless, "update_key", "PATCH", "/api/v2/tokens/{ids}", Disabling),
        of(Vault, "log_in", "POST", "/v1/auth/{mount}/login", Rotation),
        of(Vault, "look_up_wrapping", "POST", "/v1/sys/wrapping/lookup", WrappedSecretId),
        of(Vault, "unwrap", "POST", "/v1/sys/wrapping/unwrap", WrappedSecretId),
        of(Vault, "look_up", "GET", "/v1/auth/token/lookup-self", TokenOfItsOwn),
        of(Vault, "renew", "POST", "/v1/auth/token/renew-self", LongPass),
        of(Vault, "log_out", "POST", "/v1/auth/token/revoke-self", Rotation),
        of(Vault, "inspect_mount", "GET", "/v1/sys/internal/ui/mounts/{mount}", Rotation),
        of(Vault, "ask_capabilities", "POST", "/v1/sys/capabilities-self", Rotation),
        of(Vault, "ask_health", "GET", "/v1/sys/health", Check),
        of(Vault, "list", "LIST", "/v1/{mount}/metadata/", Rotation),
        of(Vault, "read", "GET", "/v1/{mount}/data/", Rotation),
        of(Vault, "publish", "POST", "/v1/{mount}/data/", Rotation),
        of(Vault, "merge", "PATCH", "/v1/{mount}/data/", Shared),
        of(Vault, "mark", "PATCH", "/v1/{mount}/metadata/", FirstPublication),
        of(Vault, "withdraw", "POST", "/v1/{mount}/delete/", Vanished),
    ]
};

/// What a rotation asks only when something has gone wrong already, so that no cell can begin with it.
const AFTER_TROUBLE: Endpoint =
    of(Server::Exceptionless, "ask_health", "GET", "/health", Situation::Rotation);

/// What the rotator's own password asks. It is no key, and `credentials` and `kill` have its proofs.
const OF_THE_PASSWORD: [&str; 4] = ["change_password", "try_password", "read_credential", "store_credential"];

impl Endpoint {
    pub fn title(&self) -> String {
        match self.server {
            Server::Exceptionless => format!("exceptionless.{}", self.name),
            Server::Vault => format!("vault.{}", self.name),
        }
    }

    /// Whether its requests change something that the promise is about, or lead to all that do.
    pub fn is_effect(&self) -> bool {
        matches!(
            self.name,
            "log_in" | "create_key" | "update_key" | "delete_keys" | "publish" | "merge" | "mark"
        )
    }

    /// A fault of its requests.
    pub fn fault(&self, mount: &str, kind: Kind) -> Fault {
        match self.server {
            Server::Exceptionless => Fault::new(self.method, self.path.trim_start_matches("/api/v2/"), kind),
            Server::Vault => Fault::new(self.method, &self.path.replace("{mount}", mount), kind),
        }
    }

    fn is_asked(&self, request: &str, mount: &str) -> bool {
        let Some((method, path)) = request.split_once(' ') else { return false };
        let pattern = self.path.replace("{mount}", mount);
        let (parts, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
        let fits = |(part, wanted): (&&str, &&str)| wanted.starts_with('{') || part == wanted;
        method == self.method
            && match pattern.ends_with('/') {
                true => path.starts_with(&pattern),
                false => parts.len() == wanted.len() && parts.iter().zip(&wanted).all(fits),
            }
    }
}

/// The names of the endpoints that were asked. One that is not in the list is a gap in the matrix.
pub fn named(server: Server, requests: &[String], mount: &str) -> Vec<&'static str> {
    let name = |request: &String| {
        let known = ENDPOINTS.iter().chain([&AFTER_TROUBLE]);
        let mut of_server = known.filter(|endpoint| endpoint.server == server);
        let found = of_server.find(|endpoint| endpoint.is_asked(request, mount));
        let method = request.split(' ').next();
        found
            .map(|endpoint| endpoint.name)
            .unwrap_or_else(|| panic!("the matrix lacks an endpoint: {method:?}"))
    };
    requests.iter().map(name).collect()
}

/// The labels that the product gives to its operations, but for those of the password and of the lease. The latter do
/// nothing to a key, only a daemon among replicas asks them, and `replicas` has the proofs of what becomes of it.
fn labels(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let (_, function) = text.split_once("fn label(").unwrap();
    let (function, _) = function.split_once("\n    }\n").unwrap();
    let arms = function.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"'));
    let elsewhere = |label: &str| label.ends_with("_lease") || OF_THE_PASSWORD.contains(&label);
    arms.map(|(label, _)| label.to_owned()).filter(|label| !elsewhere(label)).collect()
}

#[test]
fn the_matrix_has_every_operation_of_the_product() {
    for (server, file) in
        [(Server::Exceptionless, "src/exceptionless/operation.rs"), (Server::Vault, "src/vault/attempt.rs")]
    {
        let known = ENDPOINTS.iter().chain([&AFTER_TROUBLE]);
        let of_server = known.filter(|endpoint| endpoint.server == server);
        let rows: BTreeSet<String> = of_server.map(|endpoint| endpoint.name.to_owned()).collect();
        assert_eq!(rows, labels(file), "{file}");
    }
}
