//! Somebody who looks at what a daemon shows.

use reqwest::{Client, Method, Response};
use serde_json::Value;

use super::patience;
use super::process::Process;
use super::rig::Rig;

/// Every address that is served.
pub const ADDRESSES: [&str; 7] =
    ["/", "/page.css", "/page.js", "/healthz", "/readyz", "/metrics", "/api/status"];

pub struct Visitor {
    pub url: String,
    client: Client,
}

impl Visitor {
    /// Lets the rig's daemon listen at any free port.
    pub fn prepare(rig: &mut Rig) -> &mut Rig {
        rig.set("admin", "listen", "\"127.0.0.1:0\"")
    }

    /// Asks a daemon where it listens.
    pub async fn of(daemon: &Process) -> Self {
        exceptionless_rotator::tls::install_provider();
        daemon.until("admin.listening", 1).await;
        let lines = daemon.lines();
        let line = lines.iter().rfind(|line| line["event"] == "admin.listening").unwrap();
        let url = format!("http://{}", line["address"].as_str().unwrap());
        Self { url, client: Client::builder().no_proxy().tls_certs_only([]).build().unwrap() }
    }

    pub async fn send(&self, method: Method, path: &str, host: Option<&str>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.send().await.unwrap()
    }

    /// The status and the text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.send(Method::GET, path, None).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn text(&self, path: &str) -> String {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    pub async fn status(&self) -> Value {
        serde_json::from_str(&self.text("/api/status").await).unwrap()
    }

    /// The sum of a metric over all its series whose labels contain this.
    pub async fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let text = self.text("/metrics").await;
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix("exceptionless_rotator_").and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with([' ', '{'])) && line.contains(labels)
        });
        series
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .reduce(|one, other| one + other)
    }

    pub async fn is_ready(&self) {
        patience("the daemon is ready", async || self.get("/readyz").await.0 == 200).await;
    }
}
