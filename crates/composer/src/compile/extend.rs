//! What an app adds to a module: one ConfigMap per block, mounted where the module says. Its
//! contents are part of the pod template's hash, so a change rolls the copies.

use serde_json::{Value, json};

use super::{Input, meta};
use crate::graph::{Extension, Part};

const VOLUME: &str = "extend";

fn name(part: &Part) -> String {
    format!("{}-extend", part.name)
}

/// The key of a file in the ConfigMap.
fn key(extension: &Extension, file: &str) -> String {
    format!("{}.{file}", extension.point)
}

/// The ConfigMap with what is added, if anything is.
pub(super) fn config_map(input: &Input<'_>, part: &Part) -> Option<Value> {
    if part.extend.is_empty() {
        return None;
    }
    let mut object = meta::object(input, part, ("v1", "ConfigMap"), &name(part));
    let mut data = json!({});
    for extension in &part.extend {
        for (file, text) in &extension.files {
            data[key(extension, file)] = text.as_str().into();
        }
    }
    object["data"] = data;
    Some(object)
}

pub(super) fn volumes(part: &Part) -> Vec<Value> {
    let single = part.extend.iter().any(|one| !one.folder);
    let whole = single.then(|| json!({ "name": VOLUME, "configMap": { "name": name(part) } }));
    let folders = part.extend.iter().filter(|one| one.folder).map(|one| {
        let item = |(file, _): &(String, String)| json!({ "key": key(one, file), "path": file });
        json!({
            "name": format!("{VOLUME}-{}", one.point),
            "configMap": {
                "name": name(part),
                "items": one.files.iter().map(item).collect::<Vec<Value>>(),
            },
        })
    });
    whole.into_iter().chain(folders).collect()
}

pub(super) fn mounts(part: &Part) -> Vec<Value> {
    let mount = |one: &Extension| match one.folder {
        true => json!({
            "name": format!("{VOLUME}-{}", one.point), "mountPath": one.at, "readOnly": true,
        }),
        false => json!({
            "name": VOLUME,
            "mountPath": one.at,
            "subPath": one.files.first().map(|(file, _)| key(one, file)),
            "readOnly": true,
        }),
    };
    part.extend.iter().map(mount).collect()
}
