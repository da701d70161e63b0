//! Strategic merge patch: `application/strategic-merge-patch+json`.
//!
//! Objects merge field by field, a null removes a field. Whether a list is merged or replaced, and
//! by which key, stands in the schema. Directives inside the patch: `$patch` (replace, delete,
//! merge), `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.

use crate::Schema;
use crate::schema::{Patch, Shape, dotted};
use serde_json::{Map, Value};

/// Why a patch could not be merged.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The patch does not fit the schema or names an unknown directive.
    #[error("strategic merge patch at {path:?}: {reason}")]
    Patch {
        /// Where in the patch.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
/// Objects nested deeper than this are refused; ours have at most about 20 levels.
const DEPTH_MAX: usize = 128;

fn fault(path: &str, reason: impl Into<String>) -> Error {
    Error::Patch { path: path.to_owned(), reason: reason.into() }
}

/// `live` with the strategic merge `patch` applied.
///
/// # Errors
/// If a directive is malformed, or an item of a merged list lacks its key.
pub fn strategic(schema: &Schema, live: &Value, patch: &Value) -> Result<Value, Error> {
    let Some(patch) = patch.as_object() else {
        return Err(fault("", "the patch is no object"));
    };
    let merged = objects(Some(schema), live.as_object(), patch, "", 0)?;
    Ok(merged.map_or_else(|| Value::Object(Map::new()), Value::Object))
}

/// `None` means that the patch deletes the object.
fn objects(
    schema: Option<&Schema>,
    live: Option<&Map<String, Value>>,
    patch: &Map<String, Value>,
    path: &str,
    depth: usize,
) -> Result<Option<Map<String, Value>>, Error> {
    if depth > DEPTH_MAX {
        return Err(fault(path, "nested too deeply"));
    }
    let mut out = match directive(patch, path)? {
        Directive::Delete => return Ok(None),
        Directive::Replace => Map::new(),
        Directive::Merge => live.cloned().unwrap_or_default(),
    };
    retain_keys(&mut out, patch, path)?;
    for (key, value) in patch {
        let at = dotted(path, key);
        if key == PATCH || key == RETAIN_KEYS {
            continue;
        }
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            let gone = value.as_array().ok_or_else(|| fault(&at, "expected a list"))?;
            if let Some(Value::Array(items)) = out.get_mut(list) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if key.starts_with(SET_ORDER) {
            continue;
        }
        if value.is_null() {
            out.shift_remove(key);
            continue;
        }
        let rule = rule(schema, key);
        let child = schema.and_then(|schema| schema.child(key));
        let merged = match (value, out.get(key)) {
            (Value::Object(map), old) => {
                let old = old.and_then(Value::as_object).filter(|_| !rule.replace);
                objects(child, old, map, &at, depth + 1)?.map(Value::Object)
            }
            (Value::Array(items), old) if rule.merge => {
                let old = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                Some(Value::Array(lists(item_schema(child), &rule, old, items, &at, depth + 1)?))
            }
            (other, _) => Some(other.clone()),
        };
        match merged {
            Some(merged) => {
                out.insert(key.clone(), merged);
            }
            None => {
                out.shift_remove(key);
            }
        }
    }
    reorder(&mut out, live, schema, patch, path)?;
    Ok(Some(out))
}

enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive(patch: &Map<String, Value>, path: &str) -> Result<Directive, Error> {
    match patch.get(PATCH) {
        None => Ok(Directive::Merge),
        Some(Value::String(word)) => match word.as_str() {
            "merge" => Ok(Directive::Merge),
            "replace" => Ok(Directive::Replace),
            "delete" => Ok(Directive::Delete),
            other => Err(fault(path, format!("unknown $patch directive {other:?}"))),
        },
        Some(other) => Err(fault(path, format!("unknown $patch directive {other}"))),
    }
}

fn retain_keys(
    out: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    path: &str,
) -> Result<(), Error> {
    let Some(keys) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or_else(|| fault(path, "$retainKeys is no list"))?;
    let kept = |name: &str| keys.iter().any(|key| key == name);
    let unnamed = patch
        .iter()
        .find(|(name, value)| !name.starts_with('$') && !value.is_null() && !kept(name));
    if let Some((name, _)) = unnamed {
        return Err(fault(
            path,
            format!("$retainKeys does not name {name:?}, which the patch sets"),
        ));
    }
    out.retain(|name, _| kept(name));
    Ok(())
}

fn rule(schema: Option<&Schema>, key: &str) -> Patch {
    schema.and_then(|schema| schema.field(key)).map(|field| field.patch.clone()).unwrap_or_default()
}

fn item_schema(list: Option<&Schema>) -> Option<&Schema> {
    match list.map(|list| &list.shape) {
        Some(Shape::List(item, _)) => Some(item),
        _ => None,
    }
}

fn lists(
    schema: Option<&Schema>,
    rule: &Patch,
    live: &[Value],
    patch: &[Value],
    path: &str,
    depth: usize,
) -> Result<Vec<Value>, Error> {
    let Some(key) = rule.key else {
        let mut out = live.to_vec();
        for item in patch {
            if !out.contains(item) {
                out.push(item.clone());
            }
        }
        return Ok(out);
    };
    let mut replaces = false;
    for item in patch.iter().filter_map(Value::as_object) {
        replaces |= matches!(directive(item, path)?, Directive::Replace);
    }
    let mut out = if replaces { Vec::new() } else { live.to_vec() };
    for (index, item) in patch.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let map = item.as_object().ok_or_else(|| fault(&at, "expected an object"))?;
        let Some(identity) = map.get(key) else {
            if replaces && map.len() == 1 && map.contains_key(PATCH) {
                continue;
            }
            return Err(fault(&at, format!("the item lacks its merge key {key:?}")));
        };
        if matches!(directive(map, &at)?, Directive::Delete) {
            out.retain(|old| old.get(key) != Some(identity));
            continue;
        }
        let found = out.iter().position(|old| old.get(key) == Some(identity));
        let old = found.and_then(|index| out[index].as_object());
        let Some(merged) = objects(schema, old, map, &at, depth)? else { continue };
        match found {
            Some(index) => out[index] = Value::Object(merged),
            None => out.push(Value::Object(merged)),
        }
    }
    Ok(out)
}

/// Applies every `$setElementOrder/<list>` of the patch to the merged lists.
fn reorder(
    out: &mut Map<String, Value>,
    live: Option<&Map<String, Value>>,
    schema: Option<&Schema>,
    patch: &Map<String, Value>,
    path: &str,
) -> Result<(), Error> {
    for (key, order) in patch {
        let Some(list) = key.strip_prefix(SET_ORDER) else { continue };
        let order = order.as_array().ok_or_else(|| fault(&dotted(path, key), "expected a list"))?;
        let merge_key = rule(schema, list).key;
        let Some(Value::Array(items)) = out.get_mut(list) else { continue };
        let identity = |item: &Value| match merge_key {
            Some(key) => item.get(key).cloned().unwrap_or(Value::Null),
            None => item.clone(),
        };
        let wanted: Vec<Value> = order.iter().map(identity).collect();
        let before: Vec<Value> = live
            .and_then(|live| live.get(list))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(identity)
            .collect();
        let (mut named, others): (Vec<Value>, Vec<Value>) =
            std::mem::take(items).into_iter().partition(|item| wanted.contains(&identity(item)));
        named.sort_by_key(|item| wanted.iter().position(|id| *id == identity(item)));
        *items = interleave(named, others, |item| {
            let id = identity(item);
            before.iter().position(|old| *old == id)
        });
    }
    Ok(())
}

/// Joins two ordered lists: an item of `first` goes ahead of one of `second` only if `rank` knows
/// both and ranks it lower; so items new to the object come last.
pub(crate) fn interleave(
    first: Vec<Value>,
    second: Vec<Value>,
    rank: impl Fn(&Value) -> Option<usize>,
) -> Vec<Value> {
    let mut out = Vec::with_capacity(first.len() + second.len());
    let mut first = first.into_iter().peekable();
    let mut second = second.into_iter().peekable();
    loop {
        let take_first = match (first.peek(), second.peek()) {
            (Some(a), Some(b)) => matches!((rank(a), rank(b)), (Some(a), Some(b)) if a < b),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return out,
        };
        out.extend(if take_first { first.next() } else { second.next() });
    }
}

#[cfg(test)]
mod tests;
