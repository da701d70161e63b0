//! The life of the door: sockets come and go by the control socket, everything
//! else is the configuration of the moment. Ends when told to, when its sockets
//! are taken over, or when its run directory is gone.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_err as fs;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::backends::Backends;
use super::config::Config;
use super::control::{Reply, Request, receive, send};
use super::listen::{Kind, Listener};
use super::pool::Pool;
use super::proxy::Proxy;
use super::routes::Table;
use crate::dns::Names;
use crate::dns::zone::Zone;

/// A client that has not sent its header by then is cut off.
const HEADER_PATIENCE: Duration = Duration::from_secs(60);
const HEADER_BYTES: usize = 64 << 10;
/// After its sockets are taken over, a door waits this long for open requests.
const FAREWELL: Duration = Duration::from_secs(600);
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Descriptors kept back from client connections (each needs two).
const RESERVE: usize = 64;

/// The body of a door process: its exit code. The control listener is descriptor
/// 0; the only argument is the run directory.
pub(crate) fn run(run_dir: &Path) -> i32 {
    // Fails only if we lead a group already, which is as good.
    let _ = setsid();
    let _ = rustix::process::chdir("/");
    raise_descriptor_limit();
    let listener = match rustix::stdio::stdin().try_clone_to_owned() {
        Ok(descriptor) => UnixListener::from(descriptor),
        Err(_) => return 1,
    };
    i32::from(serve(&listener, run_dir).is_err())
}

/// Serves until told to end; blocks. Also the body of a door that is a thread.
pub(crate) fn serve(listener: &UnixListener, run_dir: &Path) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("shelf-door")
        .enable_all()
        .build()?;
    let door = runtime.block_on(async { Door::new(run_dir) });
    let (end, mut ended) = watch::channel(false);
    let end = Arc::new(end);
    let controls = listener.try_clone()?;
    let (shared, handle, closing) = (Arc::clone(&door), runtime.handle().clone(), Arc::clone(&end));
    std::thread::Builder::new().name("door-control".into()).spawn(move || {
        for stream in controls.incoming() {
            // A failed accept is one caller's loss, unless we are through.
            let Ok(stream) = stream else {
                if *closing.borrow() {
                    return;
                }
                continue;
            };
            let (door, handle, end) = (Arc::clone(&shared), handle.clone(), Arc::clone(&closing));
            // No thread, no reply: the caller sees the connection close.
            drop(std::thread::Builder::new().name("door-request".into()).spawn(move || {
                drop(door.converse(&stream, &handle, &end));
            }));
        }
    })?;
    runtime.block_on(async {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                _ = ended.changed() => break,
                _ = tick.tick() => {
                    door.pool.reap();
                    // The daemon writes it before it starts us.
                    if !Config::path(&door.run_dir).exists() {
                        break;
                    }
                }
            }
        }
    });
    // Its sockets close and the control thread ends even where we are only a
    // thread of a larger program.
    end.send_replace(true);
    door.lock().clear();
    let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// Which binary this is: version, inode, size and time of the running file.
pub(crate) fn build() -> String {
    use std::os::unix::fs::MetadataExt;
    let version = env!("CARGO_PKG_VERSION");
    match fs::metadata("/proc/self/exe") {
        Ok(file) => format!("{version}-{:x}-{:x}-{:x}", file.ino(), file.size(), file.mtime_nsec()),
        Err(_) => version.to_owned(),
    }
}

struct Open {
    socket: OwnedFd,
    task: JoinHandle<()>,
}

struct Door {
    run_dir: PathBuf,
    backends: Backends,
    pool: Pool,
    zone: watch::Sender<Arc<Zone>>,
    table: watch::Sender<Arc<Table>>,
    names: Names,
    proxy: Proxy,
    open: Mutex<Vec<(Listener, Open)>>,
    /// True once our sockets serve elsewhere: connections end after their request.
    leaving: watch::Sender<bool>,
    connections: Arc<Semaphore>,
    connection_count: AtomicUsize,
}

impl Door {
    fn new(run_dir: &Path) -> Arc<Self> {
        let config = Config::load(run_dir);
        let backends = Backends::default();
        let nothing = || {
            let none = crate::cidr::Cidr::new(std::net::Ipv4Addr::UNSPECIFIED, 32);
            Zone::new("cluster.local", none, none, &[])
        };
        let zone = config.as_ref().map_or_else(nothing, Config::zone);
        let routes = config.as_ref().map_or(&[][..], |config| &config.routes);
        let (zone, zone_seen) = watch::channel(Arc::new(zone));
        let (table, table_seen) = watch::channel(Arc::new(Table::new(routes, &backends)));
        let pool = Pool::default();
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(1024);
        let limit = usize::try_from(limit).unwrap_or(1024).clamp(256, 1 << 16);
        Arc::new(Self {
            run_dir: run_dir.to_owned(),
            backends,
            proxy: Proxy::new(table_seen, pool.clone()),
            pool,
            names: Names::new(zone_seen),
            zone,
            table,
            open: Mutex::default(),
            leaving: watch::channel(false).0,
            connections: Arc::new(Semaphore::new((limit - RESERVE) / 2)),
            connection_count: AtomicUsize::new(0),
        })
    }

    /// One request of the daemon, and its reply.
    fn converse(
        self: &Arc<Self>,
        stream: &UnixStream,
        handle: &Handle,
        end: &Arc<watch::Sender<bool>>,
    ) -> io::Result<()> {
        let (request, sockets) = receive::<Request>(stream)?;
        let mut reply = Reply { build: build(), pid: std::process::id(), ..Reply::default() };
        match request {
            Request::Hello => reply.listeners = self.listeners(),
            Request::Configure { config } => self.configure(&config),
            Request::Listen { listeners } => {
                let _runtime = handle.enter();
                if let Err(error) = self.listen(&listeners, sockets) {
                    reply.error = Some(error.to_string());
                }
            }
            Request::Unlisten { listeners } => self.unlisten(&listeners),
            Request::WaitIdle { ip, at_most_ms } => {
                self.pool.forget(ip);
                let at_most = Duration::from_millis(at_most_ms);
                reply.in_flight = handle.block_on(self.backends.wait_idle(ip, at_most));
                self.pool.forget(ip);
            }
            Request::Counters => {
                reply.access =
                    self.table.borrow().targets().map(|target| target.access()).collect();
            }
            Request::HandOver => return self.hand_over(stream, reply, handle, end),
            Request::Stop => {
                send(stream, &reply, &[])?;
                end.send_replace(true);
                return Ok(());
            }
            Request::Watch => {
                // Until the daemon hangs up or we end.
                drop(receive::<Request>(stream));
                return Ok(());
            }
        }
        send(stream, &reply, &[])
    }

    fn listeners(&self) -> Vec<Listener> {
        self.lock().iter().map(|(listener, _)| *listener).collect()
    }

    fn configure(&self, config: &Config) {
        self.zone.send_replace(Arc::new(config.zone()));
        self.table.send_replace(Arc::new(Table::new(&config.routes, &self.backends)));
        self.backends.prune();
    }

    fn listen(self: &Arc<Self>, listeners: &[Listener], sockets: Vec<OwnedFd>) -> io::Result<()> {
        if listeners.len() != sockets.len() {
            return Err(io::Error::other("as many sockets as listeners are needed"));
        }
        for (listener, socket) in listeners.iter().zip(sockets) {
            let copy = socket.try_clone()?;
            let task = match listener.kind {
                Kind::DnsUdp => {
                    let socket = UdpSocket::from_std(copy.into())?;
                    tokio::spawn(self.names.clone().serve_udp(socket))
                }
                Kind::DnsTcp => {
                    let socket = TcpListener::from_std(copy.into())?;
                    tokio::spawn(self.names.clone().serve_tcp(socket))
                }
                Kind::Http => {
                    let socket = TcpListener::from_std(copy.into())?;
                    tokio::spawn(Arc::clone(self).accept(socket))
                }
            };
            self.lock().push((*listener, Open { socket, task }));
        }
        Ok(())
    }

    fn unlisten(&self, gone: &[Listener]) {
        self.lock().retain(|(listener, open)| {
            let stays = !gone.contains(listener);
            if !stays {
                open.task.abort();
            }
            stays
        });
    }

    /// Stops accepting, gives the sockets away, ends when the last request has.
    fn hand_over(
        self: &Arc<Self>,
        stream: &UnixStream,
        mut reply: Reply,
        handle: &Handle,
        end: &Arc<watch::Sender<bool>>,
    ) -> io::Result<()> {
        let open = std::mem::take(&mut *self.lock());
        reply.listeners = open.iter().map(|(listener, _)| *listener).collect();
        for (_, open) in &open {
            open.task.abort();
        }
        let sockets: Vec<_> = open.iter().map(|(_, open)| open.socket.as_fd()).collect();
        let sent = send(stream, &reply, &sockets);
        self.leaving.send_replace(true);
        let (door, end) = (Arc::clone(self), Arc::clone(end));
        handle.spawn(async move {
            let empty = async {
                while door.connection_count.load(Ordering::Acquire) > 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            // Whoever is still here then is cut off.
            drop(tokio::time::timeout(FAREWELL, empty).await);
            end.send_replace(true);
        });
        sent
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let Ok((stream, from)) = listener.accept().await else {
                // Out of descriptors, or the client left: let some go first.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let door = Arc::clone(&self);
            tokio::spawn(async move {
                door.connection_count.fetch_add(1, Ordering::AcqRel);
                door.attend(stream, from).await;
                door.connection_count.fetch_sub(1, Ordering::AcqRel);
                drop(permit);
            });
        }
    }

    /// One client connection, from its first request to its last.
    async fn attend(&self, stream: TcpStream, from: SocketAddr) {
        // Without it answers are late, not wrong.
        drop(stream.set_nodelay(true));
        let proxy = self.proxy.clone();
        let service = hyper::service::service_fn(move |request| {
            let proxy = proxy.clone();
            async move { Ok::<_, std::convert::Infallible>(proxy.serve(request, from).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_PATIENCE)
            .max_buf_size(HEADER_BYTES)
            .preserve_header_case(true)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut leaving = self.leaving.subscribe();
        tokio::select! {
            // A client that breaks off is no failure of ours.
            _ = connection.as_mut() => return,
            _ = leaving.wait_for(|leaving| *leaving) => connection.as_mut().graceful_shutdown(),
        }
        drop(connection.await);
    }

    /// A poisoned lock guards a list of sockets: still good.
    fn lock(&self) -> MutexGuard<'_, Vec<(Listener, Open)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many descriptors as the hard limit allows; less is no reason to stop.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
}
