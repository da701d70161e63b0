//! Lifecycle hooks: what a container wants done right after its start and before its stop.

use std::time::Duration;

use k8s_openapi::api::core::v1::LifecycleHandler;
use tokio::time::{sleep, timeout};

use crate::probe::{Question, Target, ask};

/// Upper limit of a hook that has no grace period around it.
const LONGEST: u32 = 600;

/// Runs a hook; the error says what was wrong.
pub(crate) async fn run(target: &Target, hook: &LifecycleHandler) -> Result<(), String> {
    if let Some(pause) = &hook.sleep {
        let seconds = u64::try_from(pause.seconds).unwrap_or(0);
        sleep(Duration::from_secs(seconds)).await;
        return Ok(());
    }
    let question = if let Some(exec) = &hook.exec {
        Question::Exec(exec)
    } else if let Some(http) = &hook.http_get {
        Question::Http(http)
    } else if let Some(tcp) = &hook.tcp_socket {
        Question::Tcp(tcp)
    } else {
        return Ok(());
    };
    ask(target, &question, LONGEST).await
}

/// Runs the container's preStop hook within its grace; returns what is left of it. A hook that
/// fails does not save the container.
pub(crate) async fn before_stop(target: &Target, grace: Duration) -> Duration {
    let hook = target.container.lifecycle.as_ref().and_then(|l| l.pre_stop.as_ref());
    let Some(hook) = hook.filter(|_| !grace.is_zero()) else { return grace };
    let began = tokio::time::Instant::now();
    let result = timeout(grace, run(target, hook)).await;
    if let Ok(Err(why)) = result {
        let container = Some(target.container.name.as_str());
        let text = format!("PreStopHook failed: {why}");
        target.host.recorder.warning(&target.pod, container, "FailedPreStopHook", text);
    }
    // Upstream grants two seconds to a container whose hook ate the whole grace.
    grace.saturating_sub(began.elapsed()).max(Duration::from_secs(2).min(grace))
}
