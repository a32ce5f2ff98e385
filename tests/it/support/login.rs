//! Every way to log in to a corner, set up as an operator would, so that one test can try them all.

use std::collections::BTreeSet;

use exceptionless_emulator::Settings;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bao::Corner;
use super::issuer::Issuer;
use super::kubernetes::Kubernetes;
use super::listener::Listener;
use super::rig::Rig;

/// The methods, as in `vault.auth.method`, and one with a secret id that is wrapped.
pub const METHODS: [&str; 7] = ["token", "approle", WRAPPED, "kubernetes", "jwt", "userpass", "cert"];
pub const WRAPPED: &str = "approle, wrapped";

const PASSWORD: &str = "staple battery";

/// One way, and what keeps it open.
pub struct Login {
    pub method: &'static str,
    /// What must never be printed.
    pub secrets: BTreeSet<String>,
    /// Where the method is mounted.
    mount: String,
    /// What says how long the tokens live.
    role: String,
    _kubernetes: Option<Kubernetes>,
}

/// Wraps a secret id of the corner's role. It is one that we know, so that it can be looked for.
pub async fn wrap(corner: &Corner<'_>, secret_id: &str, ttl: &str) -> String {
    let path = format!("auth/{0}/role/{0}/custom-secret-id", corner.mount);
    wrap_answer(corner, &path, json!({"secret_id": secret_id}), ttl).await
}

/// Wraps whatever the server answers to root.
pub async fn wrap_answer(corner: &Corner<'_>, path: &str, body: Value, ttl: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = client.post(format!("{}/v1/{path}", corner.bao.address)).json(&body);
    let request = request.header("x-vault-token", corner.bao.root_token()).header("x-vault-wrap-ttl", ttl);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["wrap_info"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

impl Login {
    /// A rig on a server where this method can be used.
    pub async fn rig(method: &'static str, settings: Settings) -> Rig {
        if method != "cert" {
            return Rig::with(settings).await;
        }
        let listener: &'static Listener = Box::leak(Box::new(Listener::named(&["127.0.0.1"]).await));
        let mut rig = Rig::on(listener.bao, settings).await;
        Self::show_certificate(&mut rig, listener);
        rig
    }

    /// Lets the rotator of a rig go over this listener, with a certificate.
    pub fn show_certificate(rig: &mut Rig, listener: &Listener) {
        let [cert, key] = listener.keep(&listener.authority.client("rotator"));
        rig.set("vault", "address", &format!("{:?}", listener.address));
        rig.set("vault", "ca_file", &format!("{:?}", listener.ca_file()));
        rig.set("vault", "client_cert_file", &format!("{cert:?}"));
        rig.set("vault", "client_key_file", &format!("{key:?}"));
        std::fs::copy(listener.ca_file(), rig.path("clients.pem")).unwrap();
    }

    /// Lets the rotator of a rig log in by this method.
    pub async fn by(method: &'static str, rig: &mut Rig) -> Self {
        // A password takes a busy server a second.
        rig.set("vault", "timeout", "\"10s\"");
        let corner = &rig.corner;
        let name = corner.mount.clone();
        let (mut kubernetes, mut mount, mut noun) = (None, name.clone(), "role");
        let (lines, secret) = match method {
            "approle" => {
                let secret = std::fs::read_to_string(corner.secret_id_file()).unwrap();
                (rig.config["vault.auth"].clone(), secret)
            }
            WRAPPED => {
                let lines = format!("{}\nsecret_id_wrapped = true", rig.config["vault.auth"]);
                let secret = Uuid::now_v7().to_string();
                std::fs::write(corner.secret_id_file(), wrap(corner, &secret, "1h").await).unwrap();
                (lines, secret)
            }
            "cert" => {
                mount = format!("{name}-clients");
                noun = "certs";
                corner.bao.root("POST", &format!("sys/auth/{mount}"), json!({"type": "cert"})).await;
                let trust = json!({
                    "certificate": std::fs::read_to_string(rig.path("clients.pem")).unwrap(),
                    "allowed_common_names": ["rotator"],
                    "token_policies": [name], "token_no_default_policy": true, "token_ttl": "1h",
                });
                corner.bao.root("POST", &format!("auth/{mount}/certs/{name}"), trust).await;
                // No secret is shown: the private key stays here, in many lines.
                let key = std::fs::read_to_string(key_file(rig)).unwrap();
                let key = key.lines().nth(1).unwrap().to_owned();
                (format!("method = \"cert\"\nmount = \"{mount}\"\nrole = \"{name}\""), key)
            }
            "token" => {
                let token = corner.token("1h").await;
                std::fs::write(rig.path("vault-token"), &token).unwrap();
                ("method = \"token\"\ntoken_file = \"vault-token\"".to_owned(), token)
            }
            "kubernetes" => {
                let cluster = kubernetes.insert(Kubernetes::start());
                mount = cluster.trusted_by(corner).await;
                let token = cluster.token();
                (signed(rig, method, &mount, &token), token)
            }
            "jwt" => {
                let issuer = Issuer::new();
                mount = issuer.trusted_by(corner).await;
                let token = issuer.token();
                (signed(rig, method, &mount, &token), token)
            }
            "userpass" => {
                mount = format!("{name}-people");
                noun = "users";
                corner.bao.root("POST", &format!("sys/auth/{mount}"), json!({"type": "userpass"})).await;
                let user = json!({
                    "password": PASSWORD, "token_policies": [name], "token_no_default_policy": true, "token_ttl": "1h",
                });
                corner.bao.root("POST", &format!("auth/{mount}/users/{name}"), user).await;
                std::fs::write(rig.path("vault-password"), PASSWORD).unwrap();
                let lines = format!(
                    "method = \"userpass\"\nmount = \"{mount}\"\nusername = \"{name}\"\npassword_file = \"vault-password\""
                );
                (lines, PASSWORD.to_owned())
            }
            other => panic!("no way in by {other}"),
        };
        rig.config.insert("vault.auth".to_owned(), lines);
        let role = format!("auth/{mount}/{noun}/{name}");
        Self { method, secrets: [secret].into(), mount, role, _kubernetes: kubernetes }
    }

    /// From now on its tokens live for a second, and no longer.
    pub async fn shorten(&mut self, rig: &Rig) {
        if self.method == "token" {
            self.put_token(rig, "1s").await;
        } else {
            // Whoever writes a role of some methods writes all of it.
            let mut role = rig.corner.bao.root("GET", &self.role, Value::Null).await["data"].take();
            role.as_object_mut()
                .unwrap()
                .retain(|key, value| key != "local_secret_ids" && !value.is_null() && *value != json!(""));
            role["token_ttl"] = json!("1s");
            role["token_max_ttl"] = json!("1s");
            rig.corner.bao.root("POST", &self.role, role).await;
        }
    }

    /// Kills all tokens that it has brought.
    pub async fn revoke(&self, rig: &Rig) {
        if self.method == "token" {
            let token = std::fs::read_to_string(rig.path("vault-token")).unwrap();
            rig.corner.bao.any("POST", "auth/token/revoke", json!({"token": token})).await;
        } else {
            let path = format!("sys/leases/revoke-prefix/auth/{}/login", self.mount);
            rig.corner.bao.root("POST", &path, json!({})).await;
        }
    }

    /// What whoever brings tokens does: puts a new one in the place of the old. Most methods need nobody.
    pub async fn renew(&mut self, rig: &Rig) {
        match self.method {
            "token" => self.put_token(rig, "1h").await,
            WRAPPED => {
                let secret = Uuid::now_v7().to_string();
                let wrapping = wrap(&rig.corner, &secret, "1h").await;
                std::fs::write(rig.corner.secret_id_file(), &wrapping).unwrap();
                self.secrets.extend([secret, wrapping]);
            }
            _ => {}
        }
    }

    async fn put_token(&mut self, rig: &Rig, ttl: &str) {
        let token = rig.corner.token(ttl).await;
        // As an agent does it: there is never half a token.
        std::fs::write(rig.path("vault-token.next"), &token).unwrap();
        std::fs::rename(rig.path("vault-token.next"), rig.path("vault-token")).unwrap();
        self.secrets.insert(token);
    }

    /// The logins that live.
    pub async fn logins(&self, rig: &Rig) -> usize {
        let path = format!("sys/leases/lookup/auth/{}/login", self.mount);
        let (_, answer) = rig.corner.bao.any("LIST", &path, Value::Null).await;
        answer["data"]["keys"].as_array().map_or(0, Vec::len)
    }
}

/// The rotator's private key.
fn key_file(rig: &Rig) -> String {
    let line = rig.config["vault"].lines().find_map(|line| line.strip_prefix("client_key_file = "));
    line.unwrap().trim_matches('"').to_owned()
}

fn signed(rig: &Rig, method: &str, mount: &str, token: &str) -> String {
    std::fs::write(rig.path("signed-token"), token).unwrap();
    let role = &rig.corner.mount;
    format!("method = \"{method}\"\nmount = \"{mount}\"\nrole = \"{role}\"\njwt_file = \"signed-token\"")
}
