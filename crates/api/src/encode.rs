//! Objects as stored bytes, and their keys.
//!
//! `metadata.resourceVersion` always stands first in `metadata`, and `metadata` right after
//! `apiVersion` and `kind`: the store puts the revision in at write time, and reads send the
//! bytes out as they are. User text cannot fake the marker: quotes inside strings are escaped.

use bytes::{BufMut, Bytes, BytesMut};
use kinds::Kind;
use serde_json::{Map, Value};

const MARKER: &[u8] = b"\"resourceVersion\":\"";

/// The bytes of `object` before and after the digits of its resource version.
pub(crate) fn split(object: &Value) -> (Bytes, Bytes) {
    let empty = Map::new();
    let fields = object.as_object().unwrap_or(&empty);
    let metadata = fields.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut before = Vec::with_capacity(96);
    before.push(b'{');
    for name in ["apiVersion", "kind"] {
        if let Some(value) = fields.get(name) {
            field(&mut before, name, value);
            before.push(b',');
        }
    }
    before.extend_from_slice(b"\"metadata\":{");
    before.extend_from_slice(MARKER);
    let mut after = Vec::with_capacity(512);
    after.push(b'"');
    for (name, value) in metadata.iter().filter(|(name, _)| *name != "resourceVersion") {
        after.push(b',');
        field(&mut after, name, value);
    }
    after.push(b'}');
    let first = ["apiVersion", "kind", "metadata"];
    for (name, value) in fields.iter().filter(|(name, _)| !first.contains(&name.as_str())) {
        after.push(b',');
        field(&mut after, name, value);
    }
    after.push(b'}');
    (before.into(), after.into())
}

fn field(out: &mut Vec<u8>, name: &str, value: &Value) {
    // Writing JSON values into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, name);
    out.push(b':');
    let _ = serde_json::to_writer(&mut *out, value);
}

/// The object's bytes as they are at `revision`.
pub(crate) fn numbered(before: &[u8], after: &[u8], revision: u64) -> Bytes {
    let digits = revision.to_string();
    let mut bytes = BytesMut::with_capacity(before.len() + digits.len() + after.len());
    bytes.put_slice(before);
    bytes.put_slice(digits.as_bytes());
    bytes.put_slice(after);
    bytes.freeze()
}

/// Stored bytes with another resource version, for the last state of a deleted object.
pub(crate) fn renumbered(stored: &[u8], revision: u64) -> Bytes {
    let found = stored.windows(MARKER.len()).position(|window| window == MARKER);
    let Some(at) = found.map(|at| at + MARKER.len()) else {
        return Bytes::copy_from_slice(stored);
    };
    let length = stored[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    numbered(&stored[..at], &stored[at + length..], revision)
}

/// Keys of all objects of `kind`, or of those in one namespace, begin with this.
pub(crate) fn prefix(kind: &Kind, namespace: Option<&str>) -> String {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    match namespace {
        Some(namespace) => format!("/{group}/{}/{namespace}/", kind.plural),
        None => format!("/{group}/{}/", kind.plural),
    }
}

/// The key of one object.
pub(crate) fn key(kind: &Kind, namespace: Option<&str>, name: &str) -> String {
    prefix(kind, namespace) + name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_revision_is_put_in_and_replaced() {
        let object = json!({
            "metadata": {"name": "\"resourceVersion\":\"9", "resourceVersion": "old"},
            "kind": "Pod", "apiVersion": "v1", "spec": {"a": [1]},
        });
        let (before, after) = split(&object);
        let bytes = numbered(&before, &after, 42);
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["metadata"]["resourceVersion"], "42");
        assert_eq!(read["metadata"]["name"], object["metadata"]["name"]);
        assert_eq!(read["spec"], object["spec"]);
        let read: Value = serde_json::from_slice(&renumbered(&bytes, 1234)).unwrap();
        assert_eq!(read["metadata"]["resourceVersion"], "1234");
        assert_eq!(read["kind"], "Pod");
    }
}
