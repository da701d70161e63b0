//! Subresources and services: scale, binding, eviction, logs, addresses.

use crate::harness::{Server, deployment, pod};
use axum::Router;
use axum::extract::Request;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: Value) -> Value {
    let mut object = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

#[tokio::test]
async fn services_get_addresses() {
    let server = Server::start().await;
    let one = server.post(SERVICES, service("a", json!({}))).await.expect(201);
    let address = one["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.96.0."), "{address}");
    assert_eq!(one["spec"]["clusterIPs"], json!([address]));
    let taken = service("b", json!({"clusterIP": address}));
    let status = server.post(SERVICES, taken).await.expect(422);
    assert!(status["message"].as_str().unwrap().contains("already allocated"));
    let far = service("b", json!({"clusterIP": "10.97.0.1"}));
    server.post(SERVICES, far).await.expect(422);
    let headless = server.post(SERVICES, service("c", json!({"clusterIP": "None"}))).await;
    assert_eq!(headless.expect(201)["spec"]["clusterIP"], "None");
    let outside = json!({"type": "ExternalName", "externalName": "example.org"});
    let outside = server.post(SERVICES, service("d", outside)).await.expect(201);
    assert!(outside["spec"]["clusterIP"].is_null());
    let replaced = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}});
    let kept = server.put(&format!("{SERVICES}/a"), replaced).await.expect(200);
    assert_eq!(kept["spec"]["clusterIP"], json!(address), "an update keeps the address");
}

#[tokio::test]
async fn addresses_are_given_once_until_none_is_left() {
    let server = std::sync::Arc::new(Server::start().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..254 {
        let server = std::sync::Arc::clone(&server);
        tasks.spawn(async move {
            let made = server.post(SERVICES, service(&format!("s{number}"), json!({}))).await;
            made.expect(201)["spec"]["clusterIP"].as_str().unwrap().to_owned()
        });
    }
    let mut given = std::collections::HashSet::new();
    while let Some(address) = tasks.join_next().await {
        assert!(given.insert(address.unwrap()), "an address was given twice");
    }
    server.post(SERVICES, service("more", json!({}))).await.expect(500);
    server.delete(&format!("{SERVICES}/s7"), Value::Null).await.expect(200);
    server.post(SERVICES, service("more", json!({}))).await.expect(201);
}

#[tokio::test]
async fn node_ports_are_given_and_kept() {
    let server = Server::start().await;
    let made = server.post(SERVICES, service("a", json!({"type": "NodePort"}))).await.expect(201);
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    let ports = json!([{"port": 80, "nodePort": port}]);
    let taken = service("b", json!({"type": "NodePort", "ports": ports}));
    server.post(SERVICES, taken).await.expect(422);
    let out = service("b", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}));
    server.post(SERVICES, out).await.expect(422);
    let same = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}});
    let kept = server.patch(&format!("{SERVICES}/a"), "merge", same).await.expect(200);
    assert_eq!(kept["spec"]["ports"][0]["nodePort"], port);
    let plain = json!({"spec": {"type": "ClusterIP"}});
    let plain = server.patch(&format!("{SERVICES}/a"), "merge", plain).await.expect(200);
    assert!(plain["spec"]["ports"][0]["nodePort"].is_null());
}

#[tokio::test]
async fn sets_are_scaled() {
    let server = Server::start().await;
    let path = "/apis/apps/v1/namespaces/default/deployments";
    server.post(path, deployment("d", 2)).await.expect(201);
    let path = format!("{path}/d/scale");
    let mut scale = server.get(&path).await.expect(200);
    assert_eq!(scale["kind"], "Scale");
    assert_eq!(scale["apiVersion"], "autoscaling/v1");
    assert_eq!(scale["spec"]["replicas"], 2);
    assert_eq!(scale["status"]["selector"], "app=d");
    scale["spec"]["replicas"] = json!(5);
    assert_eq!(server.put(&path, scale.clone()).await.expect(200)["spec"]["replicas"], 5);
    server.put(&path, scale).await.expect(409);
    let patch = json!({"spec": {"replicas": 3}});
    let scale = server.patch(&path, "merge", patch).await.expect(200);
    assert_eq!(scale["spec"]["replicas"], 3);
    server.patch(&path, "merge", json!({"spec": {"replicas": -1}})).await.expect(422);
    let object = server.get("/apis/apps/v1/namespaces/default/deployments/d").await.expect(200);
    assert_eq!(object["spec"]["replicas"], 3);
    assert_eq!(object["metadata"]["generation"], 3);
}

#[tokio::test]
async fn pods_are_bound_once() {
    let server = Server::start().await;
    server.post(PODS, pod("p")).await.expect(201);
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "here"}});
    server.post(&format!("{PODS}/p/binding"), binding.clone()).await.expect(201);
    let bound = server.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(bound["spec"]["nodeName"], "here");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    server.post(&format!("{PODS}/p/binding"), binding.clone()).await.expect(409);
    server.post("/api/v1/namespaces/default/bindings", binding).await.expect(409);
    let none = json!({"metadata": {"name": "p"}, "target": {}});
    server.post(&format!("{PODS}/p/binding"), none).await.expect(422);
}

#[tokio::test]
async fn budgets_are_honoured() {
    let server = Server::start().await;
    server.post(PODS, pod("p")).await.expect(201);
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "p"}}});
    let budget = json!({"metadata": {"name": "b"}, "spec": spec});
    server.post(budgets, budget).await.expect(201);
    let status = json!({"status": {"disruptionsAllowed": 0, "currentHealthy": 1,
        "desiredHealthy": 1, "expectedPods": 1}});
    server.patch(&format!("{budgets}/b/status"), "merge", status).await.expect(200);
    let eviction = json!({"metadata": {"name": "p"}});
    let path = format!("{PODS}/p/eviction");
    let status = server.post(&path, eviction.clone()).await.expect(429);
    assert_eq!(status["details"]["causes"][0]["reason"], "DisruptionBudget");
    let allowed = json!({"status": {"disruptionsAllowed": 1}});
    server.patch(&format!("{budgets}/b/status"), "merge", allowed).await.expect(200);
    server.post(&path, eviction).await.expect(201);
    server.get(&format!("{PODS}/p")).await.expect(404);
}

/// Says which path and query reached the node.
async fn echo(request: Request) -> String {
    assert!(request.headers().get("authorization").is_none());
    request.uri().to_string()
}

#[tokio::test]
async fn streams_go_to_the_node() {
    let server = Server::with_kubelet(Router::new().fallback(echo)).await;
    let mut two = pod("two");
    two["spec"]["nodeName"] = json!("here");
    let containers = two["spec"]["containers"].as_array_mut().unwrap();
    containers.push(json!({"name": "side", "image": "debian:12"}));
    server.post(PODS, two).await.expect(201);
    let status = server.get(&format!("{PODS}/two/log")).await.expect(400);
    assert_eq!(
        status["message"],
        "a container name must be specified for pod two, choose one of: [main side]"
    );
    server.get(&format!("{PODS}/two/log?container=x")).await.expect(400);
    server.get(&format!("{PODS}/none/log")).await.expect(404);
    server.get(&format!("{PODS}/two/log?container=side&tailLines=-1")).await.expect(422);
    let path = format!("{PODS}/two/log?container=side&follow=true&tailLines=5");
    let seen = server.get(&path).await.expect(200);
    assert_eq!(seen, "/containerLogs/default/two/side?follow=true&tailLines=5");
    let path = format!("{PODS}/two/exec?command=ls&command=-l&container=main&stdout=true");
    let seen = server.get(&path).await.expect(200);
    assert_eq!(seen, "/exec/default/two/main?command=ls&command=-l&stdout=true");
    let seen = server.post(&format!("{PODS}/two/portforward"), Value::Null).await.expect(200);
    assert_eq!(seen, "/portForward/default/two");
    server.post(PODS, pod("waiting")).await.expect(201);
    assert_eq!(server.get(&format!("{PODS}/waiting/log")).await.expect(200), "");
    server.get(&format!("{PODS}/waiting/exec?command=ls")).await.expect(400);
}
