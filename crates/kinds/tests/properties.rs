//! What must hold for any object, however odd.

use kinds::{Subresource, apply, merge};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that the schemas know, so that random objects reach deep.
const NAMES: [&str; 26] = [
    "metadata",
    "spec",
    "status",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "template",
    "containers",
    "name",
    "image",
    "ports",
    "containerPort",
    "protocol",
    "env",
    "value",
    "volumes",
    "volumeMounts",
    "selector",
    "matchLabels",
    "replicas",
    "data",
    "port",
    "$patch",
    "other",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..100_i64).prop_map(Value::from),
        prop_oneof![Just("a"), Just("b"), Just(""), Just("delete"), Just("TCP")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 60, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..6).prop_map(
                |pairs| {
                    Value::Object(
                        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                    )
                }
            ),
        ]
    })
}

/// A well-formed Deployment with random parts.
fn deployment() -> impl Strategy<Value = Value> {
    let containers = prop::collection::btree_map(
        "[a-d]",
        (0..3_u8, prop::collection::btree_map("[A-D]", "[xy]", 0..3)),
        1..4,
    );
    let labels = prop::collection::btree_map("[a-c]", "[xy]", 0..3);
    (containers, labels, prop::option::of(0..3_i64)).prop_map(|(containers, labels, replicas)| {
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, (image, env))| {
                let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                json!({"name": name, "image": format!("i{image}"), "env": env})
            })
            .collect();
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": labels},
            "spec": {"template": {"spec": {"containers": containers}}}});
        if let Some(replicas) = replicas {
            object["spec"]["replicas"] = json!(replicas);
        }
        object
    })
}

fn now() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn without_owners(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
    object
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_object(mut object in any_json(), other in any_json()) {
        for kind in kinds::all() {
            kind.unknown_fields(&object);
            kind.type_errors(&object);
            kind.validate(&object, Some(&other));
            kind.row(&object, now());
            let _ = merge::strategic(kind.schema(), &object, &other);
            let _ = apply::server_side(kind, Some(&object), &other, "m", true, now());
            let mut new = other.clone();
            apply::track(kind, Some(&object), &mut new, "m", "Update", None, now());
            kind.prepare_update(&mut new, &object, Some(Subresource::Status));
            kind.prepare_create(&mut new);
            kind.default(&mut object);
        }
    }

    #[test]
    fn an_empty_strategic_patch_changes_nothing(object in any_json()) {
        prop_assume!(object.is_object());
        for kind in kinds::all() {
            prop_assert_eq!(&merge::strategic(kind.schema(), &object, &Value::Object(Map::new())).unwrap(), &object);
        }
    }

    #[test]
    fn a_strategic_merge_with_itself_changes_nothing(object in deployment()) {
        let kind = kinds::find("apps", "v1", "deployments").unwrap();
        prop_assert_eq!(&merge::strategic(kind.schema(), &object, &object).unwrap(), &object);
    }

    #[test]
    fn applying_twice_is_applying_once(first in deployment(), second in deployment()) {
        let kind = kinds::find("apps", "v1", "deployments").unwrap();
        let live = apply::server_side(kind, None, &first, "one", false, now()).unwrap();
        let mut once = apply::server_side(kind, Some(&live), &second, "two", true, now()).unwrap();
        kind.default(&mut once);
        let later = "2026-01-02T00:00:00Z".parse().unwrap();
        let twice = apply::server_side(kind, Some(&once), &second, "two", false, later).unwrap();
        prop_assert_eq!(&twice, &once);
    }

    #[test]
    fn one_applier_alone_gets_exactly_its_wish(first in deployment(), second in deployment()) {
        let kind = kinds::find("apps", "v1", "deployments").unwrap();
        let live = apply::server_side(kind, None, &first, "one", false, now()).unwrap();
        let out = apply::server_side(kind, Some(&live), &second, "one", false, now()).unwrap();
        let clean = apply::server_side(kind, None, &second, "one", false, now()).unwrap();
        let without_empty = |object: Value| drop_empty(without_owners(object));
        prop_assert_eq!(without_empty(out), without_empty(clean));
    }

    #[test]
    fn what_everybody_gave_up_is_gone(first in deployment(), second in deployment()) {
        let kind = kinds::find("apps", "v1", "deployments").unwrap();
        let live = apply::server_side(kind, None, &first, "one", false, now()).unwrap();
        let live = apply::server_side(kind, Some(&live), &second, "two", true, now()).unwrap();
        let nothing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}});
        let live = apply::server_side(kind, Some(&live), &nothing, "one", false, now()).unwrap();
        let live = apply::server_side(kind, Some(&live), &nothing, "two", false, now()).unwrap();
        prop_assert_eq!(drop_empty(live), nothing);
    }

    #[test]
    fn label_selectors_print_as_they_parse(text in "[a-c!=, ()]{0,12}|[a-c](=|!=| in )[(]?[a-c]?[,)]?") {
        if let Ok(selector) = kinds::selector::parse_label(&text) {
            prop_assert_eq!(kinds::selector::parse_label(&selector.to_string()).unwrap(), selector);
        }
    }

    #[test]
    fn quantities_never_panic(text in "[+-]?[0-9.]{0,12}[a-zA-Z]{0,3}[0-9]{0,3}") {
        if let Ok(quantity) = kinds::quantity::parse(&text) {
            prop_assert_eq!(kinds::quantity::parse(&quantity.to_string()).unwrap(), quantity);
        }
    }
}

/// Containers that are empty say the same as absent ones.
fn drop_empty(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().map(|(name, child)| (name, drop_empty(child)));
            Value::Object(kept.filter(|(_, child)| !is_empty(child)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(drop_empty).collect()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
