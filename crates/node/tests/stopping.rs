//! Deletion: in good order, in a hurry.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, condition, pod_path, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_deletion_asks_waits_and_then_forgets", root_deletion_asks_waits_and_then_forgets),
    ("root_a_forced_deletion_does_not_wait", root_a_forced_deletion_does_not_wait),
];

fn root_deletion_asks_waits_and_then_forgets() {
    let cluster = Cluster::new();
    let claim = cluster.world.place.dir.join("data/volumes/v");
    std::fs::create_dir_all(&claim).unwrap();
    let mut main = script(
        "main",
        "trap 'echo term >> /v/order; sleep 0.3; exit 0' TERM; echo up; while :; do sleep 0.05; done",
    );
    main["lifecycle"] = json!({"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook >> /v/order"]}},
        "postStart": {"exec": {"command": ["/bin/sh", "-c", "echo start >> /v/order"]}}});
    main["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    crate::volumes::claim(&cluster, "v", &claim);
    let volume = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}]);
    cluster.pod(
        "polite",
        json!({"terminationGracePeriodSeconds": 20, "volumes": volume, "containers": [main]}),
    );
    cluster.wait_ready("polite");
    crate::world::until("the trap", || cluster.logs("polite", "") == "up\n");
    cluster.delete(&pod_path("polite"), 20);
    let pod = cluster.wait("polite", |pod| condition(pod, "Ready") == "False");
    assert!(pod["metadata"]["deletionTimestamp"].is_string());
    cluster.wait_gone("polite");
    assert!(cluster.world.pods().list().is_empty());
    let order = std::fs::read_to_string(claim.join("order")).unwrap();
    assert_eq!(order, "start\nhook\nterm\n");
    cluster.check_nothing_is_left();
}

fn root_a_forced_deletion_does_not_wait() {
    let cluster = Cluster::new();
    let deaf = script("main", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    cluster.pod("deaf", json!({"terminationGracePeriodSeconds": 600, "containers": [deaf]}));
    cluster.wait_ready("deaf");
    crate::world::until("the trap", || cluster.logs("deaf", "") == "up\n");
    cluster.delete(&pod_path("deaf"), 600);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!cluster.world.pods().list().is_empty(), "it did not wait at all");
    let began = Instant::now();
    cluster.delete(&pod_path("deaf"), 0);
    crate::world::until("its end", || cluster.world.pods().list().is_empty());
    cluster.wait_gone("deaf");
    assert!(began.elapsed() < Duration::from_secs(15));
    cluster.check_nothing_is_left();
}
