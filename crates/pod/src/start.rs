//! One container: image → root → user → mounts → process.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use engine::{ContainerSpec, Sandbox, Seccomp};
use image::Image;
use jiff::Timestamp;

use crate::disk::{make_dir, save};
use crate::mount::{index, open_etc, open_mount};
use crate::pods::{Pod, Pods, lock};
use crate::signal::stop_signal;
use crate::{Container, ContainerState, Error, RunAs, etc, shift};

/// Where programs are looked for when neither image nor pod says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Processes and threads of one container unless asked otherwise.
const PIDS: u64 = 1_024;

impl Pods {
    /// Starts a container in a pod that is alive. The same name may be started again with a higher
    /// attempt once the last one ended; the last two attempts keep their logs. A program that is
    /// not found or not executable is an error and also counts as ended, with 127 or 126.
    pub fn start_container(
        &self,
        pod_id: &str,
        container: &Container,
    ) -> Result<ContainerState, Error> {
        self.start_with(pod_id, container, false)
    }

    /// Starts a container that has ended once more: same attempt, what it wrote to its root is
    /// still there, and its log goes on in the same file.
    pub fn start_again(
        &self,
        pod_id: &str,
        container: &Container,
    ) -> Result<ContainerState, Error> {
        self.start_with(pod_id, container, true)
    }

    fn start_with(
        &self,
        pod_id: &str,
        container: &Container,
        again: bool,
    ) -> Result<ContainerState, Error> {
        let pod = self.inner.pod(pod_id)?;
        let _door = lock(&pod.door);
        let sandbox =
            lock(&pod.sandbox).clone().ok_or_else(|| Error::NoPod { id: pod_id.to_owned() })?;
        let image = self.image(&container.image)?;
        self.forget_last(pod_id, &pod, &sandbox, container, again)?;
        let scratch = self.inner.settings.scratch(pod_id, &container.name, container.attempt);
        let result = self.prepare_and_start(pod_id, &pod, &sandbox, container, &image, &scratch);
        if result.is_err()
            && !again
            && let Err(error) = crate::disk::remove_dir(&scratch)
        {
            tracing::warn!(pod = pod_id, %error, "scratch not removed");
        }
        result
    }

    /// The image of that name or digest.
    pub fn image(&self, name: &str) -> Result<Image, Error> {
        let found = self.inner.images.find(name).map_err(|source| Error::Image {
            action: "find",
            image: name.to_owned(),
            source,
        })?;
        found.ok_or_else(|| Error::NoImage { image: name.to_owned() })
    }

    fn prepare_and_start(
        &self,
        pod_id: &str,
        pod: &Pod,
        sandbox: &Sandbox,
        container: &Container,
        image: &Image,
        scratch: &Path,
    ) -> Result<ContainerState, Error> {
        let root = self.inner.root(image, scratch, sandbox)?;
        let user = who(root.as_fd(), container, &image.config.config.user)?;
        let mut opened = Vec::new();
        for mount in &container.mounts {
            opened.push(open_mount(mount, &user)?);
        }
        for (name, destination) in etc::FILES {
            let destination = PathBuf::from(destination);
            if !container.mounts.iter().any(|m| m.destination == destination) {
                opened.push(open_etc(&pod.dir.join("etc").join(name), destination)?);
            }
        }
        if let Some(base) = lock(&pod.state).ids_start {
            for one in &mut opened {
                let destination = one.mount.destination.clone();
                shift::if_needed(one, base)
                    .map_err(|source| Error::Owners { destination, source })?;
            }
        }
        let log =
            self.inner.settings.log(&lock(&pod.state).spec, &container.name, container.attempt);
        let record = describe(container, image, user, &log)?;
        let (mounts, sources) = index(opened);
        let spec = ContainerSpec {
            id: record.engine_id(),
            args: argv(container, image)?,
            env: record.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            cwd: record.cwd.clone(),
            user: engine::User { uid: record.uid, gid: record.gid, groups: record.groups.clone() },
            hostname: lock(&pod.state).spec.hostname.clone(),
            capabilities: record.capabilities.clone(),
            no_new_privs: !container.allow_privilege_escalation,
            seccomp: if container.seccomp_unconfined {
                Seccomp::Unconfined
            } else {
                Seccomp::Default
            },
            readonly_root: container.read_only_root,
            mounts,
            limits: limits(&container.limits),
            log: log.clone(),
            terminal: container.terminal,
            stdin: container.stdin,
            oom_score_adj: container.oom_score_adj,
        };
        make_dir(log.parent().unwrap_or(&log))?;
        // Recorded first: the process may end before `start` returns.
        let before = record_start(pod, &record)?;
        let borrowed: Vec<BorrowedFd<'_>> = sources.iter().map(AsFd::as_fd).collect();
        match sandbox.start(&spec, root.as_fd(), &borrowed) {
            Ok(_) => Ok(record),
            Err(source) => {
                let mut state = lock(&pod.state);
                if matches!(source.exit_code(), 126 | 127) {
                    // The program cannot be executed: that is how this container ended.
                    let exit = crate::Exit {
                        code: source.exit_code(),
                        signal: None,
                        oom_killed: false,
                        finished_at: Timestamp::now(),
                        unseen: false,
                    };
                    let mut failed = state.containers.iter_mut();
                    if let Some(failed) = failed.find(|c| c.name == record.name) {
                        failed.exit = Some(exit);
                    }
                } else {
                    state.containers = before;
                }
                save(&pod.dir, &state)?;
                Err(Error::Engine { action: "start", id: format!("{pod_id}/{}", spec.id), source })
            }
        }
    }

    /// Clears away the last start of the same container, keeping its log for `--previous`.
    fn forget_last(
        &self,
        pod_id: &str,
        pod: &Pod,
        sandbox: &Sandbox,
        container: &Container,
        keep: bool,
    ) -> Result<(), Error> {
        let last = lock(&pod.state).container(&container.name).cloned();
        let Some(last) = last else { return Ok(()) };
        if last.running() {
            return Err(Error::Refused {
                container: container.name.clone(),
                reason: format!("attempt {} still runs", last.attempt),
            });
        }
        // Gone already after a lost sandbox; what matters is that the name is free.
        if let Err(error) = sandbox.remove(&last.engine_id()) {
            tracing::debug!(pod = pod_id, %error, "last start was not in the engine");
        }
        if keep {
            return Ok(());
        }
        let scratch = self.inner.settings.scratch(pod_id, &last.name, last.attempt);
        crate::disk::remove_dir(&scratch)?;
        let logs = last.log.parent().unwrap_or(&last.log);
        prune_logs(logs, container.attempt.saturating_sub(1));
        Ok(())
    }
}

impl crate::pods::Inner {
    pub(crate) fn root(
        &self,
        image: &Image,
        scratch: &Path,
        sandbox: &Sandbox,
    ) -> Result<OwnedFd, Error> {
        make_dir(scratch)?;
        let userns = sandbox.userns();
        self.images
            .mount(image, scratch, userns.as_ref().map(AsFd::as_fd), false)
            .map_err(|source| Error::Image { action: "mount", image: image.digest.clone(), source })
    }
}

fn record_start(pod: &Pod, record: &ContainerState) -> Result<Vec<ContainerState>, Error> {
    let mut state = lock(&pod.state);
    let before = state.containers.clone();
    match state.containers.iter_mut().find(|c| c.name == record.name) {
        Some(slot) => *slot = record.clone(),
        None => state.containers.push(record.clone()),
    }
    save(&pod.dir, &state)?;
    Ok(before)
}

/// Removes logs of attempts before `oldest_kept` (`3.log`, `3.log.1`, …).
fn prune_logs(dir: &Path, oldest_kept: u32) {
    for entry in fs_err::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let attempt = name.split('.').next().and_then(|n| n.parse::<u32>().ok());
        if attempt.is_some_and(|attempt| attempt < oldest_kept)
            && let Err(error) = fs_err::remove_file(entry.path())
        {
            tracing::warn!(%error, "old log not removed");
        }
    }
}

fn describe(
    container: &Container,
    image: &Image,
    user: image::user::User,
    log: &Path,
) -> Result<ContainerState, Error> {
    let config = &image.config.config;
    Ok(ContainerState {
        name: container.name.clone(),
        attempt: container.attempt,
        image_digest: image.digest.clone(),
        image: container.image.clone(),
        stop_signal: stop_signal(config.stop_signal.as_deref()),
        started_at: Timestamp::now(),
        exit: None,
        log: log.to_owned(),
        env: environment(config, container, &user.home),
        cwd: working_dir(&config.working_dir, container)?,
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
        capabilities: container.capabilities.clone(),
        terminal: container.terminal,
    })
}

fn argv(container: &Container, image: &Image) -> Result<Vec<String>, Error> {
    let config = &image.config.config;
    let mut argv = match &container.command {
        Some(command) => command.clone(),
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    match (&container.args, &container.command) {
        (Some(args), _) => argv.extend(args.iter().cloned()),
        (None, Some(_)) => {}
        (None, None) => argv.extend(config.cmd.iter().flatten().cloned()),
    }
    if argv.is_empty() {
        return Err(Error::Refused {
            container: container.name.clone(),
            reason: "no command given and the image names none".to_owned(),
        });
    }
    Ok(argv)
}

/// The image's variables, then the pod's over them; PATH and HOME are always there.
fn environment(
    config: &image::ContainerConfig,
    container: &Container,
    home: &str,
) -> Vec<(String, String)> {
    let image = config.env.iter().map(|line| match line.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (line.clone(), String::new()),
    });
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut env: Vec<(String, String)> = Vec::new();
    let first = [("PATH".to_owned(), PATH.to_owned()), ("HOME".to_owned(), home.to_owned())];
    for (name, value) in first.into_iter().chain(image).chain(container.env.iter().cloned()) {
        if let Some(place) = places.get(&name) {
            env[*place].1 = value;
        } else {
            places.insert(name.clone(), env.len());
            env.push((name, value));
        }
    }
    env
}

fn working_dir(image: &str, container: &Container) -> Result<PathBuf, Error> {
    let dir = match &container.working_dir {
        Some(dir) => dir.clone(),
        None if image.is_empty() => PathBuf::from("/"),
        None => PathBuf::from(image),
    };
    if dir.is_absolute() {
        return Ok(dir);
    }
    Err(Error::Refused {
        container: container.name.clone(),
        reason: format!("working directory {} is not absolute", dir.display()),
    })
}

pub(crate) fn limits(limits: &crate::Limits) -> engine::Limits {
    engine::Limits {
        memory_bytes: limits.memory_bytes,
        cpu_millis: limits.cpu_millis,
        cpu_shares: limits.cpu_shares,
        pids: Some(limits.pids.unwrap_or(PIDS)),
    }
}

/// Joins the image's user with the pod's overrides and resolves them inside the root.
fn who(
    root: BorrowedFd<'_>,
    container: &Container,
    image_user: &str,
) -> Result<image::user::User, Error> {
    let RunAs { user, group, supplemental, non_root } = &container.run_as;
    let mut asked = user.clone().unwrap_or_else(|| image_user.to_owned());
    if let Some(group) = group {
        let name = asked.split(':').next().filter(|n| !n.is_empty()).unwrap_or("0");
        asked = format!("{name}:{group}");
    }
    let mut found = image::user::resolve(root, &asked).map_err(|source| Error::Image {
        action: "find the user in",
        image: container.image.clone(),
        source,
    })?;
    if *non_root && found.uid == 0 {
        return Err(Error::Refused {
            container: container.name.clone(),
            reason: "container has runAsNonRoot and image will run as root".to_owned(),
        });
    }
    for extra in supplemental {
        if !found.groups.contains(extra) {
            found.groups.push(*extra);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "start/tests.rs"]
mod tests;
