//! PersistentVolume and PersistentVolumeClaim: storage, and a request for it.

use crate::cell::{self, AGE, NAME, at, list_at, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::{FieldError, quantity};
use jiff::Timestamp;
use serde_json::{Value, json};

const VOLUME_COLUMNS: &[Column] = &[
    NAME,
    cell::text("Capacity", "how much it holds"),
    cell::text("Access Modes", "RWO, ROX, RWX, RWOP"),
    cell::text("Reclaim Policy", "what happens to the data after the claim is gone"),
    cell::text("Status", "Available, Bound, Released or Failed"),
    cell::text("Claim", "who has it"),
    cell::text("StorageClass", "how it was made"),
    cell::text("VolumeAttributesClass", "class of its changeable attributes"),
    cell::text("Reason", "why it failed"),
    AGE,
    cell::wide("VolumeMode", "Filesystem or Block"),
];

const CLAIM_COLUMNS: &[Column] = &[
    NAME,
    cell::text("Status", "Pending, Bound or Lost"),
    cell::text("Volume", "the volume it has"),
    cell::text("Capacity", "how much the volume holds"),
    cell::text("Access Modes", "RWO, ROX, RWX, RWOP"),
    cell::text("StorageClass", "how the volume is made"),
    cell::text("VolumeAttributesClass", "class of its changeable attributes"),
    AGE,
    cell::wide("VolumeMode", "Filesystem or Block"),
];

const ACCESS_MODES: [(&str, &str); 4] = [
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
];

/// Older than `spec.storageClassName`, still read everywhere.
const CLASS_ANNOTATION: &str = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";

pub(crate) fn persistent_volume() -> Kind {
    Kind {
        short_names: &["pv"],
        namespaced: false,
        subresources: &[Subresource::Status],
        ..Kind::new(
            ("", "v1", "PersistentVolume"),
            ("persistentvolumes", "persistentvolume"),
            VOLUME_COLUMNS,
            Hooks {
                canonical: |_| {},
                default: |object| {
                    if object.pointer("/spec/claimRef").is_some_and(Value::is_object)
                        && let Some(claim) = object.pointer_mut("/spec/claimRef")
                        && let Some(claim) = claim.as_object_mut()
                    {
                        crate::schema::put_if_absent(claim, "kind", json!("PersistentVolumeClaim"));
                        crate::schema::put_if_absent(claim, "apiVersion", json!("v1"));
                    }
                },
                validate: validate_volume,
                create: pending,
                row: volume_row,
            },
        )
    }
}

pub(crate) fn persistent_volume_claim() -> Kind {
    Kind {
        short_names: &["pvc"],
        subresources: &[Subresource::Status],
        ..Kind::new(
            ("", "v1", "PersistentVolumeClaim"),
            ("persistentvolumeclaims", "persistentvolumeclaim"),
            CLAIM_COLUMNS,
            Hooks {
                canonical: |_| {},
                default: |_| {},
                validate: validate_claim,
                create: pending,
                row: claim_row,
            },
        )
    }
}

fn pending(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("status".to_owned(), json!({"phase": "Pending"}));
    }
}

fn access_modes(spec: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let modes = list_at(spec, "/accessModes");
    if modes.is_empty() {
        let detail = "at least 1 access mode is required";
        faults.push(FieldError::required(format!("{path}.accessModes"), detail));
    }
    let known: Vec<&str> = ACCESS_MODES.iter().map(|(long, _)| *long).collect();
    for mode in modes {
        if !mode.as_str().is_some_and(|text| known.contains(&text)) {
            faults.push(FieldError::not_supported(format!("{path}.accessModes"), mode, &known));
        }
    }
}

fn positive(value: &Value, path: &str, faults: &mut Vec<FieldError>) {
    match quantity::from_value(value) {
        Ok(amount) if amount.milli() > 0 => {}
        Ok(_) => faults.push(FieldError::invalid(path, value, "must be greater than zero")),
        Err(error) => faults.push(FieldError::invalid(path, value, &error.to_string())),
    }
}

/// Fields of a volume's spec that say nothing about where the data is.
const NOT_A_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn volume_sources(spec: &Value) -> Vec<(&String, &Value)> {
    let fields = spec.as_object().into_iter().flatten();
    fields.filter(|(name, _)| !NOT_A_SOURCE.contains(&name.as_str())).collect()
}

fn validate_volume(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec") else {
        faults.push(FieldError::required("spec", ""));
        return;
    };
    access_modes(spec, "spec", faults);
    match spec.pointer("/capacity/storage") {
        Some(storage) => positive(storage, "spec.capacity[storage]", faults),
        None => faults.push(FieldError::required("spec.capacity", "")),
    }
    let sources = volume_sources(spec);
    if sources.is_empty() {
        faults.push(FieldError::required("spec", "must specify a volume type"));
    }
    for (name, _) in sources.iter().skip(1) {
        let detail = "may not specify more than 1 volume type";
        faults.push(FieldError::forbidden(format!("spec.{name}"), detail));
    }
    if let Some(old) = old.and_then(|old| old.get("spec")) {
        if volume_sources(old) != sources {
            let detail = "spec.persistentvolumesource is immutable after creation";
            faults.push(FieldError::forbidden("spec.persistentvolumesource", detail));
        }
        if old.get("volumeMode") != spec.get("volumeMode") {
            let shown = at(spec, "/volumeMode");
            faults.push(FieldError::invalid("spec.volumeMode", shown, "field is immutable"));
        }
    }
}

fn validate_claim(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec") else {
        faults.push(FieldError::required("spec", ""));
        return;
    };
    access_modes(spec, "spec", faults);
    match spec.pointer("/resources/requests/storage") {
        Some(storage) => positive(storage, "spec.resources[storage]", faults),
        None => faults.push(FieldError::required("spec.resources[storage]", "")),
    }
    let Some(old) = old.and_then(|old| old.get("spec")) else { return };
    if frozen(spec, old) != frozen(old, old) {
        faults.push(FieldError::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        ));
    }
    let size = |spec: &Value| {
        spec.pointer("/resources/requests/storage").and_then(|v| quantity::from_value(v).ok())
    };
    if size(spec) < size(old) {
        let detail = "field can not be less than status.capacity";
        faults.push(FieldError::forbidden("spec.resources.requests.storage", detail));
    }
}

/// A claim's spec without what may change: the size, and once the volume and class are chosen.
fn frozen(spec: &Value, old: &Value) -> Value {
    let mut out = spec.clone();
    let Some(map) = out.as_object_mut() else { return out };
    map.shift_remove("volumeAttributesClassName");
    if let Some(resources) = map.get_mut("resources").and_then(Value::as_object_mut) {
        resources.shift_remove("requests");
    }
    for field in ["volumeName", "storageClassName"] {
        if old.get(field).is_none_or(|v| v == "") {
            map.shift_remove(field);
        }
    }
    out
}

fn short_modes(modes: &[Value]) -> String {
    let present = ACCESS_MODES.iter().filter(|(long, _)| modes.iter().any(|mode| mode == long));
    present.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn class(object: &Value) -> &str {
    match str_at(object, CLASS_ANNOTATION) {
        "" => str_at(object, "/spec/storageClassName"),
        class => class,
    }
}

fn unset(text: &str) -> Value {
    json!(if text.is_empty() { "<unset>" } else { text })
}

fn terminating(object: &Value) -> Value {
    match object.pointer("/metadata/deletionTimestamp") {
        Some(_) => json!("Terminating"),
        None => json!(str_at(object, "/status/phase")),
    }
}

fn amount(object: &Value, pointer: &str) -> Value {
    match at(object, pointer) {
        Value::String(text) => json!(text),
        Value::Number(number) => json!(number.to_string()),
        _ => json!(""),
    }
}

fn volume_row(object: &Value, now: Timestamp) -> Vec<Value> {
    let claim =
        match (str_at(object, "/spec/claimRef/namespace"), str_at(object, "/spec/claimRef/name")) {
            (_, "") => String::new(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
    vec![
        cell::name(object),
        amount(object, "/spec/capacity/storage"),
        json!(short_modes(list_at(object, "/spec/accessModes"))),
        json!(str_at(object, "/spec/persistentVolumeReclaimPolicy")),
        terminating(object),
        json!(claim),
        json!(class(object)),
        unset(str_at(object, "/spec/volumeAttributesClassName")),
        json!(str_at(object, "/status/reason")),
        cell::age(object, now),
        unset(str_at(object, "/spec/volumeMode")),
    ]
}

fn claim_row(object: &Value, now: Timestamp) -> Vec<Value> {
    let volume = str_at(object, "/spec/volumeName");
    let bound = !volume.is_empty();
    vec![
        cell::name(object),
        terminating(object),
        json!(volume),
        if bound { amount(object, "/status/capacity/storage") } else { json!("") },
        json!(if bound {
            short_modes(list_at(object, "/status/accessModes"))
        } else {
            String::new()
        }),
        json!(class(object)),
        unset(str_at(object, "/spec/volumeAttributesClassName")),
        cell::age(object, now),
        unset(str_at(object, "/spec/volumeMode")),
    ]
}
