//! All containers: found by name or id, found again after a restart, cleared away at their end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pod::{Event, Pods};
use tokio::sync::broadcast::error::RecvError;

use crate::Settings;
use crate::entry::{Entry, Phase};
use crate::error::{Error, Result, chain};
use crate::record::Record;

/// How long an automatic removal waits for attached clients to read the rest.
const READ_REST: Duration = Duration::from_secs(10);

/// All containers this face made.
pub(crate) struct Containers {
    pub(crate) dir: PathBuf,
    pub(crate) pods: Pods,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
}

/// Runs what may block on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    action: &'static str,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(call).await.map_err(|_| Error::BrokenOff { action })?
}

impl Containers {
    /// Reads the records and goes on with what the last server left.
    pub(crate) async fn open(settings: &Settings) -> Result<Arc<Self>> {
        let dir = settings.data_dir.join("docker");
        let pods = settings.pods.clone();
        // Before the first look, so that nothing between the two is missed.
        let happened = pods.subscribe();
        let records = blocking("read the records of containers", {
            let dir = dir.clone();
            move || Record::load_all(&dir)
        })
        .await?;
        let containers = Arc::new(Self { dir, pods, entries: Mutex::default() });
        for record in records {
            // Taken for running: what has ended meanwhile is settled below.
            let entry = Entry::new(record, true);
            containers.lock().insert(entry.id.clone(), entry);
        }
        containers.sweep().await;
        for entry in containers.all() {
            containers.clone().settle_later(entry);
        }
        tokio::spawn(containers.clone().watch(happened));
        Ok(containers)
    }

    /// Pods of ours whose record was never written, or was removed: a crash in between.
    async fn sweep(&self) {
        for state in self.pods.list() {
            let id = state.spec.id;
            let known = self.dir.join(format!("{id}.json")).exists();
            if !state.spec.namespace.is_empty() || known {
                continue;
            }
            tracing::info!(pod = id, "removing a pod that belongs to no container");
            let pods = self.pods.clone();
            let removed =
                blocking("remove", move || pods.remove(&id).map_err(Error::pod("remove remains")));
            if let Err(error) = removed.await {
                tracing::warn!(error = chain(&error), "remains not removed");
            }
        }
    }

    async fn watch(self: Arc<Self>, mut happened: tokio::sync::broadcast::Receiver<Event>) {
        loop {
            match happened.recv().await {
                Ok(Event::Exited { pod, .. } | Event::Lost { pod }) => {
                    let entry = self.lock().get(&pod).cloned();
                    if let Some(entry) = entry {
                        self.clone().settle_later(entry);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    for entry in self.all() {
                        self.clone().settle_later(entry);
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    pub(crate) fn settle_later(self: Arc<Self>, entry: Arc<Entry>) {
        tokio::spawn(async move {
            if let Err(error) = self.settle(&entry).await {
                tracing::warn!(container = entry.id, error = chain(&error), "end not cleared away");
            }
        });
    }

    /// If the container has ended: tell who waits, give its sandbox back, remove it if asked.
    async fn settle(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<()> {
        let door = entry.door.lock().await;
        if !entry.progress.borrow().running {
            return Ok(());
        }
        let phase = entry.phase(&self.pods).0;
        let code = match &phase {
            Phase::Running(_) => return Ok(()),
            Phase::Exited(known) => known.exit.map_or(255, |exit| exit.code),
            Phase::Created => 0,
        };
        entry.progress.send_modify(|progress| {
            progress.running = false;
            progress.ends += 1;
            progress.code = code;
        });
        if !matches!(phase, Phase::Created) {
            let (pods, id) = (self.pods.clone(), entry.id.clone());
            // Its root stays, for a start later.
            blocking("end", move || {
                pods.end(&id, Duration::ZERO).map_err(Error::pod("give the sandbox back"))
            })
            .await?;
        }
        drop(door);
        let auto = entry.request().is_ok_and(|request| request.host_config.auto_remove);
        // Created and never started is no end, except after a crash between the two.
        if auto && !matches!(phase, Phase::Created) {
            self.remove(entry).await?;
        }
        Ok(())
    }

    /// Removes the container with all it wrote; attached clients read the rest first.
    pub(crate) async fn remove(&self, entry: &Arc<Entry>) -> Result<()> {
        entry.progress.send_modify(|progress| progress.leaving = true);
        let mut attached = entry.attached.subscribe();
        let read = attached.wait_for(|count| *count == 0);
        // A client that does not read must not keep it.
        drop(tokio::time::timeout(READ_REST, read).await);
        let _door = entry.door.lock().await;
        let (pods, id, dir) = (self.pods.clone(), entry.id.clone(), self.dir.clone());
        blocking("remove", move || {
            pods.remove(&id).map_err(Error::pod("remove container"))?;
            Record::forget(&dir, &id)
        })
        .await?;
        self.lock().remove(&entry.id);
        entry.progress.send_modify(|progress| progress.gone = true);
        Ok(())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        // The map is whole after every statement.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every container, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.record().created));
        all
    }

    /// By id, name, or the beginning of an id, in this order.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Entry>> {
        let entries = self.lock();
        if let Some(entry) = entries.get(name) {
            return Ok(entry.clone());
        }
        let bare = name.strip_prefix('/').unwrap_or(name);
        if let Some(entry) = entries.values().find(|entry| entry.record().name == bare) {
            return Ok(entry.clone());
        }
        let mut begin = entries.values().filter(|entry| entry.id.starts_with(name));
        match (begin.next(), begin.next()) {
            (Some(entry), None) if !name.is_empty() => Ok(entry.clone()),
            (Some(_), Some(_)) if !name.is_empty() => {
                Err(Error::Ambiguous { prefix: name.to_owned() })
            }
            _ => Err(Error::NoContainer { name: name.to_owned() }),
        }
    }
}
