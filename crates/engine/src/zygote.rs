//! The zygote: the same binary started again, small and single-threaded, that forks keepers.
//!
//! The daemon never forks itself: it has threads, a large heap and secrets. The zygote has
//! none, is not dumpable, lives in its own session and cgroup beside the daemon's, and ends
//! when the daemon's socket closes; keepers live on. Its program file is a read-only private
//! mount where the kernel allows, so that no container can write to the binary through
//! /proc/<pid>/exe (CVE-2019-5736).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::cgroup::{Group, Root};
use crate::error::{Error, Result};
use crate::keeper;
use crate::sys::{self, Side};
use crate::wire::{self, Create};

/// The name that makes `run_if_asked` a zygote.
const NAME: &str = "shelf-zygote";
/// The cgroup of zygote and keepers below our root; no sandbox id can start like this.
pub(crate) const GROUP: &str = "_keepers";
/// How long a process whose death is certain may take to let go of its files.
const DYING: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The daemon's side.
#[derive(Debug)]
pub(crate) struct Zygote {
    socket: Option<OwnedFd>,
    process: Child,
}

impl Zygote {
    /// Starts it; what it has to say in despair goes to `log`.
    pub(crate) fn start(log: &Path, roots: &[Root]) -> Result<Self> {
        let fail = |source| Error::Zygote { operation: "start", source };
        let group = Group::new(roots, GROUP);
        group.create().map_err(|(path, source)| Error::File {
            operation: "make cgroup",
            path,
            source,
        })?;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|errno| fail(errno.into()))?;
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|source| Error::File { operation: "open", path: log.to_owned(), source })?;
        let copy = read_only_self();
        let program = match &copy {
            Some(fd) => format!("/proc/self/fd/{}", fd.as_raw_fd()),
            None => "/proc/self/exe".to_owned(),
        };
        let process = Command::new(program)
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(fail)?;
        let zygote = Self { socket: Some(ours), process };
        // The first message says where to live, before anything is forked.
        wire::send(zygote.socket()?, &roots, &[]).map_err(fail)?;
        Ok(zygote)
    }

    fn socket(&self) -> Result<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd).ok_or_else(|| Error::Zygote {
            operation: "talk to",
            source: std::io::ErrorKind::NotConnected.into(),
        })
    }

    /// Asks for a keeper that answers on `connection`.
    pub(crate) fn create(&self, create: &Create, connection: BorrowedFd<'_>) -> Result<()> {
        wire::send(self.socket()?, create, &[connection])
            .map_err(|source| Error::Zygote { operation: "ask", source })
    }
}

impl Zygote {
    /// Whether it has ended by itself; its socket knows before it can be waited for.
    ///
    /// Asked after an answer that never came, it waits up to [`DYING`]: a process that ends
    /// lets go of the connection it was just handed before it lets go of its own socket (the
    /// kernel closes the newest file first), so the end of that connection can be heard while
    /// the zygote still looks alive.
    pub(crate) fn is_gone(&self) -> bool {
        let Some(socket) = &self.socket else { return true };
        let mut set = [PollFd::new(socket, PollFlags::empty())];
        let polled = poll(&mut set, Some(&DYING));
        polled.is_ok() && set[0].revents().contains(PollFlags::HUP)
    }
}

impl Zygote {
    /// Ends it: its socket's end is its own; waiting keeps no zombie. Twice is fine.
    pub(crate) fn end(&mut self) {
        self.socket = None;
        let _ = self.process.wait();
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.end();
    }
}

/// Our program through a private read-only mount; `None` if the kernel refuses.
fn read_only_self() -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = open_tree(CWD, "/proc/self/exe", flags).ok()?;
    let attributes = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    sys::mount_setattr(copy.as_fd(), attributes, None).ok()?;
    Some(copy)
}

/// Runs the zygote if that is what this process was started as.
pub(crate) fn run_if_asked() {
    if std::env::args_os().next().is_some_and(|name| name == NAME) {
        run();
    }
}

fn run() -> ! {
    let Ok(socket) = sys::inherited(0) else { sys::exit_now(64) };
    // Best effort: already a session leader is fine, and a kernel without these still runs us.
    let _ = rustix::process::setsid();
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::thread::set_name(c"shelf-zygote");
    // The allocator has asked the kernel for none in this process; containers may have them.
    let _ = rustix::thread::disable_transparent_huge_pages(false);
    let _ = sys::close_range(3, u32::MAX);
    sys::ignore_children();
    let roots: Vec<Root> = match wire::receive(socket.as_fd()) {
        Ok(Some((roots, _))) => roots,
        _ => sys::exit_now(64),
    };
    if let Err((path, error)) = Group::new(&roots, GROUP).enter() {
        despair(&format!("enter cgroup {}: {error}", path.display()));
    }
    // Built here once: every fork shares the pages.
    let _ = crate::seccomp::program();
    loop {
        let (create, mut connections) = match wire::receive::<Create>(socket.as_fd()) {
            Ok(Some(message)) => message,
            Ok(None) => sys::exit_now(0),
            Err(error) => {
                despair(&format!("receive: {error}"));
                sys::exit_now(1);
            }
        };
        let Some(connection) = connections.pop() else { continue };
        match sys::fork(0, None) {
            Ok(Side::Child) => keeper::run(create, connection),
            // The closed connection tells the daemon.
            Err(error) => despair(&format!("fork: {error}")),
            Ok(Side::Parent(..)) => {}
        }
    }
}

/// Last words, to the log file behind descriptor 2.
pub(crate) fn despair(words: &str) {
    let line = format!("{} {words}\n", jiff::Timestamp::now());
    // Nothing is left to tell if even this fails.
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
