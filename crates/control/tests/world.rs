//! A cluster for one test: API, loops, and a node that says pods run as soon as they are bound.

use futures::StreamExt;
use http::{Method, Request};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What a pod does once it is bound, by annotation `test/fate`; without it, it gets ready.
pub(crate) const FATE: &str = "test/fate";
const NODE: &str = "node-1";

pub(crate) struct World {
    pub(crate) client: kube::Client,
    api: api::Api,
    control: JoinHandle<()>,
    node: JoinHandle<()>,
    volumes: tempfile::TempDir,
    /// What the node says its pods use: `/stats/summary`.
    usage: Arc<Mutex<Value>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.control.abort();
        self.node.abort();
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let store = store::Store::open_in_memory().unwrap();
        let settings = api::Settings {
            service_cidr: ("10.96.0.0".parse().unwrap(), 16),
            version: "0.1.0".into(),
        };
        let usage = Arc::new(Mutex::new(json!({"pods": []})));
        let told = usage.clone();
        let summary = move || async move { axum::Json(told.lock().unwrap().clone()) };
        let kubelet = axum::Router::new().route("/stats/summary", axum::routing::get(summary));
        let api = api::Api::new(store, kubelet, settings).await.unwrap();
        let client = kube::Client::new(api.router(), "default");
        let volumes = tempfile::tempdir().unwrap();
        let control = start_control(&client, &volumes);
        let node = tokio::spawn(pretend(client.clone()));
        let world = Self { client, api, control, node, volumes, usage };
        world.wait("/api/v1/namespaces/default/serviceaccounts/default", |_| true).await;
        world
    }

    /// Stops the loops wherever they are and starts them anew.
    pub(crate) async fn restart_control(&mut self) {
        self.control.abort();
        let _ = (&mut self.control).await;
        // A write that was under way still lands; after a real crash it has, before anyone reads.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.control = start_control(&self.client, &self.volumes);
    }

    /// Serves the API on loopback and runs kubectl against it; returns what it printed.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let router = self.api.router();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let home = self.volumes.path().join("home");
        let output = tokio::process::Command::new("kubectl")
            .args(["--server", &server, "--namespace", "a", "--request-timeout", "60s"])
            .args(arguments)
            .env("HOME", &home)
            .env("KUBECONFIG", "/dev/null")
            .output()
            .await
            .unwrap();
        serving.abort();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// Lets every pod of a namespace use so many thousandths of a processor from now on.
    pub(crate) async fn load(&self, namespace: &str, millis: u64) {
        let pods = self.list(&format!("/api/v1/namespaces/{namespace}/pods")).await;
        let pods: Vec<Value> = pods
            .iter()
            .map(|pod| {
                json!({"podRef": {"uid": pod["metadata"]["uid"]}, "containers": [{"name": "c",
                    "cpu": {"usageNanoCores": millis * 1_000_000},
                    "memory": {"workingSetBytes": 1 << 20}}]})
            })
            .collect();
        *self.usage.lock().unwrap() = json!({ "pods": pods });
    }

    pub(crate) fn volumes_dir(&self) -> &std::path::Path {
        self.volumes.path()
    }

    pub(crate) async fn namespace(&self, name: &str) {
        self.create(
            "/api/v1/namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        )
        .await;
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        form: &str,
        body: &Value,
    ) -> kube::Result<Value> {
        send(&self.client, method, path, form, body).await
    }

    pub(crate) async fn create(&self, path: &str, body: Value) -> Value {
        self.try_send(Method::POST, path, "application/json", &body).await.unwrap()
    }

    pub(crate) async fn merge(&self, path: &str, patch: Value) -> Value {
        self.try_send(Method::PATCH, path, "application/merge-patch+json", &patch).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str, propagation: &str) {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation});
        self.try_send(Method::DELETE, path, "application/json", &options).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        match self.try_send(Method::GET, path, "application/json", &Value::Null).await {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The objects of a collection.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.expect("a collection is always there");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until an object (or a collection) is as wanted.
    pub(crate) async fn wait(&self, path: &str, test: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        for _ in 0..1_500 {
            last = self.get(path).await;
            if let Some(value) = &last
                && test(value)
            {
                return value.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} did not get there: {:#}", last.unwrap_or_default());
    }

    pub(crate) async fn wait_gone(&self, path: &str) {
        for _ in 0..1_500 {
            if self.get(path).await.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} is still there: {:#}", self.get(path).await.unwrap_or_default());
    }
}

fn start_control(client: &kube::Client, volumes: &tempfile::TempDir) -> JoinHandle<()> {
    let mut settings = control::Settings::new(volumes.path().to_path_buf(), "THE CA".to_owned());
    // Ends of pods are written in whole seconds: a shorter pause could vanish.
    settings.job_back_off = Duration::from_millis(1_500);
    settings.autoscale_period = Duration::from_millis(100);
    let client = client.clone();
    tokio::spawn(async move {
        control::run(client, settings, std::future::pending()).await.unwrap();
    })
}

pub(crate) async fn send(
    client: &kube::Client,
    method: Method,
    path: &str,
    form: &str,
    body: &Value,
) -> kube::Result<Value> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", form)
        .body(bytes)
        .unwrap();
    client.request(request).await
}

pub(crate) fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == type_)
        .unwrap_or(&Value::Null)
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

fn pods_resource() -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "Pod".into(),
        plural: "pods".into(),
    }
}

/// The pods of all namespaces, one change at a time.
pub(crate) fn pod_changes(client: kube::Client) -> impl futures::Stream<Item = (bool, Value)> {
    let pods: kube::Api<DynamicObject> = kube::Api::all_with(client, &pods_resource());
    watcher::watcher(pods, watcher::Config::default()).filter_map(async |event| match event {
        Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
            Some((true, serde_json::to_value(pod).unwrap()))
        }
        Ok(Event::Delete(pod)) => Some((false, serde_json::to_value(pod).unwrap())),
        _ => None,
    })
}

/// Least available and most existing pods of a namespace at any moment.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Extremes {
    pub(crate) least_available: usize,
    pub(crate) most: usize,
    pub(crate) created: usize,
}

/// Watches the pods of a namespace from now on.
pub(crate) struct Sampler {
    seen: Arc<Mutex<Extremes>>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Starts once `available` pods are there.
    pub(crate) async fn start(client: kube::Client, namespace: &str, available: usize) -> Self {
        let seen =
            Arc::new(Mutex::new(Extremes { least_available: usize::MAX, most: 0, created: 0 }));
        let (record, namespace) = (seen.clone(), namespace.to_owned());
        let (sender, started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut sender = Some(sender);
            let mut pods: HashMap<String, Value> = HashMap::new();
            let (mut uids, mut before) = (HashSet::new(), HashSet::new());
            let mut changes = std::pin::pin!(pod_changes(client));
            while let Some((there, pod)) = changes.next().await {
                if pod["metadata"]["namespace"] != namespace.as_str() {
                    continue;
                }
                let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
                if there {
                    uids.insert(uid.clone());
                    pods.insert(uid, pod);
                } else {
                    pods.remove(&uid);
                }
                let living =
                    pods.values().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
                let (total, ready) = living.fold((0, 0), |(total, ready), pod| {
                    (total + 1, ready + usize::from(is_ready(pod)))
                });
                if ready >= available
                    && let Some(sender) = sender.take()
                {
                    before.clone_from(&uids);
                    let _ = sender.send(());
                }
                if sender.is_none() {
                    let mut record = record.lock().unwrap();
                    record.least_available = record.least_available.min(ready);
                    record.most = record.most.max(total);
                    record.created = uids.difference(&before).count();
                }
            }
        });
        tokio::time::timeout(Duration::from_secs(30), started)
            .await
            .expect("enough pods in time")
            .unwrap();
        Self { seen, task }
    }

    pub(crate) fn stop(self) -> Extremes {
        self.task.abort();
        *self.seen.lock().unwrap()
    }
}

/// The node: bound pods run after a moment, deleted ones go after a moment.
async fn pretend(client: kube::Client) {
    let status = json!({
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "500"},
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "500"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Pretending", "message": "",
            "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    });
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    send(&client, Method::POST, "/api/v1/nodes", "application/json", &node).await.unwrap();
    let path = format!("/api/v1/nodes/{NODE}/status");
    send(
        &client,
        Method::PATCH,
        &path,
        "application/merge-patch+json",
        &json!({ "status": status }),
    )
    .await
    .unwrap();
    let mut changes = std::pin::pin!(pod_changes(client.clone()));
    let (mut started, mut stopped) = (HashSet::new(), HashSet::new());
    let mut tries: HashMap<String, u32> = HashMap::new();
    let mut number = 1_u32;
    while let Some((there, pod)) = changes.next().await {
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        if !there || pod["spec"]["nodeName"] != NODE {
            continue;
        }
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            pod["metadata"]["namespace"].as_str().unwrap(),
            pod["metadata"]["name"].as_str().unwrap()
        );
        if pod["metadata"]["deletionTimestamp"].is_string() {
            if stopped.insert(uid.clone()) {
                let client = client.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    let options = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
                    let _ =
                        send(&client, Method::DELETE, &path, "application/json", &options).await;
                });
            }
        } else if started.insert(uid) {
            number += 1;
            let owner =
                pod["metadata"]["ownerReferences"][0]["uid"].as_str().unwrap_or("").to_owned();
            let attempt = tries.entry(owner).and_modify(|tries| *tries += 1).or_insert(1);
            let fate = pod["metadata"]["annotations"][FATE].as_str().unwrap_or("ready").to_owned();
            tokio::spawn(live(client.clone(), path, fate, *attempt, number));
        }
    }
}

/// One pod's life: running, then whatever its fate is.
async fn live(client: kube::Client, path: String, fate: String, attempt: u32, number: u32) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ip = format!("10.88.{}.{}", number / 250, number % 250 + 2);
    let over = |phase: &str, code: i64| {
        json!({"phase": phase, "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "finishedAt": now()}}}]})
    };
    let running = |ready: &str| {
        json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": now()}]})
    };
    let status = match fate.as_str() {
        "unready" => running("False"),
        "succeed" => over("Succeeded", 0),
        "fail" => over("Failed", 1),
        "fail-twice" if attempt <= 2 => over("Failed", 1),
        "fail-twice" => over("Succeeded", 0),
        _ => running("True"),
    };
    let path = format!("{path}/status");
    let _ = send(
        &client,
        Method::PATCH,
        &path,
        "application/strategic-merge-patch+json",
        &json!({ "status": status }),
    )
    .await;
}

pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A pod template with one container.
pub(crate) fn template(app: &str, image: &str, fate: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}, "annotations": {FATE: fate}},
        "spec": {"containers": [{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]},
    })
}
