//! Garbage collection: what goes with its owner, what stays, and in which order.

use crate::world::{World, template};
use serde_json::{Value, json};
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/a/configmaps";

fn map(name: &str, owners: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}})
}

fn owner(object: &Value, blocks: bool) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "blockOwnerDeletion": blocks})
}

async fn deployment(world: &World) {
    world.namespace("a").await;
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", "i", "ready")},
    });
    world.create("/apis/apps/v1/namespaces/a/deployments", body).await;
    world
        .wait("/apis/apps/v1/namespaces/a/deployments/web", |web| {
            web["status"]["availableReplicas"] == 2
        })
        .await;
}

fn empty(list: &Value) -> bool {
    list["items"].as_array().is_some_and(Vec::is_empty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_background_everything_below_a_deployment_goes() {
    let world = World::start().await;
    deployment(&world).await;
    world.delete("/apis/apps/v1/namespaces/a/deployments/web", "Background").await;
    assert!(
        world.get("/apis/apps/v1/namespaces/a/deployments/web").await.is_none(),
        "the owner goes at once"
    );
    world.wait("/apis/apps/v1/namespaces/a/replicasets", empty).await;
    world.wait("/api/v1/namespaces/a/pods", empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_foreground_the_owner_goes_last() {
    let world = World::start().await;
    deployment(&world).await;
    let path = "/apis/apps/v1/namespaces/a/deployments/web";
    world.delete(path, "Foreground").await;
    let waiting = world.get(path).await.expect("the owner waits");
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    loop {
        let pods = world.list("/api/v1/namespaces/a/pods").await.len();
        if world.get(path).await.is_none() {
            assert!(
                empty(&world.get("/api/v1/namespaces/a/pods").await.unwrap()),
                "{pods} pods a moment ago"
            );
            assert!(empty(&world.get("/apis/apps/v1/namespaces/a/replicasets").await.unwrap()));
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_stay_without_their_reference() {
    let world = World::start().await;
    deployment(&world).await;
    world.delete("/apis/apps/v1/namespaces/a/deployments/web", "Orphan").await;
    world.wait_gone("/apis/apps/v1/namespaces/a/deployments/web").await;
    let sets = world.list("/apis/apps/v1/namespaces/a/replicasets").await;
    assert_eq!(sets.len(), 1);
    assert!(sets[0]["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(world.list("/api/v1/namespaces/a/pods").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependent_goes_with_its_last_owner() {
    let world = World::start().await;
    world.namespace("a").await;
    let first = world.create(MAPS, map("first", json!([]))).await;
    let second = world.create(MAPS, map("second", json!([]))).await;
    world.create(MAPS, map("child", json!([owner(&first, false), owner(&second, false)]))).await;
    world.delete(&format!("{MAPS}/first"), "Background").await;
    let child = world
        .wait(&format!("{MAPS}/child"), |child| {
            child["metadata"]["ownerReferences"].as_array().is_some_and(|list| list.len() == 1)
        })
        .await;
    assert_eq!(child["metadata"]["ownerReferences"][0]["name"], "second");
    world.delete(&format!("{MAPS}/second"), "Background").await;
    world.wait_gone(&format!("{MAPS}/child")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namesake_of_the_owner_is_not_the_owner() {
    let world = World::start().await;
    world.namespace("a").await;
    let real = world.create(MAPS, map("owner", json!([]))).await;
    let mut reference = owner(&real, false);
    reference["uid"] = json!("00000000-0000-0000-0000-000000000000");
    world.create(MAPS, map("child", json!([reference]))).await;
    world.wait_gone(&format!("{MAPS}/child")).await;
    assert!(world.get(&format!("{MAPS}/owner")).await.is_some());
}
