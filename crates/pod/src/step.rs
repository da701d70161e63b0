//! One step of a build: a command in a throw-away pod, its output as it comes, its changes in
//! the scratch directory.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use engine::{ContainerSpec, Sandbox, Seccomp};
use jiff::Timestamp;

use crate::disk::{make_dir, remove_dir};
use crate::log::{LogOptions, follow};
use crate::mount::{index, open_bind};
use crate::pods::{Pods, RunningStep, lock};
use crate::start::limits;
use crate::{Error, Exit, Limits, Spec, Step, capabilities, etc};

/// Distinguishes steps of one daemon; the time distinguishes daemons.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Pods {
    /// Runs one build step to its end. Everything but `step.scratch` is gone afterwards, also
    /// when it fails; a daemon that dies meanwhile leaves a sandbox that the next one destroys.
    pub fn run_step(&self, step: Step<'_>) -> Result<Exit, Error> {
        let id = format!(
            "step-{:x}-{}",
            Timestamp::now().as_microsecond(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = self.inner.settings.run_dir.join("steps").join(&id);
        let (ended, end) = mpsc::channel();
        let ids_start = {
            let pods = lock(&self.inner.pods);
            let ids_start = self.inner.free_ids(&pods)?;
            lock(&self.inner.steps).insert(id.clone(), RunningStep { ended, ids_start });
            ids_start
        };
        let result = make_dir(&dir)
            .and_then(|()| self.inner.new_sandbox(&id, "build", &[], Some(ids_start)))
            .and_then(|sandbox| {
                let result = self.run_in(&id, &dir, &sandbox, step, &end);
                self.inner.detach(&id);
                let gone = sandbox.destroy().map_err(|source| Error::Engine {
                    action: "destroy sandbox",
                    id: id.clone(),
                    source,
                });
                result.and_then(|exit| gone.map(|()| exit))
            });
        lock(&self.inner.steps).remove(&id);
        let removed = remove_dir(&dir);
        let exit = result?;
        removed?;
        Ok(exit)
    }

    fn run_in(
        &self,
        id: &str,
        dir: &Path,
        sandbox: &Sandbox,
        step: Step<'_>,
        end: &mpsc::Receiver<Exit>,
    ) -> Result<Exit, Error> {
        let root = self.inner.root(step.image, step.scratch, sandbox)?;
        let asked = step.user.as_deref().unwrap_or("");
        let user = image::user::resolve(root.as_fd(), asked).map_err(|source| Error::Image {
            action: "find the user in",
            image: step.image.digest.clone(),
            source,
        })?;
        let mut opened = Vec::new();
        for (path, destination, read_only) in &step.binds {
            opened.push(open_bind(path, destination, *read_only)?);
        }
        // Without network the files are mounted too, or the stubs differ and with them the layer.
        let ip = if step.network { Some(self.inner.attach(id, sandbox)?) } else { None };
        let spec = Spec { hostname: "build".into(), dns: self.inner.host_dns(), ..Spec::default() };
        etc::write(&dir.join("etc"), &spec, ip)?;
        for (name, destination) in etc::FILES {
            opened.push(open_bind(&dir.join("etc").join(name), Path::new(destination), false)?);
        }
        let (mounts, sources) = index(opened);
        let log = dir.join("output.log");
        let container = ContainerSpec {
            id: "step".to_owned(),
            args: step.argv,
            env: step.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            cwd: if step.cwd.as_os_str().is_empty() { PathBuf::from("/") } else { step.cwd },
            user: engine::User { uid: user.uid, gid: user.gid, groups: user.groups },
            hostname: "build".to_owned(),
            capabilities: capabilities::DEFAULT.iter().map(|c| (*c).to_owned()).collect(),
            no_new_privs: true,
            seccomp: Seccomp::Default,
            readonly_root: false,
            mounts,
            // Compilers start many threads; a fork bomb still ends here.
            limits: limits(&Limits { pids: Some(8_192), ..Limits::default() }),
            log: log.clone(),
            terminal: false,
            stdin: false,
            oom_score_adj: None,
        };
        let borrowed: Vec<_> = sources.iter().map(AsFd::as_fd).collect();
        sandbox.start(&container, root.as_fd(), &borrowed).map_err(|source| Error::Engine {
            action: "start build step",
            id: id.to_owned(),
            source,
        })?;
        stream(&log, step.output, end, step.cancel)
    }
}

/// Passes the log's text on until the step has ended and all of it is read, or nobody wants it
/// any more: the caller then destroys the sandbox, which kills whatever runs in it.
fn stream(
    log: &Path,
    output: &mut dyn FnMut(&[u8]),
    end: &mpsc::Receiver<Exit>,
    cancel: Option<&AtomicBool>,
) -> Result<Exit, Error> {
    let cancelled = || cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
    let mut exit = None;
    let mut running = || {
        if exit.is_none() {
            exit = end.try_recv().ok();
        }
        exit.is_none()
    };
    let mut sink = |text: &[u8]| {
        if !text.is_empty() {
            output(text);
        }
        if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options =
        LogOptions { follow: true, tick: Duration::from_millis(20), ..LogOptions::default() };
    follow(log, &options, &mut running, &mut sink).map_err(crate::disk::failed("read", log))?;
    if cancelled() {
        let (code, signal) = (128 + libc::SIGKILL, Some(libc::SIGKILL));
        return Ok(Exit { code, signal, ..crate::pods::unseen() });
    }
    exit.map_or_else(|| Ok(crate::pods::unseen()), Ok)
}
