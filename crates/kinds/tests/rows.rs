//! Printed rows as kubectl users know them.

use serde_json::{Value, json};

fn now() -> jiff::Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

/// Name and cell of every column, one line an object.
fn printed(group: &str, version: &str, plural: &str, objects: &[Value]) -> String {
    let kind = kinds::find(group, version, plural).unwrap();
    let heads: Vec<&str> = kind.columns().iter().map(|column| column.name).collect();
    let mut out = heads.join(" | ");
    for object in objects {
        let mut object = object.clone();
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:56:40Z");
        if object["metadata"].get("name").is_none() {
            object["metadata"]["name"] = json!("a");
        }
        let row = kind.row(&object, now());
        assert_eq!(row.len(), heads.len(), "{plural}");
        let cells: Vec<String> = row
            .iter()
            .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
            .collect();
        out.push('\n');
        out.push_str(&cells.join(" | "));
    }
    out
}

fn pod(status: Value) -> Value {
    json!({"spec": {"containers": [{"name": "c"}, {"name": "d"}], "nodeName": "node"}, "status": status})
}

fn state(name: &str, ready: bool, state: Value) -> Value {
    json!({"name": name, "ready": ready, "restartCount": 0, "state": state})
}

#[test]
fn pods_say_what_matters_most() {
    let running = json!({"running": {}});
    let mut crashing = state("c", false, json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    crashing["restartCount"] = json!(3);
    crashing["lastState"] =
        json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:58:00Z"}});
    let mut starting = pod(json!({"phase": "Pending", "initContainerStatuses": [
        state("i", true, json!({"terminated": {"exitCode": 0}})), state("j", false, running.clone())]}));
    starting["spec"]["initContainers"] = json!([{"name": "i"}, {"name": "j"}]);
    let mut failing = starting.clone();
    failing["status"]["initContainerStatuses"][1]["state"] =
        json!({"terminated": {"exitCode": 2, "reason": "Error"}});
    let mut sidecar = starting.clone();
    sidecar["spec"]["initContainers"][1]["restartPolicy"] = json!("Always");
    sidecar["status"]["initContainerStatuses"][1]["started"] = json!(true);
    sidecar["status"]["initContainerStatuses"][1]["ready"] = json!(true);
    sidecar["status"]["containerStatuses"] =
        json!([state("c", true, running.clone()), state("d", true, running.clone())]);
    sidecar["status"]["phase"] = json!("Running");
    let mut ending = pod(json!({"phase": "Running", "podIP": "10.0.0.1"}));
    ending["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:59:00Z"});
    let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let objects = [
        pod(json!({"phase": "Pending"})),
        pod(json!({"phase": "Pending", "containerStatuses": [
            state("c", false, json!({"waiting": {"reason": "ContainerCreating"}}))]})),
        pod(json!({"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
            state("c", true, running.clone()), state("d", true, running.clone())]})),
        pod(
            json!({"phase": "Running", "containerStatuses": [crashing, state("d", true, running.clone())]}),
        ),
        pod(
            json!({"phase": "Succeeded", "containerStatuses": [state("c", false, done.clone()), state("d", false, done.clone())]}),
        ),
        pod(
            json!({"phase": "Running", "containerStatuses": [state("c", false, done), state("d", true, running)]}),
        ),
        pod(json!({"phase": "Failed", "reason": "Evicted"})),
        pod(
            json!({"phase": "Failed", "containerStatuses": [state("c", false, json!({"terminated": {"exitCode": 137, "signal": 9}}))]}),
        ),
        starting,
        failing,
        sidecar,
        ending,
    ];
    insta::assert_snapshot!(printed("", "v1", "pods", &objects));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of one object a kind")]
fn every_kind_prints_rows() {
    let template = json!({"spec": {"containers": [{"name": "c", "image": "i"}]}});
    let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["x", "y"]}]});
    let objects = [
        ("", "v1", "namespaces", json!({"status": {"phase": "Active"}})),
        (
            "",
            "v1",
            "nodes",
            json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}}}),
        ),
        (
            "",
            "v1",
            "events",
            json!({"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Started", "type": "Normal",
            "message": "m\n", "lastTimestamp": "2026-01-01T00:59:00Z", "count": 4, "source": {"component": "k", "host": "h"}}),
        ),
        (
            "events.k8s.io",
            "v1",
            "events",
            json!({"regarding": {"kind": "Pod", "name": "p"}, "note": "m",
            "eventTime": "2026-01-01T00:59:00.000000Z", "reportingController": "k"}),
        ),
        (
            "",
            "v1",
            "services",
            json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "selector": {"a": "b"},
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}),
        ),
        (
            "",
            "v1",
            "endpoints",
            json!({"subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}], "ports": [{"port": 80}, {"port": 81}]}]}),
        ),
        ("", "v1", "configmaps", json!({"data": {"a": "b"}, "binaryData": {"c": ""}})),
        ("", "v1", "secrets", json!({"type": "Opaque", "data": {"a": ""}})),
        ("", "v1", "serviceaccounts", json!({})),
        (
            "",
            "v1",
            "persistentvolumes",
            json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "local", "volumeMode": "Filesystem",
            "claimRef": {"namespace": "n", "name": "c"}}, "status": {"phase": "Bound"}}),
        ),
        (
            "",
            "v1",
            "persistentvolumeclaims",
            json!({"spec": {"volumeName": "v", "storageClassName": "local"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}}),
        ),
        (
            "apps",
            "v1",
            "deployments",
            json!({"spec": {"replicas": 3, "template": template, "selector": selector},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}}),
        ),
        (
            "apps",
            "v1",
            "replicasets",
            json!({"spec": {"replicas": 3, "template": template, "selector": selector}, "status": {"replicas": 3}}),
        ),
        (
            "apps",
            "v1",
            "statefulsets",
            json!({"spec": {"replicas": 3, "template": template}, "status": {"readyReplicas": 1}}),
        ),
        (
            "apps",
            "v1",
            "controllerrevisions",
            json!({"revision": 2, "metadata": {"ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": true}]}}),
        ),
        (
            "batch",
            "v1",
            "jobs",
            json!({"spec": {"completions": 2, "template": template, "selector": selector},
            "status": {"succeeded": 2, "startTime": "2026-01-01T00:57:00Z", "completionTime": "2026-01-01T00:58:05Z",
            "conditions": [{"type": "Complete", "status": "True"}]}}),
        ),
        (
            "batch",
            "v1",
            "cronjobs",
            json!({"spec": {"schedule": "* * * * *", "suspend": false,
            "jobTemplate": {"spec": {"template": template}}}, "status": {"lastScheduleTime": "2026-01-01T00:59:30Z"}}),
        ),
        (
            "discovery.k8s.io",
            "v1",
            "endpointslices",
            json!({"addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["1.1.1.1"]}, {"addresses": ["1.1.1.2"]}, {"addresses": ["1.1.1.3"]}, {"addresses": ["1.1.1.4"]}]}),
        ),
        (
            "networking.k8s.io",
            "v1",
            "ingresses",
            json!({"spec": {"ingressClassName": "shelf", "rules": [{"host": "a.localhost"}], "tls": [{}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}}),
        ),
        ("networking.k8s.io", "v1", "ingressclasses", json!({"spec": {"controller": "c"}})),
        ("networking.k8s.io", "v1", "networkpolicies", json!({"spec": {"podSelector": {}}})),
        (
            "policy",
            "v1",
            "poddisruptionbudgets",
            json!({"spec": {"maxUnavailable": 1}, "status": {"disruptionsAllowed": 1}}),
        ),
        (
            "storage.k8s.io",
            "v1",
            "storageclasses",
            json!({"provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}),
        ),
        ("coordination.k8s.io", "v1", "leases", json!({"spec": {"holderIdentity": "h"}})),
        ("rbac.authorization.k8s.io", "v1", "roles", json!({})),
        ("rbac.authorization.k8s.io", "v1", "clusterroles", json!({})),
        (
            "rbac.authorization.k8s.io",
            "v1",
            "rolebindings",
            json!({"roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]}),
        ),
        (
            "rbac.authorization.k8s.io",
            "v1",
            "clusterrolebindings",
            json!({"roleRef": {"kind": "ClusterRole", "name": "r"}}),
        ),
        (
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"},
            "minReplicas": 1, "maxReplicas": 5, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]}}),
        ),
    ];
    let printed_kinds: Vec<(&str, &str)> =
        objects.iter().map(|(group, _, plural, _)| (*group, *plural)).collect();
    for kind in kinds::all() {
        let tested = printed_kinds.contains(&(kind.group, kind.plural)) || kind.kind == "Pod";
        assert!(tested, "{} has no row here", kind.kind);
    }
    let text: Vec<String> = objects
        .into_iter()
        .map(|(group, version, plural, object)| printed(group, version, plural, &[object]))
        .collect();
    insta::assert_snapshot!(text.join("\n\n"));
}
