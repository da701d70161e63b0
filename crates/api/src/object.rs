//! Small questions to raw objects, and what the server itself sets in their metadata.

use jiff::Timestamp;
use rand::Rng;
use serde_json::{Map, Value, json};

/// Longest prefix that `generateName` contributes; five characters follow.
const GENERATED_PREFIX_LENGTH: usize = 58;

/// The metadata as a map; made when it is not there.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    map(object, "metadata")
}

/// The map under `field`; whatever else stands there is replaced.
pub(crate) fn map<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let entry = &mut object[field];
    if !entry.is_object() {
        *entry = json!({});
    }
    match entry {
        Value::Object(map) => map,
        _ => unreachable!("it was made a map just now"),
    }
}

/// A text in the metadata; empty when absent.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or("")
}

pub(crate) fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// Whether its deletion has begun.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// RFC 3339 to the second, as Kubernetes writes times.
pub(crate) fn time(now: Timestamp) -> Value {
    json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A name from `generateName`: letters and digits that cannot spell anything.
pub(crate) fn generate_name(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = rand::rng();
    let tail: String =
        (0..5).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect();
    prefix.chars().take(GENERATED_PREFIX_LENGTH).collect::<String>() + &tail
}

/// Whether a write would change nothing: revisions and the times of ownership do not count.
pub(crate) fn is_same(old: &Value, new: &Value) -> bool {
    fn stripped(object: &Value) -> Value {
        let mut object = object.clone();
        let metadata = metadata(&mut object);
        metadata.remove("resourceVersion");
        if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
        }
        object
    }
    stripped(old) == stripped(new)
}
