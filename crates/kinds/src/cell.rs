//! Building blocks of printed rows: columns, and cells read from objects.

use crate::{Column, duration};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const NAME: Column = Column {
    name: "Name",
    type_: "string",
    format: "name",
    description: "unique among its kind in the namespace",
    priority: 0,
};
pub(crate) const AGE: Column = text("Age", "time since it was created");

pub(crate) const fn text(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", format: "", description, priority: 0 }
}

pub(crate) const fn count(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "integer", format: "", description, priority: 0 }
}

pub(crate) const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", format: "", description, priority: 1 }
}

/// A value by JSON pointer.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// Text by JSON pointer, empty if absent.
pub(crate) fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).as_str().unwrap_or_default()
}

/// A number by JSON pointer, 0 if absent.
pub(crate) fn int_at(object: &Value, pointer: &str) -> i64 {
    at(object, pointer).as_i64().unwrap_or_default()
}

/// Items by JSON pointer, none if absent.
pub(crate) fn list_at<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn name(object: &Value) -> Value {
    json!(str_at(object, "/metadata/name"))
}

pub(crate) fn age(object: &Value, now: Timestamp) -> Value {
    json!(duration::since(object.pointer("/metadata/creationTimestamp"), now))
}

/// The text, or `<none>`.
pub(crate) fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

/// Names and images of a pod spec's containers, each joined by commas.
pub(crate) fn containers(spec: &Value) -> (Value, Value) {
    let joined = |field: &str| {
        let values: Vec<&str> =
            list_at(spec, "/containers").iter().map(|c| str_at(c, &format!("/{field}"))).collect();
        json!(values.join(","))
    };
    (joined("name"), joined("image"))
}

/// A LabelSelector object as one line of text.
pub(crate) fn label_selector(selector: &Value) -> Value {
    let parsed = crate::selector::from_object(selector);
    or_none(&parsed.map(|selector| selector.to_string()).unwrap_or_default())
}

/// A plain map of labels as one line of text.
pub(crate) fn label_map(labels: &Value) -> Value {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    or_none(&pairs.join(","))
}
