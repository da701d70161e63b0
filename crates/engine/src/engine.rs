//! The daemon's door: the zygote, the event thread, and the sandboxes that are or were.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroup::{self, Group, Root};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::keeper::{self, record};
use crate::sandbox::{check_ids, dial, remains};
use crate::wire::{self, Create, Reply, Request};
use crate::zygote::{GROUP, Zygote};
use crate::{Event, Sandbox, SandboxSpec};

/// How long a keeper may take to say that it is there.
const KEEPER_PATIENCE: Duration = Duration::from_secs(30);
/// What the zygote and keepers say when nobody hears them.
const LOG: &str = "keepers.log";

/// Where an engine lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the keepers' sockets and state, private to root; for example `/run/shelf/keepers`.
    pub run_dir: PathBuf,
    /// Name of this engine's cgroup under each hierarchy's root, for example `shelf-a1b2c3`.
    pub cgroup: String,
}

/// What [`Engine::adopt`] found.
#[derive(Debug)]
pub struct Adopted {
    /// Sandboxes whose keeper runs.
    pub alive: Vec<Sandbox>,
    /// Ids of sandboxes whose keeper was dead; their remains are cleaned.
    pub gone: Vec<String>,
}

/// The engine: makes sandboxes through the zygote. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    run_dir: PathBuf,
    roots: Vec<Root>,
    zygote: Mutex<Zygote>,
    events: Arc<Events>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.zygote.get_mut().unwrap_or_else(PoisonError::into_inner).end();
        // Keepers that live on keep both.
        Group::new(&self.roots, GROUP).remove_if_empty();
        Group::new(&self.roots, "").remove_if_empty();
    }
}

/// First call in `main`: when this process was started as the zygote, runs it and never returns.
pub fn run_if_asked() {
    crate::zygote::run_if_asked();
}

impl Engine {
    /// Starts the zygote and the event thread.
    ///
    /// # Errors
    /// No cgroups, no run folder, or no zygote.
    pub fn start(settings: Settings) -> Result<(Self, Receiver<Event>)> {
        check_id("cgroup", &settings.cgroup)?;
        let Settings { run_dir, cgroup } = settings;
        private_dir(&run_dir)?;
        let roots = cgroup::roots(&cgroup)?;
        Group::new(&roots, "").restrict_devices().map_err(|(path, source)| Error::File {
            operation: "restrict devices in",
            path,
            source,
        })?;
        let zygote = Zygote::start(&run_dir.join(LOG), &roots)?;
        let (sender, receiver) = channel();
        let events = Events::start(sender)
            .map_err(|source| Error::Zygote { operation: "watch beside", source })?;
        let inner = Inner { run_dir, roots, zygote: Mutex::new(zygote), events: Arc::new(events) };
        Ok((Self { inner: Arc::new(inner) }, receiver))
    }

    /// Finds the keepers that outlived an earlier daemon and cleans up after dead ones.
    ///
    /// Exits that happened meanwhile are in [`Sandbox::containers`]; later ones are events.
    ///
    /// # Errors
    /// The run folder cannot be read.
    pub fn adopt(&self) -> Result<Adopted> {
        let run_dir = &self.inner.run_dir;
        let fail = |source| Error::File { operation: "read", path: run_dir.clone(), source };
        let mut adopted = Adopted { alive: Vec::new(), gone: Vec::new() };
        for entry in fs::read_dir(run_dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(id) = entry.file_name().into_string() else { continue };
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match self.meet(&id, &entry.path()) {
                Ok(sandbox) => adopted.alive.push(sandbox),
                Err(error) => {
                    tracing::warn!(sandbox = id, %error, "keeper is gone: cleaning up");
                    let recorded = record::Sandbox::read(&entry.path());
                    let roots = recorded.map_or_else(|_| self.inner.roots.clone(), |r| r.roots);
                    remains(&id, &entry.path(), &roots)?;
                    adopted.gone.push(id);
                }
            }
        }
        Ok(adopted)
    }

    fn meet(&self, id: &str, dir: &Path) -> io::Result<Sandbox> {
        let connection = dial(dir)?;
        wire::send(connection.as_fd(), &Request::Subscribe, &[])?;
        match answer(&connection)? {
            Some((Reply::Done, fds)) => self.hold(id, dir, fds, connection),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Makes a sandbox: its keeper, namespaces and cgroup.
    ///
    /// # Errors
    /// An invalid spec, an id in use, or what the kernel refused.
    pub fn create(&self, spec: &SandboxSpec) -> Result<Sandbox> {
        check_id("sandbox id", &spec.id)?;
        check_ids(spec.ids)?;
        if spec.hostname.len() > 63 {
            let reason = format!("{} bytes, at most 63", spec.hostname.len());
            return Err(Error::Invalid { field: "hostname", reason });
        }
        if let Some((name, _)) = spec.sysctls.iter().find(|(n, _)| !keeper::is_namespaced(n)) {
            let reason = format!("{name:?} does not belong to a pod's namespaces");
            return Err(Error::Invalid { field: "sysctls", reason });
        }
        let dir = self.inner.run_dir.join(&spec.id);
        match make_dir(&dir) {
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                let reason = format!("{:?} is in use", spec.id);
                return Err(Error::Invalid { field: "sandbox id", reason });
            }
            result => result.map_err(|source| Error::File {
                operation: "make",
                path: dir.clone(),
                source,
            })?,
        }
        let made = self.ask_zygote(spec, &dir);
        if made.is_err() {
            // The keeper has cleaned what it made; the folder was ours.
            let _ = fs::remove_dir_all(&dir);
        }
        made
    }

    fn ask_zygote(&self, spec: &SandboxSpec, dir: &Path) -> Result<Sandbox> {
        let fail = |source| Error::Keeper { operation: "make", sandbox: spec.id.clone(), source };
        let create = Create {
            spec: spec.clone(),
            run_dir: self.inner.run_dir.clone(),
            roots: self.inner.roots.clone(),
        };
        let first = self.ask_once(&create).map_err(fail)?;
        let (reply, connection) = match first {
            (None, _) => {
                let mut zygote = self.zygote();
                if !zygote.is_gone() {
                    return Err(fail(io::ErrorKind::UnexpectedEof.into()));
                }
                tracing::warn!("the zygote is gone: starting another");
                *zygote = Zygote::start(&self.inner.run_dir.join(LOG), &self.inner.roots)?;
                drop(zygote);
                self.ask_once(&create).map_err(fail)?
            }
            answered => answered,
        };
        match reply {
            Some((Reply::Done, fds)) => self.hold(&spec.id, dir, fds, connection).map_err(fail),
            Some((Reply::Failed { step, errno }, _)) => Err(Error::Start {
                id: spec.id.clone(),
                step,
                source: io::Error::from_raw_os_error(errno),
            }),
            Some(_) => Err(fail(io::ErrorKind::InvalidData.into())),
            None => Err(fail(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn zygote(&self) -> MutexGuard<'_, Zygote> {
        self.inner.zygote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a keeper; no answer at all means that the zygote or the keeper died.
    fn ask_once(&self, create: &Create) -> io::Result<(Option<Answer>, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // A dead zygote shows as the end of our connection, too.
        let _ = self.zygote().create(create, theirs.as_fd());
        drop(theirs);
        Ok((answer(&ours)?, ours))
    }

    fn hold(
        &self,
        id: &str,
        dir: &Path,
        namespaces: Vec<OwnedFd>,
        connection: OwnedFd,
    ) -> io::Result<Sandbox> {
        let Inner { roots, events, .. } = &*self.inner;
        let sandbox = Sandbox::new(id, dir.to_owned(), roots, namespaces, events)?;
        events.add(id, connection)?;
        Ok(sandbox)
    }
}

/// What a keeper says, with its namespaces.
type Answer = (Reply, Vec<OwnedFd>);

/// The first answer on a connection, within the keeper's patience.
fn answer(connection: &OwnedFd) -> io::Result<Option<Answer>> {
    let timeout = Timespec::try_from(KEEPER_PATIENCE).ok();
    match poll(&mut [PollFd::new(connection, PollFlags::IN)], timeout.as_ref())? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => match wire::receive(connection.as_fd()) {
            // The other end died with our message unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            answer => answer,
        },
    }
}

/// Ids become file names and cgroup names: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
pub(crate) fn check_id(field: &'static str, id: &str) -> Result<()> {
    let first = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if first && rest && id.len() <= 128 {
        return Ok(());
    }
    let reason = format!("{id:?} is not of letters, digits, '.', '_' and '-'");
    Err(Error::Invalid { field, reason })
}

fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(dir)
}

fn private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let fail = |source| Error::File { operation: "make", path: dir.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn ids_are_plain_names() {
        for good in ["a", "0f3c-1", "web.1_x"] {
            assert!(check_id("id", good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in ["", ".", "..", "-a", "_keepers", "a/b", "a b", "ä", "a\0", &long] {
            assert!(check_id("id", bad).is_err(), "{bad:?}");
        }
    }
}
