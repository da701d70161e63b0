//! What the engine tells: containers that ended, keepers that are gone.
//!
//! One thread for the whole machine. An exit is written to the pod's file before anybody is told,
//! so that a daemon that dies in between tells it again.

use std::sync::{Arc, mpsc};

use crate::disk::save;
use crate::pods::{Inner, end_unseen, lock};
use crate::{Event, Exit};

/// The engine's word for how a process ended, in ours.
pub(crate) fn exit(exit: &engine::Exit) -> Exit {
    Exit {
        code: exit.code,
        signal: exit.signal,
        oom_killed: exit.oom_killed,
        finished_at: exit.finished_at,
        unseen: false,
    }
}

impl Inner {
    /// Starts the thread; it ends with the engine.
    pub(crate) fn listen(self: Arc<Self>, told: mpsc::Receiver<engine::Event>) {
        // Weak, or the engine, whose end stops this thread, would never end.
        let inner = Arc::downgrade(&self);
        drop(self);
        let run = move || {
            for event in told {
                let Some(inner) = inner.upgrade() else { return };
                match event {
                    engine::Event::Exited { sandbox, container, exit: ended } => {
                        inner.exited(&sandbox, &container, exit(&ended));
                    }
                    engine::Event::KeeperGone { sandbox } => inner.lost(&sandbox),
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("pod-events".into()).spawn(run) {
            tracing::error!(%error, "no thread for the engine's events");
        }
    }

    fn exited(&self, sandbox: &str, engine_id: &str, exit: Exit) {
        if let Some(step) = lock(&self.steps).get(sandbox) {
            // The step may have given up waiting; then nobody is to be told.
            let _ = step.ended.send(exit);
            return;
        }
        let Ok(pod) = self.pod(sandbox) else { return };
        let mut state = lock(&pod.state);
        let Some(container) = state.containers.iter_mut().find(|c| c.engine_id() == engine_id)
        else {
            return;
        };
        if container.exit.is_some() {
            return;
        }
        container.exit = Some(exit);
        let (name, attempt) = (container.name.clone(), container.attempt);
        if let Err(error) = save(&pod.dir, &state) {
            tracing::error!(pod = sandbox, %error, "exit not recorded");
        }
        drop(state);
        pod.ended.notify_all();
        // Nobody listening is fine.
        let _ = self.events.send(Event::Exited {
            pod: sandbox.to_owned(),
            container: name,
            attempt,
            exit,
        });
    }

    fn lost(&self, sandbox: &str) {
        if let Some(step) = lock(&self.steps).get(sandbox) {
            let _ = step.ended.send(crate::pods::unseen());
            return;
        }
        let Ok(pod) = self.pod(sandbox) else { return };
        let mut state = lock(&pod.state);
        if !state.alive {
            return;
        }
        state.alive = false;
        end_unseen(&mut state.containers);
        if let Err(error) = save(&pod.dir, &state) {
            tracing::error!(pod = sandbox, %error, "loss not recorded");
        }
        drop(state);
        let remains = lock(&pod.sandbox).take();
        if let Some(remains) = remains
            && let Err(error) = remains.destroy()
        {
            tracing::warn!(pod = sandbox, %error, "remains of a lost sandbox not removed");
        }
        pod.ended.notify_all();
        let _ = self.events.send(Event::Lost { pod: sandbox.to_owned() });
    }
}
