//! Query strings and JSON as Docker's clients write them: `1`, `true`, `null` for empty.

use serde_json::Value;

use crate::error::{Error, Result};

/// A query string, in order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The value of `name`, if it is given and not empty.
pub(crate) fn text<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    let found = query.iter().find(|(key, _)| key == name)?;
    Some(found.1.as_str()).filter(|value| !value.is_empty())
}

/// Whether `name` is set; Docker takes anything but these for true.
pub(crate) fn flag(query: &Pairs, name: &str) -> bool {
    text(query, name).is_some_and(|value| {
        !matches!(value.to_lowercase().as_str(), "0" | "no" | "false" | "none")
    })
}

/// A number.
pub(crate) fn number<T: std::str::FromStr>(query: &Pairs, name: &str) -> Result<Option<T>> {
    let parse = |value: &str| {
        value.parse().map_err(|_| Error::bad(format!("{name} must be a number, not {value:?}")))
    };
    text(query, name).map(parse).transpose()
}

/// Whether a JSON value says nothing: `null`, `false`, `0`, `""`, or made of such.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(values) => values.iter().all(is_empty),
        Value::Object(values) => values.values().all(is_empty),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_go_writes_for_nothing_is_empty() {
        assert!(is_empty(&json!({"a": null, "b": [0, ""], "c": {"d": false}})));
        assert!(!is_empty(&json!({"a": [1]})));
    }

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        let query = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "False".to_owned())];
        assert!(flag(&query, "a") && !flag(&query, "b") && !flag(&query, "c"));
    }
}
