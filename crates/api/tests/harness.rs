//! An API over a store in memory, and short ways to ask it.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) struct Server {
    pub(crate) api: api::Api,
    pub(crate) store: store::Store,
}

/// An answer whose body was read.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, after checking the code.
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{:#}", self.body);
        self.body
    }
}

pub(crate) fn settings() -> api::Settings {
    api::Settings { service_cidr: ("10.96.0.0".parse().unwrap(), 24), version: "0.1.0".into() }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_kubelet(axum::Router::new()).await
    }

    pub(crate) async fn with_kubelet(kubelet: axum::Router) -> Self {
        let store = store::Store::open_in_memory().unwrap();
        let api = api::Api::new(store.clone(), kubelet, settings()).await.unwrap();
        Self { api, store }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.api.router().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::String(text));
        Answer { code, headers, body }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("user-agent", "tester/1.0")
            .header("content-type", "application/json");
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::DELETE, path, body).await
    }

    /// `format`: `json`, `merge`, `strategic-merge` or `apply`.
    pub(crate) async fn patch(&self, path: &str, format: &str, body: Value) -> Answer {
        let ending = if format == "apply" { "yaml" } else { "json" };
        let request = Request::patch(path)
            .header("user-agent", "tester/1.0")
            .header("content-type", format!("application/{format}-patch+{ending}"));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A config map in `default`.
    pub(crate) async fn config_map(&self, name: &str, labels: Value) -> Value {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels}, "data": {"a": "1"},
        });
        self.post("/api/v1/namespaces/default/configmaps", object).await.expect(201)
    }
}

/// Lines of a watch, read one at a time.
pub(crate) struct Lines {
    body: Body,
    read: Vec<u8>,
}

impl Lines {
    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = server.api.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), read: Vec::new() }
    }

    /// The next event; `None` when the watch ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(std::time::Duration::from_secs(20), self.body.frame());
            match frame.await.expect("no event for 20 s") {
                Some(frame) => self.read.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => return None,
            }
        }
    }

    /// Type and name of the next event.
    pub(crate) async fn next_named(&mut self) -> (String, String) {
        let event = self.next().await.expect("the watch ended");
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "debian:12"}]},
    })
}

pub(crate) fn deployment(name: &str, replicas: u64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [
                    {"name": "main", "image": "debian:12", "env": [{"name": "A", "value": "1"}]},
                ]},
            },
        },
    })
}
