//! What the tests are made of: pods (bare network namespaces), a world behind an
//! uplink, small servers and clients. `ip` and `nft` are oracles here.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::{Host, Net, Protocol, Route, Service, ServicePort, Settings};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The private namespace a test runs in.
pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    pub(crate) fn new(dir: &Path) -> Self {
        run("ip", &["link", "set", "lo", "up"]);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self { dir: dir.to_owned(), runtime }
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            instance: "t1".into(),
            state_dir: self.dir.join("state"),
            run_dir: self.dir.join("run"),
            pod_cidr: None,
            service_cidr: (Ipv4Addr::new(10, 96, 0, 0), 16),
            domain: "cluster.local".into(),
            front_door: vec!["127.0.0.1:8080".parse().unwrap()],
        }
    }

    pub(crate) fn net(&self) -> Net {
        self.wait(Net::start(self.settings())).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// A pod, attached.
    pub(crate) fn pod(&self, net: &Net, id: &str) -> Pod {
        let mut pod = Pod::bare();
        let descriptor = pod.netns.try_clone().unwrap();
        pod.ip = self.wait(net.attach(id, descriptor)).unwrap_or_else(|e| panic!("{e:?}")).ip;
        pod
    }
}

/// A network namespace.
pub(crate) struct Pod {
    pub(crate) netns: OwnedFd,
    pub(crate) ip: Ipv4Addr,
}

impl Pod {
    pub(crate) fn bare() -> Self {
        let made = std::thread::spawn(|| {
            #[expect(deprecated, reason = "safe: the thread ends at once, files are not unshared")]
            rustix::thread::unshare(UnshareFlags::NEWNET).unwrap();
            OwnedFd::from(std::fs::File::open("/proc/thread-self/ns/net").unwrap())
        });
        Self { netns: made.join().unwrap(), ip: Ipv4Addr::UNSPECIFIED }
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.netns.as_fd(), kind).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The namespace as `ip link set … netns` takes it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.netns.as_raw_fd())
    }

    pub(crate) fn serve(&self, port: u16, name: &str) -> Server {
        let address = SocketAddr::from((self.ip, port));
        self.inside(|| Server::start(address, name))
    }
}

/// An uplink of MTU 1400 to another namespace, the world, at 203.0.113.1.
pub(crate) fn world() -> Pod {
    let mut world = Pod::bare();
    run("ip", &["link", "add", "up0", "mtu", "1400", "type", "veth", "peer", "name", "w0"]);
    run("ip", &["link", "set", "w0", "mtu", "1400"]);
    run("ip", &["link", "set", "w0", "netns", &world.path()]);
    run("ip", &["address", "add", "203.0.113.2/24", "dev", "up0"]);
    run("ip", &["link", "set", "up0", "up"]);
    world.inside(|| {
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["address", "add", "203.0.113.1/24", "dev", "w0"]);
        run("ip", &["link", "set", "w0", "up"]);
    });
    run("ip", &["route", "add", "default", "via", "203.0.113.1"]);
    world.ip = Ipv4Addr::new(203, 0, 113, 1);
    world
}

/// Runs an oracle; its output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A small HTTP server with its own idea of paths: `/slow` takes 700 ms, `/ws`
/// switches protocols and echoes, `/close` hangs up, the rest answers the
/// server's name and the request as it came.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddrV4,
    pub(crate) served: Arc<AtomicUsize>,
    listener: Arc<TcpListener>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, name: &str) -> Self {
        let listener = Arc::new(TcpListener::bind(address).unwrap());
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!("IPv4") };
        let server = Self { address, served: Arc::default(), listener, open: Arc::default() };
        let (copy, name) = (server.clone(), name.to_owned());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = copy.listener.accept() {
                copy.open.lock().unwrap().push(stream.try_clone().unwrap());
                let (copy, name) = (copy.clone(), name.clone());
                // A client that leaves is part of the game.
                std::thread::spawn(move || drop(copy.converse(stream, &name)));
            }
        });
        server
    }

    /// Refuses connections from now on; open ones live on.
    pub(crate) fn stop(&self) {
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
    }

    /// Dies: open connections break as well.
    pub(crate) fn kill(&self) {
        self.stop();
        for stream in self.open.lock().unwrap().iter() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn converse(&self, mut stream: TcpStream, name: &str) -> io::Result<()> {
        while let Some(request) = Message::read(&mut stream)? {
            let path = request.head.split(' ').nth(1).unwrap_or_default().to_owned();
            self.served.fetch_add(1, Ordering::SeqCst);
            match path.as_str() {
                "/close" => return stream.shutdown(std::net::Shutdown::Both),
                "/slow" => std::thread::sleep(Duration::from_millis(700)),
                "/ws" => {
                    stream.write_all(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                    )?;
                    let mut buffer = [0; 4096];
                    loop {
                        let length = stream.read(&mut buffer)?;
                        if length == 0 {
                            return Ok(());
                        }
                        stream.write_all(&buffer[..length])?;
                    }
                }
                _ => {}
            }
            let body = if path == "/echo" {
                request.body
            } else {
                format!("{name}\n{}\n{}", path, request.head).into_bytes()
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body)?;
        }
        Ok(())
    }
}

/// A request or an answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// `None` at the end of the stream. Knows Content-Length and chunks.
    pub(crate) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return if head.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let lower = head.to_ascii_lowercase();
        let mut body = Vec::new();
        if let Some(at) = lower.find("content-length:") {
            let length = lower[at + 15..].lines().next().unwrap().trim().parse().unwrap();
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        } else if lower.contains("transfer-encoding: chunked") {
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    stream.read_exact(&mut byte)?;
                    line.push(byte[0]);
                }
                let length =
                    usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap();
                let mut chunk = vec![0; length + 2];
                stream.read_exact(&mut chunk)?;
                if length == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..length]);
            }
        }
        Ok(Some(Self { head, body }))
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
pub(crate) fn http(
    to: SocketAddr,
    method: &str,
    host: &str,
    path: &str,
    body: &[u8],
) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    Message::read(&mut stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The body of a GET.
pub(crate) fn get(to: impl Into<SocketAddr>, host: &str, path: &str) -> io::Result<String> {
    http(to.into(), "GET", host, path, b"").map(|answer| answer.text())
}

/// The first line of the body: the name of the server that answered.
pub(crate) fn who(to: impl Into<SocketAddr>) -> io::Result<String> {
    get(to, "x", "/").map(|text| text.lines().next().unwrap_or_default().to_owned())
}

pub(crate) fn service(backends: &[SocketAddrV4]) -> Service {
    Service {
        namespace: "shop".into(),
        name: "web".into(),
        cluster_ip: Some(SERVICE),
        ports: vec![ServicePort {
            name: Some("http".into()),
            port: 80,
            protocol: Protocol::Tcp,
            node_port: None,
            backends: backends.to_vec(),
        }],
        hosts: backends.iter().map(|b| Host { hostname: None, ip: *b.ip() }).collect(),
    }
}

pub(crate) fn route(host: &str, path: &str, backends: &[SocketAddrV4]) -> Route {
    Route {
        host: host.into(),
        path: path.into(),
        backends: backends.to_vec(),
        owner: "shop/web".into(),
    }
}

/// Waits for a condition that comes about by itself.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("after 10 s still not: {what}");
}
