//! The daemon's side of the door: find one, or start one, and see that it has
//! the sockets and the configuration it should have.

use std::fs::Permissions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_err as fs;

use super::config::Config;
use super::control::{Reply, Request, receive, send};
use super::listen::{Kind, Listener, open};
use super::process::{build, serve};
use super::{PROCESS_NAME, main_asks};
use crate::{Error, Result};

/// A door answers from memory; one that does not in this time is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// The door of one run directory.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    run_dir: PathBuf,
    socket: PathBuf,
}

impl Door {
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned(), socket: run_dir.join("door.sock") }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// One request and its reply. Blocks.
    pub(crate) fn ask(&self, request: &Request) -> Result<Reply> {
        self.exchange(request, &[], PATIENCE).map(|(reply, _)| reply)
    }

    /// What is still on its way to `ip` after `at_most`. Blocks that long.
    pub(crate) fn wait_idle(&self, ip: Ipv4Addr, at_most: Duration) -> Result<usize> {
        let at_most_ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        let request = Request::WaitIdle { ip, at_most_ms };
        Ok(self.exchange(&request, &[], at_most.saturating_add(PATIENCE))?.0.in_flight)
    }

    /// A door of this very build that serves exactly `wanted`, with the
    /// configuration of the run directory's file; the addresses it got, in the
    /// order of `wanted`. Nothing is interrupted if there is one already. Blocks.
    pub(crate) fn ensure(&self, wanted: &[(Kind, SocketAddr)]) -> Result<Vec<SocketAddr>> {
        let mut sockets: Vec<(Listener, OwnedFd)> = Vec::new();
        let mut held = Vec::new();
        match self.ask(&Request::Hello) {
            Ok(reply) if reply.build == build() => held = reply.listeners,
            Ok(_) => {
                let (reply, descriptors) = self.exchange(&Request::HandOver, &[], PATIENCE)?;
                sockets = reply.listeners.into_iter().zip(descriptors).collect();
                self.start()?;
            }
            // None there, or one beyond talking to: its sockets show below.
            Err(_) => self.start()?,
        }
        let mut addresses = Vec::new();
        let mut new: Vec<(Listener, OwnedFd)> = Vec::new();
        let mut keep: Vec<Listener> = Vec::new();
        for (kind, requested) in wanted {
            let fits = |known: &Listener| {
                known.kind == *kind && [known.requested, known.actual].contains(requested)
            };
            if let Some(known) = held.iter().find(|known| fits(known)) {
                addresses.push(known.actual);
                keep.push(*known);
                continue;
            }
            let taken_over = sockets.iter().position(|(known, _)| fits(known));
            let (listener, socket) = match taken_over {
                Some(at) => sockets.swap_remove(at),
                None => open(*kind, *requested)?,
            };
            addresses.push(listener.actual);
            new.push((listener, socket));
        }
        let surplus: Vec<Listener> =
            held.into_iter().filter(|listener| !keep.contains(listener)).collect();
        if !surplus.is_empty() {
            self.ask(&Request::Unlisten { listeners: surplus })?;
        }
        if !new.is_empty() {
            let listeners = new.iter().map(|(listener, _)| *listener).collect();
            let sockets: Vec<_> = new.iter().map(|(_, socket)| socket.as_fd()).collect();
            self.exchange(&Request::Listen { listeners }, &sockets, PATIENCE)?;
        }
        Ok(addresses)
    }

    /// Ends the door if there is one, and removes its files. Blocks.
    pub(crate) fn stop(&self) -> Result<()> {
        if UnixStream::connect(&self.socket).is_ok() {
            self.ask(&Request::Stop)?;
        }
        for path in [&self.socket, &Config::path(&self.run_dir), &self.run_dir.join("door.log")] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::state("remove", path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Starts a door with its control socket as descriptor 0: connections to it
    /// wait in the socket until the door reads them.
    fn start(&self) -> Result<()> {
        let failed = |source| Error::Door { what: "start", path: self.socket.clone(), source };
        let staged = self.run_dir.join(format!("door.sock.{}", std::process::id()));
        let make = || -> io::Result<UnixListener> {
            if staged.exists() {
                fs::remove_file(&staged)?;
            }
            let listener = UnixListener::bind(&staged)?;
            // Whoever may connect may change where traffic goes.
            fs::set_permissions(&staged, Permissions::from_mode(0o600))?;
            fs::rename(&staged, &self.socket)?;
            Ok(listener)
        };
        let listener = make().map_err(failed)?;
        if !main_asks() {
            let run_dir = self.run_dir.clone();
            std::thread::Builder::new()
                .name(PROCESS_NAME.into())
                .spawn(move || serve(&listener, &run_dir))
                .map_err(failed)?;
            return Ok(());
        }
        let log = fs::File::create(self.run_dir.join("door.log")).map_err(failed)?;
        let mut child = Command::new("/proc/self/exe")
            .arg0(PROCESS_NAME)
            .arg(&self.run_dir)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::fs::File::from(log)))
            .spawn()
            .map_err(failed)?;
        // Reaps it if it ends before us; it does not end with us.
        std::thread::Builder::new()
            .name("door-wait".into())
            .spawn(move || child.wait())
            .map_err(failed)?;
        Ok(())
    }

    fn exchange(
        &self,
        request: &Request,
        sockets: &[std::os::fd::BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<(Reply, Vec<OwnedFd>)> {
        let talk = || -> io::Result<(Reply, Vec<OwnedFd>)> {
            let stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            send(&stream, request, sockets)?;
            let (reply, descriptors) = receive::<Reply>(&stream)?;
            match reply.error {
                Some(error) => Err(io::Error::other(error)),
                None => Ok((reply, descriptors)),
            }
        };
        talk().map_err(|source| Error::Door { what: "ask", path: self.socket.clone(), source })
    }
}
