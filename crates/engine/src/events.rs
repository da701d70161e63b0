//! The daemon's one event thread: all keepers' connections in one epoll, one channel out.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::Event;
use crate::wire::{self, Reply};

/// The token of the wake-up descriptor.
const WAKE: u64 = 0;

#[derive(Debug, Default)]
struct Watched {
    next: u64,
    keepers: HashMap<u64, (String, Arc<OwnedFd>)>,
}

/// Adds keepers to the thread and takes them away; the thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Events {
    epoll: Arc<OwnedFd>,
    watched: Arc<Mutex<Watched>>,
    wake: OwnedFd,
}

impl Events {
    pub(crate) fn start(events: Sender<Event>) -> io::Result<Self> {
        let set = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        epoll::add(&*set, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let watched = Arc::new(Mutex::new(Watched { next: WAKE + 1, ..Watched::default() }));
        let (thread_set, thread_watched) = (Arc::clone(&set), Arc::clone(&watched));
        std::thread::Builder::new()
            .name("engine-events".into())
            .spawn(move || run(&thread_set, &thread_watched, &events))?;
        Ok(Self { epoll: set, watched, wake })
    }

    /// Watches a subscribed connection.
    pub(crate) fn add(&self, sandbox: &str, connection: OwnedFd) -> io::Result<()> {
        let connection = Arc::new(connection);
        let mut watched = lock(&self.watched);
        let token = watched.next;
        watched.next += 1;
        watched.keepers.insert(token, (sandbox.to_owned(), Arc::clone(&connection)));
        drop(watched);
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&*self.epoll, connection.as_fd(), data, epoll::EventFlags::IN)?)
    }

    /// From now on this sandbox's end is no news.
    pub(crate) fn forget(&self, sandbox: &str) {
        lock(&self.watched).keepers.retain(|_, (id, connection)| {
            let stays = id != sandbox;
            if !stays {
                // Closing would remove it as well, but the thread may hold it for a moment.
                let _ = epoll::delete(&*self.epoll, connection.as_fd());
            }
            stays
        });
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // An eventfd takes a write of 8 bytes.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// The data behind the lock is consistent at every moment: a panicked holder changes nothing.
fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(set: &OwnedFd, watched: &Mutex<Watched>, events: &Sender<Event>) {
    let mut ready = Vec::with_capacity(64);
    loop {
        ready.clear();
        match epoll::wait(set, rustix::buffer::spare_capacity(&mut ready), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                tracing::error!(%errno, "wait for keepers' events");
                return;
            }
        }
        for event in &ready {
            let token = event.data.u64();
            if token == WAKE {
                return;
            }
            let Some((sandbox, connection)) = lock(watched).keepers.get(&token).cloned() else {
                continue;
            };
            let news = match wire::receive::<Reply>(connection.as_fd()) {
                Ok(Some((Reply::Exited { container, exit }, _))) => {
                    Event::Exited { sandbox, container, exit }
                }
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => {
                    // Forgotten meanwhile = asked to end.
                    if lock(watched).keepers.remove(&token).is_none() {
                        continue;
                    }
                    Event::KeeperGone { sandbox }
                }
            };
            // Nobody listens: the daemon is on its way out, and keepers need nobody.
            let _ = events.send(news);
        }
    }
}
