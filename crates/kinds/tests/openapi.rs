//! The generated documents: whole by themselves, and understood by the real kubectl.

use crate::server;
use serde_json::{Value, json};
use std::process::Command;

fn references(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                match child.as_str().filter(|_| name == "$ref") {
                    Some(target) => out.push(target.to_owned()),
                    None => references(child, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

#[test]
fn every_reference_has_a_target() {
    let index = kinds::openapi::index();
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"));
    for kind in kinds::all() {
        let document = kinds::openapi::v3(kind.group, kind.version).unwrap();
        let mut all = Vec::new();
        references(&document, &mut all);
        assert!(!all.is_empty());
        for target in all {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target} of {}", kind.kind);
        }
    }
    assert!(kinds::openapi::v3("no.such.group", "v1").is_none());
}

#[test]
fn merge_keys_and_list_types_are_published() {
    let document = kinds::openapi::v3("apps", "v1").unwrap();
    let containers = document
        .pointer("/components/schemas/io.k8s.api.core.v1.PodSpec/properties/containers")
        .unwrap();
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let patch = document
        .pointer("/paths/~1apis~1apps~1v1~1namespaces~1{namespace}~1deployments~1{name}/patch")
        .unwrap();
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "kind": "Deployment", "version": "v1"})
    );
    let parameters: Vec<&Value> =
        patch["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(parameters, ["dryRun", "fieldManager", "fieldValidation", "force", "pretty"]);
}

#[test]
fn kubectl_explains_from_our_documents() {
    let port = server::start();
    let explain = |what: &str| {
        let cache = std::env::temp_dir().join(format!("kinds-explain-{port}"));
        let output = Command::new("kubectl")
            .args(["explain", what, &format!("--server=http://127.0.0.1:{port}")])
            .arg(format!("--cache-dir={}", cache.display()))
            .env("KUBECONFIG", "/dev/null")
            .output()
            .expect("kubectl is installed where tests run");
        std::fs::remove_dir_all(&cache).ok();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!(explain("deployment.spec.strategy.rollingUpdate"));
    let containers = explain("pod.spec.containers");
    assert!(containers.contains("image\t<string>"), "{containers}");
    assert!(containers.contains("ports\t<[]ContainerPort>"), "{containers}");
    assert!(explain("ing").contains("KIND:       Ingress"));
}
