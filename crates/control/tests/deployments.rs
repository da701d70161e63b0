//! Deployments: rollouts stay inside their bounds, whatever happens meanwhile.

use crate::world::{Sampler, World, condition, template};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/apis/apps/v1/namespaces/a/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/a/deployments/web";
const SETS: &str = "/apis/apps/v1/namespaces/a/replicasets";
const PODS: &str = "/api/v1/namespaces/a/pods";

fn deployment(replicas: i64, strategy: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "strategy": strategy, "selector": {"matchLabels": {"app": "web"}},
            "template": template("web", "image:1", "ready")},
    })
}

fn rolling(surge: &str, unavailable: &str) -> Value {
    let value =
        |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": value(surge), "maxUnavailable": value(unavailable)}})
}

fn is_done(deployment: &Value) -> bool {
    let wanted = &deployment["spec"]["replicas"];
    let status = &deployment["status"];
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|field| status[*field] == *wanted)
}

fn set_image(image: &str) -> Value {
    json!({"spec": {"template": template("web", image, "ready")}})
}

async fn start(world: &World, replicas: i64, strategy: Value) {
    world.namespace("a").await;
    world.create(PATH, deployment(replicas, strategy)).await;
    world.wait(WEB, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_keeps_enough_pods_and_makes_no_more_than_needed() {
    let world = World::start().await;
    start(&world, 6, rolling("2", "1")).await;
    let sampler = Sampler::start(world.client.clone(), "a", 6).await;
    world.merge(WEB, set_image("image:2")).await;
    let done = world
        .wait(WEB, |web| {
            is_done(web)
                && web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
        })
        .await;
    let seen = sampler.stop();
    assert!(seen.least_available >= 5, "{seen:?}");
    assert!(seen.most <= 8, "{seen:?}");
    assert_eq!(seen.created, 6, "exactly the new pods were made");
    assert_eq!(condition(&done, "Available")["status"], "True");
    assert_eq!(condition(&done, "Progressing")["reason"], "NewReplicaSetAvailable");
    let pods = world.list(PODS).await;
    let living = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    assert!(living.clone().all(|pod| pod["spec"]["containers"][0]["image"] == "image:2"));
    assert_eq!(living.count(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_surge_pods_are_replaced_in_place() {
    let world = World::start().await;
    start(&world, 4, rolling("0", "25%")).await;
    let sampler = Sampler::start(world.client.clone(), "a", 4).await;
    world.merge(WEB, set_image("image:2")).await;
    world.wait(WEB, |web| is_done(web) && web["metadata"]["generation"] == 2).await;
    let seen = sampler.stop();
    assert!(seen.least_available >= 3 && seen.most <= 4, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_takes_up_the_old_set_under_a_new_number() {
    let world = World::start().await;
    start(&world, 2, rolling("25%", "25%")).await;
    world.merge(WEB, set_image("image:2")).await;
    world.wait(WEB, |web| is_done(web) && web["metadata"]["generation"] == 2).await;
    world.merge(WEB, set_image("image:1")).await;
    let back = world.wait(WEB, |web| is_done(web) && web["metadata"]["generation"] == 3).await;
    assert_eq!(back["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    let sets = world.list(SETS).await;
    assert_eq!(sets.len(), 2);
    let first = sets
        .iter()
        .find(|set| set["spec"]["template"]["spec"]["containers"][0]["image"] == "image:1")
        .unwrap();
    assert_eq!(first["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(first["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_and_pausing_change_no_template() {
    let world = World::start().await;
    start(&world, 2, rolling("1", "0")).await;
    world.merge(WEB, json!({"spec": {"replicas": 5}})).await;
    world.wait(WEB, |web| is_done(web) && web["status"]["replicas"] == 5).await;
    world.merge(WEB, json!({"spec": {"replicas": 1}})).await;
    world.wait(WEB, |web| is_done(web) && web["status"]["replicas"] == 1).await;
    assert_eq!(world.list(SETS).await.len(), 1);
    world.merge(WEB, json!({"spec": {"paused": true, "template": {"metadata": {"labels": {"new": "label"}}}}})).await;
    world.wait(WEB, |web| condition(web, "Progressing")["reason"] == "DeploymentPaused").await;
    assert_eq!(world.list(SETS).await.len(), 1, "a paused deployment starts no rollout");
    world.merge(WEB, json!({"spec": {"paused": false}})).await;
    world.wait(WEB, is_done).await;
    assert_eq!(world.list(SETS).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreate_stops_all_old_pods_before_the_first_new_one() {
    let world = World::start().await;
    start(&world, 3, json!({"type": "Recreate"})).await;
    let sampler = Sampler::start(world.client.clone(), "a", 3).await;
    world.merge(WEB, set_image("image:2")).await;
    world.wait(WEB, |web| is_done(web) && web["metadata"]["generation"] == 2).await;
    let seen = sampler.stop();
    assert_eq!((seen.least_available, seen.most), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_that_makes_no_progress_says_so_and_keeps_the_old_pods() {
    let world = World::start().await;
    start(&world, 3, rolling("1", "0")).await;
    let sampler = Sampler::start(world.client.clone(), "a", 3).await;
    let broken = json!({"spec": {"progressDeadlineSeconds": 1, "template": template("web", "image:broken", "unready")}});
    world.merge(WEB, broken).await;
    let stuck = world
        .wait(WEB, |web| condition(web, "Progressing")["reason"] == "ProgressDeadlineExceeded")
        .await;
    assert_eq!(condition(&stuck, "Progressing")["status"], "False");
    assert_eq!(condition(&stuck, "Available")["status"], "True");
    let seen = sampler.stop();
    assert!(seen.least_available >= 3 && seen.most <= 4, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_mid_rollout_converges_without_a_pod_too_many() {
    let mut world = World::start().await;
    start(&world, 8, rolling("2", "2")).await;
    let sampler = Sampler::start(world.client.clone(), "a", 8).await;
    world.merge(WEB, set_image("image:2")).await;
    for pause in [15, 40, 25, 60] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        world.restart_control().await;
    }
    world.wait(WEB, |web| is_done(web) && web["metadata"]["generation"] == 2).await;
    let seen = sampler.stop();
    assert!(seen.least_available >= 6 && seen.most <= 10, "{seen:?}");
    let pods = world.list(PODS).await;
    let living = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count();
    assert_eq!(living, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_sets_beyond_the_history_limit_go() {
    let world = World::start().await;
    start(&world, 1, rolling("1", "0")).await;
    world.merge(WEB, json!({"spec": {"revisionHistoryLimit": 1}})).await;
    for number in 2..5 {
        world.merge(WEB, set_image(&format!("image:{number}"))).await;
        let revision = number.to_string();
        world
            .wait(WEB, |web| {
                is_done(web)
                    && web["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                        == revision.as_str()
            })
            .await;
    }
    let few = |list: &Value| list["items"].as_array().is_some_and(|sets| sets.len() == 2);
    world.wait(SETS, few).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_loses_its_label_is_released_and_replaced() {
    let world = World::start().await;
    start(&world, 2, rolling("1", "0")).await;
    let pod = world.list(PODS).await.remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let path = format!("{PODS}/{name}");
    world.merge(&path, json!({"metadata": {"labels": {"app": "other"}}})).await;
    world
        .wait(&path, |pod| pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty))
        .await;
    world.wait(PODS, |list| list["items"].as_array().is_some_and(|pods| pods.len() == 3)).await;
    world.merge(&path, json!({"metadata": {"labels": {"app": "web"}}})).await;
    world.wait(PODS, |list| list["items"].as_array().is_some_and(|pods| pods.len() == 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_follows_and_undoes_rollouts() {
    let world = World::start().await;
    start(&world, 3, rolling("1", "0")).await;
    world.kubectl(&["set", "image", "deployment/web", "c=image:2"]).await;
    let followed = world.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).await;
    assert!(followed.contains("successfully rolled out"), "{followed}");
    assert!(is_done(&world.get(WEB).await.unwrap()), "status must not say done too early");
    let history = world.kubectl(&["rollout", "history", "deployment/web"]).await;
    assert!(history.contains("\n1 ") && history.contains("\n2 "), "{history}");
    world.kubectl(&["rollout", "undo", "deployment/web"]).await;
    world.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).await;
    let back = world.get(WEB).await.unwrap();
    assert_eq!(back["spec"]["template"]["spec"]["containers"][0]["image"], "image:1");
    assert_eq!(world.list(SETS).await.len(), 2);
    world.kubectl(&["rollout", "restart", "deployment/web"]).await;
    world.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).await;
    world.kubectl(&["scale", "deployment/web", "--replicas=1"]).await;
    world.kubectl(&["wait", "deployment/web", "--for=condition=Available", "--timeout=30s"]).await;
    world.kubectl(&["delete", "deployment/web", "--cascade=foreground", "--timeout=30s"]).await;
    assert!(world.list(PODS).await.is_empty());
}
