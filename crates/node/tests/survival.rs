//! The daemon dies and comes back; the machine does.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, condition, pod_path, script};
use crate::world::{Place, World, processes_in, until};

pub(crate) const TESTS: &[Test] = &[
    ("root_a_new_daemon_finds_all_pods_again", root_a_new_daemon_finds_all_pods_again),
    ("root_a_power_cut_restarts_what_ran", root_a_power_cut_restarts_what_ran),
    (
        "root_a_daemon_that_ends_in_order_leaves_pods_alone",
        root_a_daemon_that_ends_in_order_leaves_pods_alone,
    ),
    ("root_pods_of_no_namespace_are_not_the_nodes", root_pods_of_no_namespace_are_not_the_nodes),
];

const ROLE: &str = "NODE_TEST_DAEMON";

/// The daemon that will be killed.
pub(crate) fn daemon_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (dir, instance) = role.split_once('|').unwrap();
    let cluster = Cluster::open(Place { dir: dir.into(), instance: instance.into() });
    let mut runs = script("main", "echo start; while :; do sleep 0.05; done");
    runs["readinessProbe"] = json!({"exec": {"command": ["/bin/true"]}, "periodSeconds": 1});
    cluster.pod("runs", json!({"containers": [runs]}));
    cluster.pod(
        "ends",
        json!({"restartPolicy": "Never", "containers": [script("main", "sleep 1.5; exit 9")]}),
    );
    cluster.pod(
        "done",
        json!({"restartPolicy": "OnFailure", "containers": [script("main", "echo once")]}),
    );
    cluster.pod("deleted", json!({"containers": [script("main", "sleep 100")]}));
    for name in ["runs", "ends", "deleted"] {
        cluster.wait_ready(name);
    }
    cluster.wait_phase("done", "Succeeded");
    std::fs::write(Path::new(dir).join("ready"), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn daemon(place: &Place) -> Child {
    let child = Command::new("/proc/self/exe")
        .env(ROLE, format!("{}|{}", place.dir.display(), place.instance))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("the daemon", || place.dir.join("ready").exists());
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn root_a_new_daemon_finds_all_pods_again() {
    let (place, _temporary) = World::place();
    kill(daemon(&place));
    // One container ends meanwhile, and one pod is deleted before the new node looks.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let cluster = Cluster::open(place);
    let pod = cluster.get(&pod_path("runs")).unwrap();
    assert_eq!(condition(&pod, "Ready"), "True", "it was ready all the time");
    let pod = cluster.wait_phase("ends", "Failed");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 9);
    cluster.delete(&pod_path("deleted"), 1);
    cluster.wait_gone("deleted");
    let pod = cluster.wait_ready("runs");
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!((&status["restartCount"], &status["ready"]), (&json!(0), &json!(true)));
    assert_eq!(cluster.logs("runs", ""), "start\n");
    assert_eq!(cluster.logs("done", ""), "once\n");
    cluster.check_nothing_is_left();
}

fn root_a_power_cut_restarts_what_ran() {
    let (place, _temporary) = World::place();
    kill(daemon(&place));
    for pid in processes_in(&place) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    until("the cut", || processes_in(&place).is_empty());
    let cluster = Cluster::open(place);
    let pod = cluster.wait("runs", |pod| {
        pod["status"]["containerStatuses"][0]["restartCount"] == 1
            && condition(pod, "Ready") == "True"
    });
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["reason"], &last["exitCode"]), (&json!("Unknown"), &json!(255)));
    assert_eq!(cluster.logs("runs", "previous=true"), "start\n");
    let pod = cluster.wait_phase("done", "Succeeded");
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    cluster.wait_phase("ends", "Failed");
    cluster.check_nothing_is_left();
}

fn root_a_daemon_that_ends_in_order_leaves_pods_alone() {
    let mut cluster = Cluster::new();
    cluster.pod("runs", json!({"containers": [script("main", "sleep 100")]}));
    let before = cluster.wait_ready("runs");
    cluster.stop();
    assert!(cluster.world.pods().list()[0].container("main").unwrap().running());
    cluster.start();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let after = cluster.get(&pod_path("runs")).unwrap();
    assert_eq!(before["status"], after["status"]);
    cluster.check_nothing_is_left();
}

fn root_pods_of_no_namespace_are_not_the_nodes() {
    let mut cluster = Cluster::new();
    let pods = cluster.world.pods().clone();
    let spec = |id: &str, namespace: &str| pod::Spec {
        id: id.to_owned(),
        namespace: namespace.to_owned(),
        name: id.to_owned(),
        hostname: id.to_owned(),
        user_namespace: true,
        ..pod::Spec::default()
    };
    pods.create(&spec("apart", "")).unwrap();
    pods.create(&spec("forgotten", "default")).unwrap();
    cluster.stop();
    cluster.start();
    until("the forgotten pod's end", || pods.get("forgotten").is_none());
    assert!(pods.get("apart").unwrap().alive);
    pods.remove("apart").unwrap();
    drop(pods);
    cluster.check_nothing_is_left();
}
