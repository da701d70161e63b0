//! Values of edits as TOML.

use serde_json::Value;

use super::draft::{toml_key, toml_string};
use super::judge::refusal;
use crate::diagnostic::Diagnostic;

/// A JSON value as canonical TOML; `null` and fractions have no place in an app file.
pub(super) fn toml(value: &Value) -> Result<String, Vec<Diagnostic>> {
    Ok(match value {
        Value::String(text) => toml_string(text),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.is_i64() => number.to_string(),
        Value::Array(items) => {
            let items: Result<Vec<String>, _> = items.iter().map(toml).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Result<Vec<String>, Vec<Diagnostic>> = members
                .iter()
                .map(|(key, value)| Ok(format!("{} = {}", toml_key(key), toml(value)?)))
                .collect();
            format!("{{ {} }}", members?.join(", "))
        }
        other => {
            let message = format!("{other} cannot be written into an app file");
            return Err(vec![
                refusal("edit/value", message)
                    .help("strings, whole numbers, true, false, lists and tables of them", ""),
            ]);
        }
    })
}

/// A string, a whole number or a truth value, written as a value of the kind a setting has.
pub(super) fn scalar(value: &Value, kind: Option<&str>) -> Result<String, Vec<Diagnostic>> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            let message = format!("a setting cannot be {value}");
            return Err(vec![
                refusal("edit/value", message).help("a string, a whole number, true or false", ""),
            ]);
        }
        other => other.to_string(),
    };
    match kind {
        Some("number") if text.parse::<i64>().is_ok() => Ok(text),
        Some("truth value") if matches!(text.as_str(), "true" | "false") => Ok(text),
        Some("string") => Ok(toml_string(&text)),
        _ => toml(value),
    }
}
