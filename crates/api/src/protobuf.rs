//! The few protobuf bodies kubectl insists on sending (`create namespace`, `auth can-i`, …).
//!
//! A body is an envelope naming its kind and a message; a table per kind says which field number
//! is which JSON field. What the tables do not know is refused, never dropped, unless it is empty:
//! the senders write every absent text, number and message as an empty one.
//! Format: the four bytes `k8s\0`, then `runtime.Unknown` of Kubernetes' generated.proto files.

use crate::status::Failure;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// Media type of these bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
const MAGIC: &[u8] = b"k8s\0";
/// Nesting of messages.
const DEPTH: usize = 16;

/// How a field stands in JSON.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Texts,
    /// Absent when zero.
    Number,
    /// Zero is a value of its own.
    Pointer,
    Flag,
    /// A map from text to text.
    TextMap,
    /// A map from text to bytes, base64 in JSON.
    BytesMap,
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

type Field = (u64, &'static str, Shape);

const METADATA: &[Field] = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (5, "uid", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (11, "labels", Shape::TextMap),
    (12, "annotations", Shape::TextMap),
    (14, "finalizers", Shape::Texts),
];
const NAMESPACE: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "spec", Shape::Message(&[(1, "finalizers", Shape::Texts)])),
];
const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::TextMap),
    (3, "binaryData", Shape::BytesMap),
    (4, "immutable", Shape::Flag),
];
const SECRET: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::BytesMap),
    (3, "type", Shape::Text),
    (4, "stringData", Shape::TextMap),
    (5, "immutable", Shape::Flag),
];
const METADATA_ONLY: &[Field] = &[(1, "metadata", Shape::Message(METADATA))];
const ACCESS_REVIEW: &[Field] =
    &[(1, "metadata", Shape::Message(METADATA)), (2, "spec", Shape::Message(ACCESS_SPEC))];
const ACCESS_SPEC: &[Field] = &[
    (1, "resourceAttributes", Shape::Message(RESOURCE_ATTRIBUTES)),
    (
        2,
        "nonResourceAttributes",
        Shape::Message(&[(1, "path", Shape::Text), (2, "verb", Shape::Text)]),
    ),
];
const RESOURCE_ATTRIBUTES: &[Field] = &[
    (1, "namespace", Shape::Text),
    (2, "verb", Shape::Text),
    (3, "group", Shape::Text),
    (4, "version", Shape::Text),
    (5, "resource", Shape::Text),
    (6, "subresource", Shape::Text),
    (7, "name", Shape::Text),
];
const RULES_REVIEW: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "spec", Shape::Message(&[(1, "namespace", Shape::Text)])),
];
const DELETE_OPTIONS: &[Field] = &[
    (1, "gracePeriodSeconds", Shape::Pointer),
    (
        2,
        "preconditions",
        Shape::Message(&[(1, "uid", Shape::Text), (2, "resourceVersion", Shape::Text)]),
    ),
    (3, "orphanDependents", Shape::Flag),
    (4, "propagationPolicy", Shape::Text),
    (5, "dryRun", Shape::Texts),
];
const EVICTION: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "deleteOptions", Shape::Message(DELETE_OPTIONS)),
];
const CONTAINER: &[Field] = &[
    (1, "name", Shape::Text),
    (2, "image", Shape::Text),
    (3, "command", Shape::Texts),
    (4, "args", Shape::Texts),
    (5, "workingDir", Shape::Text),
    (
        6,
        "ports",
        Shape::Messages(&[
            (1, "name", Shape::Text),
            (2, "hostPort", Shape::Number),
            (3, "containerPort", Shape::Number),
            (4, "protocol", Shape::Text),
        ]),
    ),
    (7, "env", Shape::Messages(&[(1, "name", Shape::Text), (2, "value", Shape::Text)])),
    (14, "imagePullPolicy", Shape::Text),
];
const TEMPLATE: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (
        2,
        "spec",
        Shape::Message(&[
            (2, "containers", Shape::Messages(CONTAINER)),
            (3, "restartPolicy", Shape::Text),
        ]),
    ),
];
const DEPLOYMENT: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (
        2,
        "spec",
        Shape::Message(&[
            (1, "replicas", Shape::Pointer),
            (2, "selector", Shape::Message(&[(1, "matchLabels", Shape::TextMap)])),
            (3, "template", Shape::Message(TEMPLATE)),
        ]),
    ),
];
const JOB: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (
        2,
        "spec",
        Shape::Message(&[
            (1, "parallelism", Shape::Pointer),
            (2, "completions", Shape::Pointer),
            (6, "template", Shape::Message(TEMPLATE)),
            (7, "backoffLimit", Shape::Pointer),
        ]),
    ),
];

/// The table of a kind.
fn fields(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" | "SelfSubjectReview" => METADATA_ONLY,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        "Deployment" => DEPLOYMENT,
        "Job" => JOB,
        _ => return None,
    })
}

/// The object in a body, as JSON.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Failure> {
    let cut = || Failure::bad_request("the protobuf body is cut short or malformed");
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
    let (mut version, mut kind, mut raw): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
    while !rest.is_empty() {
        match next(&mut rest).ok_or_else(cut)? {
            (1, Wire::Bytes(mut type_meta)) => {
                while !type_meta.is_empty() {
                    match next(&mut type_meta).ok_or_else(cut)? {
                        (1, Wire::Bytes(text)) => version = text,
                        (2, Wire::Bytes(text)) => kind = text,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(message)) => raw = message,
            _ => {}
        }
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| cut());
    let (version, kind) = (text(version)?, text(kind)?);
    let fields = fields(kind).ok_or_else(|| {
        Failure::unsupported_media(format!(
            "{kind} is not taken as protobuf: send application/json"
        ))
    })?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), json!(version));
    object.insert("kind".into(), json!(kind));
    message(raw, fields, &mut object, DEPTH).map_err(|fault| match fault {
        Fault::Malformed => cut(),
        Fault::Unknown(number) => Failure::unsupported_media(format!(
            "a field (number {number}) of this {kind} is not known as protobuf: \
             send application/json"
        )),
    })?;
    Ok(Value::Object(object))
}

enum Fault {
    Malformed,
    Unknown(u64),
}

/// One value as it stands on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The next field's number and value.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let key = varint(rest)?;
    let length = match key & 7 {
        0 => return Some((key >> 3, Wire::Number(varint(rest)?))),
        1 => 8,
        2 => usize::try_from(varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (value, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some((key >> 3, Wire::Bytes(value)))
}

/// Whether a value says nothing: zero, no bytes, or a message of such values.
fn is_blank(wire: &Wire<'_>, depth: usize) -> bool {
    match wire {
        Wire::Number(number) => *number == 0,
        Wire::Bytes(bytes) => {
            let mut rest = *bytes;
            while !rest.is_empty() {
                match next(&mut rest) {
                    Some((number, wire))
                        if number > 0 && depth > 0 && is_blank(&wire, depth - 1) => {}
                    _ => return false,
                }
            }
            true
        }
    }
}

fn message(
    mut rest: &[u8],
    fields: &[Field],
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Fault> {
    if depth == 0 {
        return Err(Fault::Malformed);
    }
    while !rest.is_empty() {
        let (number, wire) = next(&mut rest).ok_or(Fault::Malformed)?;
        let Some((_, name, shape)) = fields.iter().find(|field| field.0 == number) else {
            if is_blank(&wire, depth) {
                continue;
            }
            return Err(Fault::Unknown(number));
        };
        field(&wire, name, *shape, out, depth)?;
    }
    Ok(())
}

fn field(
    wire: &Wire<'_>,
    name: &str,
    shape: Shape,
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Fault> {
    let value = match (shape, wire) {
        (Shape::Number, Wire::Number(0)) => return Ok(()),
        (Shape::Number | Shape::Pointer, Wire::Number(number)) => json!(number.cast_signed()),
        (Shape::Flag, Wire::Number(number)) => json!(*number != 0),
        (Shape::Text, Wire::Bytes(b"")) => return Ok(()),
        (Shape::Text, Wire::Bytes(bytes)) => json!(text(bytes)?),
        (Shape::Texts, Wire::Bytes(bytes)) => return push(out, name, json!(text(bytes)?)),
        (Shape::TextMap | Shape::BytesMap, Wire::Bytes(bytes)) => {
            let (key, value) = pair(bytes, shape)?;
            let map = out.entry(name).or_insert_with(|| json!({}));
            map[key] = value;
            return Ok(());
        }
        (Shape::Message(fields), Wire::Bytes(bytes)) => {
            let mut inner = Map::new();
            message(bytes, fields, &mut inner, depth - 1)?;
            if inner.is_empty() {
                return Ok(());
            }
            Value::Object(inner)
        }
        (Shape::Messages(fields), Wire::Bytes(bytes)) => {
            let mut inner = Map::new();
            message(bytes, fields, &mut inner, depth - 1)?;
            return push(out, name, Value::Object(inner));
        }
        _ => return Err(Fault::Malformed),
    };
    out.insert(name.into(), value);
    Ok(())
}

fn push(out: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Fault> {
    match out.entry(name).or_insert_with(|| json!([])) {
        Value::Array(list) => list.push(value),
        _ => return Err(Fault::Malformed),
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

/// One entry of a map: key is field 1, value field 2.
fn pair(mut rest: &[u8], shape: Shape) -> Result<(String, Value), Fault> {
    let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
    while !rest.is_empty() {
        match next(&mut rest).ok_or(Fault::Malformed)? {
            (1, Wire::Bytes(bytes)) => key = bytes,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return Err(Fault::Malformed),
        }
    }
    let value = match shape {
        Shape::BytesMap => json!(BASE64_STANDARD.encode(value)),
        _ => json!(text(value)?),
    };
    Ok((text(key)?.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_map_is_read_and_every_cut_is_refused() {
        let raw = b"\x0a\x05\x0a\x01a\x12\x00\x12\x06\x0a\x01k\x12\x01v";
        let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
        body.push(u8::try_from(raw.len()).unwrap());
        body.extend_from_slice(raw);
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
            "data": {"k": "v"}});
        assert_eq!(decode(&body).unwrap(), expected);
        for length in 0..body.len() {
            // A cut between fields leaves a smaller message; nothing may panic or invent.
            if let Ok(value) = decode(&body[..length]) {
                assert!(value["data"].is_null(), "{length}: {value}");
            }
        }
        body.extend_from_slice(b"\x2a\x01x");
        assert!(
            decode(&body).is_ok(),
            "unknown fields of the envelope say nothing about the object"
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let raw = b"\x0a\x05\x0a\x01a\x12\x00\x4a\x02hi";
        let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
        body.push(u8::try_from(raw.len()).unwrap());
        body.extend_from_slice(raw);
        let failure = decode(&body).unwrap_err();
        assert_eq!(failure.code(), 415);
        assert!(decode(b"k8s\0\x0a\x07\x0a\x02v1\x12\x01X").is_err());
    }
}
