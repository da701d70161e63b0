//! Namespaces: furnished when born, emptied before they go.

use crate::world::{World, condition, template};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_born_with_an_account_and_the_ca() {
    let world = World::start().await;
    world.namespace("a").await;
    world.wait("/api/v1/namespaces/a/serviceaccounts/default", |_| true).await;
    let ca = "/api/v1/namespaces/a/configmaps/kube-root-ca.crt";
    world.wait(ca, |map| map["data"]["ca.crt"] == "THE CA").await;
    world.merge(ca, json!({"data": {"ca.crt": "forged"}})).await;
    world.wait(ca, |map| map["data"]["ca.crt"] == "THE CA").await;
    world.delete("/api/v1/namespaces/a/serviceaccounts/default", "Background").await;
    world.wait("/api/v1/namespaces/a/serviceaccounts/default", |_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_after_everything_in_it() {
    let world = World::start().await;
    world.namespace("a").await;
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.dev/hold"]}});
    world.create("/api/v1/namespaces/a/configmaps", held).await;
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", "i", "ready")},
    });
    world.create("/apis/apps/v1/namespaces/a/deployments", web).await;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    world.create("/api/v1/namespaces/a/persistentvolumeclaims", claim).await;
    world
        .wait("/apis/apps/v1/namespaces/a/deployments/web", |web| {
            web["status"]["availableReplicas"] == 3
        })
        .await;
    world.delete("/api/v1/namespaces/a", "Background").await;
    let waiting = world
        .wait("/api/v1/namespaces/a", |namespace| {
            condition(namespace, "NamespaceFinalizersRemaining")["message"]
                .as_str()
                .is_some_and(|text| text.contains("example.dev/hold"))
        })
        .await;
    assert_eq!(waiting["status"]["phase"], "Terminating");
    world
        .wait("/api/v1/namespaces/a/configmaps", |list| {
            list["items"].as_array().is_some_and(|items| items.len() == 1)
        })
        .await;
    world
        .merge("/api/v1/namespaces/a/configmaps/held", json!({"metadata": {"finalizers": null}}))
        .await;
    world.wait_gone("/api/v1/namespaces/a").await;
    for kind in ["pods", "configmaps", "persistentvolumeclaims", "serviceaccounts", "events"] {
        assert!(
            world.list(&format!("/api/v1/namespaces/a/{kind}")).await.is_empty(),
            "{kind} are left"
        );
    }
    assert!(world.list("/apis/apps/v1/namespaces/a/replicasets").await.is_empty());
    world.namespace("a").await;
    world.wait("/api/v1/namespaces/a/serviceaccounts/default", |_| true).await;
}
