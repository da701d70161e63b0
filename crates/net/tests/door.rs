//! The front door: routing, retrying, draining, streaming.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use net::{Error, Net};

use crate::scene::{Message, Scene, Server, get, http, route};

const HOST: &str = "shop.localhost:8080";

fn door(net: &Net) -> SocketAddr {
    net.front_door()[0]
}

fn local(name: &str) -> Server {
    Server::start("127.0.0.1:0".parse().unwrap(), name)
}

pub(crate) fn root_a_dead_backend_costs_no_request(scene: &Scene) {
    let net = scene.net();
    let servers = [local("one"), local("two")];
    let backends = [servers[0].address, servers[1].address];
    scene.wait(net.set_routes(vec![route("shop.localhost", "/", &backends)])).unwrap();
    let mut ask = |n: usize| {
        let (method, body) =
            if n.is_multiple_of(2) { ("GET", &b""[..]) } else { ("POST", &b"order"[..]) };
        let answer = http(door(&net), method, HOST, "/x", body).unwrap();
        assert_eq!(answer.status(), 200, "{n}: {}", answer.text());
        answer.text().lines().next().unwrap().to_owned()
    };
    let names: std::collections::BTreeSet<_> = (0..20).map(&mut ask).collect();
    assert_eq!(names.len(), 2);
    servers[0].kill();
    for n in 0..40 {
        assert_eq!(ask(n), "two");
    }
    // A copy that takes a request and hangs up costs nothing where asking again
    // is safe, and is owned up to where it is not.
    let counts = scene.wait(net.access()).unwrap();
    assert_eq!((counts[0].requests, counts[0].server_errors), (60, 0));
    assert!(counts[0].retries > 0);
    let answer = http(door(&net), "POST", HOST, "/close", b"x").unwrap();
    assert_eq!(answer.status(), 502);
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_draining_waits_for_what_is_in_flight(scene: &Scene) {
    let net = scene.net();
    let pods = [scene.pod(&net, "a"), scene.pod(&net, "b")];
    let servers = [pods[0].serve(80, "old"), pods[1].serve(80, "new")];
    let (old, new) = (servers[0].address, servers[1].address);
    scene.wait(net.set_routes(vec![route("*", "/", &[old])])).unwrap();
    let to = door(&net);
    let slow = std::thread::spawn(move || get(to, HOST, "/slow").unwrap());
    crate::scene::eventually("the request arrives", || {
        servers[0].served.load(Ordering::SeqCst) > 0
    });
    scene.wait(net.set_routes(vec![route("*", "/", &[old, new])])).unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| scene.wait(net.drain(*old.ip(), Duration::from_secs(20))));
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..10 {
            assert!(get(to, HOST, "/").unwrap().starts_with("new"));
        }
        draining.join().unwrap();
    });
    assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(slow.join().unwrap().starts_with("old"));
    // Bounded: a request that does not end does not hold the drain.
    let slow = std::thread::spawn(move || get(to, HOST, "/slow").unwrap());
    crate::scene::eventually("it arrives", || servers[1].served.load(Ordering::SeqCst) > 10);
    let start = Instant::now();
    scene.wait(net.drain(*new.ip(), Duration::from_millis(100)));
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(slow.join().unwrap().starts_with("new"));
    // The last one to leave serves until the routes go on without it.
    for _ in 0..10 {
        assert!(get(to, HOST, "/").unwrap().starts_with("new"));
    }
    scene.wait(net.set_routes(vec![route("*", "/", &[])])).unwrap();
    assert_eq!(http(to, "GET", HOST, "/", b"").unwrap().status(), 503);
    scene.wait(net.shutdown(true)).unwrap();
}

/// The end of an old copy may be told before its successor: no request is lost to that.
pub(crate) fn root_the_last_copy_serves_until_its_successor_is_known(scene: &Scene) {
    let net = scene.net();
    let pods = [scene.pod(&net, "a"), scene.pod(&net, "b")];
    let servers = [pods[0].serve(80, "old"), pods[1].serve(80, "new")];
    let (old, new) = (servers[0].address, servers[1].address);
    scene.wait(net.set_routes(vec![route("*", "/", &[old])])).unwrap();
    let to = door(&net);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| scene.wait(net.drain(*old.ip(), Duration::from_secs(20))));
        for _ in 0..20 {
            assert!(get(to, HOST, "/").unwrap().starts_with("old"));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!draining.is_finished(), "drained while nobody else could answer");
        scene.wait(net.set_routes(vec![route("*", "/", &[old, new])])).unwrap();
        draining.join().unwrap();
        for _ in 0..20 {
            assert!(get(to, HOST, "/").unwrap().starts_with("new"));
        }
    });
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_web_sockets_pass(scene: &Scene) {
    let net = scene.net();
    let server = local("ws");
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let mut stream = TcpStream::connect(door(&net)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .unwrap();
    let answer = Message::read(&mut stream).unwrap().unwrap();
    assert_eq!(answer.status(), 101, "{}", answer.head);
    assert!(answer.head.to_ascii_lowercase().contains("upgrade: websocket"), "{}", answer.head);
    for word in ["hello", "again"] {
        stream.write_all(word.as_bytes()).unwrap();
        let mut echoed = vec![0; word.len()];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, word.as_bytes());
    }
    // Routes change under it; it lives on.
    scene.wait(net.set_routes(vec![])).unwrap();
    stream.write_all(b"still").unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"still");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_large_bodies_stream_both_ways(scene: &Scene) {
    let net = scene.net();
    let server = local("big");
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let body: Vec<u8> = (0..32 << 20).map(|n: u32| (n >> 7) as u8).collect();
    let answer = http(door(&net), "POST", HOST, "/echo", &body).unwrap();
    assert!(answer.body == body);
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_errors_say_what_is_missing(scene: &Scene) {
    let net = scene.net();
    let gone = local("gone");
    gone.stop();
    let routes =
        vec![route("shop.localhost", "/", &[]), route("shop.localhost", "/dead", &[gone.address])];
    scene.wait(net.set_routes(routes)).unwrap();
    for (host, path, status, word) in [
        ("no.localhost", "/a", 404, "no.localhost/a"),
        (HOST, "/", 503, "shop/web"),
        (HOST, "/dead/x", 502, "shop/web"),
    ] {
        let answer = http(door(&net), "GET", host, path, b"").unwrap();
        assert_eq!(answer.status(), status, "{path}: {}", answer.text());
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
    }
    // A header too large is refused, not buffered.
    let mut stream = TcpStream::connect(door(&net)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").unwrap();
    // The server may hang up while we are still writing.
    drop(stream.write_all(&vec![b'x'; 1 << 20]));
    let mut text = Vec::new();
    drop(stream.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_a_taken_port_names_its_holder(scene: &Scene) {
    let taken = TcpListener::bind("127.0.0.1:8080").unwrap();
    match scene.wait(Net::start(scene.settings())) {
        Err(Error::PortTaken { address, holder }) => {
            assert_eq!(address, taken.local_addr().unwrap());
            assert!(holder.contains(&format!("(pid {})", std::process::id())), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    drop(taken);
    let net = scene.net();
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_pods_reach_the_front_door(scene: &Scene) {
    let net = scene.net();
    let (client, pod) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let server = pod.serve(80, "b");
    scene.wait(net.set_routes(vec![route("shop.localhost", "/", &[server.address])])).unwrap();
    let to = SocketAddr::from((net.dns_address(), 8080));
    let text = client.inside(|| get(to, HOST, "/path?q=1")).unwrap();
    assert!(text.starts_with("b\n/path?q=1\n"), "{text}");
    let lower = text.to_ascii_lowercase();
    assert!(lower.contains(&format!("x-forwarded-for: {}", client.ip)), "{text}");
    assert!(lower.contains("host: shop.localhost:8080"), "{text}");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_backends_may_change_at_any_time(scene: &Scene) {
    let net = scene.net();
    // Each copy has an address of its own, as pods have.
    let copy = |n: u8| Server::start(SocketAddr::from(([127, 0, 1, n], 0)), &n.to_string());
    let mut server = copy(100);
    scene.wait(net.set_routes(vec![route("*", "/", &[server.address])])).unwrap();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let to = door(&net);
    std::thread::scope(|scope| {
        let ask = |method: &'static str| {
            let (over, asked) = (&over, &asked);
            move || {
                while !over.load(Ordering::SeqCst) {
                    let body: &[u8] = if method == "POST" { b"order" } else { b"" };
                    let answer = http(to, method, HOST, "/", body).unwrap();
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        scope.spawn(ask("GET"));
        scope.spawn(ask("POST"));
        // A rolling update, ten times: new copy in, old one drained, gone, and
        // then out of the routes. A connection that a stopped listener had not
        // accepted is lost with the request on it: draining is what prevents it.
        for round in 1..=10 {
            let next = copy(round);
            let both = [server.address, next.address];
            scene.wait(net.set_routes(vec![route("*", "/", &both)])).unwrap();
            scene.wait(net.drain(*server.address.ip(), Duration::from_secs(10)));
            server.stop();
            scene.wait(net.set_routes(vec![route("*", "/", &both[1..])])).unwrap();
            server = next;
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(asked.load(Ordering::SeqCst) > 20);
    scene.wait(net.shutdown(true)).unwrap();
}
