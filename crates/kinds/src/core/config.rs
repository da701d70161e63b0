//! ConfigMap, Secret and ServiceAccount: values for pods, and their identity.

use crate::FieldError;
use crate::cell::{self, AGE, NAME, list_at, str_at};
use crate::kind::{Hooks, Kind};
use base64::Engine;
use serde_json::{Map, Value, json};

/// Everything in one ConfigMap or Secret.
const MAX_BYTES: usize = 1024 * 1024;

pub(crate) fn config_map() -> Kind {
    Kind {
        short_names: &["cm"],
        ..Kind::new(
            ("", "v1", "ConfigMap"),
            ("configmaps", "configmap"),
            const { &[NAME, cell::count("Data", "number of values"), AGE] },
            Hooks {
                validate: |new, old, faults| {
                    keys(new, &["data", "binaryData"], faults);
                    frozen(new, old, &["data", "binaryData"], faults);
                },
                ..Hooks::row_only(|object, now| {
                    let count = len(object, "data") + len(object, "binaryData");
                    vec![cell::name(object), json!(count), cell::age(object, now)]
                })
            },
        )
    }
}

pub(crate) fn secret() -> Kind {
    Kind::new(
        ("", "v1", "Secret"),
        ("secrets", "secret"),
        const {
            &[
                NAME,
                cell::text("Type", "what the values are for"),
                cell::count("Data", "number of values"),
                AGE,
            ]
        },
        Hooks {
            canonical: fold_string_data,
            validate: |new, old, faults| {
                keys(new, &["data"], faults);
                frozen(new, old, &["data"], faults);
                required_by_type(new, faults);
            },
            ..Hooks::row_only(|object, now| {
                vec![
                    cell::name(object),
                    json!(str_at(object, "/type")),
                    json!(len(object, "data")),
                    cell::age(object, now),
                ]
            })
        },
    )
}

pub(crate) fn service_account() -> Kind {
    Kind {
        short_names: &["sa"],
        ..Kind::new(
            ("", "v1", "ServiceAccount"),
            ("serviceaccounts", "serviceaccount"),
            const { &[NAME, cell::text("Secrets", "number of secrets it may use"), AGE] },
            Hooks::row_only(|object, now| {
                let secrets = list_at(object, "/secrets").len();
                vec![cell::name(object), json!(secrets.to_string()), cell::age(object, now)]
            }),
        )
    }
}

/// `stringData` is for writing only: it goes into `data` as base64 and wins over it.
fn fold_string_data(object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    let Some(Value::Object(plain)) = map.shift_remove("stringData") else { return };
    let data = map.entry("data").or_insert_with(|| Value::Object(Map::new()));
    let Some(data) = data.as_object_mut() else { return };
    for (key, value) in plain {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, Value::String(encoded));
    }
}

fn len(object: &Value, field: &str) -> usize {
    object.get(field).and_then(Value::as_object).map_or(0, Map::len)
}

fn keys(object: &Value, fields: &[&str], faults: &mut Vec<FieldError>) {
    let mut size_bytes = 0;
    for field in fields {
        for (key, value) in object.get(*field).and_then(Value::as_object).into_iter().flatten() {
            if let Some(fault) = crate::name::config_key(key) {
                let at = format!("{field}[{key}]");
                faults.push(FieldError::invalid(at, &json!(key), &fault));
            }
            size_bytes += value.as_str().map_or(0, str::len);
        }
    }
    if let [data, binary] = fields {
        let data_keys = object.get(*data).and_then(Value::as_object);
        for key in data_keys.into_iter().flatten().map(|(key, _)| key) {
            if object.get(*binary).and_then(|b| b.get(key)).is_some() {
                let at = format!("{binary}[{key}]");
                faults.push(FieldError::invalid(
                    at,
                    &json!(key),
                    "duplicate of key present in data",
                ));
            }
        }
    }
    // Base64 is a third longer than what it carries.
    let limit_bytes =
        if fields.contains(&"binaryData") { MAX_BYTES } else { MAX_BYTES / 3 * 4 + 4 };
    if size_bytes > limit_bytes {
        faults.push(FieldError::too_long("data", MAX_BYTES));
    }
}

fn frozen(new: &Value, old: Option<&Value>, fields: &[&str], faults: &mut Vec<FieldError>) {
    let Some(old) = old.filter(|old| old.get("immutable") == Some(&Value::Bool(true))) else {
        return;
    };
    let detail = "field is immutable when `immutable` is set";
    if new.get("immutable") != Some(&Value::Bool(true)) {
        faults.push(FieldError::forbidden("immutable", detail));
    }
    let empty = json!({});
    for field in fields {
        if new.get(*field).unwrap_or(&empty) != old.get(*field).unwrap_or(&empty) {
            faults.push(FieldError::forbidden(*field, detail));
        }
    }
}

/// Some types of secret promise certain keys.
fn required_by_type(object: &Value, faults: &mut Vec<FieldError>) {
    let needed: &[&str] = match str_at(object, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        if object.get("data").and_then(|data| data.get(*key)).is_none() {
            faults.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
}
