//! StatefulSets: order, identity, claims that stay, updates from the top.

use crate::world::{World, is_ready, template};
use serde_json::{Value, json};

const SETS: &str = "/apis/apps/v1/namespaces/a/statefulsets";
const DB: &str = "/apis/apps/v1/namespaces/a/statefulsets/db";
const PODS: &str = "/api/v1/namespaces/a/pods";
const CLAIMS: &str = "/api/v1/namespaces/a/persistentvolumeclaims";

fn set(replicas: i64, more: Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": template("db", "image:1", "ready"),
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}],
        },
    });
    for (field, value) in more.as_object().unwrap() {
        set["spec"][field] = value.clone();
    }
    set
}

fn settled(set: &Value) -> bool {
    let wanted = &set["spec"]["replicas"];
    set["status"]["observedGeneration"] == set["metadata"]["generation"]
        && set["status"]["replicas"] == *wanted
        && set["status"]["availableReplicas"].as_i64().unwrap_or(0) == wanted.as_i64().unwrap()
}

async fn start(replicas: i64, more: Value) -> World {
    let world = World::start().await;
    world.namespace("a").await;
    world.create(SETS, set(replicas, more)).await;
    world.wait(DB, settled).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_come_one_after_the_other_each_with_its_claim() {
    let world = start(3, json!({})).await;
    for ordinal in 0..3 {
        let pod = world.get(&format!("{PODS}/db-{ordinal}")).await.unwrap();
        assert!(is_ready(&pod));
        assert_eq!(pod["spec"]["hostname"], format!("db-{ordinal}"));
        assert_eq!(pod["spec"]["subdomain"], "db");
        assert_eq!(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], ordinal.to_string());
        let claim = world.get(&format!("{CLAIMS}/data-db-{ordinal}")).await.unwrap();
        assert_eq!(claim["status"]["phase"], "Bound");
    }
    let mut revisions = Vec::new();
    for ordinal in 0..3 {
        let pod = world.get(&format!("{PODS}/db-{ordinal}")).await.unwrap();
        revisions.push((pod["metadata"]["creationTimestamp"].clone(), ordinal));
    }
    assert!(revisions.is_sorted_by(|a, b| a.0.as_str() <= b.0.as_str()));
    world.merge(DB, json!({"spec": {"replicas": 1}})).await;
    world.wait(DB, settled).await;
    world.wait_gone(&format!("{PODS}/db-1")).await;
    assert_eq!(world.list(CLAIMS).await.len(), 3, "claims outlive their pods");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unready_pod_holds_up_those_after_it() {
    let world = World::start().await;
    world.namespace("a").await;
    world.create(SETS, set(3, json!({"template": template("db", "image:1", "unready")}))).await;
    world.wait(&format!("{PODS}/db-0"), |pod| pod["status"]["phase"] == "Running").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(world.list(PODS).await.len(), 1);
    // Mending the template replaces the broken pod.
    world.merge(DB, json!({"spec": {"template": template("db", "image:2", "ready")}})).await;
    world.wait(DB, settled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_pod_comes_back_under_its_name_with_its_volume() {
    let world = start(2, json!({"podManagementPolicy": "Parallel"})).await;
    let path = format!("{PODS}/db-0");
    let before = world.get(&path).await.unwrap();
    let volume =
        world.get(&format!("{CLAIMS}/data-db-0")).await.unwrap()["spec"]["volumeName"].clone();
    world.delete(&path, "Background").await;
    world
        .wait(&path, |pod| pod["metadata"]["uid"] != before["metadata"]["uid"] && is_ready(pod))
        .await;
    assert_eq!(
        world.get(&format!("{CLAIMS}/data-db-0")).await.unwrap()["spec"]["volumeName"],
        volume
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_stops_at_the_partition() {
    let world = start(3, json!({})).await;
    let patch = json!({"spec": {
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
        "template": template("db", "image:2", "ready"),
    }});
    world.merge(DB, patch).await;
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"].clone();
    world.wait(DB, |set| settled(set) && set["status"]["updatedReplicas"] == 1).await;
    assert_eq!(image(&world.get(&format!("{PODS}/db-2")).await.unwrap()), "image:2");
    assert_eq!(image(&world.get(&format!("{PODS}/db-1")).await.unwrap()), "image:1");
    // Below the partition a lost pod comes back as it was.
    let before = world.get(&format!("{PODS}/db-1")).await.unwrap();
    world.delete(&format!("{PODS}/db-1"), "Background").await;
    let after = world
        .wait(&format!("{PODS}/db-1"), |pod| {
            pod["metadata"]["uid"] != before["metadata"]["uid"] && is_ready(pod)
        })
        .await;
    assert_eq!(image(&after), "image:1");
    world.merge(DB, json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})).await;
    let done = world.wait(DB, |set| settled(set) && set["status"]["updatedReplicas"] == 3).await;
    assert_eq!(done["status"]["currentRevision"], done["status"]["updateRevision"]);
    assert_eq!(world.list("/apis/apps/v1/namespaces/a/controllerrevisions").await.len(), 2);
}
