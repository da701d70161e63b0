//! Volumes: a claim gets a directory, keeps it while in use, gives it back.

use crate::world::{World, condition};
use serde_json::{Value, json};

const CLAIMS: &str = "/api/v1/namespaces/a/persistentvolumeclaims";
const PODS: &str = "/api/v1/namespaces/a/pods";

fn claim(spec: Value) -> Value {
    let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}});
    for (field, value) in spec.as_object().unwrap() {
        claim["spec"][field] = value.clone();
    }
    claim
}

fn user() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": {
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "d", "mountPath": "/d"}]}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_without_class_gets_a_directory_of_the_default_class() {
    let world = World::start().await;
    world.namespace("a").await;
    let class = world.wait("/apis/storage.k8s.io/v1/storageclasses/local", |_| true).await;
    assert_eq!(
        class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"],
        "true"
    );
    world.create(CLAIMS, claim(json!({}))).await;
    let path = format!("{CLAIMS}/data");
    let bound = world.wait(&path, |claim| claim["status"]["phase"] == "Bound").await;
    assert_eq!(bound["spec"]["storageClassName"], "local");
    assert_eq!(bound["status"]["capacity"]["storage"], "1Gi");
    let volume_path =
        format!("/api/v1/persistentvolumes/{}", bound["spec"]["volumeName"].as_str().unwrap());
    let volume = world.get(&volume_path).await.unwrap();
    let uid = bound["metadata"]["uid"].as_str().unwrap();
    let directory = world.volumes_dir().join(format!("a_data_{uid}"));
    assert_eq!(volume["spec"]["hostPath"]["path"], directory.to_str().unwrap());
    assert_eq!(volume["spec"]["claimRef"]["uid"], uid);
    world.wait(&volume_path, |volume| volume["status"]["phase"] == "Bound").await;
    world.merge(&path, json!({"spec": {"resources": {"requests": {"storage": "3Gi"}}}})).await;
    world.wait(&path, |claim| claim["status"]["capacity"]["storage"] == "3Gi").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_in_use_waits_for_its_last_pod() {
    let world = World::start().await;
    world.namespace("a").await;
    world.create(CLAIMS, claim(json!({}))).await;
    world.create(PODS, user()).await;
    world.wait(&format!("{PODS}/user"), |pod| pod["status"]["phase"] == "Running").await;
    let path = format!("{CLAIMS}/data");
    let volume = world.get(&path).await.unwrap()["spec"]["volumeName"].as_str().unwrap().to_owned();
    world.delete(&path, "Background").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(world.get(&path).await.is_some(), "the pod still uses it");
    world.delete(&format!("{PODS}/user"), "Background").await;
    world.wait_gone(&path).await;
    world
        .wait(&format!("/api/v1/persistentvolumes/{volume}"), |volume| {
            volume["status"]["phase"] == "Released"
        })
        .await;
    // What the node does once the directory is gone.
    world.delete(&format!("/api/v1/persistentvolumes/{volume}"), "Background").await;
    world.wait_gone(&format!("/api/v1/persistentvolumes/{volume}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_waits_for_its_claim() {
    let world = World::start().await;
    world.namespace("a").await;
    world.create(PODS, user()).await;
    let path = format!("{PODS}/user");
    let waiting =
        world.wait(&path, |pod| condition(pod, "PodScheduled")["status"] == "False").await;
    assert_eq!(
        condition(&waiting, "PodScheduled")["message"],
        "0/1 nodes are available: persistentvolumeclaim \"data\" not found."
    );
    world.create(CLAIMS, claim(json!({}))).await;
    world.wait(&path, |pod| pod["status"]["phase"] == "Running").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_made_by_hand_is_taken_when_it_suits() {
    let world = World::start().await;
    world.namespace("a").await;
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "mine"}, "spec": {
        "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "manual",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/nowhere"}}});
    world.create("/api/v1/persistentvolumes", volume).await;
    world
        .wait("/api/v1/persistentvolumes/mine", |volume| volume["status"]["phase"] == "Available")
        .await;
    world.create(CLAIMS, claim(json!({"storageClassName": "manual"}))).await;
    let bound =
        world.wait(&format!("{CLAIMS}/data"), |claim| claim["status"]["phase"] == "Bound").await;
    assert_eq!(bound["spec"]["volumeName"], "mine");
    assert_eq!(bound["status"]["capacity"]["storage"], "5Gi");
    world.delete(&format!("{CLAIMS}/data"), "Background").await;
    world
        .wait("/api/v1/persistentvolumes/mine", |volume| volume["status"]["phase"] == "Released")
        .await;
}
