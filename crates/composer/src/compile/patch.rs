//! Patches of compiled objects, merged as the Kubernetes API merges them and checked against the
//! schemas of what targets understand.

use serde_json::Value;

use super::Input;

/// `StatefulSet/db`.
pub(crate) fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Whether an object belongs to a block.
pub(crate) fn is_of(object: &Value, block: &str) -> bool {
    object["metadata"]["labels"]["app.kubernetes.io/component"] == block
}

/// The object with a patch on it; else what about it is refused.
pub(crate) fn apply(object: &Value, change: &Value) -> Result<Value, Vec<String>> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let kind = kinds::find_kind(group, version, text("kind"))
        .ok_or_else(|| vec![format!("kind {}", text("kind"))])?;
    for fixed in ["apiVersion", "kind", "metadata", "status"] {
        let name = change.get(fixed).is_some_and(|value| {
            fixed != "metadata"
                || ["name", "namespace", "labels"].iter().any(|k| value.get(k).is_some())
        });
        if name {
            return Err(vec![format!("{fixed} (it is how the object is found)")]);
        }
    }
    let patched = kinds::merge::strategic(kind.schema(), object, change)
        .map_err(|error| vec![error.to_string()])?;
    let unknown = kind.unknown_fields(&patched);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let wrong = kind.type_errors(&patched);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut whole = patched.clone();
    kind.default(&mut whole);
    let wrong = kind.validate(&whole, None);
    if !wrong.is_empty() {
        return Err(wrong.iter().map(ToString::to_string).collect());
    }
    Ok(patched)
}

/// Puts the patches of the graph onto the objects; the checker has tried each.
pub(super) fn all<'a>(input: &Input<'_>, objects: impl Iterator<Item = &'a mut Value>) {
    if input.graph.blocks.iter().all(|part| part.patches.is_empty()) {
        return;
    }
    for object in objects {
        let own = input.graph.blocks.iter().find(|part| is_of(object, &part.name));
        let name = key(object);
        let patches = own.into_iter().flat_map(|part| &part.patches);
        for patch in patches.filter(|patch| patch.object == name) {
            if let Ok(patched) = apply(object, &patch.change) {
                *object = patched;
                object["metadata"]["annotations"]["shelf.dev/patched"] = patch.why.as_str().into();
            }
        }
    }
}
