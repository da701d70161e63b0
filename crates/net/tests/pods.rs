//! Interfaces, addresses, the way out.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use net::{Error, Net};

use crate::scene::{Pod, Scene, eventually, run, who, world};

pub(crate) fn root_two_pods_reach_each_other(scene: &Scene) {
    let net = scene.net();
    let (a, b) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let server = b.serve(80, "b");
    assert_eq!(a.inside(|| who(server.address)).unwrap(), "b");
    // From the host, and a pod to itself.
    assert_eq!(who(server.address).unwrap(), "b");
    assert_eq!(b.inside(|| who(server.address)).unwrap(), "b");
    let inside = a.inside(|| run("ip", &["-4", "address", "show", "dev", "eth0"]));
    assert!(inside.contains(&format!("{}/32", a.ip)), "{inside}");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_attach_is_idempotent_and_remembered(scene: &Scene) {
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let again = scene.wait(net.attach("a", pod.netns.try_clone().unwrap())).unwrap();
    assert_eq!(again.ip, pod.ip);
    assert_eq!(again.gateway, net.dns_address());
    drop(net);
    let net = scene.net();
    assert_eq!(net.attachments(), [("a".to_owned(), pod.ip)]);
    let again = scene.wait(net.attach("a", pod.netns.try_clone().unwrap())).unwrap();
    assert_eq!(again.ip, pod.ip);
    // The pod comes back in a new namespace, as after a power cut.
    let mut reborn = Pod::bare();
    reborn.ip = scene.wait(net.attach("a", reborn.netns.try_clone().unwrap())).unwrap().ip;
    assert_eq!(reborn.ip, pod.ip);
    let server = reborn.serve(80, "reborn");
    assert_eq!(who(server.address).unwrap(), "reborn");
    scene.wait(net.detach("a")).unwrap();
    scene.wait(net.detach("a")).unwrap();
    assert!(net.attachments().is_empty());
    assert_ne!(scene.pod(&net, "b").ip, pod.ip);
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_the_world_is_reached_by_masquerade_with_its_mtu(scene: &Scene) {
    let world = world();
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let attached = scene.wait(net.attach("a", pod.netns.try_clone().unwrap())).unwrap();
    assert_eq!(attached.mtu, 1400);
    for (place, device) in [("host", "sht1"), ("host", "vt1-2"), ("pod", "eth0")] {
        let show = || run("ip", &["link", "show", "dev", device]);
        let text = if place == "pod" { pod.inside(show) } else { show() };
        assert!(text.contains("mtu 1400"), "{device}: {text}");
    }
    // The world has no route to the pods: it must see the host's address. A
    // megabyte passes, so segments fit.
    let listener = world.inside(|| TcpListener::bind("203.0.113.1:7000").unwrap());
    let answer = std::thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        stream.write_all(&vec![7; 1 << 20]).unwrap();
        from
    });
    let received = pod.inside(|| {
        let mut stream = TcpStream::connect("203.0.113.1:7000").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    assert_eq!(received, 1 << 20);
    assert_eq!(answer.join().unwrap().ip(), Ipv4Addr::new(203, 0, 113, 2));
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_retain_removes_what_a_crash_left(scene: &Scene) {
    let net = scene.net();
    let pods = [scene.pod(&net, "stays"), scene.pod(&net, "goes")];
    // An interface of ours nobody remembers, and one of another instance.
    run("ip", &["link", "add", "vt1-fff", "type", "veth", "peer", "name", "x0"]);
    run("ip", &["link", "add", "vt11-2", "type", "veth", "peer", "name", "x1"]);
    scene.wait(net.retain(&["stays".into()])).unwrap();
    assert_eq!(net.attachments(), [("stays".to_owned(), pods[0].ip)]);
    eventually("only what stays is left", || {
        let links = run("ip", &["-o", "link"]);
        !links.contains("vt1-3") && !links.contains("vt1-fff")
    });
    let links = run("ip", &["-o", "link"]);
    assert!(links.contains("vt1-2@") && links.contains("vt11-2@"), "{links}");
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_overlaps_are_refused(scene: &Scene) {
    run("ip", &["link", "add", "vpn0", "type", "bridge"]);
    run("ip", &["address", "add", "10.96.3.1/24", "dev", "vpn0"]);
    run("ip", &["link", "set", "vpn0", "up"]);
    let refusal = |settings| match scene.wait(Net::start(settings)) {
        Err(error @ Error::Overlap { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let text = refusal(scene.settings());
    assert!(text.contains("10.96.0.0/16") && text.contains("10.96.3.1/24"), "{text}");
    let mut settings = scene.settings();
    settings.service_cidr = ([10, 97, 0, 0].into(), 16);
    settings.pod_cidr = Some(([10, 96, 0, 0].into(), 20));
    let text = refusal(settings.clone());
    assert!(text.contains("10.96.0.0/20"), "{text}");
    // Left to itself it goes round what is taken.
    settings.pod_cidr = None;
    run("ip", &["route", "add", "10.88.0.0/13", "dev", "vpn0"]);
    run("ip", &["route", "add", "10.112.0.0/12", "dev", "vpn0"]);
    let net = scene.wait(Net::start(settings)).unwrap();
    let [a, b, c, _] = net.pod_cidr().0.octets();
    assert_ne!([a, b, c], [10, 96, 0]);
    assert!(a == 10 && (96..112).contains(&b) && b != 97, "{:?}", net.pod_cidr());
    let door = SocketAddr::from((net.dns_address(), 8080));
    assert!(TcpStream::connect(door).is_ok());
    scene.wait(net.shutdown(true)).unwrap();
}

/// Pods with a user namespace own their network namespace through it.
pub(crate) fn root_a_pod_may_have_a_user_namespace(scene: &Scene) {
    let net = scene.net();
    let mut child = std::process::Command::new("unshare")
        .args(["--user", "--net", "--", "sleep", "100"])
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/ns/net", child.id());
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    eventually("it has a namespace", || std::fs::read_link(&path).is_ok_and(|ns| ns != own));
    let netns = std::fs::File::open(&path).unwrap().into();
    let mut pod = Pod { netns, ip: Ipv4Addr::UNSPECIFIED };
    pod.ip = scene.wait(net.attach("a", pod.netns.try_clone().unwrap())).unwrap().ip;
    let server = pod.serve(80, "a");
    assert_eq!(who(server.address).unwrap(), "a");
    child.kill().unwrap();
    child.wait().unwrap();
    scene.wait(net.shutdown(true)).unwrap();
}

/// A pod cannot pass for somebody outside the pod network.
pub(crate) fn root_foreign_source_addresses_are_dropped(scene: &Scene) {
    let world = world();
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let listener = world.inside(|| std::net::UdpSocket::bind("203.0.113.1:9000").unwrap());
    listener.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    world.inside(|| run("ip", &["route", "add", "198.51.100.0/24", "via", "203.0.113.2"]));
    pod.inside(|| {
        run("ip", &["address", "add", "198.51.100.5/32", "dev", "eth0"]);
        for (source, word) in [("198.51.100.5", "forged"), (&pod.ip.to_string(), "honest")] {
            let socket = std::net::UdpSocket::bind((source, 0)).unwrap();
            socket.send_to(word.as_bytes(), "203.0.113.1:9000").unwrap();
        }
    });
    let mut buffer = [0; 16];
    let (length, _) = listener.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"honest");
    assert!(listener.recv_from(&mut buffer).is_err());
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_many_pods_have_many_addresses(scene: &Scene) {
    let net = scene.net();
    let pods: Vec<Pod> = (0..50).map(|_| Pod::bare()).collect();
    let start = Instant::now();
    // At once, as after a reboot.
    let attached = scene.wait(async {
        let tasks: Vec<_> = pods
            .iter()
            .enumerate()
            .map(|(n, pod)| {
                let (net, netns) = (net.clone(), pod.netns.try_clone().unwrap());
                tokio::spawn(async move { net.attach(&n.to_string(), netns).await.unwrap().ip })
            })
            .collect();
        let mut all = BTreeSet::new();
        for task in tasks {
            all.insert(task.await.unwrap());
        }
        all
    });
    println!("50 pods attached in {:?}", start.elapsed());
    assert_eq!(attached.len(), 50);
    assert_eq!(net.attachments().len(), 50);
    scene.wait(net.retain(&[])).unwrap();
    scene.wait(net.shutdown(true)).unwrap();
}
