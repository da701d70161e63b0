//! What the network is told, from policies and labels.

use kube::runtime::watcher::Event;

use super::*;

fn known(policies: &[Value]) -> Known {
    let mut known = Known::default();
    for (name, namespace, app, ip) in [
        ("web-1", "shop", "web", "10.88.0.2"),
        ("db-0", "shop", "db", "10.88.0.3"),
        ("other", "blog", "web", "10.88.0.4"),
    ] {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "sql", "containerPort": 5432}]}]},
            "status": {"podIP": ip, "phase": "Running"}}))
        .unwrap();
        known.pods.take(Event::Apply(pod));
    }
    let namespace = |name: &str| {
        serde_json::from_value(json!({"metadata": {"name": name, "labels": {"team": name}}}))
            .unwrap()
    };
    known.namespaces.take(Event::Apply(namespace("shop")));
    known.namespaces.take(Event::Apply(namespace("blog")));
    for (number, spec) in policies.iter().enumerate() {
        let policy = json!({
            "metadata": {"name": format!("p{number}"), "namespace": "shop"}, "spec": spec});
        known.policies.take(Event::Apply(serde_json::from_value(policy).unwrap()));
    }
    known
}

fn pods(list: &[&str]) -> BTreeSet<Ipv4Addr> {
    list.iter().map(|ip| ip.parse().unwrap()).collect()
}

fn tcp(first: u16, last: u16) -> Ports {
    Ports { protocol: net::Protocol::Tcp, range: (first, last) }
}

#[test]
fn a_wires_policy_lets_its_consumer_in_and_nobody_else() {
    let wire = json!({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
            "ports": [{"protocol": "TCP", "port": 5432}]}]});
    let allow =
        vec![Allow { peers: Peers::Pods(pods(&["10.88.0.2"])), ports: vec![tcp(5432, 5432)] }];
    let wanted = [Policy { pods: pods(&["10.88.0.3"]), direction: Direction::Arriving, allow }];
    assert_eq!(policies_of(&known(&[wire])), wanted);
}

#[test]
fn policies_add_up_and_namespaces_are_told_apart() {
    let db = json!({"matchLabels": {"app": "db"}});
    let nobody = json!({"podSelector": db, "policyTypes": ["Ingress"]});
    let blog = json!({"podSelector": db, "ingress": [{"from": [{
        "namespaceSelector": {"matchLabels": {"team": "blog"}},
        "podSelector": {"matchLabels": {"app": "web"}}}]}]});
    let made = policies_of(&known(&[nobody.clone(), blog]));
    let [policy] = &made[..] else { panic!("{made:?}") };
    assert_eq!(policy.allow, [Allow { peers: Peers::Pods(pods(&["10.88.0.4"])), ports: vec![] }]);
    let made = policies_of(&known(&[nobody]));
    assert!(made[0].allow.is_empty(), "{made:?}");
}

#[test]
fn names_of_ports_ranges_and_blocks_are_read() {
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"ports": [{"port": "sql"}, {"port": 8000, "endPort": 8010}]},
            {"ports": [{"port": "missing"}]}],
        "egress": [
            {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]},
            {"to": [{"podSelector": {}}], "ports": [{"port": "sql"}]}]});
    let made = policies_of(&known(&[spec]));
    let both = pods(&["10.88.0.2", "10.88.0.3"]);
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].pods, both);
    let ports = vec![tcp(5432, 5432), tcp(8000, 8010)];
    assert_eq!(made[0].allow, [Allow { peers: Peers::Any, ports }]);
    let outside =
        Block { network: (Ipv4Addr::UNSPECIFIED, 0), except: vec![([10, 0, 0, 0].into(), 8)] };
    assert!(made[1].allow.iter().any(|allow| allow.peers == Peers::Block(outside.clone())));
    assert_eq!(made[1].allow.len(), 3);
}

#[test]
fn what_has_ended_has_no_address_any_more() {
    let mut known = known(&[json!({"podSelector": {}})]);
    for pod in known.pods.by_key.values_mut() {
        pod.status.as_mut().unwrap().phase = Some("Succeeded".into());
    }
    assert!(policies_of(&known).is_empty());
}
