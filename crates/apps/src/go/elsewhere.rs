//! Logins that are made in another app's namespace: their Jobs run there, where nothing of this go
//! watches, so they are asked for until they end. Where next: `run.rs`.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::live::Key;
use crate::observe;
use crate::{Error, Result, Target, apply};

const PAUSE: Duration = Duration::from_millis(250);
const LINES: i64 = 12;

/// Writes a Job unless the same one ran already; true if it is new.
pub(crate) async fn job(target: &Target, app: &str, object: &Value, again: bool) -> Result<bool> {
    let key = Key::of(object);
    if let Some(there) = read(target, app, &key).await? {
        if !again && observe::job_ended(&there) != Some(false) {
            return Ok(false);
        }
        apply::delete_and_wait(target, app, &key).await?;
    }
    apply::apply(target, app, object).await?;
    Ok(true)
}

/// Waits for a Job to end; the last lines if it failed.
pub(crate) async fn wait(
    target: &Target,
    app: &str,
    key: &Key,
    deadline: Instant,
) -> Result<Result<(), Vec<String>>> {
    loop {
        let there = read(target, app, key).await?;
        match there.as_ref().and_then(observe::job_ended) {
            Some(true) => return Ok(Ok(())),
            Some(false) => return Ok(Err(lines(target, app, key).await)),
            None if Instant::now() > deadline => {
                let (waiting, lines) = (key.to_string(), lines(target, app, key).await);
                return Err(Error::Timeout { seconds: 0, waiting, lines });
            }
            None => sleep(PAUSE).await,
        }
    }
}

async fn read(target: &Target, app: &str, key: &Key) -> Result<Option<Job>> {
    let (namespace, name) = key.place(app);
    let api: Api<Job> = Api::namespaced(target.client.clone(), namespace);
    api.get_opt(name).await.map_err(Error::api(format!("read {key}")))
}

/// What the Job printed last; nothing if that cannot be had, for the failure itself is told.
async fn lines(target: &Target, app: &str, key: &Key) -> Vec<String> {
    let (namespace, name) = key.place(app);
    let api: Api<Pod> = Api::namespaced(target.client.clone(), namespace);
    let params = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
    let pods = api.list(&params).await.map(|list| list.items).unwrap_or_default();
    let newest =
        pods.iter().max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|t| t.0));
    let Some(pod) = newest.and_then(|pod| pod.metadata.name.as_deref()) else { return Vec::new() };
    let params = LogParams { tail_lines: Some(LINES), ..LogParams::default() };
    let text = api.logs(pod, &params).await.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
