//! Ends: one container, a pod's processes, a whole pod.

use std::time::{Duration, Instant};

use crate::disk::{remove_dir, save};
use crate::pods::{Inner, Pod, Pods, end_unseen, lock};
use crate::{Error, Exit, memory};

/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(20);

impl Pods {
    /// Asks the container to end with its image's signal, waits for `grace`, then kills it.
    /// Returns how it ended; one that had ended already just says so.
    pub fn stop_container(
        &self,
        pod_id: &str,
        container: &str,
        grace: Duration,
    ) -> Result<Exit, Error> {
        let pod = self.inner.pod(pod_id)?;
        // Not under the pod's door: a grace period may last minutes, and a removal may not wait.
        let known = lock(&pod.state).container(container).cloned();
        let no_container =
            || Error::NoContainer { id: pod_id.to_owned(), container: container.to_owned() };
        let known = known.ok_or_else(no_container)?;
        if let Some(exit) = known.exit {
            return Ok(exit);
        }
        if !grace.is_zero() {
            self.signal(&pod, &known.engine_id(), known.stop_signal);
            if let Some(exit) = wait(&pod, container, known.attempt, grace) {
                return Ok(exit);
            }
        }
        self.signal(&pod, &known.engine_id(), libc::SIGKILL);
        wait(&pod, container, known.attempt, KILL).ok_or_else(|| Error::Unkillable {
            id: pod_id.to_owned(),
            container: container.to_owned(),
            seconds: KILL.as_secs(),
        })
    }

    /// Sends a running container a signal.
    pub fn kill(&self, pod_id: &str, container: &str, signal: i32) -> Result<(), Error> {
        let pod = self.inner.pod(pod_id)?;
        let known = lock(&pod.state).container(container).cloned();
        let sandbox = lock(&pod.sandbox).clone();
        match (known, sandbox) {
            (Some(known), Some(sandbox)) if known.running() => {
                sandbox.kill(&known.engine_id(), signal).map_err(|source| Error::Engine {
                    action: "signal",
                    id: format!("{pod_id}/{container}"),
                    source,
                })
            }
            _ => Err(Error::NotRunning { id: pod_id.to_owned(), container: container.to_owned() }),
        }
    }

    fn signal(&self, pod: &Pod, engine_id: &str, signal: i32) {
        let sandbox = lock(&pod.sandbox).clone();
        let Some(sandbox) = sandbox else { return };
        if let Err(error) = sandbox.kill(engine_id, signal) {
            // It may have ended in between; the wait that follows decides.
            tracing::debug!(pod = sandbox.id(), container = engine_id, %error, "signal not sent");
        }
    }

    /// Ends everything in the pod and gives its network and ids' processes back, but keeps its
    /// logs and what is known of its containers: for pods that have run to completion.
    pub fn release(&self, pod_id: &str) -> Result<(), Error> {
        let pod = self.inner.pod(pod_id)?;
        let _door = lock(&pod.door);
        self.inner.tear_down(pod_id, &pod)?;
        let mut state = lock(&pod.state);
        state.alive = false;
        end_unseen(&mut state.containers);
        save(&pod.dir, &state)?;
        let containers = pod.dir.join("containers");
        drop(state);
        pod.ended.notify_all();
        remove_dir(&containers)
    }

    /// Ends everything in the pod in good order (all at once, each with its signal and at most
    /// `grace`) as if the machine was switched off: volumes, logs and state stay, containers that
    /// ran count as ended unseen, and the next [`Pods::create`] of the pod goes on from there.
    pub fn end(&self, pod_id: &str, grace: Duration) -> Result<(), Error> {
        let pod = self.inner.pod(pod_id)?;
        let ran: Vec<String> = {
            let state = lock(&pod.state);
            state.containers.iter().filter(|c| c.running()).map(|c| c.name.clone()).collect()
        };
        std::thread::scope(|scope| {
            for name in &ran {
                scope.spawn(move || {
                    if let Err(error) = self.stop_container(pod_id, name, grace) {
                        tracing::warn!(pod = pod_id, container = name, %error, "not stopped");
                    }
                });
            }
        });
        let _door = lock(&pod.door);
        self.inner.tear_down(pod_id, &pod)?;
        memory::unmount(&self.inner.settings.memory_dir(pod_id));
        let mut state = lock(&pod.state);
        state.alive = false;
        end_unseen(&mut state.containers);
        for container in state.containers.iter_mut().filter(|c| ran.contains(&c.name)) {
            if let Some(exit) = &mut container.exit {
                exit.unseen = true;
            }
        }
        save(&pod.dir, &state)
    }

    /// Ends and removes a pod with its volumes, scratch and logs. One that is not here is fine.
    pub fn remove(&self, pod_id: &str) -> Result<(), Error> {
        let Ok(pod) = self.inner.pod(pod_id) else { return Ok(()) };
        let _door = lock(&pod.door);
        self.inner.tear_down(pod_id, &pod)?;
        memory::unmount(&self.inner.settings.memory_dir(pod_id));
        let spec = lock(&pod.state).spec.clone();
        remove_dir(&self.inner.settings.log_dir(&spec.namespace, &spec.name, &spec.id))?;
        remove_dir(&pod.dir)?;
        lock(&self.inner.pods).remove(pod_id);
        // Whoever still waits for a container of it has waited long enough.
        end_unseen(&mut lock(&pod.state).containers);
        pod.ended.notify_all();
        Ok(())
    }
}

impl Inner {
    /// The reverse of `build_sandbox`: processes, network, sandbox.
    fn tear_down(&self, pod_id: &str, pod: &Pod) -> Result<(), Error> {
        let sandbox = lock(&pod.sandbox).clone();
        if let Some(sandbox) = sandbox {
            sandbox.destroy().map_err(|source| Error::Engine {
                action: "destroy sandbox",
                id: pod_id.to_owned(),
                source,
            })?;
            *lock(&pod.sandbox) = None;
        }
        self.handle.block_on(self.net.detach(pod_id)).map_err(|source| Error::Net {
            action: "detach",
            id: pod_id.to_owned(),
            source,
        })
    }
}

/// Waits until this start of the container has ended, at most for `at_most`.
fn wait(pod: &Pod, container: &str, attempt: u32, at_most: Duration) -> Option<Exit> {
    let deadline = Instant::now() + at_most;
    let mut state = lock(&pod.state);
    loop {
        match state.container(container) {
            Some(known) if known.attempt == attempt => {
                if let Some(exit) = known.exit {
                    return Some(exit);
                }
            }
            // Started anew or removed: this start is over.
            _ => return Some(crate::pods::unseen()),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        state = match pod.ended.wait_timeout(state, left) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}
