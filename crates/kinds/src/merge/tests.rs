//! Vectors of strategic merge: live, patch, expected.

use super::*;
use serde_json::json;

fn merged(plural: (&str, &str), live: &Value, patch: &Value) -> Result<Value, Error> {
    let kind = crate::find(plural.0, "v1", plural.1).unwrap();
    strategic(kind.schema(), live, patch)
}

fn pod(containers: Value) -> Value {
    json!({"metadata": {"name": "a"}, "spec": {"containers": containers}})
}

#[track_caller]
fn pods_merge(live: Value, patch: Value, expected: Value) {
    assert_eq!(merged(("", "pods"), &live, &patch).unwrap(), expected);
}

#[test]
fn an_empty_patch_changes_nothing() {
    let live = pod(json!([{"name": "a", "image": "x"}]));
    pods_merge(live.clone(), json!({}), live);
}

#[test]
fn items_merge_by_their_key_and_new_ones_come_last() {
    pods_merge(
        pod(json!([{"name": "a", "image": "x", "tty": true}, {"name": "b", "image": "y"}])),
        json!({"spec": {"containers": [{"name": "c", "image": "z"}, {"name": "a", "image": "w"}]}}),
        pod(json!([{"name": "a", "image": "w", "tty": true}, {"name": "b", "image": "y"},
            {"name": "c", "image": "z"}])),
    );
}

#[test]
fn null_removes_a_field_and_never_stays() {
    pods_merge(
        json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
        json!({"metadata": {"labels": {"a": null}, "annotations": {"x": null, "y": "1"}}}),
        json!({"metadata": {"labels": {"b": "2"}, "annotations": {"y": "1"}}}),
    );
}

#[test]
fn patch_delete_removes_an_item_or_an_object() {
    pods_merge(
        pod(json!([{"name": "a"}, {"name": "b"}])),
        json!({"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}),
        pod(json!([{"name": "b"}])),
    );
    pods_merge(
        json!({"spec": {"securityContext": {"runAsUser": 1}, "hostname": "h"}}),
        json!({"spec": {"securityContext": {"$patch": "delete"}}}),
        json!({"spec": {"hostname": "h"}}),
    );
}

#[test]
fn patch_replace_replaces_a_list_or_an_object() {
    pods_merge(
        pod(json!([{"name": "a"}, {"name": "b", "tty": true}])),
        json!({"spec": {"containers": [{"name": "b", "image": "n"}, {"$patch": "replace"}]}}),
        pod(json!([{"name": "b", "image": "n"}])),
    );
    pods_merge(
        json!({"metadata": {"labels": {"a": "1"}}}),
        json!({"metadata": {"labels": {"$patch": "replace", "b": "2"}}}),
        json!({"metadata": {"labels": {"b": "2"}}}),
    );
}

#[test]
fn atomic_lists_are_replaced() {
    pods_merge(
        pod(json!([{"name": "a", "args": ["1", "2"]}])),
        json!({"spec": {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}}),
        json!({"metadata": {"name": "a"},
            "spec": {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}}),
    );
}

#[test]
fn plain_values_are_joined_and_deleted() {
    pods_merge(
        json!({"metadata": {"finalizers": ["a/a", "b/b"]}}),
        json!({"metadata": {"finalizers": ["c/c", "a/a"], "$deleteFromPrimitiveList/finalizers": ["b/b"],
            "$setElementOrder/finalizers": ["c/c", "a/a"]}}),
        json!({"metadata": {"finalizers": ["c/c", "a/a"]}}),
    );
}

#[test]
fn the_order_of_the_patch_holds_around_items_it_does_not_name() {
    pods_merge(
        pod(json!([{"name": "a"}, {"name": "server"}, {"name": "b"}])),
        json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}]}}),
        pod(json!([{"name": "server"}, {"name": "b"}, {"name": "c"}, {"name": "a"}])),
    );
    pods_merge(
        pod(json!([{"name": "a"}, {"name": "b"}, {"name": "server"}])),
        json!({"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}}),
        pod(json!([{"name": "a"}, {"name": "b"}, {"name": "server"}])),
    );
}

#[test]
fn retain_keys_drops_the_other_source_of_a_volume() {
    pods_merge(
        json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}),
        json!({"spec": {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v",
            "hostPath": {"path": "/x"}}]}}),
        json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}),
    );
    let strategy = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let out = merged(("apps", "deployments"), &strategy, &patch).unwrap();
    assert_eq!(out, json!({"spec": {"strategy": {"type": "Recreate"}}}));
}

#[test]
fn a_budgets_selector_is_replaced() {
    let live = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}});
    let patch = json!({"spec": {"selector": {"matchLabels": {"c": "d"}}}});
    assert_eq!(merged(("policy", "poddisruptionbudgets"), &live, &patch).unwrap(), patch);
}

#[test]
fn ports_merge_by_container_port_and_services_by_port() {
    pods_merge(
        pod(json!([{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}])),
        json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"},
            {"containerPort": 81}]}]}}),
        pod(
            json!([{"name": "a", "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"},
            {"containerPort": 81}]}]),
        ),
    );
}

#[test]
fn broken_patches_are_refused() {
    for patch in [
        json!([]),
        json!({"$patch": "explode"}),
        json!({"$patch": 1}),
        json!({"spec": {"containers": [{"image": "no name"}]}}),
        json!({"spec": {"containers": ["x"]}}),
        json!({"spec": {"$setElementOrder/containers": 1, "containers": []}}),
        json!({"spec": {"$retainKeys": 5}}),
        json!({"spec": {"$retainKeys": ["a"], "hostname": "x"}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": {}}}),
    ] {
        assert!(merged(("", "pods"), &pod(json!([])), &patch).is_err(), "{patch}");
    }
}

#[test]
fn unknown_fields_merge_as_plain_json() {
    pods_merge(
        json!({"x": {"a": [1], "b": 2}}),
        json!({"x": {"a": [3]}}),
        json!({"x": {"a": [3], "b": 2}}),
    );
}
