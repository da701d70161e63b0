//! The door: one handle on all pods of this machine, and how they are found again at start.
//!
//! Each pod has a lock of its own ([`Pod::door`]) that serialises what is done to it, so that a
//! slow pod holds up no other. What the engine tells arrives on one thread (`events.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use engine::{Engine, Sandbox};
use image::Images;
use jiff::Timestamp;
use net::Net;
use tokio::sync::broadcast;

use crate::disk::{load, make_dir, save};
use crate::{ContainerState, Error, Event, Exit, Settings, State, memory};

/// Events kept for a subscriber that is behind; one that lags looks at [`Pods::list`] instead.
const EVENTS: usize = 1024;

/// All pods of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Pods {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) images: Images,
    pub(crate) net: Net,
    pub(crate) handle: tokio::runtime::Handle,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) pods: Mutex<BTreeMap<String, Arc<Pod>>>,
    /// Throw-away sandboxes of build steps: who waits, and the range of ids they hold.
    pub(crate) steps: Mutex<HashMap<String, RunningStep>>,
}

pub(crate) struct RunningStep {
    pub(crate) ended: mpsc::Sender<Exit>,
    pub(crate) ids_start: u32,
}

/// One pod in memory.
pub(crate) struct Pod {
    pub(crate) dir: PathBuf,
    /// Held while the pod is changed from outside.
    pub(crate) door: Mutex<()>,
    pub(crate) state: Mutex<State>,
    /// Told whenever a container of this pod ends.
    pub(crate) ended: Condvar,
    pub(crate) sandbox: Mutex<Option<Sandbox>>,
}

/// A poisoned lock means a bug elsewhere; the data behind ours is replaced whole, so it is sound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pods {
    /// Starts the engine and finds again every pod that outlived the last daemon.
    ///
    /// Blocks; must not be called on a thread that runs async tasks. The program must have
    /// called `engine::run_if_asked` first thing.
    pub fn start(
        settings: Settings,
        images: Images,
        net: Net,
        handle: tokio::runtime::Handle,
    ) -> Result<Self, Error> {
        make_dir(&settings.pods_dir())?;
        make_dir(&settings.run_dir)?;
        let engine_settings = engine::Settings {
            run_dir: settings.run_dir.join("keepers"),
            cgroup: settings.cgroup.clone(),
        };
        let (engine, told) = Engine::start(engine_settings).map_err(|source| Error::Engine {
            action: "start the engine of",
            id: settings.instance.clone(),
            source,
        })?;
        let adopted = engine.adopt().map_err(|source| Error::Engine {
            action: "find the containers of",
            id: settings.instance.clone(),
            source,
        })?;
        let pods = Self {
            inner: Arc::new(Inner {
                settings,
                engine,
                images,
                net,
                handle,
                events: broadcast::channel(EVENTS).0,
                pods: Mutex::default(),
                steps: Mutex::default(),
            }),
        };
        pods.find_again(adopted.alive)?;
        pods.inner.clone().listen(told);
        Ok(pods)
    }

    /// Joins what the engine still runs with what is written on disk. Neither is trusted alone:
    /// a sandbox without a file is destroyed, a file without a sandbox is marked as not alive.
    fn find_again(&self, alive: Vec<Sandbox>) -> Result<(), Error> {
        let mut sandboxes: BTreeMap<String, Sandbox> =
            alive.into_iter().map(|sandbox| (sandbox.id().to_owned(), sandbox)).collect();
        let dir = self.inner.settings.pods_dir();
        let entries = fs_err::read_dir(&dir).map_err(crate::disk::failed("list", &dir))?;
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let id = entry.file_name().to_string_lossy().into_owned();
            let state = match load(&path) {
                Ok(state) if state.spec.id == id => state,
                Ok(_) | Err(_) if !sandboxes.contains_key(&id) => {
                    // A crash between making the directory and writing the file: nothing ran.
                    tracing::warn!(pod = id, "removing a pod directory without a usable state");
                    self.inner.clean(&id, &path);
                    continue;
                }
                Ok(state) => state,
                Err(error) => {
                    tracing::warn!(pod = id, %error, "destroying a pod whose state is lost");
                    self.inner.clean(&id, &path);
                    continue;
                }
            };
            // One that the last daemon was only making may lack its address or its files: it stays
            // among those that are destroyed below, and the pod gets another.
            let sandbox = if state.alive { sandboxes.remove(&id) } else { None };
            self.inner.take_in(path, state, sandbox)?;
        }
        for (id, sandbox) in sandboxes {
            tracing::info!(
                pod = id,
                "destroying a sandbox that belongs to no pod, or was not finished"
            );
            if let Err(error) = sandbox.destroy() {
                tracing::warn!(pod = id, %error, "sandbox not destroyed");
            }
            self.inner.detach(&id);
        }
        // Steps end with the daemon that waited for them.
        crate::disk::remove_dir(&self.inner.settings.run_dir.join("steps"))?;
        memory::forget_all_but(
            &self.inner.settings,
            &lock(&self.inner.pods).keys().cloned().collect(),
        );
        let known: BTreeSet<String> = lock(&self.inner.pods).keys().cloned().collect();
        for (id, _) in self.inner.net.attachments() {
            if !known.contains(&id) {
                self.inner.detach(&id);
            }
        }
        Ok(())
    }

    /// Every pod here.
    pub fn list(&self) -> Vec<State> {
        let pods: Vec<_> = lock(&self.inner.pods).values().cloned().collect();
        pods.iter().map(|pod| lock(&pod.state).clone()).collect()
    }

    /// One pod, or `None` when it is not here.
    pub fn get(&self, pod_id: &str) -> Option<State> {
        let pod = lock(&self.inner.pods).get(pod_id).cloned()?;
        let state = lock(&pod.state).clone();
        Some(state)
    }

    /// What happens from now on. A subscriber that lags must look at [`Pods::list`].
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// The images containers are started from.
    pub fn images(&self) -> &Images {
        &self.inner.images
    }

    /// Where this start of a container writes its output.
    pub fn log_path(&self, pod_id: &str, container: &str, attempt: u32) -> Option<PathBuf> {
        Some(self.inner.settings.log(&self.get(pod_id)?.spec, container, attempt))
    }

    /// A directory for the pod's volumes that is removed with the pod.
    pub fn volumes_dir(&self, pod_id: &str) -> PathBuf {
        self.inner.settings.pod_dir(pod_id).join("volumes")
    }

    /// Bytes on disk of one of the volumes there; counting ends above `most`. Blocks.
    ///
    /// # Errors
    /// The volume cannot be read.
    pub fn volume_bytes(&self, pod_id: &str, name: &str, most: u64) -> Result<u64, Error> {
        let path = self.volumes_dir(pod_id).join(name);
        crate::tree::bytes(&path, most).map_err(crate::disk::failed("count the bytes of", &path))
    }

    /// The same in memory, for what must never reach a disk. Made when missing, gone after a
    /// power loss, removed with the pod.
    pub fn memory_dir(&self, pod_id: &str) -> Result<PathBuf, Error> {
        let dir = self.inner.settings.memory_dir(pod_id);
        memory::mount(&dir, None)?;
        Ok(dir)
    }

    /// A tmpfs of its own below [`Pods::memory_dir`], limited to `size_bytes`, mode 0777.
    pub fn memory_volume(
        &self,
        pod_id: &str,
        name: &str,
        size_bytes: Option<u64>,
    ) -> Result<PathBuf, Error> {
        let dir = self.memory_dir(pod_id)?.join(format!("{name}.tmpfs"));
        memory::mount(&dir, Some(size_bytes))?;
        Ok(dir)
    }
}

impl Inner {
    pub(crate) fn pod(&self, id: &str) -> Result<Arc<Pod>, Error> {
        lock(&self.pods).get(id).cloned().ok_or_else(|| Error::NoPod { id: id.to_owned() })
    }

    /// A free range of user ids. The caller records it before it lets go of the pods' lock.
    pub(crate) fn free_ids(&self, pods: &BTreeMap<String, Arc<Pod>>) -> Result<u32, Error> {
        let mut taken: BTreeSet<u32> =
            pods.values().filter_map(|pod| lock(&pod.state).ids_start).collect();
        taken.extend(lock(&self.steps).values().map(|step| step.ids_start));
        crate::ids::allocate(&self.settings.instance, &taken)
            .ok_or(Error::NoIds { count: taken.len() })
    }

    fn take_in(
        &self,
        dir: PathBuf,
        mut state: State,
        sandbox: Option<Sandbox>,
    ) -> Result<(), Error> {
        let id = state.spec.id.clone();
        match &sandbox {
            Some(sandbox) => {
                let known = sandbox.containers().map_err(|source| Error::Engine {
                    action: "ask for the containers of",
                    id: id.clone(),
                    source,
                })?;
                for container in &mut state.containers {
                    if container.exit.is_some() {
                        continue;
                    }
                    let engine_id = container.engine_id();
                    container.exit = match known.iter().find(|k| k.id == engine_id) {
                        Some(found) => found.exit.as_ref().map(crate::events::exit),
                        None => Some(unseen()),
                    };
                }
                if !state.spec.isolated {
                    match self.attach(&id, sandbox) {
                        Ok(ip) => state.ip = Some(ip),
                        Err(error) => tracing::warn!(pod = id, %error, "network not re-attached"),
                    }
                }
                state.alive = true;
            }
            None => {
                end_unseen(&mut state.containers);
                state.alive = false;
                self.detach(&id);
                memory::unmount(&self.settings.memory_dir(&id));
            }
        }
        save(&dir, &state)?;
        let pod = Pod {
            dir,
            door: Mutex::new(()),
            state: Mutex::new(state),
            ended: Condvar::new(),
            sandbox: Mutex::new(sandbox),
        };
        lock(&self.pods).insert(id, Arc::new(pod));
        Ok(())
    }

    /// Undoes whatever a pod may have left; failures are logged, since the next start tries again.
    fn clean(&self, id: &str, dir: &std::path::Path) {
        self.detach(id);
        memory::unmount(&self.settings.memory_dir(id));
        if let Err(error) = crate::disk::remove_dir(dir) {
            tracing::warn!(pod = id, %error, "remains not removed");
        }
    }

    pub(crate) fn detach(&self, id: &str) {
        if let Err(error) = self.handle.block_on(self.net.detach(id)) {
            tracing::warn!(pod = id, %error, "network not detached");
        }
    }
}

/// Stands in for the end of a process nobody saw: 255, as other runtimes report it.
pub(crate) fn unseen() -> Exit {
    Exit { code: 255, signal: None, oom_killed: false, finished_at: Timestamp::now(), unseen: true }
}

pub(crate) fn end_unseen(containers: &mut [ContainerState]) {
    for container in containers {
        container.exit.get_or_insert_with(unseen);
    }
}
