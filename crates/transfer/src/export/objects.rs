//! Plain objects: one file for each phase, a kustomization over them, and two short programs: one
//! makes the Secrets that are missing, one applies all in order. Where next: `script.rs`.

use std::fmt::Write as _;

use composer::{Compiled, GeneratedSecret, PhaseKind, Recipe, SecretValue};
use serde_json::{Map, Value, json};

use super::{Exported, notes, script, text, write};
use crate::Result;

/// The objects of an app as files for `kubectl` and kustomize.
///
/// # Errors
/// An object cannot be written as YAML.
pub fn yaml(compiled: &Compiled) -> Result<Exported> {
    let mut out = Exported { notes: notes(compiled), ..Exported::default() };
    let mut names = Vec::new();
    let mut apply = format!(
        "#!/bin/sh\n# Applies {} in order, and waits where one thing needs another.\nset -eu\ncd \"$(dirname \"$0\")\"\n",
        compiled.app
    );
    for (number, phase) in compiled.phases.iter().enumerate() {
        let kind = match phase.kind {
            PhaseKind::Base => "base",
            PhaseKind::Grants => "logins",
            PhaseKind::Before => "before",
            PhaseKind::Workloads => "workloads",
            PhaseKind::Front => "front",
        };
        let name = format!("{:02}-{kind}.yaml", number * 10);
        let mut file = String::new();
        for object in &phase.objects {
            file.push_str("---\n");
            file.push_str(&write(object)?);
        }
        out.put(&name, file);
        let _ = writeln!(apply, "kubectl apply --server-side --force-conflicts -f {name}");
        if number == 0 {
            apply.push_str("./secrets.sh\n");
        }
        for object in &phase.objects {
            apply.push_str(&wait(object));
        }
        names.push(name);
    }
    apply.push_str(&match &compiled.url {
        Some(url) => format!("echo \"{} is at {url}\"\n", compiled.app),
        None => String::new(),
    });
    out.put_program("apply.sh", apply);
    out.put_program("secrets.sh", secrets(compiled));
    out.put(
        "kustomization.yaml",
        write(&json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": names,
        }))?,
    );
    Ok(out)
}

/// What is waited for after an object was applied.
fn wait(object: &Value) -> String {
    let (name, space) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
    match text(object, "/kind") {
        "Job" => {
            format!("kubectl -n {space} wait --for=condition=complete --timeout=600s job/{name}\n")
        }
        kind @ ("Deployment" | "StatefulSet") => {
            let kind = kind.to_ascii_lowercase();
            format!("kubectl -n {space} rollout status --timeout=600s {kind}/{name}\n")
        }
        _ => String::new(),
    }
}

fn secrets(compiled: &Compiled) -> String {
    let mut out = format!(
        "#!/bin/sh\n# Makes the Secrets of {} that are not there. What is there stays as it is, so a\n# second run changes no password.\n{}cd \"$(dirname \"$0\")\"\n",
        compiled.app,
        script::HEAD
    );
    for secret in &compiled.secrets {
        out.push_str(&one(secret, &compiled.app));
    }
    out
}

fn one(secret: &GeneratedSecret, app: &str) -> String {
    let space = secret.namespace.as_deref().unwrap_or(app);
    let name = &secret.name;
    let mut out = format!("if ! kubectl -n {space} get secret {name} > /dev/null 2>&1; then\n");
    let mut data = Map::new();
    let mut words = Map::new();
    for key in &secret.keys {
        let variable = script::variable(name, &key.name);
        match &key.value {
            // A text of any shape goes in as base64.
            SecretValue::Generated(Recipe::Given) => {
                let _ = writeln!(
                    out,
                    "  {variable}=$(given {name}.{} | base64 | tr -d '\\n')",
                    key.name
                );
                data.insert(key.name.clone(), format!("\u{1}{variable}\u{2}").into());
                continue;
            }
            SecretValue::Taken(taken) => {
                let from = taken.app.as_deref().unwrap_or(space);
                let _ = writeln!(
                    out,
                    "  {variable}=$(kubectl -n {from} get secret {} -o 'jsonpath={{.data.{}}}')",
                    taken.secret,
                    taken.key.replace('.', "\\.")
                );
                data.insert(key.name.clone(), format!("\u{1}{variable}\u{2}").into());
                continue;
            }
            value => {
                if let Some(made) = script::made(secret, &key.name, value) {
                    let _ = writeln!(out, "  {variable}={made}");
                }
            }
        }
        let made = |key: &str| format!("\u{1}{}\u{2}", script::variable(name, key));
        if let Some(text) = script::filled(secret, &key.name, &|text| text.to_owned(), &made) {
            words.insert(key.name.clone(), text.into());
        }
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": space, "labels": secret.labels,
            "annotations": secret.annotations },
        "data": data, "stringData": words,
    });
    // Placeholders become variables only after everything else was made harmless.
    let line = script::literal(&object.to_string());
    let line = line.replace("\\\\u0001", "${").replace("\\\\u0002", "}");
    let _ = writeln!(out, "  kubectl create -f - <<EOF\n{line}\nEOF\nfi");
    out
}
