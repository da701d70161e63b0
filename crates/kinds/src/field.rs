//! Errors about one field of an object, in the words Kubernetes users know.
//!
//! `validate` collects these; the api room turns them into the causes of a `Status`.

use serde_json::Value;

/// Why a field was refused; `as_str` is the cause's `reason` in a `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The field must be set.
    Required,
    /// The value is malformed or changed where it must not.
    Invalid,
    /// The value occurs twice in a list of distinct values.
    Duplicate,
    /// The field may not be set here.
    Forbidden,
    /// The value is not one of the allowed ones.
    NotSupported,
    /// The value names something that is not there.
    NotFound,
    /// The value has too many bytes.
    TooLong,
    /// The list has too many items.
    TooMany,
    /// The value has the wrong JSON type.
    TypeInvalid,
}

impl Reason {
    /// The machine-readable cause, e.g. `FieldValueRequired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotSupported => "FieldValueNotSupported",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// One refused field. `Display` prints `field: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path from the object's root, e.g. `spec.containers[0].image`.
    pub field: String,
    /// The class of fault.
    pub reason: Reason,
    /// The text after the path, e.g. `Required value`.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl FieldError {
    /// The field must be set; `detail` may be empty.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Required, with_detail("Required value", detail))
    }

    /// The value is not acceptable, and `detail` says why.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(
            field,
            Reason::Invalid,
            with_detail(&format!("Invalid value: {}", shown(value)), detail),
        )
    }

    /// The value occurs twice.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, Reason::Duplicate, format!("Duplicate value: {}", shown(value)))
    }

    /// The field may not be set or changed here.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Forbidden, with_detail("Forbidden", detail))
    }

    /// The value is not one of `supported`.
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let mut names: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        names.sort();
        Self::new(
            field,
            Reason::NotSupported,
            format!("Unsupported value: {}: supported values: {}", shown(value), names.join(", ")),
        )
    }

    /// The value names something that does not exist.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, Reason::NotFound, format!("Not found: {}", shown(value)))
    }

    /// The value has more than `max_bytes` bytes.
    pub fn too_long(field: impl Into<String>, max_bytes: usize) -> Self {
        Self::new(
            field,
            Reason::TooLong,
            format!("Too long: may not be more than {max_bytes} bytes"),
        )
    }

    /// The list has more than `max_items` items.
    pub fn too_many(field: impl Into<String>, count: usize, max_items: usize) -> Self {
        Self::new(
            field,
            Reason::TooMany,
            format!("Too many: {count}: must have at most {max_items} items"),
        )
    }

    fn new(field: impl Into<String>, reason: Reason, message: String) -> Self {
        Self { field: field.into(), reason, message }
    }
}

fn with_detail(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") }
}

/// The value as users see it in a message; large objects are cut, messages have a limit.
fn shown(value: &Value) -> String {
    const MAX_CHARS: usize = 512;
    let text = value.to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
