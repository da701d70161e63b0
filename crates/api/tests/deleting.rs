//! Deletion: at once, gracefully, held by finalizers, many at a time; namespaces.

use crate::harness::{Server, deployment, pod};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn plain_objects_go_at_once() {
    let server = Server::start().await;
    let made = server.config_map("a", json!({})).await;
    let status = server.delete(&format!("{MAPS}/a"), Value::Null).await.expect(200);
    assert_eq!(status["status"], "Success");
    assert_eq!(status["details"]["uid"], made["metadata"]["uid"]);
    server.get(&format!("{MAPS}/a")).await.expect(404);
    server.delete(&format!("{MAPS}/a"), Value::Null).await.expect(404);
}

#[tokio::test]
async fn conditions_are_checked() {
    let server = Server::start().await;
    let made = server.config_map("a", json!({})).await;
    let path = format!("{MAPS}/a");
    server.delete(&path, json!({"preconditions": {"uid": "x"}})).await.expect(409);
    server.delete(&path, json!({"preconditions": {"resourceVersion": "1"}})).await.expect(409);
    server.delete(&path, json!({"propagationPolicy": "Sideways"})).await.expect(422);
    let uid = &made["metadata"]["uid"];
    server.delete(&path, json!({"preconditions": {"uid": uid}})).await.expect(200);
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let server = Server::start().await;
    let object = json!({"metadata": {"name": "a", "finalizers": ["example.org/hold"]}});
    server.post(MAPS, object).await.expect(201);
    let path = format!("{MAPS}/a");
    let held = server.delete(&path, Value::Null).await.expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    let revision = server.store.revision();
    server.delete(&path, Value::Null).await.expect(200);
    assert_eq!(server.store.revision(), revision, "a second deletion changes nothing");
    let more = json!({"metadata": {"finalizers": ["example.org/hold", "example.org/more"]}});
    server.patch(&path, "merge", more).await.expect(422);
    let none = json!({"metadata": {"finalizers": null}});
    server.patch(&path, "merge", none).await.expect(200);
    server.get(&path).await.expect(404);
}

#[tokio::test]
async fn propagation_is_left_to_the_collector() {
    let server = Server::start().await;
    let path = "/apis/apps/v1/namespaces/default/deployments";
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        server.post(path, deployment("d", 1)).await.expect(201);
        let one = format!("{path}/d");
        let options = json!({"propagationPolicy": policy});
        let held = server.delete(&one, options).await.expect(200);
        assert_eq!(held["metadata"]["finalizers"], json!([finalizer]));
        server.delete(&one, json!({"propagationPolicy": "Background"})).await.expect(200);
        server.get(&one).await.expect(404);
    }
}

#[tokio::test]
async fn pods_on_a_node_end_gracefully() {
    let server = Server::start().await;
    server.post(PODS, pod("free")).await.expect(201);
    server.delete(&format!("{PODS}/free"), Value::Null).await.expect(200);
    server.get(&format!("{PODS}/free")).await.expect(404);

    let mut placed = pod("placed");
    placed["spec"]["nodeName"] = json!("here");
    server.post(PODS, placed).await.expect(201);
    let path = format!("{PODS}/placed");
    let held = server.delete(&path, Value::Null).await.expect(200);
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 30);
    let end = held["metadata"]["deletionTimestamp"].as_str().unwrap();
    let end: jiff::Timestamp = end.parse().unwrap();
    let left = end.as_second() - jiff::Timestamp::now().as_second();
    assert!((28..=30).contains(&left), "{left}");
    let shorter = server.delete(&path, json!({"gracePeriodSeconds": 5})).await.expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let longer = server.delete(&path, json!({"gracePeriodSeconds": 50})).await.expect(200);
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 5);
    server.delete(&path, json!({"gracePeriodSeconds": 0})).await.expect(200);
    server.get(&path).await.expect(404);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let server = Server::start().await;
    for (name, label) in [("a", "1"), ("b", "1"), ("c", "2")] {
        server.config_map(name, json!({"x": label})).await;
    }
    let deleted = server.delete(&format!("{MAPS}?labelSelector=x%3D1"), Value::Null).await;
    assert_eq!(deleted.expect(200)["items"].as_array().unwrap().len(), 2);
    let left = server.get(MAPS).await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    server.delete(MAPS, Value::Null).await.expect(200);
    assert_eq!(server.get(MAPS).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_namespace_closes_then_goes() {
    let server = Server::start().await;
    let made = server.post("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    let made = made.expect(201);
    assert_eq!(made["status"]["phase"], "Active");
    assert_eq!(made["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    let closing = server.delete("/api/v1/namespaces/n", Value::Null).await.expect(200);
    assert_eq!(closing["status"]["phase"], "Terminating");
    assert!(closing["metadata"]["deletionTimestamp"].is_string());
    let late = json!({"metadata": {"name": "late"}});
    let status = server.post("/api/v1/namespaces/n/configmaps", late).await.expect(403);
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut empty = server.get("/api/v1/namespaces/n").await.expect(200);
    empty["spec"]["finalizers"] = json!([]);
    server.put("/api/v1/namespaces/n", empty.clone()).await.expect(200);
    server.get("/api/v1/namespaces/n").await.expect(200);
    server.put("/api/v1/namespaces/n/finalize", empty).await.expect(200);
    server.get("/api/v1/namespaces/n").await.expect(404);
    for name in ["default", "kube-system", "kube-public"] {
        server.delete(&format!("/api/v1/namespaces/{name}"), Value::Null).await.expect(403);
    }
}
