//! Pods that run to their end, restart, initialise, are refused.

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, condition, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_a_pod_runs_to_completion", root_a_pod_runs_to_completion),
    ("root_failures_are_told_with_their_code", root_failures_are_told_with_their_code),
    ("root_crashes_are_restarted_with_back_off", root_crashes_are_restarted_with_back_off),
    ("root_init_containers_come_first", root_init_containers_come_first),
    ("root_what_cannot_run_says_why", root_what_cannot_run_says_why),
    ("root_environment_comes_from_everywhere", root_environment_comes_from_everywhere),
    ("root_a_deadline_ends_a_pod", root_a_deadline_ends_a_pod),
    ("root_memory_limits_kill_and_say_so", root_memory_limits_kill_and_say_so),
];

fn root_a_pod_runs_to_completion() {
    let cluster = Cluster::new();
    cluster.pod(
        "once",
        json!({"restartPolicy": "Never", "containers": [script("main", "echo hello; echo bye >/dev/termination-log")]}),
    );
    let pod = cluster.wait_phase("once", "Succeeded");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(0), &json!("Completed")));
    assert_eq!(ended["message"], "bye\n");
    assert!(pod["status"]["podIP"].is_string() && pod["status"]["startTime"].is_string());
    assert_eq!(pod["status"]["qosClass"], "BestEffort");
    assert_eq!(condition(&pod, "Initialized"), "True");
    assert_eq!(condition(&pod, "Ready"), "False");
    assert_eq!(cluster.logs("once", ""), "hello\n");
    let stamped = cluster.logs("once", "timestamps=true&tailLines=1");
    assert!(stamped.ends_with("Z hello\n") && stamped.starts_with("20"), "{stamped}");
    // Its sandbox is given back, its logs stay.
    crate::world::until("release", || cluster.world.pods().list().iter().all(|state| !state.alive));
    crate::world::until("events", || cluster.events("once").contains(&"Started".to_owned()));
    let node = cluster.get("/api/v1/nodes/here").unwrap();
    assert_eq!(condition(&node, "Ready"), "True");
    cluster.check_nothing_is_left();
}

fn root_failures_are_told_with_their_code() {
    let cluster = Cluster::new();
    cluster.pod(
        "fails",
        json!({"restartPolicy": "Never", "containers": [
            {"name": "main", "command": ["/bin/sh", "-c", "echo why; exit 3"],
             "terminationMessagePolicy": "FallbackToLogsOnError"}]}),
    );
    let missing = json!([{"name": "main", "command": ["/no/such/program"]}]);
    cluster.pod("absent", json!({"restartPolicy": "Never", "containers": missing}));
    let pod = cluster.wait_phase("fails", "Failed");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["message"]), (&json!(3), &json!("why\n")));
    let pod = cluster.wait_phase("absent", "Failed");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 127);
    cluster.check_nothing_is_left();
}

fn root_crashes_are_restarted_with_back_off() {
    let cluster = Cluster::new();
    cluster.pod("crash", json!({"containers": [script("main", "echo run; exit 2")]}));
    let pod = cluster.wait("crash", |pod| {
        let status = &pod["status"]["containerStatuses"][0];
        status["restartCount"].as_i64() >= Some(2)
            && status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 2);
    assert_eq!(cluster.logs("crash", "previous=true"), "run\n");
    cluster.check_nothing_is_left();
}

fn root_init_containers_come_first() {
    let cluster = Cluster::new();
    let mount = json!([{"name": "v", "mountPath": "/v"}]);
    let with = |mut container: serde_json::Value| {
        container["volumeMounts"] = mount.clone();
        container
    };
    let mut side = with(script(
        "side",
        "echo side > /v/side; trap 'exit 0' TERM; while :; do sleep 0.1; done",
    ));
    side["restartPolicy"] = json!("Always");
    cluster.pod(
        "ordered",
        json!({"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}],
            "initContainers": [
                with(script("one", "sleep 0.2; echo one >> /v/order")), side,
                with(script("two", "while [ ! -e /v/side ]; do sleep 0.05; done; echo two >> /v/order"))],
            "containers": [with(script("main", "cat /v/order /v/side"))]}),
    );
    let pod = cluster.wait_phase("ordered", "Succeeded");
    assert_eq!(cluster.logs("ordered", "container=main"), "one\ntwo\nside\n");
    let inits = &pod["status"]["initContainerStatuses"];
    assert_eq!(inits[0]["state"]["terminated"]["exitCode"], 0);
    cluster.check_nothing_is_left();
}

fn root_what_cannot_run_says_why() {
    let cluster = Cluster::new();
    cluster.pod("host", json!({"hostNetwork": true, "containers": [script("main", "true")]}));
    let pod = cluster.wait_phase("host", "Failed");
    assert!(pod["status"]["message"].as_str().unwrap().contains("hostNetwork"), "{pod:#}");
    let mut absent = script("main", "true");
    absent["image"] = json!("nowhere/nothing:1");
    cluster.pod("pull", json!({"containers": [absent]}));
    let reason = |pod: &serde_json::Value| {
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        waiting["reason"].as_str().unwrap_or_default().to_owned()
    };
    let pod = cluster.wait("pull", |pod| reason(pod).contains("Image"));
    let text = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].to_string();
    assert!(text.contains("nowhere/nothing:1"), "{text}");
    let mut env = script("main", "echo $A");
    env["env"] =
        json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "a"}}}]);
    cluster.pod("config", json!({"restartPolicy": "Never", "containers": [env]}));
    cluster.wait("config", |pod| reason(pod) == "CreateContainerConfigError");
    // It starts by itself once what it needs is there.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"},
        "stringData": {"a": "came late"}});
    cluster.create("/api/v1/namespaces/test/secrets", &secret);
    cluster.wait_phase("config", "Succeeded");
    assert_eq!(cluster.logs("config", ""), "came late\n");
    cluster.check_nothing_is_left();
}

fn root_environment_comes_from_everywhere() {
    let cluster = Cluster::new();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"FROM_MAP": "map"}});
    cluster.create("/api/v1/namespaces/test/configmaps", &map);
    let mut main = script("main", "echo $IP $NAME $FROM_MAP $BOTH $0 $1");
    main["args"] = json!(["zero", "$(NAME)"]);
    main["envFrom"] = json!([{"configMapRef": {"name": "m"}}]);
    main["env"] = json!([
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "BOTH", "value": "$(NAME)-$(FROM_MAP)"}]);
    cluster.pod("env", json!({"restartPolicy": "Never", "containers": [main]}));
    let pod = cluster.wait_phase("env", "Succeeded");
    let ip = pod["status"]["podIP"].as_str().unwrap();
    assert_eq!(cluster.logs("env", ""), format!("{ip} env map env-map zero env\n"));
    cluster.check_nothing_is_left();
}

fn root_a_deadline_ends_a_pod() {
    let cluster = Cluster::new();
    cluster.pod(
        "late",
        json!({"activeDeadlineSeconds": 1, "containers": [script("main", "sleep 100")]}),
    );
    let pod = cluster.wait_phase("late", "Failed");
    assert_eq!(pod["status"]["reason"], "DeadlineExceeded");
    cluster.check_nothing_is_left();
}

fn root_memory_limits_kill_and_say_so() {
    let cluster = Cluster::new();
    let mut main = script("main", "x=0123456789abcdef; while :; do x=$x$x; done");
    main["resources"] = json!({"limits": {"memory": "16Mi"}});
    cluster.pod("greedy", json!({"restartPolicy": "Never", "containers": [main]}));
    let pod = cluster.wait_phase("greedy", "Failed");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["reason"], &ended["exitCode"]), (&json!("OOMKilled"), &json!(137)));
    cluster.check_nothing_is_left();
}
