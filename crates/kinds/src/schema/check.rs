//! Does an object fit its schema: unknown fields, wrong JSON types, missing and forbidden values.

use super::{ListKind, Schema, Shape};
use crate::{FieldError, quantity};
use serde_json::Value;

/// Faults found while walking an object.
pub(crate) type Faults = Vec<FieldError>;

/// `a.b`, or `b` at the root.
pub(crate) fn dotted(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Paths of fields that the schema does not have, in the order of the object.
pub(crate) fn unknown_fields(schema: &Schema, value: &Value, path: &str, out: &mut Vec<String>) {
    match (&schema.shape, value) {
        (Shape::Struct(id), Value::Object(map)) => {
            for (name, child) in map {
                let path = dotted(path, name);
                match id.get().field(name) {
                    Some(field) => unknown_fields(&field.schema, child, &path, out),
                    None => out.push(path),
                }
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            for (name, child) in map {
                unknown_fields(item, child, &dotted(path, name), out);
            }
        }
        (Shape::List(item, _), Value::Array(items)) => {
            for (index, child) in items.iter().enumerate() {
                unknown_fields(item, child, &format!("{path}[{index}]"), out);
            }
        }
        _ => {}
    }
}

/// Removes the fields that the schema does not have.
pub(crate) fn drop_unknown(schema: &Schema, value: &mut Value) {
    match (&schema.shape, value) {
        (Shape::Struct(id), Value::Object(map)) => {
            let named = id.get();
            map.retain(|name, _| named.field(name).is_some());
            for (name, child) in map.iter_mut() {
                if let Some(field) = named.field(name) {
                    drop_unknown(&field.schema, child);
                }
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            map.values_mut().for_each(|child| drop_unknown(item, child));
        }
        (Shape::List(item, _), Value::Array(items)) => {
            items.iter_mut().for_each(|child| drop_unknown(item, child));
        }
        _ => {}
    }
}

/// Messages `spec.replicas: expected integer, got string` for values of the wrong type.
pub(crate) fn type_errors(schema: &Schema, value: &Value, path: &str, out: &mut Vec<String>) {
    let fits = match (&schema.shape, value) {
        (_, Value::Null) | (Shape::Any, _) => true,
        (Shape::Struct(id), Value::Object(map)) => {
            for (name, child) in map {
                if let Some(field) = id.get().field(name) {
                    type_errors(&field.schema, child, &dotted(path, name), out);
                }
            }
            true
        }
        (Shape::Map(item), Value::Object(map)) => {
            for (name, child) in map {
                type_errors(item, child, &dotted(path, name), out);
            }
            true
        }
        (Shape::List(item, _), Value::Array(items)) => {
            for (index, child) in items.iter().enumerate() {
                type_errors(item, child, &format!("{path}[{index}]"), out);
            }
            true
        }
        (shape, value) => scalar_fits(shape, value),
    };
    if !fits {
        let path = if path.is_empty() { "object" } else { path };
        out.push(format!("{path}: expected {}, got {}", expected(&schema.shape), got(value)));
    }
}

fn scalar_fits(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::String => value.is_string(),
        Shape::Int32 => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        Shape::Int64 => value.is_i64(),
        Shape::Number => value.is_number(),
        Shape::Boolean => value.is_boolean(),
        Shape::Quantity => quantity::from_value(value).is_ok(),
        Shape::IntOrString => {
            value.is_string() || value.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
        }
        Shape::Time | Shape::MicroTime => {
            value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
        }
        Shape::Bytes => value.as_str().is_some_and(is_base64),
        _ => false,
    }
}

/// Standard alphabet with padding; line breaks are tolerated as Go's decoder does.
fn is_base64(text: &str) -> bool {
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let body = bytes.len() - bytes.iter().rev().take_while(|b| **b == b'=').count();
    bytes.len().is_multiple_of(4)
        && bytes.len() - body <= 2
        && bytes[..body].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::String => "string",
        Shape::Int32 => "integer (32 bit)",
        Shape::Int64 => "integer",
        Shape::Number => "number",
        Shape::Boolean => "boolean",
        Shape::Quantity => "quantity such as 500m or 1Gi",
        Shape::IntOrString => "integer or string",
        Shape::Time | Shape::MicroTime => "time as RFC 3339",
        Shape::Bytes => "base64 string",
        Shape::Any => "any value",
        Shape::Struct(_) | Shape::Map(_) => "object",
        Shape::List(..) => "list",
    }
}

fn got(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) => format!("number {number}"),
        Value::String(text) => format!("string {:?}", text.chars().take(64).collect::<String>()),
        Value::Array(_) => "list".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

/// Required fields, allowed values, unchanged immutable fields and distinct list items.
///
/// Status is written by our own loops and not checked, as upstream does for most kinds.
pub(crate) fn check(
    schema: &Schema,
    new: &Value,
    old: Option<&Value>,
    path: &str,
    faults: &mut Faults,
) {
    match (&schema.shape, new) {
        (Shape::Struct(id), Value::Object(map)) => {
            for field in &id.get().fields {
                let at = dotted(path, field.name);
                if at == "status" || at == "metadata" {
                    continue;
                }
                let old_value = old.and_then(|o| o.get(field.name)).filter(|v| !v.is_null());
                let value = map.get(field.name).filter(|v| !v.is_null());
                check_field(field, value, &at, faults);
                if old.is_some() && field.immutable && old_value != value {
                    let shown = value.unwrap_or(&Value::Null);
                    faults.push(FieldError::invalid(&at, shown, "field is immutable"));
                }
                if let Some(value) = value {
                    check(&field.schema, value, old_value, &at, faults);
                }
            }
        }
        (Shape::List(item, kind), Value::Array(items)) => {
            distinct(kind, items, path, faults);
            for (index, child) in items.iter().enumerate() {
                check(item, child, None, &format!("{path}[{index}]"), faults);
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            for (name, child) in map {
                check(item, child, None, &format!("{path}[{name}]"), faults);
            }
        }
        _ => {}
    }
}

fn check_field(field: &super::Field, value: Option<&Value>, at: &str, faults: &mut Faults) {
    let Some(value) = value else {
        // An absent number or boolean is zero or false to every client library.
        let has_zero = matches!(field.schema.shape, Shape::Int32 | Shape::Int64 | Shape::Boolean);
        if field.required && !has_zero {
            faults.push(FieldError::required(at, ""));
        }
        return;
    };
    let empty_list = value.as_array().is_some_and(Vec::is_empty);
    let empty_name = value.as_str() == Some("") && matches!(field.name, "name" | "key" | "path");
    if field.required && (empty_list || empty_name) {
        faults.push(FieldError::required(at, ""));
    } else if !field.allowed.is_empty()
        && !value.as_str().is_some_and(|text| field.allowed.contains(&text))
    {
        let supported: Vec<&str> =
            field.allowed.iter().copied().filter(|a| !a.is_empty()).collect();
        faults.push(FieldError::not_supported(at, value, &supported));
    }
}

/// Items of a set, or the keys of an associative list, must differ.
fn distinct(kind: &ListKind, items: &[Value], path: &str, faults: &mut Faults) {
    // Upstream tolerates repeated environment variables: the last one wins.
    if path.ends_with(".env") {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = match kind {
            ListKind::Atomic => return,
            ListKind::Set => item.to_string(),
            ListKind::Map(keys) => {
                let parts: Vec<String> = keys
                    .iter()
                    .map(|key| item.get(*key).unwrap_or(&Value::Null).to_string())
                    .collect();
                parts.join(" ")
            }
        };
        if !seen.insert(identity) {
            let (at, value) = match kind {
                ListKind::Map(keys) if keys.len() == 1 => {
                    (format!("{path}[{index}].{}", keys[0]), item.get(keys[0]).unwrap_or(item))
                }
                _ => (format!("{path}[{index}]"), item),
            };
            faults.push(FieldError::duplicate(at, value));
        }
    }
}
