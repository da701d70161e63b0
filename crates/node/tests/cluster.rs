//! A whole machine for one test: store, API, node, and the rooms below; no controllers, so tests
//! bind their pods themselves.

use std::time::{Duration, Instant};

use http::{Method, Request};
use node::kubelet::Door;
use node::{Node, Settings};
use serde_json::{Value, json};

use crate::world::{IMAGE, PATIENCE, Place, World};

/// Name of the Node object.
pub(crate) const NODE: &str = "here";
/// Namespace of all pods.
pub(crate) const NAMESPACE: &str = "test";

pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) api: api::Api,
    pub(crate) client: kube::Client,
    node: Option<Node>,
    door: Door,
    _temporary: Option<tempfile::TempDir>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let (place, temporary) = World::place();
        let mut cluster = Self::open(place);
        cluster._temporary = Some(temporary);
        cluster
    }

    /// Opens what is at `place`, as a daemon does at its start.
    pub(crate) fn open(place: Place) -> Self {
        let path = place.dir.join("data/objects.db");
        let world = World::open(place);
        let door = Door::new();
        let (api, client) = world.runtime.block_on(async {
            let store = store::Store::open(&path).unwrap();
            let settings =
                api::Settings { service_cidr: ([10, 152, 0, 0].into(), 16), version: "0".into() };
            let api = api::Api::new(store, door.router(), settings).await.unwrap();
            let client = kube::Client::new(api.router(), "default");
            (api, client)
        });
        let mut cluster = Self { world, api, client, node: None, door, _temporary: None };
        cluster.start();
        if cluster.get(&format!("/api/v1/namespaces/{NAMESPACE}")).is_none() {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
            cluster.create("/api/v1/namespaces", &object);
        }
        cluster
    }

    /// Starts the node (again).
    pub(crate) fn start(&mut self) {
        let dir = &self.world.place.dir;
        let (data, run) = (dir.join("data"), dir.join("run"));
        let settings = Settings::new(NODE, &data, &run, self.world.net.dns_address());
        let node = Node::start(
            self.client.clone(),
            self.world.pods().clone(),
            self.world.net.clone(),
            settings,
            self.door.clone(),
        );
        self.node = Some(self.world.runtime.block_on(node).unwrap());
    }

    /// Ends the node's loops, as a daemon does that ends in order.
    pub(crate) fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            self.world.runtime.block_on(node.stop());
        }
    }

    pub(crate) fn check_nothing_is_left(mut self) {
        for pod in self.list(&pods_path()) {
            self.delete(&pod_path(pod["metadata"]["name"].as_str().unwrap()), 0);
        }
        self.until("all pods to be gone", || self.world.pods().list().is_empty());
        self.stop();
        self.world.check();
    }

    fn until(&self, what: &str, happened: impl FnMut() -> bool) {
        crate::world::until(what, happened);
    }

    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        form: &str,
        body: &Value,
    ) -> kube::Result<Value> {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", form)
            .body(bytes)
            .unwrap();
        self.world.runtime.block_on(self.client.request(request))
    }

    pub(crate) fn create(&self, path: &str, object: &Value) -> Value {
        self.send(Method::POST, path, "application/json", object)
            .unwrap_or_else(|error| panic!("{path}: {error}: {object:#}"))
    }

    pub(crate) fn merge(&self, path: &str, patch: &Value) -> Value {
        self.send(Method::PATCH, path, "application/merge-patch+json", patch).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        match self.send(Method::GET, path, "application/json", &Value::Null) {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).unwrap()["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn delete(&self, path: &str, grace: i64) {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace});
        let _ = self.send(Method::DELETE, path, "application/json", &options);
    }

    /// Makes a pod bound to this machine from the fields of its spec; containers without an image
    /// get the tests' own.
    pub(crate) fn pod(&self, name: &str, mut spec: Value) -> Value {
        spec["nodeName"] = json!(NODE);
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                if container["image"].is_null() {
                    container["image"] = json!(IMAGE);
                }
                container["imagePullPolicy"] = json!("IfNotPresent");
            }
        }
        if spec["terminationGracePeriodSeconds"].is_null() {
            spec["terminationGracePeriodSeconds"] = json!(1);
        }
        let object = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
            "spec": spec});
        self.create(&pods_path(), &object)
    }

    /// Waits until the pod is as wanted.
    pub(crate) fn wait(&self, name: &str, test: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(&pod_path(name), test)
    }

    pub(crate) fn wait_for(&self, path: &str, test: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let last = self.get(path);
            if let Some(value) = last.as_ref().filter(|value| test(value)) {
                return value.clone();
            }
            let status = last.map(|value| value["status"].clone());
            assert!(Instant::now() < end, "{path} did not get there: {status:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn wait_gone(&self, name: &str) {
        self.until("the pod's end", || self.get(&pod_path(name)).is_none());
    }

    pub(crate) fn wait_phase(&self, name: &str, phase: &str) -> Value {
        self.wait(name, |pod| pod["status"]["phase"] == phase)
    }

    pub(crate) fn wait_ready(&self, name: &str) -> Value {
        self.wait(name, |pod| condition(pod, "Ready") == "True")
    }

    /// What a container wrote, through the API.
    pub(crate) fn logs(&self, name: &str, query: &str) -> String {
        let uri = format!("{}/log?{query}", pod_path(name));
        let request = Request::get(uri).body(Vec::new()).unwrap();
        self.world.runtime.block_on(self.client.request_text(request)).unwrap()
    }

    /// Reasons of the pod's events.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let events = self.list(&format!("/api/v1/namespaces/{NAMESPACE}/events"));
        let of = events.iter().filter(|event| event["involvedObject"]["name"] == name);
        of.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn pods_path() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods")
}

pub(crate) fn pod_path(name: &str) -> String {
    format!("{}/{name}", pods_path())
}

/// Status of a condition of the pod, or nothing.
pub(crate) fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .filter(|condition| condition["type"] == kind)
        .find_map(|condition| condition["status"].as_str())
        .unwrap_or_default()
}

/// A container that runs a shell script.
pub(crate) fn script(name: &str, text: &str) -> Value {
    json!({"name": name, "command": ["/bin/sh", "-c", text]})
}
