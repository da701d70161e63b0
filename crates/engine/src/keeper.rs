//! A keeper: one small process per sandbox, parent of its containers.
//!
//! It holds the pod's namespaces, reads the containers' output into log files, reaps them,
//! records their exits on disk and answers the daemon on a socket in the run folder. It depends
//! on no daemon being there: one may die and another take over. One thread, one poll loop;
//! nothing in it waits for a daemon, a container or a client.
//!
//! Next: `keeper/container.rs`, `keeper/exec.rs`, `launch.rs`.

mod container;
mod exec;
mod log;
mod namespaces;
pub(crate) mod record;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

pub(crate) use namespaces::{Namespaces, is_namespaced};

use crate::cgroup::Group;
use crate::launch::{Failure, Step, at, at_cgroup};
use crate::wire::{self, Create, Reply, Request};
use crate::zygote::despair;
use crate::{ContainerSpec, sys};
use container::Container;
use exec::Exec;

/// Connections that have not asked anything yet.
const CLIENT_COUNT: usize = 64;
/// How long killed processes may take to end before a caller is told otherwise.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// What a descriptor in the poll set belongs to.
#[derive(Debug, Clone, Copy)]
enum Token {
    Listener,
    Client(u32),
    Subscriber(u32),
    Pipe(u32, usize),
    Starting(u32),
    Process(u32),
    ExecStarting(u32),
    ExecProcess(u32),
    ExecClient(u32),
}

struct Keeper {
    dir: PathBuf,
    group: Group,
    namespaces: Namespaces,
    listener: OwnedFd,
    next: u32,
    clients: BTreeMap<u32, OwnedFd>,
    subscribers: BTreeMap<u32, OwnedFd>,
    containers: BTreeMap<u32, Container>,
    execs: BTreeMap<u32, Exec>,
}

/// Runs a keeper in a process freshly forked from the zygote. `connection` gets the answer and
/// becomes the first subscriber.
pub(crate) fn run(create: Create, connection: OwnedFd) -> ! {
    let dir = create.run_dir.join(&create.spec.id);
    match begin(&create, &dir, connection) {
        Ok(mut keeper) => loop {
            keeper.turn();
        },
        Err((Failure { step, errno }, connection)) => {
            let _ = Group::new(&create.roots, &create.spec.id).remove();
            let _ = record::remove(&dir);
            let _ = wire::send(connection.as_fd(), &Reply::Failed { step, errno }, &[]);
            sys::exit_now(1);
        }
    }
}

fn begin(create: &Create, dir: &Path, connection: OwnedFd) -> Result<Keeper, (Failure, OwnedFd)> {
    match make(create, dir) {
        Ok(mut keeper) => {
            keeper.subscribe(connection);
            Ok(keeper)
        }
        Err(failure) => Err((failure, connection)),
    }
}

fn make(create: &Create, dir: &Path) -> Step<Keeper> {
    sys::reset_signals();
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"shelf-keeper");
    let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(at("open /dev/null"))?;
    // Descriptor 0 was the zygote's socket: its end must be seen by the zygote alone.
    sys::place(null.as_fd(), 0).map_err(at("leave the zygote's socket"))?;
    sys::place(null.as_fd(), 1).map_err(at("leave the zygote's socket"))?;
    drop(null);

    let group = Group::new(&create.roots, &create.spec.id);
    group.create().map_err(at_cgroup)?;
    group.delegate();
    group.limit(&create.spec.limits).map_err(at_cgroup)?;
    let namespaces = Namespaces::make(&create.spec)?;
    let listener = socket(dir).map_err(at(format!("listen in {}", dir.display())))?;
    record::Sandbox::new(&create.spec, &create.roots)
        .write(dir)
        .map_err(at(format!("record in {}", dir.display())))?;
    Ok(Keeper {
        dir: dir.to_owned(),
        group,
        namespaces,
        listener,
        next: 0,
        clients: BTreeMap::new(),
        subscribers: BTreeMap::new(),
        containers: BTreeMap::new(),
        execs: BTreeMap::new(),
    })
}

/// A socket's address through a descriptor: sun_path holds 108 bytes, run folders may be deeper.
pub(crate) fn address(dir: &OwnedFd) -> rustix::io::Result<SocketAddrUnix> {
    use std::os::fd::AsRawFd;
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), record::SOCKET))
}

fn socket(dir: &Path) -> io::Result<OwnedFd> {
    let folder = OwnedFd::from(std::fs::File::open(dir)?);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &address(&folder)?);
    rustix::process::umask(mask);
    bound?;
    listen(&socket, 64)?;
    Ok(socket)
}

impl Keeper {
    fn key(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Waits for one round of news and deals with it.
    fn turn(&mut self) {
        let ready = self.wait();
        let now = Instant::now();
        for exec in self.execs.values_mut() {
            if exec.deadline.is_some_and(|deadline| deadline <= now) {
                exec.deadline = None;
                let _ = sys::signal(exec.pidfd.as_fd(), libc::SIGKILL);
            }
        }
        for token in ready {
            match token {
                Token::Listener => self.accept(),
                Token::Client(key) => self.request(key),
                Token::Subscriber(key) => {
                    // Subscribers say nothing: news is their end.
                    self.subscribers.remove(&key);
                }
                Token::Starting(key) => self.starting(key),
                Token::Pipe(key, index) => {
                    if let Some(container) = self.containers.get_mut(&key) {
                        container.read(index);
                    }
                }
                Token::Process(key) => self.exited(key),
                Token::ExecStarting(key) => {
                    if let Some(exec) = self.execs.get_mut(&key)
                        && !exec.channel_ready()
                    {
                        exec.client_gone = true;
                    }
                }
                Token::ExecProcess(key) => {
                    if self.execs.get(&key).is_some_and(Exec::reap) {
                        self.execs.remove(&key);
                    }
                }
                Token::ExecClient(key) => {
                    if let Some(exec) = self.execs.get_mut(&key) {
                        exec.hang_up();
                    }
                }
            }
        }
    }

    /// Tokens with news. A container's pipes come with the highest index first, so that reading
    /// one to its end does not shift the others, and before its process, so that an exit comes
    /// after the output; a start comes before everything of the same container.
    fn wait(&self) -> Vec<Token> {
        let mut set: Vec<(Token, BorrowedFd<'_>)> = vec![(Token::Listener, self.listener.as_fd())];
        for (key, container) in &self.containers {
            if let Some((channel, _)) = &container.starting {
                set.push((Token::Starting(*key), channel.as_fd()));
            }
            for (index, pipe) in container.pipes.iter().enumerate().rev() {
                set.push((Token::Pipe(*key, index), pipe.file.as_fd()));
            }
            if let Some(pidfd) = &container.pidfd {
                set.push((Token::Process(*key), pidfd.as_fd()));
            }
        }
        for (key, exec) in &self.execs {
            if let Some(channel) = &exec.channel {
                set.push((Token::ExecStarting(*key), channel.as_fd()));
            }
            set.push((Token::ExecProcess(*key), exec.pidfd.as_fd()));
            if !exec.client_gone {
                set.push((Token::ExecClient(*key), exec.client.as_fd()));
            }
        }
        set.extend(self.subscribers.iter().map(|(key, fd)| (Token::Subscriber(*key), fd.as_fd())));
        set.extend(self.clients.iter().map(|(key, fd)| (Token::Client(*key), fd.as_fd())));
        let mut fds: Vec<PollFd<'_>> =
            set.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let next = self.execs.values().filter_map(|exec| exec.deadline).min();
        let timeout = next
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
            .and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                // Never seen; without this it would spin.
                despair(&format!("poll: {errno}"));
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        let ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>();
        set.into_iter()
            .zip(ready)
            .filter(|(_, ready)| *ready)
            .map(|((token, _), _)| token)
            .collect()
    }

    fn accept(&mut self) {
        let Ok(client) = accept_with(&self.listener, SocketFlags::CLOEXEC) else { return };
        let ours = rustix::process::geteuid();
        if socket_peercred(&client).is_ok_and(|peer| peer.uid == ours)
            && self.clients.len() < CLIENT_COUNT
        {
            let key = self.key();
            self.clients.insert(key, client);
        }
    }

    fn subscribe(&mut self, client: OwnedFd) {
        let mut fds = vec![self.namespaces.net.as_fd()];
        fds.extend(self.namespaces.user.as_ref().map(AsFd::as_fd));
        if wire::send(client.as_fd(), &Reply::Done, &fds).is_ok() {
            let key = self.key();
            self.subscribers.insert(key, client);
        }
    }

    /// One request a connection; the connection ends with the answer unless something keeps it.
    fn request(&mut self, key: u32) {
        let Some(client) = self.clients.remove(&key) else { return };
        let (request, fds) = match wire::receive::<Request>(client.as_fd()) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => {
                let _ = wire::send(client.as_fd(), &refused(error.to_string()), &[]);
                return;
            }
        };
        let reply = match request {
            Request::Start(spec) => return self.start(&spec, fds, client),
            Request::Exec { container, spec, stdio } => {
                let Some(found) = self.find(&container).and_then(|key| self.containers.get(&key))
                else {
                    let _ = wire::send(client.as_fd(), &unknown(&container), &[]);
                    return;
                };
                match Exec::start(found, &spec, stdio, fds, &self.namespaces, client) {
                    Ok(exec) => {
                        let key = self.key();
                        self.execs.insert(key, exec);
                    }
                    Err((failure, client)) => fail(&client, failure),
                }
                return;
            }
            Request::Subscribe => return self.subscribe(client),
            Request::Destroy => return self.destroy(&client),
            Request::Attach { container } => {
                let input =
                    self.find(&container).and_then(|key| self.containers.get(&key)?.input.as_ref());
                let fds: Vec<_> = input.map(AsFd::as_fd).into_iter().collect();
                let _ = wire::send(client.as_fd(), &Reply::Done, &fds);
                return;
            }
            Request::Kill { container, signal } => self.kill(&container, signal),
            Request::CloseStdin { container } => match self.find_mut(&container) {
                Some(found) => {
                    found.input = None;
                    Reply::Done
                }
                None => unknown(&container),
            },
            Request::Containers => {
                let there = self.containers.values().filter(|c| c.starting.is_none());
                Reply::Containers(there.map(|container| container.state.clone()).collect())
            }
            Request::Remove { container } => self.remove(&container),
        };
        // A caller that has gone needs no answer.
        let _ = wire::send(client.as_fd(), &reply, &[]);
    }

    fn find(&self, id: &str) -> Option<u32> {
        self.containers.iter().find(|(_, c)| c.state.id == id).map(|(key, _)| *key)
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.values_mut().find(|c| c.state.id == id)
    }

    fn start(&mut self, spec: &ContainerSpec, fds: Vec<OwnedFd>, client: OwnedFd) {
        if let Some(key) = self.find(&spec.id) {
            if self.containers[&key].pidfd.is_some() {
                let reply = refused(format!("container {} exists and runs", spec.id));
                let _ = wire::send(client.as_fd(), &reply, &[]);
                return;
            }
            self.containers.remove(&key);
        }
        match Container::start(spec, fds, &self.group, &self.namespaces, client) {
            Ok(container) => {
                let key = self.key();
                self.containers.insert(key, container);
            }
            Err((failure, client)) => fail(&client, failure),
        }
    }

    /// News from a child on its way to its program.
    fn starting(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some((channel, client)) = container.starting.take() else { return };
        match wire::receive::<Reply>(channel.as_fd()) {
            Ok(Some((Reply::Done, mut fds))) if fds.len() == 1 => {
                let master = fds.remove(0);
                if let Err(error) = container.terminal(master) {
                    despair(&format!("take terminal of {}: {error}", container.state.id));
                }
                container.starting = Some((channel, client));
            }
            Ok(Some((reply, _))) => {
                if let Some(container) = self.containers.remove(&key) {
                    container.discard();
                }
                let _ = wire::send(client.as_fd(), &reply, &[]);
            }
            Ok(None) | Err(_) => {
                container.started(&self.dir);
                let reply = Reply::Started { pid: container.state.pid };
                let _ = wire::send(client.as_fd(), &reply, &[]);
            }
        }
    }

    /// A first process may have ended: reap, record, tell.
    fn exited(&mut self, key: u32) {
        // A dead child's channel has ended or holds the reason: it comes first.
        while self.containers.get(&key).is_some_and(|container| container.starting.is_some()) {
            self.starting(key);
        }
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(exit) = container.reap(&self.dir) else { return };
        let event = Reply::Exited { container: container.state.id.clone(), exit };
        self.subscribers.retain(|_, fd| wire::send(fd.as_fd(), &event, &[]).is_ok());
        if let Err((path, error)) = container.group.remove() {
            despair(&format!("remove cgroup {}: {error}", path.display()));
        }
    }

    fn kill(&self, id: &str, signal: i32) -> Reply {
        let Some(container) = self.find(id).and_then(|key| self.containers.get(&key)) else {
            return unknown(id);
        };
        let Some(pidfd) = &container.pidfd else { return Reply::Done };
        match sys::signal(pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                refused(format!("send signal {signal} to {id}: {error}"))
            }
            _ => Reply::Done,
        }
    }

    /// Kills a container and waits for its end.
    fn end(&mut self, key: u32, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while let Some(container) = self.containers.get(&key) {
            let Some(pidfd) = &container.pidfd else { return true };
            // Its end ends all of its pid namespace.
            let _ = sys::signal(pidfd.as_fd(), libc::SIGKILL);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let slice = left.min(Duration::from_millis(100));
            let timeout = Timespec::try_from(slice).ok();
            let ended = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref());
            if ended.is_ok_and(|count| count > 0) {
                self.exited(key);
            }
        }
        true
    }

    fn remove(&mut self, id: &str) -> Reply {
        let Some(key) = self.find(id) else { return unknown(id) };
        if !self.end(key, KILL_PATIENCE) {
            return refused(format!("container {id} does not die"));
        }
        if let Some(container) = self.containers.remove(&key)
            && let Err((path, error)) = container.group.remove()
        {
            return refused(format!("remove cgroup {}: {error}", path.display()));
        }
        record::remove_state(&self.dir, id);
        Reply::Done
    }

    /// The end of everything, this process included.
    fn destroy(&mut self, client: &OwnedFd) {
        self.subscribers.clear();
        self.group.kill();
        let keys: Vec<u32> = self.containers.keys().copied().collect();
        for key in keys {
            if !self.end(key, KILL_PATIENCE) {
                let reply = refused(format!("{} does not die", self.containers[&key].state.id));
                let _ = wire::send(client.as_fd(), &reply, &[]);
                return;
            }
        }
        self.containers.clear();
        let reply = match self.group.remove() {
            Ok(()) => Reply::Done,
            Err((path, error)) => refused(format!("remove cgroup {}: {error}", path.display())),
        };
        if let Err(error) = record::remove(&self.dir) {
            despair(&format!("remove {}: {error}", self.dir.display()));
        }
        let _ = wire::send(client.as_fd(), &reply, &[]);
        sys::exit_now(0);
    }
}

fn refused(reason: String) -> Reply {
    Reply::Refused { reason }
}

fn unknown(container: &str) -> Reply {
    refused(format!("no container {container}"))
}

fn fail(client: &OwnedFd, Failure { step, errno }: Failure) {
    // A caller that has gone needs no answer.
    let _ = wire::send(client.as_fd(), &Reply::Failed { step, errno }, &[]);
}
