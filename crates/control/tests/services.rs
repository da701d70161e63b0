//! Endpoints follow readiness; the scheduler and budgets follow what is there.

use crate::world::{World, condition, now, template};
use http::Method;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/a/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices";

fn ready_count(list: &Value) -> usize {
    let slices = list["items"].as_array().into_iter().flatten();
    let endpoints = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
}

async fn web(world: &World, replicas: i64) {
    world.namespace("a").await;
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", "i", "ready")},
    });
    world.create("/apis/apps/v1/namespaces/a/deployments", body).await;
    world
        .wait("/apis/apps/v1/namespaces/a/deployments/web", |web| {
            web["status"]["availableReplicas"] == replicas
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slices_and_endpoints_follow_readiness() {
    let world = World::start().await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "ports": [{"name": "main", "port": 80, "targetPort": "http"}]}});
    world.namespace("a").await;
    world.create("/api/v1/namespaces/a/services", service).await;
    world
        .wait(SLICES, |list| list["items"].as_array().is_some_and(|slices| slices.len() == 1))
        .await;
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", "i", "ready")},
    });
    world.create("/apis/apps/v1/namespaces/a/deployments", body).await;
    let list = world.wait(SLICES, |list| ready_count(list) == 2).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "one slice is enough");
    let slice = &list["items"][0];
    assert_eq!(slice["ports"], json!([{"name": "main", "port": 8080, "protocol": "TCP"}]));
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(slice["endpoints"][0]["targetRef"]["kind"], "Pod");
    assert_eq!(slice["endpoints"][0]["nodeName"], "node-1");
    let endpoints = "/api/v1/namespaces/a/endpoints/web";
    world
        .wait(endpoints, |endpoints| {
            endpoints["subsets"][0]["addresses"].as_array().is_some_and(|list| list.len() == 2)
        })
        .await;
    let name = slice["endpoints"][0]["targetRef"]["name"].as_str().unwrap();
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": now()}]}});
    let path = format!("{PODS}/{name}/status");
    world
        .try_send(Method::PATCH, &path, "application/strategic-merge-patch+json", &unready)
        .await
        .unwrap();
    world.wait(SLICES, |list| ready_count(list) == 1).await;
    world
        .wait(endpoints, |endpoints| {
            endpoints["subsets"][0]["notReadyAddresses"]
                .as_array()
                .is_some_and(|list| list.len() == 1)
        })
        .await;
    world.delete("/api/v1/namespaces/a/services/web", "Background").await;
    world.wait(SLICES, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;
    world.wait_gone(endpoints).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_written_by_hand_are_mirrored() {
    let world = World::start().await;
    world.namespace("a").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside"}, "spec": {"ports": [{"port": 5432}]}});
    world.create("/api/v1/namespaces/a/services", service).await;
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "outside"},
        "subsets": [{"addresses": [{"ip": "198.51.100.7"}], "ports": [{"port": 5432}]}]});
    world.create("/api/v1/namespaces/a/endpoints", endpoints).await;
    let list = world.wait(SLICES, |list| ready_count(list) == 1).await;
    assert_eq!(list["items"][0]["endpoints"][0]["addresses"], json!(["198.51.100.7"]));
    world.delete("/api/v1/namespaces/a/endpoints/outside", "Background").await;
    world.wait(SLICES, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_too_large_waits_until_there_is_room() {
    let world = World::start().await;
    world.namespace("a").await;
    let pod = |name: &str, cpu: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]}})
    };
    world.create(PODS, pod("first", "3")).await;
    world.wait(&format!("{PODS}/first"), |pod| pod["status"]["phase"] == "Running").await;
    world.create(PODS, pod("second", "2")).await;
    let path = format!("{PODS}/second");
    let waiting =
        world.wait(&path, |pod| condition(pod, "PodScheduled")["reason"] == "Unschedulable").await;
    assert_eq!(
        condition(&waiting, "PodScheduled")["message"],
        "0/1 nodes are available: 1 Insufficient cpu."
    );
    let revision = waiting["metadata"]["resourceVersion"].clone();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        world.get(&path).await.unwrap()["metadata"]["resourceVersion"],
        revision,
        "nothing is tried in a circle"
    );
    world.delete(&format!("{PODS}/first"), "Background").await;
    world.wait(&path, |pod| pod["status"]["phase"] == "Running").await;
    let reasons = |list: &Value, reason: &str| {
        list["items"].as_array().is_some_and(|events| {
            events.iter().any(|event| {
                event["involvedObject"]["name"] == "second" && event["reason"] == reason
            })
        })
    };
    world
        .wait("/api/v1/namespaces/a/events", |list| {
            reasons(list, "FailedScheduling") && reasons(list, "Scheduled")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_counts_what_may_go() {
    let world = World::start().await;
    web(&world, 3).await;
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}});
    world.create("/apis/policy/v1/namespaces/a/poddisruptionbudgets", budget).await;
    let path = "/apis/policy/v1/namespaces/a/poddisruptionbudgets/web";
    let status =
        world.wait(path, |budget| budget["status"]["disruptionsAllowed"] == 1).await["status"]
            .clone();
    assert_eq!(
        (&status["expectedPods"], &status["desiredHealthy"], &status["currentHealthy"]),
        (&json!(3), &json!(2), &json!(3))
    );
    world
        .merge("/apis/apps/v1/namespaces/a/deployments/web", json!({"spec": {"replicas": 6}}))
        .await;
    world.wait(path, |budget| budget["status"]["disruptionsAllowed"] == 3).await;
}
