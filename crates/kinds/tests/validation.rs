//! What is refused, and in which words.

use kinds::Kind;
use serde_json::{Value, json};

fn kind(group: &str, plural: &str) -> &'static Kind {
    kinds::find(group, "v1", plural).unwrap()
}

/// Faults of an object made valid but for what `change` does.
#[track_caller]
fn faults(group: &str, plural: &str, base: &Value, change: impl Fn(&mut Value)) -> Vec<String> {
    let kind = kind(group, plural);
    let mut object = base.clone();
    change(&mut object);
    kind.default(&mut object);
    kind.validate(&object, None).iter().map(ToString::to_string).collect()
}

fn pod() -> Value {
    json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn deployment() -> Value {
    json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}}})
}

fn service() -> Value {
    json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"ports": [{"port": 80}]}})
}

#[test]
fn the_bases_of_these_tests_are_valid() {
    assert_eq!(faults("", "pods", &pod(), |_| {}), Vec::<String>::new());
    assert_eq!(faults("apps", "deployments", &deployment(), |_| {}), Vec::<String>::new());
    assert_eq!(faults("", "services", &service(), |_| {}), Vec::<String>::new());
}

/// One pod field by JSON pointer, its new value, the fault.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of one fault a line")]
fn faults_of_pods() {
    let cases: Vec<(&str, &str, Value, &str)> = vec![
        (
            "/metadata",
            "name",
            json!("A_b"),
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain",
        ),
        (
            "/metadata",
            "labels",
            json!({"a b": "c"}),
            "metadata.labels: Invalid value: \"a b\": name part must consist",
        ),
        (
            "/metadata",
            "labels",
            json!({"a": "-"}),
            "metadata.labels: Invalid value: \"-\": a valid label must be",
        ),
        (
            "/metadata",
            "annotations",
            json!({"a": "x".repeat(300_000)}),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        ("/spec/containers/0", "image", json!(""), "spec.containers[0].image: Required value"),
        ("/spec", "containers", json!([]), "spec.containers: Required value"),
        (
            "/spec",
            "restartPolicy",
            json!("Sometimes"),
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"",
        ),
        (
            "/spec",
            "containers",
            json!([{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]),
            "spec.containers[1].name: Duplicate value: \"c\"",
        ),
        (
            "/spec",
            "initContainers",
            json!([{"name": "c", "image": "i"}]),
            "spec.containers[0].name: Duplicate value: \"c\"",
        ),
        (
            "/spec/containers/0",
            "volumeMounts",
            json!([{"name": "v", "mountPath": "/v"}]),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            "/spec",
            "volumes",
            json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            "/spec",
            "volumes",
            json!([{"name": "v"}]),
            "spec.volumes[0]: Required value: must specify a volume type",
        ),
        (
            "/spec/containers/0",
            "livenessProbe",
            json!({"periodSeconds": 3}),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            "/spec/containers/0",
            "readinessProbe",
            json!({"tcpSocket": {"port": 1}, "exec": {"command": ["a"]}}),
            "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            "/spec/containers/0",
            "ports",
            json!([{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            "/spec/containers/0",
            "ports",
            json!([{"containerPort": 1, "protocol": "HTTP"}]),
            "spec.containers[0].ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ),
        (
            "/spec/containers/0",
            "resources",
            json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            "/spec/containers/0",
            "resources",
            json!({"limits": {"cpu": "-1"}}),
            "spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
        ),
        (
            "/spec/containers/0",
            "env",
            json!([{"name": "A=B"}]),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\"",
        ),
        (
            "/spec/containers/0",
            "env",
            json!([{"value": "x"}]),
            "spec.containers[0].env[0].name: Required value",
        ),
        (
            "/spec",
            "terminationGracePeriodSeconds",
            json!(-1),
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
    ];
    for (at, field, value, expected) in cases {
        let found = faults("", "pods", &pod(), |object| {
            object.pointer_mut(at).unwrap()[field] = value.clone();
        });
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "{expected}\nnot in {found:#?}"
        );
    }
}

#[test]
fn faults_of_workloads() {
    let found = faults("apps", "deployments", &deployment(), |object| {
        object["spec"]["template"]["metadata"]["labels"] = json!({"x": "y"});
    });
    assert_eq!(
        found,
        [
            "spec.template.metadata.labels: Invalid value: {\"x\":\"y\"}: `selector` does not match template `labels`"
        ]
    );
    let found = faults("apps", "deployments", &deployment(), |object| {
        object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        object["spec"]["replicas"] = json!(-1);
    });
    assert_eq!(
        found,
        [
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ]
    );
    let found = faults("apps", "deployments", &deployment(), |object| {
        object["spec"].as_object_mut().unwrap().remove("selector");
        object["spec"]["strategy"] =
            json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}});
    });
    assert_eq!(
        found,
        [
            "spec.selector: Required value",
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
        ]
    );
    let job = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"template": {"spec": pod()["spec"]}}});
    let found = faults("batch", "jobs", &job, |_| {});
    assert_eq!(
        found,
        [
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
        ]
    );
    let cron = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"schedule": "61 * * * *",
        "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": pod()["spec"]["containers"]}}}}}});
    let found = faults("batch", "cronjobs", &cron, |_| {});
    assert_eq!(
        found,
        ["spec.schedule: Invalid value: \"61 * * * *\": minute \"61\" is not within 0 to 59"]
    );
    assert!(
        faults("batch", "cronjobs", &cron, |o| o["spec"]["schedule"] =
            json!("*/5 1-3 * jan,feb MON-FRI"))
        .is_empty()
    );
}

#[test]
fn faults_of_services_and_storage() {
    let found = faults("", "services", &service(), |object| {
        object["metadata"]["name"] = json!("1a");
        object["spec"]["ports"] = json!([{"port": 80}, {"port": 80}]);
    });
    assert!(
        found[0].starts_with("metadata.name: Invalid value: \"1a\": a DNS-1035 label must"),
        "{found:?}"
    );
    assert_eq!(
        found[1..],
        [
            "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80}",
            "spec.ports[0].name: Required value",
            "spec.ports[1].name: Required value",
        ]
    );
    let claim =
        json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"accessModes": ["RWO"]}});
    assert_eq!(
        faults("", "persistentvolumeclaims", &claim, |_| {}),
        [
            "spec.accessModes: Unsupported value: \"RWO\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
            "spec.resources[storage]: Required value",
        ]
    );
    let tls = json!({"metadata": {"name": "a", "namespace": "n"}, "type": "kubernetes.io/tls"});
    assert_eq!(
        faults("", "secrets", &tls, |_| {}),
        ["data[tls.crt]: Required value", "data[tls.key]: Required value"]
    );
}

/// Kind, valid object, JSON pointer and value of the change, the fault.
#[test]
fn what_may_not_change() {
    let config =
        json!({"metadata": {"name": "a", "namespace": "n"}, "data": {"a": "b"}, "immutable": true});
    let mut placed = service();
    placed["spec"]["clusterIP"] = json!("10.0.0.1");
    let claim = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let cases = [
        (
            "apps",
            "deployments",
            deployment(),
            "/spec/selector/matchLabels/a",
            json!("c"),
            "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable",
        ),
        (
            "",
            "configmaps",
            config.clone(),
            "/data/a",
            json!("c"),
            "data: Forbidden: field is immutable when `immutable` is set",
        ),
        (
            "",
            "configmaps",
            config,
            "/immutable",
            json!(false),
            "immutable: Forbidden: field is immutable when `immutable` is set",
        ),
        (
            "",
            "services",
            placed,
            "/spec/clusterIP",
            json!("10.0.0.2"),
            "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set",
        ),
        (
            "",
            "persistentvolumeclaims",
            claim,
            "/spec/accessModes/0",
            json!("ReadWriteMany"),
            "spec: Forbidden: spec is immutable after creation except",
        ),
        (
            "",
            "pods",
            pod(),
            "/spec/containers/0/name",
            json!("d"),
            "spec: Forbidden: pod updates may not change fields other than",
        ),
        (
            "",
            "pods",
            pod(),
            "/metadata/name",
            json!("d"),
            "metadata.name: Invalid value: \"d\": field is immutable",
        ),
    ];
    for (group, plural, mut old, pointer, value, expected) in cases {
        let kind = kind(group, plural);
        kind.default(&mut old);
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        let found: Vec<String> =
            kind.validate(&new, Some(&old)).iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "{expected}\nnot in {found:#?}"
        );
        assert_eq!(kind.validate(&old, Some(&old)), [], "{plural}");
    }
}

#[test]
fn what_a_pod_may_change() {
    let pods = kind("", "pods");
    let mut old = pod();
    pods.default(&mut old);
    pods.prepare_create(&mut old);
    let mut new = old.clone();
    new["spec"]["containers"][0]["image"] = json!("other");
    new["spec"]["nodeName"] = json!("node");
    new["spec"]["activeDeadlineSeconds"] = json!(5);
    new["spec"]["tolerations"].as_array_mut().unwrap().push(json!({"operator": "Exists"}));
    assert_eq!(pods.validate(&new, Some(&old)), []);
    let mut moved = new.clone();
    moved["spec"]["nodeName"] = json!("another");
    assert_eq!(pods.validate(&moved, Some(&new)).len(), 1);
}

#[test]
fn unknown_fields_are_named_with_their_paths() {
    let deployments = kind("apps", "deployments");
    let object = json!({"spec": {"template": {"spec": {"containers": [{"imagee": "x"}], "x": {"y": 1}}},
        "selector": {"matchLabels": {"anything": "goes"}}}, "sped": 1});
    assert_eq!(
        deployments.unknown_fields(&object),
        [
            "unknown field \"spec.template.spec.containers[0].imagee\"",
            "unknown field \"spec.template.spec.x\"",
            "unknown field \"sped\"",
        ]
    );
    let mut pruned = object;
    deployments.drop_unknown_fields(&mut pruned);
    assert_eq!(deployments.unknown_fields(&pruned), Vec::<String>::new());
    assert_eq!(pruned["spec"]["template"]["spec"], json!({"containers": [{}]}));
}

#[test]
fn wrong_types_are_named_with_their_paths() {
    let deployments = kind("apps", "deployments");
    let object = json!({"metadata": {"labels": {"a": 1}, "creationTimestamp": "yesterday"}, "spec": {
        "replicas": "3", "minReadySeconds": 5_000_000_000_i64, "paused": null,
        "strategy": {"rollingUpdate": {"maxSurge": true}},
        "template": {"spec": {"containers": {}, "overhead": {"cpu": "much"}}}}});
    assert_eq!(
        deployments.type_errors(&object),
        [
            "metadata.labels.a: expected string, got number 1",
            "metadata.creationTimestamp: expected time as RFC 3339, got string \"yesterday\"",
            "spec.replicas: expected integer (32 bit), got string \"3\"",
            "spec.minReadySeconds: expected integer (32 bit), got number 5000000000",
            "spec.strategy.rollingUpdate.maxSurge: expected integer or string, got boolean",
            "spec.template.spec.containers: expected list, got object",
            "spec.template.spec.overhead.cpu: expected quantity such as 500m or 1Gi, got string \"much\"",
        ]
    );
    let secret = json!({"data": {"a": "not base64!"}});
    assert_eq!(
        kind("", "secrets").type_errors(&secret),
        ["data.a: expected base64 string, got string \"not base64!\""]
    );
}
