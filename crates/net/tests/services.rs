//! Stable addresses: what the kernel does by our table.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use net::Protocol;

use crate::scene::{SERVICE, Scene, Server, run, service, who, world};

fn stable() -> SocketAddrV4 {
    SocketAddrV4::new(SERVICE, 80)
}

pub(crate) fn root_connections_go_round_the_backends(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let pods = [scene.pod(&net, "a"), scene.pod(&net, "b"), scene.pod(&net, "c")];
    let servers = [pods[1].serve(8000, "one"), pods[2].serve(8001, "two")];
    let backends: Vec<_> = servers.iter().map(|server| server.address).collect();
    scene.wait(net.set_services(vec![service(&backends)])).unwrap();
    let mut counts = BTreeMap::new();
    for _ in 0..10 {
        *counts.entry(pods[0].inside(|| who(stable())).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("one".to_owned(), 5), ("two".to_owned(), 5)]));
    // A connection outlives the change that takes its backend out of service.
    let mut open = pods[0].inside(|| TcpStream::connect(stable())).unwrap();
    scene.wait(net.set_services(vec![service(&backends[1..])])).unwrap();
    use std::io::Write;
    open.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(crate::scene::Message::read(&mut open).unwrap().is_some());
    for _ in 0..4 {
        assert_eq!(pods[0].inside(|| who(stable())).unwrap(), "two");
    }
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_a_pod_reaches_itself_by_its_service(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let server = pod.serve(80, "self");
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    assert_eq!(pod.inside(|| who(stable())).unwrap(), "self");
    scene.wait(net.shutdown(true)).unwrap();
}

/// With br_netfilter the bridge itself translates; both ways must do.
pub(crate) fn root_services_work_where_bridges_are_filtered(scene: &Scene) {
    let _world = world();
    let switch = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if std::fs::write(switch, "1").is_err() {
        println!("no br_netfilter in this kernel: nothing to tell apart");
        return;
    }
    let net = scene.net();
    let pods = [scene.pod(&net, "a"), scene.pod(&net, "b")];
    let server = pods[0].serve(80, "a");
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    for pod in &pods {
        assert_eq!(pod.inside(|| who(stable())).unwrap(), "a");
        assert_eq!(pod.inside(|| who(server.address)).unwrap(), "a");
    }
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_a_service_without_backends_refuses_at_once(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    scene.wait(net.set_services(vec![service(&[])])).unwrap();
    let refused = || {
        let start = Instant::now();
        let error = TcpStream::connect(stable()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.connect(stable()).unwrap();
        socket.send(b"x").unwrap();
        let error = socket.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    };
    pod.inside(refused);
    // From the host, and once the service is ready it is there at once.
    assert_eq!(TcpStream::connect(stable()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let server = pod.serve(80, "now");
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    assert_eq!(who(stable()).unwrap(), "now");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_the_host_reaches_services_and_node_ports(scene: &Scene) {
    let world = world();
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let server = pod.serve(80, "a");
    let mut wanted = service(&[server.address]);
    wanted.ports[0].node_port = Some(30080);
    scene.wait(net.set_services(vec![wanted])).unwrap();
    assert_eq!(who(stable()).unwrap(), "a");
    let node_port: SocketAddr = "203.0.113.2:30080".parse().unwrap();
    assert_eq!(who(node_port).unwrap(), "a");
    assert_eq!(world.inside(|| who(node_port)).unwrap(), "a");
    // Also from a pod, to itself by way of the host's address.
    assert_eq!(pod.inside(|| who(node_port)).unwrap(), "a");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_the_table_reads_as_meant(scene: &Scene) {
    let net = scene.net();
    let backends = ["10.88.0.2:8000".parse().unwrap(), "10.88.0.3:8001".parse().unwrap()];
    let mut wanted = service(&backends);
    wanted.ports[0].node_port = Some(30080);
    scene.wait(net.set_services(vec![wanted])).unwrap();
    let table = run("nft", &["list", "table", "ip", "shelf_t1"]);
    let (network, prefix) = net.pod_cidr();
    for line in [
        "10.96.0.10 . tcp . 80 : goto s0",
        "tcp . 30080 : goto s0",
        "0x00000000 : 10.88.0.2 . 8000, 0x00000001 : 10.88.0.3 . 8001",
        "numgen inc mod 2 map @s0_backends",
        "iifname \"sht1\" ip daddr . meta l4proto . th dport vmap @services",
        "oifname \"sht1\" ip saddr . ip daddr @hairpin masquerade",
        &format!("ip saddr {network}/{prefix} oifname != \"sht1\" masquerade"),
        "tcp option maxseg size set rt mtu",
        "reject with tcp reset",
        "oifname \"sht1\" icmp type redirect drop",
    ] {
        let squeezed = table.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(line), "{line}\n{table}");
    }
    // The table is replaced, not added to.
    scene.wait(net.set_services(vec![])).unwrap();
    let table = run("nft", &["list", "ruleset"]);
    assert!(!table.contains("s0") && table.matches("nat hook prerouting").count() == 1, "{table}");
    // Many services go in one transaction.
    let many = (0..2000_u32)
        .map(|n| {
            let mut one = service(&backends);
            one.name = format!("s{n}");
            one.cluster_ip = Some((0x0a60_0100 + n).into());
            one
        })
        .collect();
    let start = Instant::now();
    scene.wait(net.set_services(many)).unwrap();
    println!("2000 services written in {:?}", start.elapsed());
    let table = run("nft", &["list", "map", "ip", "shelf_t1", "services"]);
    assert_eq!(table.matches("goto").count(), 2000);
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_udp_services_work(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let (client, pod) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let server = pod.inside(|| UdpSocket::bind((pod.ip, 5353)).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..length], from).unwrap();
        }
    });
    let mut wanted = service(&[SocketAddrV4::new(pod.ip, 5353)]);
    wanted.ports[0].protocol = Protocol::Udp;
    scene.wait(net.set_services(vec![wanted])).unwrap();
    let echoed = client.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.connect(stable()).unwrap();
        socket.send(b"hello").unwrap();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    });
    assert_eq!(echoed, b"hello");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_a_host_without_default_route_reaches_services(scene: &Scene) {
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let server = pod.serve(80, "a");
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    assert_eq!(who(stable()).unwrap(), "a");
    assert_eq!(pod.inside(|| who(stable())).unwrap(), "a");
    scene.wait(net.set_services(vec![])).unwrap();
    let error = TcpStream::connect(stable()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // A backend on the host itself, as the API server is.
    let host = Server::start((net.dns_address(), 6443).into(), "host");
    scene.wait(net.set_services(vec![service(&[host.address])])).unwrap();
    assert_eq!(pod.inside(|| who(stable())).unwrap(), "host");
    scene.wait(net.shutdown(true)).unwrap();
}
