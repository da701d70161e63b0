//! Copies by load: what a node measures becomes replicas.

use crate::world::{World, condition, template};
use serde_json::{Value, json};

const WEB: &str = "/apis/apps/v1/namespaces/a/deployments/web";
const SCALERS: &str = "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers";
const WEBS: &str = "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers/web";

fn scaler(behavior: Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "behavior": behavior,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]},
    })
}

async fn start(world: &World, request: Value) {
    world.namespace("a").await;
    let mut template = template("web", "image:1", "ready");
    template["spec"]["containers"][0]["resources"] = request;
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    });
    world.create("/apis/apps/v1/namespaces/a/deployments", web).await;
    ready(world, 1).await;
}

async fn ready(world: &World, count: i64) {
    world.wait(WEB, |web| web["status"]["readyReplicas"] == count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_follow_the_load_between_the_bounds() {
    let world = World::start().await;
    start(&world, json!({"requests": {"cpu": "200m"}})).await;
    let at_once = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    world.create(SCALERS, scaler(at_once)).await;
    // Too few, whatever the load.
    ready(&world, 2).await;
    // 150m of 200m is 75 %: for 50 % it takes three.
    world.load("a", 150).await;
    ready(&world, 3).await;
    let told = world
        .wait(WEBS, |scaler| {
            scaler["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"] == 75
        })
        .await;
    assert_eq!(condition(&told, "ScalingActive")["status"], "True", "{told:#}");
    // No more than allowed.
    world.load("a", 1_000).await;
    ready(&world, 5).await;
    world.wait(WEBS, |scaler| condition(scaler, "ScalingLimited")["status"] == "True").await;
    world.load("a", 1).await;
    ready(&world, 2).await;
    let table = world.kubectl(&["get", "hpa", "web"]).await;
    assert!(table.contains("Deployment/web") && table.contains("/50%"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_cannot_be_told_is_said_and_changes_nothing() {
    let world = World::start().await;
    start(&world, json!({})).await;
    world.merge(WEB, json!({"spec": {"replicas": 3}})).await;
    world.create(SCALERS, scaler(json!({}))).await;
    world.load("a", 900).await;
    let told =
        world.wait(WEBS, |scaler| condition(scaler, "ScalingActive")["status"] == "False").await;
    let message = condition(&told, "ScalingActive")["message"].as_str().unwrap();
    assert!(message.contains("missing request for cpu"), "{message}");
    assert_eq!(world.get(WEB).await.unwrap()["spec"]["replicas"], 3);
    // Stopped on purpose stays stopped.
    world.merge(WEB, json!({"spec": {"replicas": 0}})).await;
    world
        .wait(WEBS, |scaler| condition(scaler, "ScalingActive")["reason"] == "ScalingDisabled")
        .await;
    assert_eq!(world.get(WEB).await.unwrap()["spec"]["replicas"], 0);
}
