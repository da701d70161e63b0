//! A service, its name and a route, from objects to an answer.

use std::io::{Read, Write};

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, script};

pub(crate) const TESTS: &[Test] = &[
    (
        "root_objects_become_names_addresses_and_routes",
        root_objects_become_names_addresses_and_routes,
    ),
    ("root_a_policy_is_kept_by_the_kernel", root_a_policy_is_kept_by_the_kernel),
];

fn root_objects_become_names_addresses_and_routes() {
    let cluster = Cluster::new();
    let mut web = script("web", "echo page > /data/index.html; httpd -f -p 8000 -h /data");
    web["readinessProbe"] = json!({"tcpSocket": {"port": 8000}, "periodSeconds": 1});
    cluster.pod("web", json!({"containers": [web]}));
    let ip = cluster.wait_ready("web")["status"]["podIP"].as_str().unwrap().to_owned();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}});
    let service = cluster.create("/api/v1/namespaces/test/services", &service);
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": true}}]});
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/test/endpointslices", &slice);
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "web"}, "spec": {"ingressClassName": "shelf", "rules": [
            {"host": "web.localhost", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}});
    cluster.create("/apis/networking.k8s.io/v1/namespaces/test/ingresses", &ingress);
    // By name and stable address, from a pod of the same namespace.
    // busybox's own resolver is nslookup; its wget, being static, cannot ask for names.
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let text = format!(
        "for i in $(seq 20); do nslookup web.test.svc.cluster.local | grep -q {address} && \
         wget -q -O - http://{address}/ && exit; sleep 0.1; done; cat /etc/resolv.conf; \
         nslookup web.test.svc.cluster.local"
    );
    cluster.pod("client", json!({"restartPolicy": "Never", "containers": [script("main", &text)]}));
    cluster.wait("client", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["terminated"].is_object()
    });
    assert_eq!(cluster.logs("client", ""), "page\n");
    // By host name, at the front door.
    let door = cluster.world.net.front_door()[0];
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(door)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    crate::world::until("the page", || ask().is_ok_and(|answer| answer.ends_with("page\n")));
    let path = "/apis/networking.k8s.io/v1/namespaces/test/ingresses/web";
    let told =
        cluster.wait_for(path, |i| i["status"]["loadBalancer"]["ingress"][0]["ip"].is_string());
    assert_eq!(told["status"]["loadBalancer"]["ingress"][0]["ip"], "127.0.0.1");
    cluster.check_nothing_is_left();
}

fn root_a_policy_is_kept_by_the_kernel() {
    let cluster = Cluster::new();
    let mut web = script("web", "echo page > /data/index.html; httpd -f -p 8000 -h /data");
    web["readinessProbe"] = json!({"tcpSocket": {"port": 8000}, "periodSeconds": 1});
    cluster.pod("web", json!({"containers": [web]}));
    let ip = cluster.wait_ready("web")["status"]["podIP"].as_str().unwrap().to_owned();
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "web"}, "spec": {"podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}],
                "ports": [{"port": 8000}]}]}});
    let path = "/apis/networking.k8s.io/v1/namespaces/test/networkpolicies";
    cluster.create(path, &policy);
    crate::world::until("the rules", || {
        let tables = std::process::Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        String::from_utf8_lossy(&tables.stdout).contains(&format!("{ip} : jump"))
    });
    let text = format!("timeout 3 wget -q -O - http://{ip}:8000/ || echo refused");
    for name in ["friend", "stranger"] {
        let main = script("main", &text);
        cluster.pod(name, json!({"restartPolicy": "Never", "containers": [main]}));
    }
    for (name, heard) in [("friend", "page\n"), ("stranger", "refused\n")] {
        cluster.wait_phase(name, "Succeeded");
        let text = cluster.logs(name, "");
        assert!(text.ends_with(heard), "{name}: {text}");
    }
    cluster.delete(&format!("{path}/web"), 0);
    cluster.pod("later", json!({"restartPolicy": "Never", "containers": [script("main", &text)]}));
    cluster.wait_phase("later", "Succeeded");
    assert_eq!(cluster.logs("later", ""), "page\n");
    cluster.check_nothing_is_left();
}
