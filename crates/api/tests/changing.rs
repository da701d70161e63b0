//! Create, update, patch, apply: what is accepted, what is refused, and in which words.

use crate::harness::{Server, deployment, pod};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn names_are_generated() {
    let server = Server::start().await;
    let object = json!({"metadata": {"generateName": "map-"}});
    let one = server.post(MAPS, object.clone()).await.expect(201);
    let two = server.post(MAPS, object).await.expect(201);
    assert_eq!(one["kind"], "ConfigMap");
    let name = one["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("map-") && name.len() == 9, "{name}");
    assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
}

#[tokio::test]
async fn bad_objects_are_refused_with_their_causes() {
    let server = Server::start().await;
    let status = server.post(MAPS, json!({"metadata": {"name": "A_b"}})).await.expect(422);
    assert_eq!(status["reason"], "Invalid");
    assert_eq!(status["details"]["kind"], "ConfigMap");
    assert_eq!(status["details"]["causes"][0]["field"], "metadata.name");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .starts_with("ConfigMap \"A_b\" is invalid: metadata.name")
    );
    for name in ["..", "a/b", "%2e%2e", "\u{202e}x", "a\u{0}b", &"x".repeat(254)] {
        server.post(MAPS, json!({"metadata": {"name": name}})).await.expect(422);
    }
    server.post(MAPS, json!({"metadata": {}})).await.expect(422);
    server.post(MAPS, json!({"kind": "Pod", "metadata": {"name": "a"}})).await.expect(400);
    server.post(MAPS, json!({"apiVersion": "v2", "metadata": {"name": "a"}})).await.expect(400);
    server.post(MAPS, json!([])).await.expect(400);
    let other = json!({"metadata": {"name": "a", "namespace": "other"}});
    server.post(MAPS, other).await.expect(400);
    let versioned = json!({"metadata": {"name": "a", "resourceVersion": "1"}});
    server.post(MAPS, versioned).await.expect(400);
    let mut bad = deployment("d", 1);
    bad["spec"]["replicas"] = json!("three");
    server.post(DEPLOYMENTS, bad).await.expect(400);
    assert_eq!(server.get(MAPS).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let status = server.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(409);
    assert_eq!(status["reason"], "AlreadyExists");
    assert_eq!(status["message"], "configmaps \"a\" already exists");
    let dry = server.post(&format!("{MAPS}?dryRun=All"), json!({"metadata": {"name": "a"}})).await;
    dry.expect(409);
}

#[tokio::test]
async fn the_namespace_must_be_there() {
    let server = Server::start().await;
    let path = "/api/v1/namespaces/nowhere/configmaps";
    let status = server.post(path, json!({"metadata": {"name": "a"}})).await.expect(404);
    assert_eq!(status["message"], "namespaces \"nowhere\" not found");
}

#[tokio::test]
async fn unknown_fields_are_told_as_asked() {
    let server = Server::start().await;
    let mut object = deployment("d", 1);
    object["spec"]["nonsense"] = json!(1);
    let strict = format!("{DEPLOYMENTS}?fieldValidation=Strict");
    let status = server.post(&strict, object.clone()).await.expect(400);
    assert_eq!(
        status["message"],
        "Deployment in version \"v1\" cannot be handled as a Deployment: \
         strict decoding error: unknown field \"spec.nonsense\""
    );
    let ignore = format!("{DEPLOYMENTS}?fieldValidation=Ignore&dryRun=All");
    let answer = server.post(&ignore, object.clone()).await;
    assert!(answer.headers.get("warning").is_none());
    answer.expect(201);
    let answer = server.post(DEPLOYMENTS, object.clone()).await;
    let warning = answer.headers.get("warning").unwrap().to_str().unwrap().to_owned();
    assert_eq!(warning, "299 - \"unknown field \\\"spec.nonsense\\\"\"");
    let made = answer.expect(201);
    assert!(made["spec"]["nonsense"].is_null());
    let patch = json!({"spec": {"nonsense": 1}});
    let strict = format!("{DEPLOYMENTS}/d?fieldValidation=Strict");
    server.patch(&strict, "merge", patch).await.expect(400);
    server.post(&format!("{DEPLOYMENTS}?fieldValidation=x"), object).await.expect(422);

    let body = r#"{"metadata":{"name":"twice","name":"twice"}}"#;
    let request = Request::post(format!("{MAPS}?fieldValidation=Strict")).body(Body::from(body));
    let status = server.send(request.unwrap()).await.expect(400);
    assert!(status["message"].as_str().unwrap().ends_with("duplicate field \"metadata.name\""));
}

#[tokio::test]
async fn a_dry_run_leaves_nothing() {
    let server = Server::start().await;
    let before = server.store.revision();
    let path = format!("{DEPLOYMENTS}?dryRun=All");
    let made = server.post(&path, deployment("d", 3)).await.expect(201);
    assert_eq!(made["spec"]["replicas"], 3);
    assert_eq!(made["spec"]["strategy"]["type"], "RollingUpdate");
    server.get(&format!("{DEPLOYMENTS}/d")).await.expect(404);
    assert_eq!(server.store.revision(), before);
    server.post(DEPLOYMENTS, deployment("d", 1)).await.expect(201);
    let before = server.store.revision();
    let path = format!("{DEPLOYMENTS}/d?dryRun=All");
    let new = server.patch(&path, "merge", json!({"spec": {"replicas": 5}})).await.expect(200);
    assert_eq!(new["spec"]["replicas"], 5);
    server.delete(&path, Value::Null).await.expect(200);
    assert_eq!(server.store.revision(), before);
    server.post(&format!("{DEPLOYMENTS}?dryRun=yes"), deployment("e", 1)).await.expect(400);
}

#[tokio::test]
async fn updates_are_of_the_latest_version() {
    let server = Server::start().await;
    let first = server.config_map("a", json!({})).await;
    let mut second = first.clone();
    second["data"] = json!({"a": "2"});
    let path = format!("{MAPS}/a");
    let stored = server.put(&path, second.clone()).await.expect(200);
    assert_ne!(stored["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(stored["metadata"]["uid"], first["metadata"]["uid"]);
    let status = server.put(&path, second).await.expect(409);
    assert_eq!(status["reason"], "Conflict");
    assert!(status["message"].as_str().unwrap().starts_with(
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified"
    ));
    let again = server.put(&path, stored.clone()).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], stored["metadata"]["resourceVersion"]);
    let free = json!({"metadata": {"name": "a"}, "data": {"a": "3"}});
    assert_eq!(server.put(&path, free).await.expect(200)["data"]["a"], "3");
    server.put(&path, json!({"metadata": {"name": "b"}})).await.expect(400);
    server.put(&path, json!({"metadata": {"name": "a", "uid": "x"}})).await.expect(409);
    server.put(&format!("{MAPS}/b"), json!({"metadata": {"name": "b"}})).await.expect(404);
    server.put(MAPS, json!({"metadata": {"name": "b"}})).await.expect(405);
}

#[tokio::test]
async fn a_generation_counts_wishes_and_status_is_apart() {
    let server = Server::start().await;
    let made = server.post(DEPLOYMENTS, deployment("d", 1)).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{DEPLOYMENTS}/d");
    let mut new = made.clone();
    new["spec"]["replicas"] = json!(2);
    new["status"] = json!({"replicas": 9});
    let new = server.put(&path, new).await.expect(200);
    assert_eq!(new["metadata"]["generation"], 2);
    assert_ne!(new["status"]["replicas"], 9);
    let patch = json!({"status": {"replicas": 2}, "spec": {"replicas": 7}});
    let new = server.patch(&format!("{path}/status"), "merge", patch).await.expect(200);
    assert_eq!(new["status"]["replicas"], 2);
    assert_eq!(new["spec"]["replicas"], 2);
    assert_eq!(new["metadata"]["generation"], 2);
}

#[tokio::test]
async fn immutable_fields_stay() {
    let server = Server::start().await;
    server.post(DEPLOYMENTS, deployment("d", 1)).await.expect(201);
    let patch = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    let status = server.patch(&format!("{DEPLOYMENTS}/d"), "merge", patch).await.expect(422);
    assert!(status["message"].as_str().unwrap().contains("immutable"), "{status}");
}

#[tokio::test]
async fn three_patches_change_what_they_name() {
    let server = Server::start().await;
    server.post(DEPLOYMENTS, deployment("d", 1)).await.expect(201);
    let path = format!("{DEPLOYMENTS}/d");
    let new = server.patch(&path, "merge", json!({"spec": {"replicas": 4}})).await.expect(200);
    assert_eq!(new["spec"]["replicas"], 4);
    let operations = json!([
        {"op": "test", "path": "/spec/replicas", "value": 4},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]);
    let new = server.patch(&path, "json", operations.clone()).await.expect(200);
    assert_eq!(new["spec"]["replicas"], 5);
    let status = server.patch(&path, "json", operations).await.expect(422);
    assert_eq!(status["reason"], "Invalid");
    let far =
        json!([{"op": "add", "path": "/spec/template/spec/containers/2147483648", "value": {}}]);
    server.patch(&path, "json", far).await.expect(422);
    let strategic = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "env": [{"name": "B", "value": "2"}]},
        {"name": "side", "image": "debian:12"},
    ]}}}});
    let new = server.patch(&path, "strategic-merge", strategic).await.expect(200);
    let containers = new["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2);
    let main = containers.iter().find(|container| container["name"] == "main").unwrap();
    assert_eq!(main["env"].as_array().unwrap().len(), 2);
    assert_eq!(main["image"], "debian:12");
    let versioned = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}});
    server.patch(&path, "merge", versioned).await.expect(409);
    server.patch(&path, "unknown", json!({})).await.expect(415);
    server.patch(&path, "merge", json!({"metadata": {"name": "e"}})).await.expect(400);
}

#[tokio::test]
async fn patches_that_race_all_arrive() {
    let server = std::sync::Arc::new(Server::start().await);
    server.config_map("a", json!({})).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let server = std::sync::Arc::clone(&server);
        tasks.spawn(async move {
            let patch = json!({"data": {format!("k{number}"): "v"}});
            server.patch(&format!("{MAPS}/a"), "merge", patch).await.expect(200);
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    let data = server.get(&format!("{MAPS}/a")).await.expect(200)["data"].clone();
    assert_eq!(data.as_object().unwrap().len(), 11);
}

#[tokio::test]
async fn apply_creates_owns_and_conflicts() {
    let server = Server::start().await;
    let path = format!("{DEPLOYMENTS}/d");
    let object = deployment("d", 2);
    server.patch(&path, "apply", object.clone()).await.expect(422);
    let made = server.patch(&format!("{path}?fieldManager=one"), "apply", object.clone()).await;
    let made = made.expect(201);
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "one");
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    let again = server.patch(&format!("{path}?fieldManager=one"), "apply", object.clone()).await;
    let again = again.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let mut other = object.clone();
    other["spec"]["replicas"] = json!(7);
    let status = server.patch(&format!("{path}?fieldManager=two"), "apply", other.clone()).await;
    let status = status.expect(409);
    assert_eq!(status["reason"], "Conflict");
    assert_eq!(status["details"]["causes"][0]["reason"], "FieldManagerConflict");
    assert_eq!(status["details"]["causes"][0]["field"], ".spec.replicas");
    let text = status["message"].as_str().unwrap();
    assert!(text.starts_with("Apply failed with 1 conflict: conflict with \"one\""), "{text}");
    let path_two = format!("{path}?fieldManager=two&force=true");
    let forced = server.patch(&path_two, "apply", other).await.expect(200);
    assert_eq!(forced["spec"]["replicas"], 7);
    let less = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}});
    server.patch(&format!("{path}?fieldManager=x&force=1"), "apply", less).await.expect(200);
}

#[tokio::test]
async fn bodies_have_limits_and_forms() {
    let server = Server::start().await;
    let big = format!("{{\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(4 << 20));
    let request = Request::post(MAPS).body(Body::from(big)).unwrap();
    assert_eq!(server.send(request).await.expect(413)["reason"], "RequestEntityTooLarge");
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: \"1\"\n";
    let request = Request::post(MAPS).header("content-type", "application/yaml");
    server.send(request.body(Body::from(yaml)).unwrap()).await.expect(201);
    let request = Request::post(MAPS).header("content-type", "application/vnd.kubernetes.protobuf");
    server.send(request.body(Body::from("k8s\0")).unwrap()).await.expect(415);
    let request = Request::post(MAPS).header("content-type", "application/cbor");
    server.send(request.body(Body::from("\u{1}")).unwrap()).await.expect(415);
    let request = Request::post(MAPS).body(Body::from("{\"a\":")).unwrap();
    server.send(request).await.expect(400);
}

#[tokio::test]
async fn secrets_take_plain_text() {
    let server = Server::start().await;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"a": "word"}});
    let made = server.post("/api/v1/namespaces/default/secrets", secret).await.expect(201);
    assert_eq!(made["data"]["a"], "d29yZA==");
    assert!(made["stringData"].is_null());
    assert_eq!(made["type"], "Opaque");
}

#[tokio::test]
async fn writers_are_recorded() {
    let server = Server::start().await;
    let made = server.post("/api/v1/namespaces/default/pods", pod("p")).await.expect(201);
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!(entry["manager"], "tester");
    assert_eq!(entry["operation"], "Update");
    let path = "/api/v1/namespaces/default/pods/p/status?fieldManager=node";
    let patch = json!({"status": {"phase": "Running"}});
    let new = server.patch(path, "merge", patch).await.expect(200);
    let entries = new["metadata"]["managedFields"].as_array().unwrap();
    let node = entries.iter().find(|entry| entry["manager"] == "node").unwrap();
    assert_eq!(node["subresource"], "status");
}
