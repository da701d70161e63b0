//! A chart for Helm. Values that are made are looked up first, so an upgrade makes none anew;
//! settings, copies, images and the address are in `values.yaml`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use composer::{Compiled, GeneratedSecret, Recipe, SecretValue};
use serde_json::{Map, Value, json};

use super::{Exported, objects_of, script, text, write};
use crate::Result;

/// A chart. `version` is the chart's own (`1.2.3`).
///
/// # Errors
/// An object cannot be written as YAML.
pub fn helm(compiled: &Compiled, version: &str) -> Result<Exported> {
    let mut out = Exported::default();
    let app = &compiled.app;
    let chart = json!({
        "apiVersion": "v2", "name": app, "version": version, "appVersion": compiled.release,
        "description": format!("{app}, made by shelf export helm"), "type": "application",
    });
    out.put("Chart.yaml", write(&chart)?);
    let mut values = Values::default();
    for object in objects_of(compiled).filter(|one| text(one, "/kind") != "Namespace") {
        let (kind, name) =
            (text(object, "/kind").to_ascii_lowercase(), text(object, "/metadata/name"));
        let name = if kind == "job" { without_hash(name) } else { name };
        out.put(format!("templates/{kind}-{name}.yaml"), template(object, compiled, &mut values)?);
    }
    for secret in &compiled.secrets {
        out.put(
            format!("templates/secret-{}.yaml", secret.name),
            secret_template(secret, &mut values),
        );
    }
    let file = json!({
        "url": compiled.url, "images": values.images, "copies": values.copies,
        "settings": values.settings, "secrets": values.given,
    });
    let head = "# Addresses, images, copies and settings. Secrets that are asked for here are best given by\n# --set-file; all others are made once, and kept by every upgrade.\n";
    out.put("values.yaml", format!("{head}{}", write(&file)?));
    for name in values.given.keys() {
        out.notes.push(format!("{name} is given by you:  --set-file secrets.{name}=FILE"));
    }
    for secret in compiled.secrets.iter().filter(|secret| secret.takes().next().is_some()) {
        out.notes.push(format!("{} copies from Secrets that must be there", secret.name));
    }
    out.notes.push(format!(
        "install it:  helm upgrade --install {app} DIR --namespace {app} --create-namespace"
    ));
    Ok(out)
}

#[derive(Default)]
struct Values {
    images: Map<String, Value>,
    copies: Map<String, Value>,
    settings: Map<String, Value>,
    given: Map<String, Value>,
}

/// Stands for a template until the object is YAML, in which nothing may be read as one.
fn mark(number: usize) -> String {
    format!("shelf-value-{number:04}-end")
}

fn template(object: &Value, compiled: &Compiled, values: &mut Values) -> Result<String> {
    let mut object = object.clone();
    let mut marks: Vec<String> = Vec::new();
    let mut put = |template: String| {
        marks.push(template);
        Value::from(mark(marks.len() - 1))
    };
    let kind = text(&object, "/kind").to_owned();
    let name = text(&object, "/metadata/name").to_owned();
    object["metadata"]["namespace"] = put("{{ .Release.Namespace }}".to_owned());
    let block = text(&object, "/metadata/labels/app.kubernetes.io~1component").to_owned();
    if kind == "Job" {
        // A Job cannot be changed: each release of the chart has its own.
        object["metadata"]["name"] =
            put(format!("{}-{{{{ .Release.Revision }}}}", without_hash(&name)));
    }
    if kind == "ConfigMap" && name.ends_with("-settings") {
        let data = object["data"].as_object().cloned().unwrap_or_default();
        for (key, value) in &data {
            object["data"][key] =
                put(format!("{{{{ index .Values.settings {block:?} {key:?} | quote }}}}"));
            let own = values.settings.entry(block.clone()).or_insert_with(|| json!({}));
            own[key] = value.clone();
        }
    }
    if kind == "Deployment"
        && let Some(copies) = object["spec"].get("replicas").cloned()
    {
        object["spec"]["replicas"] = put(format!("{{{{ index .Values.copies {name:?} }}}}"));
        values.copies.insert(name.clone(), copies);
    }
    // A change of settings rolls the copies.
    let hash = "/spec/template/metadata/annotations/shelf.dev~1config-hash";
    if let Some(hash) = object.pointer_mut(hash) {
        let own = hash.as_str().unwrap_or_default();
        *hash = put(format!("{own}-{{{{ toJson .Values.settings | sha256sum | trunc 10 }}}}"));
    }
    let mut images = BTreeSet::new();
    swap_images(&mut object, &mut |image| {
        let owner = owner(image, compiled);
        images.insert((owner.clone(), image.to_owned()));
        put(format!("{{{{ index .Values.images {owner:?} }}}}"))
    });
    for (owner, image) in images {
        values.images.entry(owner).or_insert_with(|| image.into());
    }
    let host = compiled.url.as_deref().map(host_of);
    if kind == "Ingress"
        && let Some(host) = host
    {
        let rules = object["spec"]["rules"].as_array_mut();
        for rule in rules.into_iter().flatten().filter(|rule| rule["host"] == host) {
            rule["host"] = put("{{ (urlParse .Values.url).hostname }}".to_owned());
        }
    }
    let before =
        kind == "Job" && !text(&object, "/metadata/annotations/shelf.dev~1step").is_empty();
    let mut yaml = write(&object)?;
    if let Some(url) = compiled.url.as_deref() {
        // The address in values of the environment.
        yaml = escaped(&yaml).replace(url, "{{ .Values.url }}");
    } else {
        yaml = escaped(&yaml);
    }
    for (number, template) in marks.iter().enumerate() {
        yaml = yaml
            .replace(&format!("{}\n", mark(number)), &format!("{template}\n"))
            .replace(&mark(number), template);
    }
    if before {
        // Before new copies on an upgrade; beside the first ones, which try again until it is done.
        let hook = "  annotations:\n    {{- if .Release.IsUpgrade }}\n    \"helm.sh/hook\": pre-upgrade\n    \"helm.sh/hook-delete-policy\": before-hook-creation\n    {{- end }}\n";
        yaml = yaml.replacen("  annotations:\n", hook, 1);
    }
    Ok(yaml)
}

/// Braces of the app itself are no template.
fn escaped(yaml: &str) -> String {
    let opened = yaml.replace("{{", "\u{1}");
    opened.replace('\u{1}', "{{ \"{{\" }}")
}

fn swap_images(value: &mut Value, put: &mut dyn FnMut(&str) -> Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| swap_images(item, put)),
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value.as_str().filter(|_| key == "image") {
                    Some(image) => *value = put(image),
                    None => swap_images(value, put),
                }
            }
        }
        _ => {}
    }
}

/// The block that an image is of: that of the workload that runs it.
fn owner(image: &str, compiled: &Compiled) -> String {
    let mut workloads = objects_of(compiled).filter(|object| {
        object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str)
            == Some(image)
            && text(object, "/kind") != "Job"
    });
    let found =
        workloads.next().map(|one| text(one, "/metadata/labels/app.kubernetes.io~1component"));
    found.filter(|block| !block.is_empty()).unwrap_or(image).to_owned()
}

fn without_hash(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}

fn host_of(url: &str) -> String {
    let rest = url.split("://").nth(1).unwrap_or(url);
    rest.split([':', '/']).next().unwrap_or(rest).to_owned()
}

/// A Secret whose values are those that are there, and made only where there are none.
fn secret_template(secret: &GeneratedSecret, values: &mut Values) -> String {
    let name = &secret.name;
    let mut out = format!(
        "{{{{- $there := (lookup \"v1\" \"Secret\" .Release.Namespace {name:?}).data | default dict }}}}\n"
    );
    for key in &secret.keys {
        let variable = script::variable("v", &key.name);
        let fresh = match &key.value {
            SecretValue::Generated(Recipe::Random(length)) => format!("(randAlphaNum {length})"),
            SecretValue::Generated(Recipe::Base64Url(length)) => {
                format!("(randBytes {length} | replace \"+\" \"-\" | replace \"/\" \"_\")")
            }
            SecretValue::Generated(Recipe::Given) => {
                let own = script::variable(name, &key.name).to_ascii_lowercase();
                values.given.insert(own.clone(), Value::from(""));
                // A value that was given once need not be given again.
                let _ = writeln!(
                    out,
                    "{{{{- ${variable} := .Values.secrets.{own} | default ((get $there {key:?}) | default \"\" | b64dec) | required \"secrets.{own} is wanted\" }}}}",
                    key = key.name,
                );
                continue;
            }
            _ => continue,
        };
        let _ = writeln!(
            out,
            "{{{{- ${variable} := ternary ((get $there {key:?}) | default \"\" | b64dec) {fresh} (hasKey $there {key:?}) }}}}",
            key = key.name,
        );
    }
    let _ = writeln!(
        out,
        "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: {name}\n  namespace: {{{{ .Release.Namespace }}}}\n  labels:"
    );
    for (label, value) in &secret.labels {
        let _ = writeln!(out, "    {label}: {value:?}");
    }
    // Who deletes the release still has the passwords of the disks that stay.
    out.push_str("  annotations:\n    helm.sh/resource-policy: keep\n");
    for (label, value) in &secret.annotations {
        let _ = writeln!(out, "    {label}: {value:?}");
    }
    out.push_str("data:\n");
    for key in &secret.keys {
        let value = match &key.value {
            SecretValue::Taken(taken) => {
                let _ = writeln!(
                    out,
                    "  {}: {{{{ get ((lookup \"v1\" \"Secret\" .Release.Namespace {:?}).data | default dict) {:?} | quote }}}}",
                    key.name, taken.secret, taken.key
                );
                continue;
            }
            _ => {
                let made = |key: &str| format!("\u{1}{}\u{2}", script::variable("v", key));
                script::filled(secret, &key.name, &|text| text.to_owned(), &made)
            }
        };
        let Some(value) = value else { continue };
        let _ = writeln!(out, "  {}: {{{{ {} | b64enc | quote }}}}", key.name, printed(&value));
    }
    out
}

/// A text with variables in it, as one call of `printf`.
fn printed(value: &str) -> String {
    let mut format = String::new();
    let mut names = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('\u{1}') {
        format.push_str(&before.replace('%', "%%"));
        let (name, after) = after.split_once('\u{2}').unwrap_or((after, ""));
        format.push_str("%s");
        names.push(format!("${name}"));
        rest = after;
    }
    format.push_str(&rest.replace('%', "%%"));
    format!("printf {} {}", Value::from(format), names.join(" ")).trim_end().to_owned()
}
