//! Who reaches whom, as the kernel does it by our table.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use net::{Allow, Block, Direction, Net, Peers, Policy, Ports, Protocol};

use crate::scene::{Pod, SERVICE, Scene, run, service, who, world};

fn arriving(pod: &Pod, allow: Vec<Allow>) -> Policy {
    Policy { pods: [pod.ip].into(), direction: Direction::Arriving, allow }
}

fn from(pod: &Pod, first: u16, last: u16) -> Allow {
    let ports = vec![Ports { protocol: Protocol::Tcp, range: (first, last) }];
    Allow { peers: Peers::Pods([pod.ip].into()), ports }
}

/// Whether a connection comes about; one that is dropped shows as silence.
fn reaches(pod: &Pod, to: SocketAddrV4) -> bool {
    pod.inside(|| TcpStream::connect_timeout(&to.into(), Duration::from_millis(400)).is_ok())
}

fn end(scene: &Scene, net: &Net) {
    scene.wait(net.shutdown(true)).unwrap();
    let left = run("nft", &["list", "tables"]);
    assert!(!left.contains("shelf_t1"), "{left}");
}

pub(crate) fn root_only_the_named_reach_a_protected_pod(scene: &Scene) {
    let world = world();
    let net = scene.net();
    let (friend, stranger, pod) =
        (scene.pod(&net, "a"), scene.pod(&net, "b"), scene.pod(&net, "c"));
    let (server, admin) = (pod.serve(80, "c"), pod.serve(8001, "admin"));
    scene.wait(net.set_services(vec![service(&[server.address])])).unwrap();
    let stable = SocketAddrV4::new(SERVICE, 80);
    let mut open = stranger.inside(|| TcpStream::connect(stable)).unwrap();

    scene.wait(net.set_policies(&[arriving(&pod, vec![from(&friend, 80, 80)])])).unwrap();
    assert!(reaches(&friend, server.address) && reaches(&friend, stable));
    assert!(!reaches(&friend, admin.address), "a port that was not named");
    assert!(!reaches(&stranger, server.address) && !reaches(&stranger, stable));
    // The host's probes and its front door, and what was open before.
    assert_eq!(who(server.address).unwrap(), "c");
    use std::io::Write;
    open.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(crate::scene::Message::read(&mut open).unwrap().is_some());
    // What a protected pod asks for comes back.
    let outside = world.serve(9000, "world");
    assert_eq!(pod.inside(|| who(outside.address)).unwrap(), "world");

    let range = vec![from(&friend, 8000, 8002), from(&stranger, 80, 80)];
    scene.wait(net.set_policies(&[arriving(&pod, range)])).unwrap();
    assert!(reaches(&friend, admin.address) && !reaches(&friend, server.address));
    assert!(reaches(&stranger, server.address));
    scene.wait(net.set_policies(&[])).unwrap();
    assert!(reaches(&friend, server.address) && reaches(&stranger, admin.address));
    end(scene, &net);
}

pub(crate) fn root_a_pod_may_be_kept_from_leaving(scene: &Scene) {
    let world = world();
    let net = scene.net();
    let (pod, neighbour) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let (near, far) = (neighbour.serve(80, "near"), world.serve(9000, "far"));
    let leaving = |block: Block| Policy {
        pods: [pod.ip].into(),
        direction: Direction::Leaving,
        allow: vec![Allow { peers: Peers::Block(block), ports: vec![] }],
    };
    let everything = (Ipv4Addr::UNSPECIFIED, 0);
    let cluster = net.pod_cidr();
    let only_outside = leaving(Block { network: everything, except: vec![cluster] });
    scene.wait(net.set_policies(&[only_outside])).unwrap();
    assert!(reaches(&pod, far.address) && !reaches(&pod, near.address));
    assert!(reaches(&neighbour, far.address), "others are free");
    let only_inside = leaving(Block { network: cluster, except: vec![] });
    scene.wait(net.set_policies(&[only_inside])).unwrap();
    assert!(!reaches(&pod, far.address) && reaches(&pod, near.address));
    // Names and the front door are this host's own and stay within reach.
    let door = SocketAddr::new(IpAddr::V4(net.dns_address()), 53);
    pod.inside(|| TcpStream::connect(door)).unwrap();
    end(scene, &net);
}

pub(crate) fn root_policies_outlive_the_daemon_and_go_with_the_network(scene: &Scene) {
    let _world = world();
    let net = scene.net();
    let (stranger, pod) = (scene.pod(&net, "a"), scene.pod(&net, "b"));
    let server = pod.serve(80, "b");
    scene.wait(net.set_policies(&[arriving(&pod, vec![])])).unwrap();
    let table = run("nft", &["list", "table", "ip", "shelf_t1_policy"]);
    let squeezed = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        &format!("{} : jump p0", pod.ip),
        "ct state established,related accept",
        "ip daddr vmap @arriving",
        "chain p0 { drop }",
    ] {
        assert!(squeezed.contains(line), "{line}\n{table}");
    }
    scene.wait(net.shutdown(false)).unwrap();
    drop(net);
    assert!(!reaches(&stranger, server.address));
    let net = scene.net();
    assert!(!reaches(&stranger, server.address), "a new daemon leaves them alone");
    end(scene, &net);
}
