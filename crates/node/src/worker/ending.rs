//! Ends: of a container that is ill, of a pod that is done, of a pod that is deleted.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::{Desired, Worker, all_containers};
use crate::delete;
use crate::error::Error;
use crate::host::title;
use crate::plan::Plan;

impl Worker {
    /// Ends what still runs in a pod that is over and gives its sandbox back.
    pub(super) async fn settle(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Option<Instant> {
        self.health.forget_all();
        let alive = self.host.pods.get(&self.id).is_some_and(|state| state.alive);
        if alive {
            delete::stop_all(&self.host, pod, delete::grace(pod)).await;
            let id = self.id.clone();
            let released = self.host.blocking("release pod", move |pods| pods.release(&id)).await;
            if let Err(error) = released {
                tracing::warn!(pod = title(pod), error = error.chain(), "not released");
                return Some(self.pause());
            }
        }
        match self.report(pod, plan).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
                Some(self.pause())
            }
        }
    }

    pub(super) async fn kill_unhealthy(&mut self, pod: &Arc<Pod>) {
        for (name, attempt, why) in self.health.to_kill() {
            let state = self.host.pods.get(&self.id);
            let runs = state
                .as_ref()
                .and_then(|s| s.container(&name))
                .is_some_and(|c| c.attempt == attempt && c.running());
            let container = all_containers(pod).find(|c| c.name == name).cloned();
            if let Some(container) = container.filter(|_| runs) {
                delete::stop(&self.host, pod, container, delete::grace(pod), why).await;
            }
        }
    }

    /// A deleted pod: ends it in good order, then its object. A hurry (object gone, grace cut to
    /// nothing) breaks the waiting off.
    pub(super) async fn terminate(&mut self, pod: &Arc<Pod>) -> Result<(), Error> {
        self.health.forget_all();
        let (plan, state) = self.plan(pod);
        if state.is_some() {
            // Not ready any more, before anything is stopped.
            if let Err(error) = self.report(pod, &plan).await {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
            }
        }
        let grace = delete::grace(pod);
        let mut desired = self.desired.clone();
        let hurry = async {
            loop {
                if desired.changed().await.is_err() {
                    return std::future::pending().await;
                }
                match desired.borrow_and_update().clone() {
                    Desired::Gone => return,
                    Desired::Pod(pod) if delete::grace(&pod) < grace => return,
                    Desired::Pod(_) => {}
                }
            }
        };
        tokio::select! {
            () = delete::stop_all(&self.host, pod, grace) => {}
            () = hurry => {}
        }
        if self.host.pods.get(&self.id).is_some() {
            let (mut plan, state) = self.plan(pod);
            // What never ran did not succeed.
            let well = |name: &String| {
                let known = state.as_ref().and_then(|state| state.container(name));
                known.and_then(|known| known.exit).is_some_and(|exit| exit.code == 0)
            };
            let mut names = pod.spec.iter().flat_map(|s| &s.containers).map(|c| &c.name);
            plan.finished = plan.finished.or(Some(names.all(well)));
            if let Err(error) = self.report(pod, &plan).await {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
            }
        }
        delete::remove(&self.host, &self.id).await;
        delete::delete_object(&self.host, pod).await
    }
}
