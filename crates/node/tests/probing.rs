//! Probes on real containers.

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, condition, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_readiness_follows_the_probe", root_readiness_follows_the_probe),
    ("root_who_starts_is_asked_again_soon", root_who_starts_is_asked_again_soon),
    ("root_liveness_restarts_a_container", root_liveness_restarts_a_container),
    ("root_http_and_tcp_probes_reach_the_pod", root_http_and_tcp_probes_reach_the_pod),
];

fn root_readiness_follows_the_probe() {
    let cluster = Cluster::new();
    let mut main = script("main", "sleep 2; touch /data/ok; sleep 3; rm /data/ok; sleep 100");
    main["readinessProbe"] = json!({"exec": {"command": ["/bin/test", "-e", "/data/ok"]},
        "periodSeconds": 1, "failureThreshold": 1});
    cluster.pod("r", json!({"containers": [main]}));
    let pod = cluster
        .wait("r", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
    assert_eq!(condition(&pod, "Ready"), "False");
    cluster.wait_ready("r");
    let pod = cluster.wait("r", |pod| condition(pod, "Ready") == "False");
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    crate::world::until("an event", || cluster.events("r").contains(&"Unhealthy".to_owned()));
    cluster.check_nothing_is_left();
}

/// The second round would be after the test's patience.
fn root_who_starts_is_asked_again_soon() {
    let cluster = Cluster::new();
    let mut web = script("web", "sleep 1; httpd -f -p 8000 -h /data");
    web["readinessProbe"] = json!({"tcpSocket": {"port": 8000}, "periodSeconds": 300});
    let mut program = script("program", "sleep 1; touch /data/ok; sleep 100");
    program["readinessProbe"] =
        json!({"exec": {"command": ["/bin/test", "-e", "/data/ok"]}, "periodSeconds": 300});
    cluster.pod("soon", json!({"containers": [web, program]}));
    cluster.wait_ready("soon");
    cluster.check_nothing_is_left();
}

fn root_liveness_restarts_a_container() {
    let cluster = Cluster::new();
    let mut main = script("main", "touch /data/ok; sleep 2; rm /data/ok; sleep 100");
    main["startupProbe"] = json!({"exec": {"command": ["/bin/test", "-e", "/data/ok"]},
        "periodSeconds": 1, "failureThreshold": 10});
    main["livenessProbe"] = json!({"exec": {"command": ["/bin/test", "-e", "/data/ok"]},
        "periodSeconds": 1, "failureThreshold": 2});
    cluster.pod("l", json!({"containers": [main]}));
    let pod = cluster
        .wait("l", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1));
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 137, "{pod:#}");
    crate::world::until("an event", || cluster.events("l").contains(&"Killing".to_owned()));
    cluster.check_nothing_is_left();
}

fn root_http_and_tcp_probes_reach_the_pod() {
    let cluster = Cluster::new();
    let mut web = script("web", "echo fine > /data/index.html; httpd -f -p 8000 -h /data");
    web["ports"] = json!([{"name": "http", "containerPort": 8000}]);
    web["readinessProbe"] =
        json!({"httpGet": {"path": "/index.html", "port": "http"}, "periodSeconds": 1});
    web["livenessProbe"] = json!({"tcpSocket": {"port": 8000}, "periodSeconds": 1});
    let mut bad = web.clone();
    bad["readinessProbe"]["httpGet"]["path"] = json!("/missing");
    cluster.pod("good", json!({"containers": [web]}));
    cluster.pod("bad", json!({"containers": [bad]}));
    cluster.wait_ready("good");
    crate::world::until("a failed probe", || {
        cluster.events("bad").contains(&"Unhealthy".to_owned())
    });
    assert_eq!(
        condition(&cluster.get("/api/v1/namespaces/test/pods/bad").unwrap(), "Ready"),
        "False"
    );
    cluster.check_nothing_is_left();
}
