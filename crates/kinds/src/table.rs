//! The table of all kinds.

use crate::Kind;

/// Every kind, core group first.
pub fn all() -> &'static [Kind] {
    &[]
}

/// The kind served at this path.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    all().iter().find(|k| k.group == group && k.version == version && k.plural == plural)
}

/// The kind of this name.
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    all().iter().find(|k| k.group == group && k.version == version && k.kind == kind)
}
