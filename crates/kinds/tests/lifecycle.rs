//! Defaults, and what create and update do to an object.

use kinds::{Kind, Subresource};
use serde_json::{Value, json};

fn kind(group: &str, plural: &str) -> &'static Kind {
    kinds::find(group, "v1", plural).unwrap()
}

fn created(group: &str, plural: &str, mut object: Value) -> Value {
    let kind = kind(group, plural);
    object["metadata"] = json!({"name": "a", "namespace": "n", "uid": "u-1",
        "creationTimestamp": "2026-01-01T00:00:00Z"});
    kind.default(&mut object);
    kind.prepare_create(&mut object);
    object
}

#[test]
fn a_pod_gets_upstreams_defaults() {
    let pod = created(
        "",
        "pods",
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {
        "volumes": [{"name": "v", "configMap": {"name": "c"}}, {"name": "h", "hostPath": {"path": "/x"}}],
        "containers": [{
            "name": "c", "image": "debian", "ports": [{"containerPort": 80}],
            "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0},
        }]}}),
    );
    insta::assert_json_snapshot!(pod);
}

#[test]
fn a_deployment_gets_upstreams_defaults() {
    let out = created(
        "apps",
        "deployments",
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "status": {"replicas": 5}, "spec": {"selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}, "creationTimestamp": null},
                "spec": {"containers": [{"name": "c", "image": "debian:12"}]}}}}),
    );
    insta::assert_json_snapshot!(out);
}

#[test]
fn workloads_and_storage_get_upstreams_defaults() {
    let set = created(
        "apps",
        "statefulsets",
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}},
        "serviceName": "s", "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}]}}),
    );
    let spec = &set["spec"];
    assert_eq!(spec["podManagementPolicy"], "OrderedReady");
    assert_eq!(
        spec["updateStrategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    );
    assert_eq!(
        spec["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
    let claim = &spec["volumeClaimTemplates"][0];
    assert_eq!(
        (&claim["kind"], &claim["spec"]["volumeMode"]),
        (&json!("PersistentVolumeClaim"), &json!("Filesystem"))
    );
    let claim = created("", "persistentvolumeclaims", json!({"spec": {}}));
    assert_eq!(claim["status"], json!({"phase": "Pending"}));
    let volume = created("", "persistentvolumes", json!({"spec": {"hostPath": {"path": "/d"}}}));
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(volume["spec"]["hostPath"]["type"], "");
    let class = created("storage.k8s.io", "storageclasses", json!({"provisioner": "p"}));
    assert_eq!(
        (&class["reclaimPolicy"], &class["volumeBindingMode"]),
        (&json!("Delete"), &json!("Immediate"))
    );
}

#[test]
fn a_job_is_tied_to_its_pods_by_its_uid() {
    let job = created(
        "batch",
        "jobs",
        json!({"spec": {"template": {"metadata": {"labels": {"x": "y"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
    );
    let spec = &job["spec"];
    assert_eq!(
        spec["selector"],
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}})
    );
    assert_eq!(
        spec["template"]["metadata"]["labels"],
        json!({"x": "y", "batch.kubernetes.io/controller-uid": "u-1", "controller-uid": "u-1",
            "batch.kubernetes.io/job-name": "a", "job-name": "a"})
    );
    assert_eq!(
        (&spec["completions"], &spec["parallelism"], &spec["backoffLimit"]),
        (&json!(1), &json!(1), &json!(6))
    );
    assert_eq!(job["metadata"]["labels"], json!({"x": "y"}));
    assert!(kind("batch", "jobs").validate(&job, None).is_empty());
}

#[test]
fn services_namespaces_and_secrets_get_upstreams_defaults() {
    let service = created("", "services", json!({"spec": {"ports": [{"port": 80}]}}));
    assert_eq!(
        service["spec"],
        json!({"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "type": "ClusterIP",
            "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"]})
    );
    let namespace = created("", "namespaces", json!({}));
    assert_eq!(namespace["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "a");
    let secret =
        created("", "secrets", json!({"data": {"a": "eA=="}, "stringData": {"a": "ä", "b": ""}}));
    assert_eq!(secret["data"], json!({"a": "w6Q=", "b": ""}));
    assert_eq!((secret.get("stringData"), &secret["type"]), (None, &json!("Opaque")));
}

#[test]
fn defaults_applied_twice_are_defaults_applied_once() {
    for kind in kinds::all() {
        let mut once = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [{}]}}}});
        kind.default(&mut once);
        let mut twice = once.clone();
        kind.default(&mut twice);
        assert_eq!(once, twice, "{}", kind.kind);
    }
}

#[test]
fn generations_count_wishes_and_status_has_a_path_of_its_own() {
    let deployments = kind("apps", "deployments");
    let mut old = created("apps", "deployments", json!({"spec": {"replicas": 1}}));
    old["status"] = json!({"replicas": 1});
    assert_eq!(old["metadata"]["generation"], 1);
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(2);
    new["status"] = json!({"replicas": 9});
    new["metadata"]["uid"] = json!("other");
    new["metadata"]["generation"] = json!(77);
    new["metadata"]["labels"] = json!({"a": "b"});
    deployments.prepare_update(&mut new, &old, None);
    assert_eq!(new["metadata"]["generation"], 2);
    assert_eq!((&new["status"], &new["metadata"]["uid"]), (&old["status"], &json!("u-1")));
    assert_eq!(new["metadata"]["labels"], json!({"a": "b"}));
    let mut status = old.clone();
    status["spec"]["replicas"] = json!(5);
    status["status"] = json!({"replicas": 9});
    deployments.prepare_update(&mut status, &old, Some(Subresource::Status));
    assert_eq!((&status["spec"], &status["status"]), (&old["spec"], &json!({"replicas": 9})));
    assert_eq!(status["metadata"]["generation"], 1);
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"x": "y"});
    deployments.prepare_update(&mut labelled, &old, None);
    assert_eq!(labelled["metadata"]["generation"], 1);
}

#[test]
fn events_have_two_forms() {
    let new = kinds::find("events.k8s.io", "v1", "events").unwrap();
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "n", "regarding": {"name": "p"},
        "reportingController": "c", "reason": "r"});
    let stored = new.to_stored(&event);
    assert_eq!(
        stored,
        json!({"apiVersion": "v1", "kind": "Event", "message": "n", "involvedObject": {"name": "p"},
        "reportingComponent": "c", "reason": "r"})
    );
    assert_eq!(new.from_stored(&stored), event);
    assert_eq!(new.stored_as().group, "");
}
