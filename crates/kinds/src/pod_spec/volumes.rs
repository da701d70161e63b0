//! What is wrong with a pod's volumes and with the places they are mounted at.

use crate::FieldError;
use crate::cell::{list_at, str_at};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Faults of the volumes; returns their names.
pub(super) fn check<'a>(
    volumes: &'a [Value],
    path: &str,
    faults: &mut Vec<FieldError>,
) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let at = format!("{path}.volumes[{index}]");
        let own = str_at(volume, "/name");
        if !own.is_empty()
            && let Some(fault) = crate::name::dns_label(own)
        {
            faults.push(FieldError::invalid(format!("{at}.name"), &json!(own), &fault));
        }
        names.insert(own);
        source(volume, &at, faults);
    }
    names
}

fn source(volume: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let fields = volume.as_object().into_iter().flatten();
    let sources: Vec<&str> =
        fields.filter(|(key, _)| *key != "name").map(|(key, _)| key.as_str()).collect();
    if sources.is_empty() {
        faults.push(FieldError::required(path, "must specify a volume type"));
    }
    for kind in sources.iter().skip(1) {
        let at = format!("{path}.{kind}");
        faults.push(FieldError::forbidden(at, "may not specify more than 1 volume type"));
    }
    let needed: &[(&str, &str)] = &[
        ("secret", "secretName"),
        ("configMap", "name"),
        ("persistentVolumeClaim", "claimName"),
        ("hostPath", "path"),
    ];
    for (kind, field) in needed {
        if let Some(source) = volume.get(*kind)
            && str_at(source, &format!("/{field}")).is_empty()
        {
            faults.push(FieldError::required(format!("{path}.{kind}.{field}"), ""));
        }
    }
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get(kind) {
            files(source, &format!("{path}.{kind}"), faults);
        }
    }
    let host = str_at(volume, "/hostPath/path");
    if host.split('/').any(|part| part == "..") {
        let at = format!("{path}.hostPath.path");
        faults.push(FieldError::invalid(at, &json!(host), "must not contain '..'"));
    }
}

fn files(source: &Value, path: &str, faults: &mut Vec<FieldError>) {
    if let Some(mode) = source.get("defaultMode") {
        file_mode(mode, format!("{path}.defaultMode"), faults);
    }
    for (index, item) in list_at(source, "/items").iter().enumerate() {
        let at = format!("{path}.items[{index}]");
        let target = str_at(item, "/path");
        if let Some(fault) = inside(target) {
            faults.push(FieldError::invalid(format!("{at}.path"), &json!(target), fault));
        }
        if let Some(mode) = item.get("mode") {
            file_mode(mode, format!("{at}.mode"), faults);
        }
    }
    for (index, part) in list_at(source, "/sources").iter().enumerate() {
        for (kind, inner) in part.as_object().into_iter().flatten() {
            files(inner, &format!("{path}.sources[{index}].{kind}"), faults);
        }
    }
}

fn file_mode(mode: &Value, path: String, faults: &mut Vec<FieldError>) {
    if mode.as_i64().is_some_and(|bits| !(0..=0o777).contains(&bits)) {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        faults.push(FieldError::invalid(path, mode, detail));
    }
}

/// A path that must stay inside its volume.
fn inside(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        Some("must be a relative path")
    } else if path.split('/').any(|part| part == "..") {
        Some("must not contain '..'")
    } else {
        None
    }
}

/// Every mount names a volume of the pod, and no two mounts share a place.
pub(super) fn mounts(
    mounts: &[Value],
    path: &str,
    volume_names: &HashSet<&str>,
    faults: &mut Vec<FieldError>,
) {
    let mut places = HashSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let at = format!("{path}.volumeMounts[{index}]");
        let own = str_at(mount, "/name");
        if !own.is_empty() && !volume_names.contains(own) {
            faults.push(FieldError::not_found(format!("{at}.name"), &json!(own)));
        }
        let place = str_at(mount, "/mountPath");
        if place.is_empty() {
            faults.push(FieldError::required(format!("{at}.mountPath"), ""));
        } else if !places.insert(place) {
            let field = format!("{at}.mountPath");
            faults.push(FieldError::invalid(field, &json!(place), "must be unique"));
        }
        for field in ["subPath", "subPathExpr"] {
            let value = mount.get(field).and_then(Value::as_str).unwrap_or_default();
            if let Some(fault) = inside(value) {
                faults.push(FieldError::invalid(format!("{at}.{field}"), &json!(value), fault));
            }
        }
        if !str_at(mount, "/subPath").is_empty() && !str_at(mount, "/subPathExpr").is_empty() {
            let field = format!("{at}.subPathExpr");
            let shown = json!(str_at(mount, "/subPathExpr"));
            let detail = "subPathExpr and subPath are mutually exclusive";
            faults.push(FieldError::invalid(field, &shown, detail));
        }
    }
}
