//! An emulator with a stopped clock, and a client that trusts nothing: no proxy, no redirects.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exceptionless_emulator::{EMAIL, Emulator, PASSWORD, Settings};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// Four minutes and four seconds into a quarter hour.
pub(crate) const NOON: &str = "2026-08-21T12:34:04Z";

pub(crate) struct Server {
    pub(crate) emulator: Emulator,
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A client that asks no proxy.
pub(crate) fn builder() -> ClientBuilder {
    // An error only means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings =
            Settings { frozen_at: Some(NOON.parse::<DateTime<Utc>>().unwrap()), ..Settings::default() };
        change(&mut settings);
        let client = builder().redirect(Policy::none()).timeout(Duration::from_secs(10)).build().unwrap();
        Self { emulator: Emulator::start(settings).await.unwrap(), client }
    }

    /// A request without credentials.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, self.emulator.url() + path)
    }

    /// A request of the rotator's user, by Basic.
    pub(crate) fn user(&self, method: &str, path: &str) -> RequestBuilder {
        self.anonymous(method, path).basic_auth(EMAIL, Some(PASSWORD))
    }

    /// A request with a token of any kind.
    pub(crate) fn bearer(&self, token: &str, method: &str, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.user("GET", path).reply().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.user("POST", path).json(&body).reply().await
    }

    pub(crate) async fn delete(&self, ids: &[&str]) -> Reply {
        let path = format!("/api/v2/tokens/{}", ids.join(","));
        self.user("DELETE", &path).reply().await
    }

    /// Verifies a key the way the rotator does.
    pub(crate) async fn verify(&self, key: &str) -> u16 {
        let reply = self.bearer(key, "GET", "/api/v2/projects/config").reply().await;
        reply.status.as_u16()
    }

    pub(crate) async fn login(&self) -> Reply {
        self.login_as(EMAIL, PASSWORD).await
    }

    pub(crate) async fn login_as(&self, email: &str, password: &str) -> Reply {
        let body = json!({ "email": email, "password": password });
        self.anonymous("POST", "/api/v2/auth/login").json(&body).reply().await
    }

    pub(crate) fn project(&self) -> String {
        self.emulator.projects()[0].id.clone()
    }

    pub(crate) fn organization(&self) -> String {
        self.emulator.organizations()[0].id.clone()
    }

    /// The key that a person made in a project.
    pub(crate) fn key(&self, project: &str) -> String {
        self.emulator.keys(project)[0].id.clone()
    }

    /// Makes a key over HTTP and returns its secret.
    pub(crate) async fn create_key(&self) -> String {
        let path = format!("/api/v2/projects/{}/tokens", self.project());
        let reply = self.post(&path, json!({})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn title(&self) -> String {
        self.json()["title"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let document = self.json();
        let items = document.as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) trait Send {
    async fn reply(self) -> Reply;
}

impl Send for RequestBuilder {
    async fn reply(self) -> Reply {
        let response = self.send().await.unwrap();
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}
