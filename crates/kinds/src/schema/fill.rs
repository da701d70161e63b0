//! Puts the schema's defaults where fields are absent.

use super::{Schema, Shape};
use serde_json::{Map, Value};

/// Removes nulls where the schema names fields: a null is an absent field to every typed client.
pub(crate) fn drop_nulls(schema: &Schema, value: &mut Value) {
    match (&schema.shape, value) {
        (Shape::Struct(id), Value::Object(map)) => {
            map.retain(|_, child| !child.is_null());
            for (name, child) in map.iter_mut() {
                if let Some(field) = id.get().field(name) {
                    drop_nulls(&field.schema, child);
                }
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            map.values_mut().for_each(|child| drop_nulls(item, child));
        }
        (Shape::List(item, _), Value::Array(items)) => {
            items.iter_mut().for_each(|child| drop_nulls(item, child));
        }
        _ => {}
    }
}

/// Fills in defaults, also inside values that were themselves defaults.
pub(crate) fn fill(schema: &Schema, value: &mut Value) {
    match (&schema.shape, value) {
        (Shape::Struct(id), Value::Object(map)) => {
            for field in &id.get().fields {
                if let Some(default) = &field.default
                    && map.get(field.name).is_none_or(is_unset)
                {
                    map.insert(field.name.to_owned(), default.clone());
                }
                if let Some(child) = map.get_mut(field.name) {
                    fill(&field.schema, child);
                }
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            map.values_mut().for_each(|child| fill(item, child));
        }
        (Shape::List(item, _), Value::Array(items)) => {
            items.iter_mut().for_each(|child| fill(item, child));
        }
        _ => {}
    }
}

/// Typed clients send empty strings for fields they do not set.
fn is_unset(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Inserts `value` under `name` unless something is there; for the kinds' own defaults.
pub(crate) fn put_if_absent(map: &mut Map<String, Value>, name: &str, value: Value) {
    if map.get(name).is_none_or(is_unset) {
        map.insert(name.to_owned(), value);
    }
}
