//! What clients may ask, and that no bytes at all make us panic.

use super::*;
use crate::cidr::Cidr;
use crate::model::{Host, Protocol, Service, ServicePort};

fn zone() -> Zone {
    let port = |name: &str, port, backends: &[&str]| ServicePort {
        name: Some(name.into()),
        port,
        protocol: Protocol::Tcp,
        node_port: None,
        backends: backends.iter().map(|b| b.parse().unwrap()).collect(),
    };
    let pod = |hostname: Option<&str>, ip: [u8; 4]| Host {
        hostname: hostname.map(Into::into),
        ip: ip.into(),
    };
    let services = [
        Service {
            namespace: "shop".into(),
            name: "web".into(),
            cluster_ip: Some([10, 96, 0, 7].into()),
            ports: vec![port("http", 80, &["10.88.0.5:8000"])],
            hosts: vec![pod(None, [10, 88, 0, 5])],
        },
        Service {
            namespace: "shop".into(),
            name: "db".into(),
            cluster_ip: None,
            ports: vec![port("sql", 5432, &["10.88.0.6:5432", "10.88.0.7:5433"])],
            hosts: vec![pod(Some("db-0"), [10, 88, 0, 6]), pod(Some("db-1"), [10, 88, 0, 7])],
        },
    ];
    let pods = Cidr::new([10, 88, 0, 0].into(), 20);
    Zone::new("cluster.local", pods, Cidr::new([10, 96, 0, 0].into(), 16), &services)
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 7;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn ask(name: &str, kind: RecordType) -> Message {
    match answer(&zone(), &question(name, kind), Transport::Udp) {
        Outcome::Reply(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{name}: {other:?}"),
    }
}

fn data(message: &Message) -> Vec<String> {
    let mut all: Vec<_> = message.answers.iter().map(|record| record.data.to_string()).collect();
    all.sort();
    all
}

#[test]
fn a_service_has_its_stable_address() {
    let reply = ask("Web.shop.svc.Cluster.local.", RecordType::A);
    assert_eq!(data(&reply), ["10.96.0.7"]);
    assert_eq!(reply.answers[0].ttl, 5);
    assert!(reply.metadata.authoritative);
    assert_eq!(reply.metadata.id, 7);
}

#[test]
fn a_headless_service_has_all_ready_pods() {
    let reply = ask("db.shop.svc.cluster.local.", RecordType::A);
    assert_eq!(data(&reply), ["10.88.0.6", "10.88.0.7"]);
    assert_eq!(data(&ask("db-1.db.shop.svc.cluster.local.", RecordType::A)), ["10.88.0.7"]);
    assert_eq!(data(&ask("10-88-0-6.db.shop.svc.cluster.local.", RecordType::A)), ["10.88.0.6"]);
}

#[test]
fn srv_records_name_port_and_target() {
    let reply = ask("_http._tcp.web.shop.svc.cluster.local.", RecordType::SRV);
    assert_eq!(data(&reply), ["0 100 80 web.shop.svc.cluster.local."]);
    let reply = ask("_sql._tcp.db.shop.svc.cluster.local.", RecordType::SRV);
    assert_eq!(
        data(&reply),
        [
            "0 100 5432 db-0.db.shop.svc.cluster.local.",
            "0 100 5433 db-1.db.shop.svc.cluster.local."
        ]
    );
    assert_eq!(reply.additionals.len(), 2);
}

#[test]
fn what_is_not_there_is_told_apart_from_what_is_empty() {
    let missing = ask("no.shop.svc.cluster.local.", RecordType::A);
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(missing.authorities.len(), 1);
    for name in ["web.shop.svc.cluster.local.", "shop.svc.cluster.local.", "cluster.local."] {
        let empty = ask(name, RecordType::AAAA);
        assert_eq!(empty.metadata.response_code, ResponseCode::NoError, "{name}");
        assert_eq!((empty.answers.len(), empty.authorities.len()), (0, 1), "{name}");
    }
}

#[test]
fn addresses_have_names() {
    let name = "7.0.96.10.in-addr.arpa.";
    assert_eq!(data(&ask(name, RecordType::PTR)), ["web.shop.svc.cluster.local."]);
    let name = "7.0.88.10.in-addr.arpa.";
    assert_eq!(data(&ask(name, RecordType::PTR)), ["db-1.db.shop.svc.cluster.local."]);
    let unknown = ask("9.0.88.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn apps_are_reached_through_the_front_door() {
    assert_eq!(data(&ask("shop.localhost.", RecordType::A)), ["10.88.0.1"]);
    assert!(ask("shop.localhost.", RecordType::AAAA).answers.is_empty());
}

#[test]
fn foreign_names_are_forwarded() {
    for name in ["debian.org.", "notcluster.local.", "1.1.1.1.in-addr.arpa.", "xlocalhost."] {
        let outcome = answer(&zone(), &question(name, RecordType::A), Transport::Udp);
        assert_eq!(outcome, Outcome::Forward, "{name}");
    }
}

#[test]
fn long_answers_are_cut_for_udp_only() {
    let hosts = (0..200).map(|n| Host { hostname: None, ip: [10, 88, 1, n].into() }).collect();
    let big =
        Service { namespace: "a".into(), name: "b".into(), cluster_ip: None, ports: vec![], hosts };
    let pods = Cidr::new([10, 88, 0, 0].into(), 20);
    let zone = Zone::new("cluster.local", pods, pods, &[big]);
    let question = question("b.a.svc.cluster.local.", RecordType::A);
    let parse = |outcome| match outcome {
        Outcome::Reply(bytes) => (bytes.len(), Message::from_vec(&bytes).unwrap()),
        other => panic!("{other:?}"),
    };
    let (length, udp) = parse(answer(&zone, &question, Transport::Udp));
    assert!(length <= 512 && udp.metadata.truncation);
    let (_, tcp) = parse(answer(&zone, &question, Transport::Tcp));
    assert_eq!((tcp.answers.len(), tcp.metadata.truncation), (200, false));
}

#[test]
fn a_forged_answer_does_not_belong() {
    let asked = question("debian.org.", RecordType::A);
    let mut reply = Message::response(9, OpCode::Query);
    reply.add_query(Query::query(Name::from_ascii("debian.org.").unwrap(), RecordType::A));
    let bytes = reply.to_vec().unwrap();
    assert!(belongs(&bytes, &asked, 9));
    assert!(!belongs(&bytes, &asked, 10));
    assert!(!belongs(&bytes, &question("evil.org.", RecordType::A), 9));
}

#[test]
fn no_bytes_make_it_panic() {
    let zone = zone();
    let seeds = [
        question("_http._tcp.web.shop.svc.cluster.local.", RecordType::SRV),
        question("7.0.96.10.in-addr.arpa.", RecordType::PTR),
        vec![0; 64],
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..1 + next() % 6 {
            let at = next() as usize % bytes.len();
            bytes[at] = next() as u8;
        }
        bytes.truncate(1 + next() as usize % bytes.len());
        for transport in [Transport::Udp, Transport::Tcp] {
            if let Outcome::Reply(reply) = answer(&zone, &bytes, transport) {
                assert!(reply.len() >= 12 && reply[2] & 0x80 != 0);
            }
        }
        drop(server_failure(&bytes));
        belongs(&bytes, &seeds[0], 7);
    }
}
