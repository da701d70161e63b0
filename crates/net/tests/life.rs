//! Crashes, restarts, upgrades, the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use net::Net;

use crate::names::over_udp;
use crate::scene::{
    Message, SERVICE, Scene, Server, eventually, get, route, run, service, who, world,
};

const DOOR: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

fn door() -> SocketAddr {
    DOOR.into()
}

/// A daemon in a process of its own: starts the net with one service and route to
/// `backend`, says so, and waits to be killed.
pub(crate) fn daemon(dir: &str, backend: &str) -> ExitCode {
    let scene = Scene::new(Path::new(dir));
    let net = scene.net();
    let backend = [backend.parse().unwrap()];
    scene.wait(net.set_services(vec![service(&backend)])).unwrap();
    scene.wait(net.set_routes(vec![route("*", "/", &backend)])).unwrap();
    println!("ready {}", net.dns_address());
    std::thread::sleep(Duration::from_secs(100));
    ExitCode::FAILURE
}

fn start_daemon(scene: &Scene, backend: &Server) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--daemon")
        .arg(&scene.dir)
        .arg(backend.address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready"), "{line:?}");
    child
}

/// The door's own word about itself.
fn hello(scene: &Scene) -> String {
    let mut stream = UnixStream::connect(scene.dir.join("run/door.sock")).unwrap();
    stream.write_all(b"{\"do\":\"hello\"}\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn door_pid(scene: &Scene) -> i32 {
    let text = hello(scene);
    let (_, rest) = text.split_once("\"pid\":").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

pub(crate) fn root_everything_outlives_the_daemon(scene: &Scene) {
    let _world = world();
    let first = scene.net();
    let (client, pod) = (scene.pod(&first, "a"), scene.pod(&first, "b"));
    let server = pod.serve(80, "b");
    let dns = first.dns_address();
    scene.wait(first.shutdown(false)).unwrap();
    drop(first);
    let mut daemon = start_daemon(scene, &server);
    let pid = door_pid(scene);
    assert_ne!(pid, i32::try_from(daemon.id()).unwrap());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    for _ in 0..5 {
        assert!(get(door(), "x", "/").unwrap().starts_with("b\n"));
        assert_eq!(client.inside(|| who((SERVICE, 80))).unwrap(), "b");
        let name = "web.shop.svc.cluster.local.";
        let reply = client.inside(|| over_udp(dns, name, RecordType::A));
        assert_eq!(reply.answers.len(), 1);
    }
    // A new daemon finds the door, the rules and the pods again.
    let net = scene.net();
    assert_eq!(door_pid(scene), pid);
    assert_eq!(net.attachments().len(), 2);
    assert!(get(door(), "x", "/").unwrap().starts_with("b\n"));
    assert_eq!(client.inside(|| who((SERVICE, 80))).unwrap(), "b");
    scene.wait(net.shutdown(true)).unwrap();
    eventually("the door ends", || !Path::new(&format!("/proc/{pid}/cmdline")).exists());
}

pub(crate) fn root_a_restart_disturbs_nothing(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let (client, pod) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let server = pod.serve(80, "b");
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let mut by_service = client.inside(|| TcpStream::connect((SERVICE, 80))).unwrap();
    let mut by_door = TcpStream::connect(door()).unwrap();
    let mut talk = || {
        for stream in [&mut by_service, &mut by_door] {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let answer = Message::read(stream).unwrap().unwrap();
            assert!(answer.text().starts_with("b\n"), "{}", answer.text());
        }
    };
    talk();
    let bridge = run("ip", &["link", "show", "dev", "sht1"]);
    let over = AtomicBool::new(false);
    let mut net = Some(net);
    std::thread::scope(|scope| {
        // Every new connection succeeds as well, all the while.
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                assert_eq!(client.inside(|| who((SERVICE, 80))).unwrap(), "b");
                assert!(get(door(), "x", "/").unwrap().starts_with("b\n"));
            }
        });
        for _ in 0..5 {
            drop(net.take());
            net = Some(scene.net());
            talk();
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(run("ip", &["link", "show", "dev", "sht1"]), bridge);
    scene.wait(net.unwrap().shutdown(true)).unwrap();
}

pub(crate) fn root_a_dead_door_comes_back(scene: &Scene) {
    let net = scene.net();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), "s");
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let pid = door_pid(scene);
    let process = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    eventually("the front door answers again", || {
        get(door(), "x", "/").is_ok_and(|text| text.starts_with("s\n"))
    });
    assert_ne!(door_pid(scene), pid);
    scene.wait(net.set_routes(vec![])).unwrap();
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_a_new_build_takes_the_sockets_over(scene: &Scene) {
    let net = scene.net();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), "s");
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let old = door_pid(scene);
    scene.wait(net.shutdown(false)).unwrap();
    drop(net);
    // The same program under another inode counts as another build.
    let copy = scene.dir.join("shelf-next");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let slow = std::thread::spawn(|| get(door(), "x", "/slow").unwrap());
    eventually("the slow request arrives", || server.served.load(Ordering::SeqCst) > 0);
    let over = AtomicBool::new(false);
    let mut daemon = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                assert!(get(door(), "x", "/").unwrap().starts_with("s\n"));
            }
        });
        let mut daemon = Command::new(&copy)
            .arg("--daemon")
            .arg(&scene.dir)
            .arg(server.address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line:?}");
        over.store(true, Ordering::SeqCst);
        daemon
    });
    assert_ne!(door_pid(scene), old);
    assert!(slow.join().unwrap().starts_with("s\n"));
    eventually("the old door ends", || {
        let text = std::fs::read_to_string(format!("/proc/{old}/stat")).unwrap_or_default();
        // Reaped by a thread of ours, or a zombie about to be.
        text.is_empty() || text.contains(") Z ")
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let net: Net = scene.net();
    scene.wait(net.shutdown(true)).unwrap();
}

/// Everything of the network that an instance may change.
fn host_state() -> [String; 5] {
    [
        run("ip", &["-br", "link"]),
        run("ip", &["route"]),
        run("ip", &["-4", "address"]),
        run("nft", &["list", "ruleset"]),
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(),
    ]
}

/// Wherever a start fails, what it had made by then goes again.
pub(crate) fn root_a_failed_start_leaves_nothing(scene: &Scene) {
    let before = host_state();
    let fails = || {
        let error = scene.wait(Net::start(scene.settings())).expect_err("it starts all the same");
        assert_eq!(host_state(), before, "after: {error:?}");
        error
    };
    // The port is taken: known only once bridge and rules are there.
    let holder = std::net::TcpListener::bind(scene.settings().front_door[0]).unwrap();
    assert!(matches!(fails(), net::Error::PortTaken { .. }));
    drop(holder);
    // State cannot be written: after the bridge, before the rules; then after the rules.
    for file in ["state/net.json.new", "run/door.json"] {
        let obstacle = scene.dir.join(file);
        std::fs::create_dir_all(obstacle.join("inside")).unwrap();
        assert!(matches!(fails(), net::Error::State { .. }), "{file}");
        std::fs::remove_dir_all(&obstacle).unwrap();
    }
    let net = scene.net();
    scene.wait(net.shutdown(true)).unwrap();
    assert_eq!(host_state(), before);
}

pub(crate) fn root_shutdown_leaves_nothing(scene: &Scene) {
    let before = host_state();
    let net = scene.net();
    let pods = [scene.pod(&net, "a"), scene.pod(&net, "b")];
    scene.wait(net.set_services(vec![service(&["10.88.0.9:80".parse().unwrap()])])).unwrap();
    assert_ne!(host_state(), before);
    let pid = door_pid(scene);
    scene.wait(net.detach("b")).unwrap();
    scene.wait(net.shutdown(true)).unwrap();
    assert_eq!(host_state(), before);
    let left = |dir: &str| std::fs::read_dir(scene.dir.join(dir)).unwrap().count();
    assert_eq!((left("run"), left("state")), (0, 0));
    eventually("the door ends", || !Path::new(&format!("/proc/{pid}/cmdline")).exists());
    drop(pods);
    // And all of it can be had again.
    let net = scene.net();
    scene.wait(net.shutdown(true)).unwrap();
}
