//! Vectors of server-side apply and of tracking, and the properties that must always hold.

use super::*;
use serde_json::json;

const T0: &str = "2026-01-01T00:00:00Z";
const T1: &str = "2026-01-01T01:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn kind(group: &str, plural: &str) -> &'static Kind {
    crate::find(group, "v1", plural).unwrap()
}

#[track_caller]
fn apply(plural: (&str, &str), live: Option<&Value>, applied: &Value, manager: &str) -> Value {
    server_side(kind(plural.0, plural.1), live, applied, manager, false, at(T0)).unwrap()
}

const DEPLOYMENTS: (&str, &str) = ("apps", "deployments");
const CONFIG_MAPS: (&str, &str) = ("", "configmaps");

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"},
        "data": data})
}

fn deployment(replicas: Option<i64>, containers: Value) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "n", "labels": {"app": "a"}},
        "spec": {"selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}}});
    if let Some(replicas) = replicas {
        object["spec"]["replicas"] = json!(replicas);
    }
    object
}

#[test]
fn a_first_apply_owns_what_it_states() {
    let containers = json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]);
    let out = apply(DEPLOYMENTS, None, &deployment(Some(2), containers), "me");
    assert_eq!(
        out["metadata"]["managedFields"],
        json!([{"manager": "me", "operation": "Apply", "apiVersion": "apps/v1", "time": T0,
            "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                            {".": {}, "f:containerPort": {}}}}}}}}}}])
    );
}

#[test]
fn the_same_apply_again_changes_nothing_not_even_time() {
    let wanted = deployment(
        Some(2),
        json!([{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]}]),
    );
    let mut live = apply(DEPLOYMENTS, None, &wanted, "me");
    let deployments = kind("apps", "deployments");
    deployments.default(&mut live);
    let again = server_side(deployments, Some(&live), &wanted, "me", false, at(T1)).unwrap();
    assert_eq!(again, live);
}

#[test]
fn a_field_given_up_is_removed_unless_another_owns_it() {
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1", "b": "2"})), "one");
    let live = apply(CONFIG_MAPS, Some(&live), &config(json!({"b": "2"})), "two");
    let live = apply(CONFIG_MAPS, Some(&live), &config(json!({})), "one");
    assert_eq!(live["data"], json!({"b": "2"}));
    let live = apply(CONFIG_MAPS, Some(&live), &config(json!({})), "two");
    assert_eq!(live.get("data"), Some(&json!({})));
    assert_eq!(live["metadata"]["name"], "a");
}

#[test]
fn an_item_given_up_goes_with_its_defaults() {
    let two = json!([{"name": "c", "image": "i"}, {"name": "side", "image": "s"}]);
    let mut live = apply(DEPLOYMENTS, None, &deployment(None, two), "me");
    kind("apps", "deployments").default(&mut live);
    let one = deployment(None, json!([{"name": "c", "image": "i"}]));
    let out = apply(DEPLOYMENTS, Some(&live), &one, "me");
    let containers = out.pointer("/spec/template/spec/containers").unwrap().as_array().unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["terminationMessagePolicy"], "File");
    // Defaults that nobody owns stay where their container stays.
    assert_eq!(out["spec"]["replicas"], 1);
}

#[test]
fn a_struct_given_up_goes_with_its_defaults() {
    let probe = json!([{"name": "c", "image": "i", "livenessProbe": {"tcpSocket": {"port": 1}}}]);
    let mut live = apply(DEPLOYMENTS, None, &deployment(None, probe), "me");
    kind("apps", "deployments").default(&mut live);
    let out = apply(
        DEPLOYMENTS,
        Some(&live),
        &deployment(None, json!([{"name": "c", "image": "i"}])),
        "me",
    );
    assert_eq!(out.pointer("/spec/template/spec/containers/0/livenessProbe"), None);
}

#[test]
fn another_managers_value_is_a_conflict() {
    let containers = json!([{"name": "c", "image": "i"}]);
    let mut live = deployment(Some(3), containers.clone());
    track(kind("apps", "deployments"), None, &mut live, "kubectl", "Update", None, at(T0));
    let wanted = deployment(Some(5), json!([{"name": "c", "image": "j"}]));
    let deployments = kind("apps", "deployments");
    let error = server_side(deployments, Some(&live), &wanted, "me", false, at(T1)).unwrap_err();
    let ApplyError::Conflicts(conflicts) = &error else { panic!("{error}") };
    let texts: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "conflict with \"kubectl\" using apps/v1: .spec.replicas",
            "conflict with \"kubectl\" using apps/v1: .spec.template.spec.containers[name=\"c\"].image",
        ]
    );
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- .spec.replicas\n\
         - .spec.template.spec.containers[name=\"c\"].image"
    );
    let forced = server_side(deployments, Some(&live), &wanted, "me", true, at(T1)).unwrap();
    assert_eq!(forced["spec"]["replicas"], 5);
    let kubectl = &forced["metadata"]["managedFields"][1];
    assert_eq!((&kubectl["manager"], &kubectl["time"]), (&json!("kubectl"), &json!(T0)));
    assert_eq!(kubectl.pointer("/fieldsV1/f:spec/f:replicas"), None);
    assert!(kubectl.pointer("/fieldsV1/f:spec/f:template").is_some());
}

#[test]
fn one_conflict_between_appliers_reads_as_upstream() {
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1"})), "one");
    let maps = kind("", "configmaps");
    let error = server_side(maps, Some(&live), &config(json!({"a": "2"})), "two", false, at(T0))
        .unwrap_err();
    assert_eq!(error.to_string(), "Apply failed with 1 conflict: conflict with \"one\": .data.a");
}

#[test]
fn the_same_value_is_shared() {
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1"})), "one");
    let live = apply(CONFIG_MAPS, Some(&live), &config(json!({"a": "1"})), "two");
    assert_eq!(live["metadata"]["managedFields"].as_array().unwrap().len(), 2);
}

#[test]
fn status_is_nobodys_on_the_main_path() {
    let mut wanted = deployment(Some(1), json!([{"name": "c", "image": "i"}]));
    wanted["status"] = json!({"replicas": 7});
    let out = apply(DEPLOYMENTS, None, &wanted, "me");
    assert!(out.get("status").is_none());
    let mut live = out.clone();
    live["status"] =
        json!({"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]});
    let deployments = kind("apps", "deployments");
    track(deployments, Some(&out), &mut live, "control", "Update", Some("status"), at(T1));
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(
        entries[1],
        json!({"manager": "control", "operation": "Update", "apiVersion": "apps/v1", "time": T1,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:conditions": {".": {},
                "k:{\"type\":\"Available\"}": {".": {}, "f:status": {}, "f:type": {}}}, "f:replicas": {}}},
            "subresource": "status"})
    );
    // And applying the same again is still nothing.
    let again = server_side(deployments, Some(&live), &wanted, "me", false, at(T1)).unwrap();
    assert_eq!(again, live);
}

#[test]
fn ports_of_one_number_differ_by_protocol() {
    let service = |ports: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"},
            "spec": {"ports": ports}})
    };
    let tcp = json!({"name": "t", "port": 53});
    let udp = json!({"name": "u", "port": 53, "protocol": "UDP"});
    let mut live = apply(("", "services"), None, &service(json!([tcp, udp])), "me");
    kind("", "services").default(&mut live);
    let out = apply(("", "services"), Some(&live), &service(json!([udp])), "me");
    let ports = out["spec"]["ports"].as_array().unwrap();
    assert_eq!((ports.len(), &ports[0]["protocol"]), (1, &json!("UDP")));
}

#[test]
fn a_secrets_plain_values_are_owned_where_they_are_stored() {
    let secrets = kind("", "secrets");
    let wanted = |plain: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "stringData": plain});
    let both = wanted(json!({"a": "x", "b": "y"}));
    let mut live = server_side(secrets, None, &both, "me", false, at(T0)).unwrap();
    secrets.default(&mut live);
    assert_eq!(live["data"], json!({"a": "eA==", "b": "eQ=="}));
    assert_eq!(server_side(secrets, Some(&live), &both, "me", false, at(T1)).unwrap(), live);
    let one = wanted(json!({"a": "x"}));
    let out = server_side(secrets, Some(&live), &one, "me", false, at(T1)).unwrap();
    assert_eq!(out["data"], json!({"a": "eA=="}));
}

#[test]
fn atomic_values_have_one_owner() {
    let wanted = deployment(None, json!([{"name": "c", "image": "i", "args": ["a", "b"]}]));
    let live = apply(DEPLOYMENTS, None, &wanted, "me");
    let other = deployment(None, json!([{"name": "c", "image": "i", "args": ["a"]}]));
    let deployments = kind("apps", "deployments");
    let error = server_side(deployments, Some(&live), &other, "you", false, at(T0)).unwrap_err();
    assert!(error.to_string().ends_with("containers[name=\"c\"].args"), "{error}");
}

#[test]
fn unowned_objects_get_an_owner_before_the_first_apply() {
    let live = config(json!({"a": "1"}));
    let out = apply(CONFIG_MAPS, Some(&live), &config(json!({"b": "2"})), "me");
    let names: Vec<&Value> = out["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["manager"])
        .collect();
    assert_eq!(names, ["me", "before-first-apply"]);
    assert_eq!(out["data"], json!({"a": "1", "b": "2"}));
}

#[test]
fn updates_take_fields_over_and_drop_what_is_gone() {
    let maps = kind("", "configmaps");
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1", "b": "2"})), "me");
    let mut new = live.clone();
    new["data"] = json!({"a": "9", "c": "3"});
    track(maps, Some(&live), &mut new, "you", "Update", None, at(T1));
    let entries = new["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "nothing is left of the applier's fields: {entries:?}");
    assert_eq!(entries[0]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:c": {}}}));
}

#[test]
fn an_update_without_change_tracks_nothing() {
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1"})), "me");
    let mut new = live.clone();
    track(kind("", "configmaps"), Some(&live), &mut new, "you", "Update", None, at(T1));
    assert_eq!(new, live);
}

#[test]
fn clients_may_edit_or_forget_the_list_of_owners() {
    let maps = kind("", "configmaps");
    let live = apply(CONFIG_MAPS, None, &config(json!({"a": "1"})), "me");
    let mut new = live.clone();
    new["metadata"]["managedFields"] = json!([{}]);
    track(maps, Some(&live), &mut new, "you", "Update", None, at(T1));
    assert_eq!(new["metadata"].get("managedFields"), None);
    let mut new = live.clone();
    new["metadata"]["managedFields"][0]["manager"] = json!("renamed");
    track(maps, Some(&live), &mut new, "you", "Update", None, at(T1));
    assert_eq!(new["metadata"]["managedFields"][0]["manager"], "renamed");
    let mut new = live.clone();
    new["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
    track(maps, Some(&live), &mut new, "you", "Update", None, at(T1));
    assert_eq!(new["metadata"]["managedFields"], live["metadata"]["managedFields"]);
}

#[test]
fn many_writers_are_folded_together() {
    let maps = kind("", "configmaps");
    let mut live = config(json!({}));
    for index in 0..30 {
        let mut new = live.clone();
        new["data"][format!("k{index}")] = json!("v");
        let now = at(&format!("2026-01-01T00:{index:02}:00Z"));
        track(maps, Some(&live), &mut new, &format!("m{index}"), "Update", None, now);
        live = new;
    }
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    let ancient = entries.iter().find(|e| e["manager"] == "ancient-changes").unwrap();
    assert!(ancient.pointer("/fieldsV1/f:data/f:k0").is_some());
}

#[test]
fn faults_of_the_applied_object_are_named() {
    for (applied, path) in [
        (deployment(None, json!([{"image": "i"}])), "spec.template.spec.containers[0]"),
        (
            deployment(None, json!([{"name": "c"}, {"name": "c"}])),
            "spec.template.spec.containers[1]",
        ),
    ] {
        let deployments = kind("apps", "deployments");
        match server_side(deployments, None, &applied, "me", false, at(T0)) {
            Err(ApplyError::Invalid { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{other:?}"),
        }
    }
    let mut applied = config(json!({}));
    applied["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let maps = kind("", "configmaps");
    assert!(server_side(maps, None, &applied, "me", false, at(T0)).is_err());
}

#[test]
fn repeated_variables_in_a_stored_object_are_survived() {
    let twice = json!([{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}]);
    let live = deployment(None, twice);
    let wanted = deployment(
        None,
        json!([{"name": "c", "image": "i", "env": [{"name": "A", "value": "3"}]}]),
    );
    let deployments = kind("apps", "deployments");
    let out = server_side(deployments, Some(&live), &wanted, "me", true, at(T0)).unwrap();
    let env = out.pointer("/spec/template/spec/containers/0/env").unwrap();
    assert_eq!(*env, json!([{"name": "A", "value": "3"}]));
}
