//! Jobs and CronJobs: run to the end, with retries, deadlines and an end of their own.

use crate::world::{World, condition, template};
use serde_json::{Value, json};

const JOBS: &str = "/apis/batch/v1/namespaces/a/jobs";
const PODS: &str = "/api/v1/namespaces/a/pods";

fn job(name: &str, fate: &str, spec: Value) -> Value {
    let mut template = template("ignored", "image", fate);
    template["spec"]["restartPolicy"] = json!("Never");
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}});
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}

async fn run(fate: &str, spec: Value) -> (World, String) {
    let world = World::start().await;
    world.namespace("a").await;
    world.create(JOBS, job("j", fate, spec)).await;
    (world, format!("{JOBS}/j"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_completes_when_enough_pods_succeeded() {
    let (world, path) = run("succeed", json!({"completions": 5, "parallelism": 2})).await;
    let done = world.wait(&path, |job| condition(job, "Complete")["status"] == "True").await;
    assert_eq!(done["status"]["succeeded"], 5);
    assert_eq!(condition(&done, "SuccessCriteriaMet")["status"], "True");
    assert!(done["status"]["completionTime"].is_string());
    assert_eq!(world.list(PODS).await.len(), 5, "not one pod too many");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_pods_are_replaced_after_a_pause() {
    let (world, path) = run("fail-twice", json!({"backoffLimit": 3})).await;
    let begin = std::time::Instant::now();
    let done = world.wait(&path, |job| condition(job, "Complete")["status"] == "True").await;
    assert_eq!((&done["status"]["failed"], &done["status"]["succeeded"]), (&json!(2), &json!(1)));
    assert!(begin.elapsed().as_secs() >= 2, "half a second at least, then two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_gives_up_at_its_limit() {
    let (world, path) = run("fail", json!({"backoffLimit": 1})).await;
    let failed = world.wait(&path, |job| condition(job, "Failed")["status"] == "True").await;
    assert_eq!(condition(&failed, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(failed["status"]["failed"], 2);
    assert_eq!(world.list(PODS).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_job_and_its_pods() {
    let (world, path) = run("ready", json!({"activeDeadlineSeconds": 1})).await;
    let failed = world.wait(&path, |job| condition(job, "Failed")["status"] == "True").await;
    assert_eq!(condition(&failed, "Failed")["reason"], "DeadlineExceeded");
    world.wait(PODS, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_indexed_job_gives_each_index_its_turn() {
    let (world, path) =
        run("succeed", json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"}))
            .await;
    let done = world.wait(&path, |job| condition(job, "Complete")["status"] == "True").await;
    assert_eq!(done["status"]["completedIndexes"], "0-2");
    let pods = world.list(PODS).await;
    let env = &pods[0]["spec"]["containers"][0]["env"][0];
    assert_eq!(env["name"], "JOB_COMPLETION_INDEX");
    let mut hosts: Vec<_> =
        pods.iter().map(|pod| pod["spec"]["hostname"].as_str().unwrap()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, ["j-0", "j-1", "j-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_job_has_no_pods_and_a_finished_one_expires() {
    let (world, path) = run("ready", json!({"suspend": true, "ttlSecondsAfterFinished": 0})).await;
    world.wait(&path, |job| condition(job, "Suspended")["status"] == "True").await;
    assert!(world.list(PODS).await.is_empty());
    world.merge(&path, json!({"spec": {"suspend": false, "activeDeadlineSeconds": 1}})).await;
    world.wait(PODS, |list| list["items"].as_array().is_some_and(|pods| pods.len() == 1)).await;
    world.wait_gone(&path).await;
    world.wait(PODS, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_job_that_missed_its_time_starts_one_job() {
    let world = World::start().await;
    world.namespace("a").await;
    let template = job("x", "succeed", json!({}))["spec"].clone();
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
        "spec": {"schedule": "* * * * *", "suspend": true, "jobTemplate": {"spec": template}},
    });
    let path = "/apis/batch/v1/namespaces/a/cronjobs/tick";
    world.create("/apis/batch/v1/namespaces/a/cronjobs", cron).await;
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5);
    world.merge(&format!("{path}/status"), json!({"status": {"lastScheduleTime": past.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}})).await;
    assert!(world.list(JOBS).await.is_empty());
    world.merge(path, json!({"spec": {"suspend": false}})).await;
    let done = world.wait(path, |cron| cron["status"]["lastSuccessfulTime"].is_string()).await;
    assert_eq!(done["status"]["active"].as_array().map_or(0, Vec::len), 0);
    let jobs = world.list(JOBS).await;
    assert!(jobs.len() <= 2, "missed times are not made up for one by one: {}", jobs.len());
    assert_eq!(jobs[0]["metadata"]["ownerReferences"][0]["name"], "tick");
}
