//! What the network is told, from objects.

use super::*;

fn known() -> Known {
    let mut known = Known::default();
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]}}))
    .unwrap();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "web-1", "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8000}],
        "endpoints": [
            {"addresses": ["10.88.0.5"], "hostname": "web-0", "conditions": {"ready": true}},
            {"addresses": ["10.88.0.6"], "conditions": {"ready": false}}]}))
    .unwrap();
    known.services.take(watcher::Event::Apply(service));
    known.slices.take(watcher::Event::Apply(slice));
    known
}

#[test]
fn only_ready_pods_get_traffic() {
    let known = known();
    let slices: Vec<_> = known.slices.by_key.values().collect();
    let made = service(known.services.by_key.values().next().unwrap(), &slices).unwrap();
    assert_eq!(made.cluster_ip, Some(Ipv4Addr::new(10, 96, 0, 9)));
    assert_eq!(made.ports[0].backends, ["10.88.0.5:8000".parse().unwrap()]);
    assert_eq!(made.hosts.len(), 1);
    assert_eq!(made.hosts[0].hostname.as_deref(), Some("web-0"));
}

#[test]
fn an_ingress_names_its_services_port_by_number_or_name() {
    let known = known();
    let slices: Vec<_> = known.slices.by_key.values().collect();
    let ingress: Ingress = serde_json::from_value(json!({
        "metadata": {"name": "i", "namespace": "shop"},
        "spec": {"rules": [{"host": "shop.localhost", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service":
                {"name": "web", "port": {"number": 80}}}},
            {"path": "/x", "pathType": "Prefix", "backend": {"service":
                {"name": "web", "port": {"name": "nope"}}}}]}}]}}))
    .unwrap();
    let made = routes(&ingress, &known, &slices);
    assert_eq!(made[0].backends, ["10.88.0.5:8000".parse().unwrap()]);
    assert_eq!((made[1].path.as_str(), made[1].backends.len()), ("/x", 0));
    assert_eq!(made[0].owner, "shop/i");
}

#[test]
fn what_a_new_list_leaves_out_is_gone() {
    let mut known = known();
    let other: Service = serde_json::from_value(json!({"metadata": {"name": "b"}})).unwrap();
    assert!(!known.services.take(watcher::Event::Init));
    assert!(!known.services.take(watcher::Event::InitApply(other)));
    assert_eq!(known.services.by_key.len(), 1);
    assert!(known.services.take(watcher::Event::InitDone));
    assert!(known.services.by_key.keys().all(|(_, name)| name == "b"));
}
