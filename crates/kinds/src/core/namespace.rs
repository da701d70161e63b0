//! Namespace: stays until its finalizer `kubernetes` is gone, i.e. until it is empty.

use crate::cell::{self, AGE, NAME, str_at};
use crate::kind::{Hooks, Kind, Subresource};
use serde_json::json;

pub(crate) fn namespace() -> Kind {
    Kind {
        short_names: &["ns"],
        namespaced: false,
        subresources: &[Subresource::Status],
        name_fault: crate::name::dns_label,
        ..Kind::new(
            ("", "v1", "Namespace"),
            ("namespaces", "namespace"),
            const { &[NAME, cell::text("Status", "Active, or Terminating while it is emptied"), AGE] },
            Hooks {
                // Every namespace carries its own name as a label, for namespace selectors.
                default: |object| {
                    let name = str_at(object, "/metadata/name").to_owned();
                    if name.is_empty() {
                        return;
                    }
                    if let Some(meta) = object.get_mut("metadata").and_then(|m| m.as_object_mut()) {
                        let labels = meta.entry("labels").or_insert_with(|| json!({}));
                        if let Some(labels) = labels.as_object_mut() {
                            labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
                        }
                    }
                },
                create: |object| {
                    let Some(map) = object.as_object_mut() else { return };
                    map.insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
                    map.insert("status".to_owned(), json!({"phase": "Active"}));
                },
                ..Hooks::row_only(|object, now| {
                    let phase = str_at(object, "/status/phase");
                    vec![cell::name(object), json!(phase), cell::age(object, now)]
                })
            },
        )
    }
}
