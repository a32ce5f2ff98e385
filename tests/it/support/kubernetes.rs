//! The part of Kubernetes that a login needs: tokens of service accounts, and the API that reviews them.
//!
//! Vault asks that API whether a token is one of the cluster's. What is in the token it reads itself, so it must be
//! a real one in all but its signature, which only the cluster could check.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bao::Corner;
use super::issuer::url_safe;
use super::stand_in::{Reply, StandIn};

/// To whom the tokens are addressed.
pub const AUDIENCE: &str = "vault";
pub const NAMESPACE: &str = "exceptionless-rotator";
pub const ACCOUNT: &str = "exceptionless-rotator";
const REVIEWS: &str = "POST /apis/authentication.k8s.io/v1/tokenreviews";

pub struct Kubernetes {
    api: StandIn,
    valid: Arc<Mutex<BTreeSet<String>>>,
}

impl Kubernetes {
    pub fn start() -> Self {
        let valid = Arc::new(Mutex::new(BTreeSet::new()));
        let known = Arc::clone(&valid);
        let api = StandIn::reading(move |request, body| {
            assert_eq!(request, REVIEWS);
            let review: Value = serde_json::from_slice(body).unwrap();
            let token = review["spec"]["token"].as_str().unwrap();
            let status = if known.lock().unwrap().contains(token) {
                let username = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
                json!({"authenticated": true, "audiences": [AUDIENCE], "user": {"username": username, "uid": "u-1"}})
            } else {
                json!({"authenticated": false})
            };
            let answer =
                json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
            Reply::Answer("201 Created", "Content-Type: application/json\r\n", answer.to_string())
        });
        Self { api, valid }
    }

    /// Where Vault finds the API.
    pub fn address(&self) -> &str {
        &self.api.address
    }

    /// A token such as the cluster projects into a pod.
    pub fn token(&self) -> String {
        self.issue(ACCOUNT, TimeDelta::hours(1))
    }

    /// A token of any service account, from now on or until some time ago.
    pub fn issue(&self, account: &str, lasts: TimeDelta) -> String {
        let now = Utc::now();
        let claims = json!({
            "iss": "https://kubernetes.default.svc",
            "aud": [AUDIENCE],
            "sub": format!("system:serviceaccount:{NAMESPACE}:{account}"),
            "jti": Uuid::now_v7().to_string(),
            "iat": (now - TimeDelta::hours(2)).timestamp(),
            "exp": (now + lasts).timestamp(),
            "kubernetes.io": {
                "namespace": NAMESPACE,
                "serviceaccount": {"name": account, "uid": "u-1"},
                "pod": {"name": "rotator-0", "uid": "p-1"},
            },
        });
        let head = json!({"alg": "RS256", "kid": "k", "typ": "JWT"});
        let parts = [head.to_string(), claims.to_string(), "signed".repeat(40)];
        let token = parts.map(|part| url_safe(part.as_bytes())).join(".");
        self.valid.lock().unwrap().insert(token.clone());
        token
    }

    /// From now on a token is none of the cluster's.
    pub fn forget(&self, token: &str) {
        assert!(self.valid.lock().unwrap().remove(token), "a token of this cluster");
    }

    /// How often Vault has asked for a review.
    pub fn reviews(&self) -> usize {
        self.api.seen().len()
    }

    /// Lets the pods of this cluster log in to a corner, at a mount and with a role of the corner's name.
    pub async fn trusted_by(&self, corner: &Corner<'_>) -> String {
        let mount = format!("{}-pods", corner.mount);
        corner.bao.root("POST", &format!("sys/auth/{mount}"), json!({"type": "kubernetes"})).await;
        let cluster = json!({
            "kubernetes_host": self.api.address,
            "kubernetes_ca_cert": "none, for the API speaks plain HTTP here",
            "token_reviewer_jwt": "a-token-that-may-review",
            "disable_local_ca_jwt": true,
        });
        corner.bao.root("POST", &format!("auth/{mount}/config"), cluster).await;
        let role = json!({
            "bound_service_account_names": [ACCOUNT],
            "bound_service_account_namespaces": [NAMESPACE],
            "audience": AUDIENCE,
            "token_policies": [corner.mount],
            "token_no_default_policy": true,
            "token_ttl": "1h",
        });
        corner.bao.root("POST", &format!("auth/{mount}/role/{}", corner.mount), role).await;
        mount
    }
}
