//! Walks over objects along the schema: the paths an object sets, how two objects differ, one
//! object merged over another, and what an applier gave up removed.

use super::ApplyError;
use super::set::{Element, Set};
use crate::merge::interleave;
use crate::schema::{ListKind, Schema, Shape};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// How two objects differ. Containers that appear or vanish are listed with all they hold.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub(super) added: Set,
    pub(super) removed: Set,
    pub(super) modified: Set,
}

/// What a value is to ownership.
enum Node<'a> {
    /// One value, owned as a whole.
    Leaf,
    /// Fields or entries, each with an owner.
    Fields,
    /// Items told apart by keys or value.
    Items(&'a Schema, &'a ListKind),
}

fn node<'a>(schema: Option<&'a Schema>, value: &Value) -> Node<'a> {
    let Some(schema) = schema.filter(|schema| !schema.atomic) else { return Node::Leaf };
    match (&schema.shape, value) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(_)) => Node::Fields,
        (Shape::List(item, kind), Value::Array(_)) if *kind != ListKind::Atomic => {
            Node::Items(item, kind)
        }
        _ => Node::Leaf,
    }
}

fn is_map(schema: Option<&Schema>) -> bool {
    schema.is_some_and(|schema| matches!(schema.shape, Shape::Map(_)))
}

/// The path element of a list item; keys that are absent take the schema's default.
fn element(item_schema: &Schema, kind: &ListKind, item: &Value) -> Result<Element, String> {
    let ListKind::Map(keys) = kind else { return Ok(Element::Value(item.to_string())) };
    let mut found = Map::new();
    for key in keys {
        let default = || item_schema.field(key).and_then(|field| field.default.as_ref());
        match item.get(*key).filter(|v| !v.is_null()).or_else(default) {
            Some(value) => {
                found.insert((*key).to_owned(), value.clone());
            }
            None => return Err(format!("a list item lacks its key {key:?}")),
        }
    }
    Ok(Element::keys(found))
}

/// Items by element; an item without its keys is found by its whole value.
fn index<'a>(
    item_schema: &Schema,
    kind: &ListKind,
    items: &'a [Value],
) -> Vec<(Element, &'a Value)> {
    let by_value = |item: &Value| Element::Value(item.to_string());
    items
        .iter()
        .map(|item| (element(item_schema, kind, item).unwrap_or_else(|_| by_value(item)), item))
        .collect()
}

/// Every field that an applied object states.
///
/// # Errors
/// If list items lack their keys or occur twice.
pub(super) fn field_set(schema: &Schema, object: &Value) -> Result<Set, ApplyError> {
    let mut set = Set::default();
    states(Some(schema), object, &mut set, "", true)?;
    Ok(set)
}

/// As [`field_set`] for stored objects, in which odd lists are tolerated.
pub(super) fn lenient_field_set(schema: &Schema, object: &Value) -> Set {
    let mut set = Set::default();
    // Without strictness there are no errors.
    if states(Some(schema), object, &mut set, "", false).is_err() {
        set = Set::default();
    }
    set
}

fn states(
    schema: Option<&Schema>,
    value: &Value,
    set: &mut Set,
    path: &str,
    strict: bool,
) -> Result<(), ApplyError> {
    match (node(schema, value), value) {
        (Node::Fields, Value::Object(map)) => {
            for (name, child) in map {
                let mut below = Set::default();
                let child_schema = schema.and_then(|schema| schema.child(name));
                states(child_schema, child, &mut below, &format!("{path}.{name}"), strict)?;
                let is_empty_object = child.as_object().is_some_and(Map::is_empty);
                below.member |= is_empty_object || is_map(schema);
                // An empty list states nothing; a set never holds nodes that say nothing.
                if !below.is_empty() {
                    set.children.insert(Element::Field(name.clone()), below);
                }
            }
        }
        (Node::Items(item_schema, kind), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                let element = match element(item_schema, kind, item) {
                    Ok(element) => element,
                    Err(reason) if strict => return Err(invalid(&path, reason)),
                    Err(_) => continue,
                };
                if strict && set.children.contains_key(&element) {
                    return Err(invalid(&path, format!("the item {element} occurs twice")));
                }
                let below = set.children.entry(element).or_default();
                states(Some(item_schema), item, below, &path, strict)?;
                below.member = true;
            }
        }
        _ => set.member = true,
    }
    Ok(())
}

fn invalid(path: &str, reason: String) -> ApplyError {
    ApplyError::Invalid { path: path.trim_start_matches('.').to_owned(), reason }
}

/// How `new` differs from `old`.
pub(super) fn compare(schema: &Schema, old: &Value, new: &Value) -> Difference {
    let mut out = Difference::default();
    differ(Some(schema), Some(old), Some(new), &mut Vec::new(), false, &mut out);
    out
}

fn differ(
    schema: Option<&Schema>,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<Element>,
    is_item: bool,
    out: &mut Difference,
) {
    let (old, new) = (old.filter(|v| !v.is_null()), new.filter(|v| !v.is_null()));
    let Some(present) = new.or(old) else { return };
    let same_shape = matches!(
        (old, new),
        (Some(Value::Object(_)), Some(Value::Object(_)))
            | (Some(Value::Array(_)), Some(Value::Array(_)))
            | (None, _)
            | (_, None)
    );
    let both_empty = [old, new].into_iter().flatten().all(is_empty_container);
    let kind = if same_shape && !both_empty { node(schema, present) } else { Node::Leaf };
    match kind {
        Node::Leaf => {
            match (old, new) {
                (None, _) => out.added.insert(path),
                (_, None) => out.removed.insert(path),
                (Some(a), Some(b)) if a != b => out.modified.insert(path),
                _ => {}
            }
            return;
        }
        Node::Fields => {
            let fields = |side: Option<&'_ Value>| -> Vec<String> {
                let map = side.and_then(Value::as_object);
                map.into_iter().flatten().map(|(name, _)| name.clone()).collect()
            };
            let mut names = fields(old);
            names
                .extend(fields(new).into_iter().filter(|n| old.is_none_or(|o| o.get(n).is_none())));
            for name in names {
                let child = schema.and_then(|schema| schema.child(&name));
                let (a, b) = (old.and_then(|o| o.get(&name)), new.and_then(|n| n.get(&name)));
                path.push(Element::Field(name));
                differ(child, a, b, path, false, out);
                path.pop();
            }
        }
        Node::Items(item_schema, list_kind) => {
            let items = |side: Option<&'_ Value>| -> Vec<(Element, Value)> {
                let list = side.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let indexed = index(item_schema, list_kind, list);
                indexed.into_iter().map(|(element, item)| (element, item.clone())).collect()
            };
            let before: HashMap<String, (Element, Value)> = by_text(items(old));
            let after: HashMap<String, (Element, Value)> = by_text(items(new));
            for (text, (element, item)) in &before {
                path.push(element.clone());
                let other = after.get(text).map(|(_, other)| other);
                differ(Some(item_schema), Some(item), other, path, true, out);
                path.pop();
            }
            for (_, (element, item)) in after.iter().filter(|(text, _)| !before.contains_key(*text))
            {
                path.push(element.clone());
                differ(Some(item_schema), None, Some(item), path, true, out);
                path.pop();
            }
        }
    }
    // The container itself appeared or vanished. Upstream's structs are mostly there from the
    // start, so only maps, lists and items are somebody's.
    if new.is_none() {
        out.removed.insert(path);
    } else if old.is_none() && (is_item || !matches!(kind_of(schema), ContainerKind::Struct)) {
        out.added.insert(path);
    }
}

enum ContainerKind {
    Struct,
    Other,
}

fn kind_of(schema: Option<&Schema>) -> ContainerKind {
    match schema.map(|schema| &schema.shape) {
        Some(Shape::Struct(_)) => ContainerKind::Struct,
        _ => ContainerKind::Other,
    }
}

fn by_text(items: Vec<(Element, Value)>) -> HashMap<String, (Element, Value)> {
    items.into_iter().map(|(element, item)| (format!("{element:?}"), (element, item))).collect()
}

fn is_empty_container(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// `wanted` over `live`: fields of `live` that `wanted` does not state stay.
///
/// # Errors
/// If items of `wanted` lack their keys.
pub(super) fn merge(schema: &Schema, live: &Value, wanted: &Value) -> Result<Value, ApplyError> {
    merge_at(Some(schema), live, wanted, "")
}

fn merge_at(
    schema: Option<&Schema>,
    live: &Value,
    wanted: &Value,
    path: &str,
) -> Result<Value, ApplyError> {
    match (node(schema, wanted), live, wanted) {
        (Node::Fields, Value::Object(old), Value::Object(new)) => {
            let mut out = old.clone();
            for (name, child) in new {
                let child_schema = schema.and_then(|schema| schema.child(name));
                let merged = match old.get(name) {
                    Some(old) => merge_at(child_schema, old, child, &format!("{path}.{name}"))?,
                    None => child.clone(),
                };
                out.insert(name.clone(), merged);
            }
            Ok(Value::Object(out))
        }
        (Node::Items(item_schema, kind), Value::Array(old), Value::Array(new)) => {
            merge_items(item_schema, kind, old, new, path).map(Value::Array)
        }
        _ => Ok(wanted.clone()),
    }
}

fn merge_items(
    item_schema: &Schema,
    kind: &ListKind,
    old: &[Value],
    new: &[Value],
    path: &str,
) -> Result<Vec<Value>, ApplyError> {
    let before = index(item_schema, kind, old);
    let mut named = Vec::with_capacity(new.len());
    let mut elements = Vec::with_capacity(new.len());
    for (at, item) in new.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let element = element(item_schema, kind, item).map_err(|reason| invalid(&path, reason))?;
        let found = before.iter().find(|(other, _)| *other == element);
        named.push(match found {
            Some((_, old)) => merge_at(Some(item_schema), old, item, &path)?,
            None => item.clone(),
        });
        elements.push(element);
    }
    let others: Vec<Value> = before
        .iter()
        .filter(|(element, _)| !elements.contains(element))
        .map(|(_, item)| (*item).clone())
        .collect();
    Ok(interleave(named, others, |item| {
        let own = element(item_schema, kind, item).ok()?;
        before.iter().position(|(element, _)| *element == own)
    }))
}

/// `object` without what `last` states and nobody owns any more.
///
/// A container in which an owner is left is searched further; one without goes as a whole, with the
/// defaults inside it that never had an owner.
pub(super) fn prune(schema: &Schema, object: Value, last: &Set, owned: &Set) -> Value {
    prune_at(Some(schema), object, last, owned, true)
}

fn prune_at(
    schema: Option<&Schema>,
    value: Value,
    last: &Set,
    owned: &Set,
    is_root: bool,
) -> Value {
    match (node(schema, &value), value) {
        (Node::Fields, Value::Object(map)) => {
            let kept = map.into_iter().filter_map(|(name, child)| {
                let element = Element::Field(name.clone());
                let untouchable =
                    is_root && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
                let child_schema = schema.and_then(|schema| schema.child(&name));
                let child = prune_child(child_schema, child, &element, (last, owned), untouchable)?;
                Some((name, child))
            });
            Value::Object(kept.collect())
        }
        (Node::Items(item_schema, kind), Value::Array(items)) => {
            let kept =
                items.into_iter().filter_map(|item| match element(item_schema, kind, &item) {
                    Ok(element) => {
                        prune_child(Some(item_schema), item, &element, (last, owned), false)
                    }
                    Err(_) => Some(item),
                });
            Value::Array(kept.collect())
        }
        (_, value) => value,
    }
}

fn prune_child(
    schema: Option<&Schema>,
    child: Value,
    element: &Element,
    (last, owned): (&Set, &Set),
    untouchable: bool,
) -> Option<Value> {
    let Some(last) = last.children.get(element) else { return Some(child) };
    let empty = Set::default();
    match owned.children.get(element).filter(|owned| !owned.is_empty()) {
        None if !untouchable => None,
        owned => Some(prune_at(schema, child, last, owned.unwrap_or(&empty), false)),
    }
}
