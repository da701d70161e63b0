//! Request bodies: bounded, JSON or YAML, duplicate keys noticed.

use crate::protobuf;
use crate::status::Failure;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The largest body taken, as in Kubernetes.
pub(crate) const BODY_BYTES: usize = 3 << 20;
/// Nesting of a body. Reading, comparing and dropping values recurse: this is what keeps hostile
/// bodies from a worker's stack of 2 MiB, with room to spare in a debug build.
const DEPTH: usize = 48;

/// A decoded body, and the keys that stood in it twice.
pub(crate) struct Decoded {
    pub(crate) value: Value,
    /// `duplicate field "spec.x"`, one per key.
    pub(crate) duplicates: Vec<String>,
}

/// Reads the whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Failure> {
    axum::body::to_bytes(body, BODY_BYTES).await.map_err(|error| {
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(cause) = source {
            if cause.to_string().contains("length limit") {
                return Failure::too_large(BODY_BYTES);
            }
            source = cause.source();
        }
        Failure::bad_request(format!("read the request body: {error}"))
    })
}

/// The media type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.unwrap_or("application/json").split(';').next().unwrap_or("").trim()
}

/// Decodes an object sent to be created or to replace another.
pub(crate) fn decode(bytes: &[u8], media_type: &str) -> Result<Decoded, Failure> {
    match media_type {
        "" | "application/json" | "*/*" => json(bytes),
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(bytes),
        protobuf::MEDIA_TYPE => {
            Ok(Decoded { value: protobuf::decode(bytes)?, duplicates: Vec::new() })
        }
        other => Err(Failure::unsupported_media(format!(
            "the body of the request was in an unknown format ({other}) - accepted media types \
             include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        ))),
    }
}

pub(crate) fn json(bytes: &[u8]) -> Result<Decoded, Failure> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let node = Node { path: String::new(), depth: 0, duplicates: &mut duplicates };
    let value = node
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Failure::bad_request(format!("invalid JSON: {error}")))?;
    Ok(Decoded { value, duplicates })
}

pub(crate) fn yaml(bytes: &[u8]) -> Result<Decoded, Failure> {
    // JSON is YAML, and by far the faster parser; most apply patches are JSON.
    if bytes.first() == Some(&b'{') {
        return json(bytes);
    }
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH,
        max_events: 400_000,
        max_nodes: 200_000,
        max_aliases: 1_000,
        max_anchors: 1_000,
        max_documents: 1,
        max_total_scalar_bytes: BODY_BYTES,
        max_merge_keys: 1_000,
    };
    let options = serde_saphyr::options! { budget: budget, strict_booleans: true };
    let value = serde_saphyr::from_slice_with_options(bytes, options).map_err(|error| {
        let text = error.to_string();
        Failure::bad_request(format!("invalid YAML: {}", text.lines().next().unwrap_or("")))
    })?;
    Ok(Decoded { value, duplicates: Vec::new() })
}

/// Builds one value of the tree; the path is only for messages.
struct Node<'a> {
    path: String,
    depth: usize,
    duplicates: &'a mut Vec<String>,
}

impl Node<'_> {
    /// The depth of what is inside this value.
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format!("nested deeper than {DEPTH} levels")));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut list = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, list.len());
            let node = Node { path, depth, duplicates: &mut *self.duplicates };
            match items.next_element_seed(node)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{key}", self.path);
            let message = map.contains_key(&key).then(|| format!("duplicate field \"{path}\""));
            let node = Node { path, depth, duplicates: &mut *self.duplicates };
            let value = fields.next_value_seed(node)?;
            if let Some(message) = message {
                if self.duplicates.len() >= 100 {
                    return Err(A::Error::custom("too many duplicate fields"));
                }
                self.duplicates.push(message);
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_keys_are_named() {
        let decoded = json(br#"{"spec":{"a":[{"b":1,"b":2}],"c":3},"spec":{}}"#).unwrap();
        let expected = ["duplicate field \"spec.a[0].b\"", "duplicate field \"spec\""];
        assert_eq!(decoded.duplicates, expected);
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let deep = "[".repeat(100_000);
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(json(nested(DEPTH).as_bytes()).is_ok());
        assert!(json(nested(DEPTH + 1).as_bytes()).is_err());
        for bytes in [deep.as_bytes(), b"{", b"{}x", b"{\"a\":1e999}", b"\xef\xbb\xbf{}", b"NaN"] {
            assert!(json(bytes).is_err());
        }
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
            c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
            e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
            g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
        assert!(yaml(bomb.as_bytes()).is_err());
        assert!(yaml(b"a: 1\na: 2\n").is_err());
        assert!(yaml(b"a: 1\n---\nb: 2\n").is_err());
        let depth = (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
        assert!(yaml(depth.as_bytes()).is_err());
        let word = yaml(b"a: y").unwrap().value;
        assert_eq!(word, serde_json::json!({"a": "y"}), "only true and false are booleans");
        assert_eq!(yaml(b"a: [1, x]").unwrap().value, serde_json::json!({"a": [1, "x"]}));
    }
}
