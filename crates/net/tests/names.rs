//! The DNS server over its real sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::scene::{Scene, run, service};

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

pub(crate) fn over_udp(server: Ipv4Addr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    socket.connect((server, 53)).unwrap();
    socket.send(&question(name, kind)).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn over_tcp(server: Ipv4Addr, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect((server, 53)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    let question = question(name, kind);
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    Message::from_vec(&reply).unwrap()
}

fn answers(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

pub(crate) fn root_names_are_answered_over_udp_and_tcp(scene: &Scene) {
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    scene.wait(net.set_services(vec![service(&[])])).unwrap();
    let server = net.dns_address();
    let name = "web.shop.svc.cluster.local.";
    for ask in [over_udp, over_tcp] {
        let reply = pod.inside(|| ask(server, name, RecordType::A));
        assert_eq!(answers(&reply), ["10.96.0.10"]);
        let gone = pod.inside(|| ask(server, "no.shop.svc.cluster.local.", RecordType::A));
        assert_eq!(gone.metadata.response_code, ResponseCode::NXDomain);
        let door = pod.inside(|| ask(server, "shop.localhost.", RecordType::A));
        assert_eq!(answers(&door), [server.to_string()]);
    }
    // Names follow the services at once.
    scene.wait(net.set_services(vec![])).unwrap();
    let reply = pod.inside(|| over_udp(server, name, RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    scene.wait(net.shutdown(true)).unwrap();
}

pub(crate) fn root_other_names_are_forwarded(scene: &Scene) {
    // A resolver on the host's loopback that does not answer, then one that does;
    // the private mount namespace has its own resolv.conf.
    let resolv = scene.dir.join("resolv.conf");
    std::fs::write(&resolv, "nameserver 127.0.0.53\nnameserver 127.0.0.54\n").unwrap();
    run("mount", &["--bind", resolv.to_str().unwrap(), "/etc/resolv.conf"]);
    let silent = UdpSocket::bind("127.0.0.53:53").unwrap();
    let upstream = UdpSocket::bind("127.0.0.54:53").unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = upstream.recv_from(&mut buffer) {
            send_answer(&upstream, &buffer[..length], from);
        }
    });
    let net = scene.net();
    let pod = scene.pod(&net, "a");
    let server = net.dns_address();
    for ask in [over_udp, over_tcp] {
        let reply = pod.inside(|| ask(server, "example.org.", RecordType::A));
        assert_eq!(answers(&reply), ["198.51.100.7"]);
    }
    // resolv.conf changes: the next question knows.
    std::fs::write(&resolv, "nameserver 127.0.0.54\n").unwrap();
    let start = std::time::Instant::now();
    pod.inside(|| over_udp(server, "example.org.", RecordType::A));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    // Nobody there at all: a failure, not silence.
    std::fs::write(&resolv, "nameserver 127.0.0.99\n").unwrap();
    let reply = pod.inside(|| over_udp(server, "example.org.", RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    drop(silent);
    scene.wait(net.shutdown(true)).unwrap();
}

fn send_answer(socket: &UdpSocket, question: &[u8], to: SocketAddr) {
    let asked = Message::from_vec(question).unwrap();
    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
    let name = asked.queries[0].name().clone();
    reply.add_query(asked.queries[0].clone());
    let address = A(Ipv4Addr::new(198, 51, 100, 7));
    reply.add_answer(Record::from_rdata(name, 60, RData::A(address)));
    socket.send_to(&reply.to_vec().unwrap(), to).unwrap();
}
