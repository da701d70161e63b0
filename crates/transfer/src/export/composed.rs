//! A compose file: the same processes, wires and order for Docker Compose. Values are made by a
//! short program into `.env` and files; what Compose cannot say is told.
//!
//! It is made from the compiled objects, so patches and additions are in it too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use composer::{Compiled, GeneratedSecret};
use serde_json::{Map, Value, json};

use super::{Exported, Folder, notes, objects_of, script, text, write};
use crate::Result;

/// A file for Docker Compose. `builds` says from which folder each image is built, `modules` which
/// module of the shelf it is, such as `postgres@15`; `port` is where the app is published.
///
/// # Errors
/// The file cannot be written as YAML.
pub fn composed(
    compiled: &Compiled,
    builds: &BTreeMap<String, Folder>,
    modules: &BTreeMap<String, String>,
    port: u16,
) -> Result<Exported> {
    let mut work = Work {
        compiled,
        builds,
        modules,
        files: Vec::new(),
        services: Map::new(),
        volumes: Map::new(),
    };
    let mut last: Vec<String> = Vec::new();
    for object in objects_of(compiled) {
        match text(object, "/kind") {
            "Deployment" | "StatefulSet" => work.workload(object),
            "Job" => last = work.job(object, &last),
            _ => {}
        }
    }
    let mut out = Exported { notes: notes(compiled), ..Exported::default() };
    for object in objects_of(compiled).filter(|one| text(one, "/kind") == "CronJob") {
        let name = text(object, "/metadata/name");
        out.notes.push(format!(
            "{name} runs on a schedule, which Compose does not have: it is left out"
        ));
    }
    work.publish(port, &mut out.notes);
    let file =
        json!({ "x-shelf-app": compiled.app, "services": work.services, "volumes": work.volumes });
    let head = "# Run ./values.sh once: it makes passwords into .env and bindings/, and keeps those that are there.\n";
    out.put("compose.yaml", format!("{head}{}", write(&file)?));
    for (path, text) in std::mem::take(&mut work.files) {
        out.put(path, text);
    }
    out.put_program("values.sh", values(compiled));
    out.put(".gitignore", ".env\nbindings/\ngiven/\n");
    Ok(out)
}

struct Work<'a> {
    compiled: &'a Compiled,
    builds: &'a BTreeMap<String, Folder>,
    modules: &'a BTreeMap<String, String>,
    files: Vec<(String, String)>,
    services: Map<String, Value>,
    volumes: Map<String, Value>,
}

impl Work<'_> {
    fn secret(&self, name: &str) -> Option<&GeneratedSecret> {
        self.compiled.secrets.iter().find(|secret| secret.name == name)
    }

    fn workload(&mut self, object: &Value) {
        let name = text(object, "/metadata/name").to_owned();
        let spec = &object["spec"]["template"]["spec"];
        let mut service = self.service(object, spec, &spec["containers"][0]);
        service["restart"] = "unless-stopped".into();
        if let Some(copies) = object["spec"]["replicas"].as_u64().filter(|copies| *copies != 1) {
            service["deploy"] = json!({ "replicas": copies });
        }
        if let Some(check) = check(&spec["containers"][0]) {
            service["healthcheck"] = check;
        }
        let block = text(object, "/metadata/labels/app.kubernetes.io~1component").to_owned();
        let mut waits = self.waits_of(spec, &name, object);
        for (job, other) in &self.jobs_of(&block) {
            if other == "before" {
                waits.insert(job.clone(), json!({ "condition": "service_completed_successfully" }));
            }
        }
        if !waits.is_empty() {
            service["depends_on"] = Value::Object(waits);
        }
        self.services.insert(name, service);
    }

    /// Jobs of a block that have a service already, and what each is for.
    fn jobs_of(&self, block: &str) -> Vec<(String, String)> {
        objects_of(self.compiled)
            .filter(|one| text(one, "/kind") == "Job")
            .filter(|one| text(one, "/metadata/labels/app.kubernetes.io~1component") == block)
            .map(|one| (job_name(one), job_kind(one)))
            .filter(|(name, _)| self.services.contains_key(name))
            .collect()
    }

    /// Steps that wait for a provider become services that end.
    fn waits_of(&mut self, spec: &Value, name: &str, object: &Value) -> Map<String, Value> {
        let mut waits = Map::new();
        for init in spec["initContainers"].as_array().into_iter().flatten() {
            let own = format!("{name}-{}", text(init, "/name"));
            let mut service = self.service(object, spec, init);
            let block = text(object, "/metadata/labels/app.kubernetes.io~1component");
            let grants = self.jobs_of(block).into_iter().filter(|(_, kind)| kind == "grant");
            let done = json!({ "condition": "service_completed_successfully" });
            let after: Map<String, Value> = grants.map(|(job, _)| (job, done.clone())).collect();
            if !after.is_empty() {
                service["depends_on"] = Value::Object(after);
            }
            service["restart"] = "no".into();
            service["labels"] = json!({ "shelf.dev/job": "wait" });
            self.services.insert(own.clone(), service);
            waits.insert(own, done);
        }
        waits
    }

    /// A service that ends; steps of a block run one after the other.
    fn job(&mut self, object: &Value, before: &[String]) -> Vec<String> {
        let name = job_name(object);
        let kind = job_kind(object);
        let spec = &object["spec"]["template"]["spec"];
        let mut service = self.service(object, spec, &spec["containers"][0]);
        service["restart"] = "on-failure".into();
        if kind == "grant" {
            service["labels"] = json!({ "shelf.dev/job": "grant" });
        }
        let mut waits = self.waits_of(spec, &name, object);
        if kind == "grant" {
            let provider = text(object, "/metadata/annotations/shelf.dev~1provider");
            if let Some(provider) =
                self.services.get(provider).map(|one| (provider, one.get("healthcheck")))
            {
                let condition =
                    if provider.1.is_some() { "service_healthy" } else { "service_started" };
                waits.insert(provider.0.to_owned(), json!({ "condition": condition }));
            }
        } else {
            for earlier in before {
                waits.insert(
                    earlier.clone(),
                    json!({ "condition": "service_completed_successfully" }),
                );
            }
        }
        if !waits.is_empty() {
            service["depends_on"] = Value::Object(waits);
        }
        self.services.insert(name.clone(), service);
        if kind == "before" { vec![name] } else { Vec::new() }
    }

    fn service(&mut self, object: &Value, spec: &Value, container: &Value) -> Value {
        let image = text(container, "/image");
        let mut service = json!({ "image": image });
        if let Some(folder) = self.builds.get(image) {
            service["build"] = build(folder);
        }
        if let Some(module) = self.modules.get(image) {
            service["labels"] = json!({ "shelf.dev/use": module });
        }
        if let Some(words) = container["command"].as_array() {
            // Compose reads a `$` where Kubernetes reads `$(`.
            let words = words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| dollars(&word.replace("$$", "$")));
            service["entrypoint"] = words.collect::<Vec<_>>().into();
            service["command"] = json!([]);
        }
        let environment = self.environment(container);
        if !environment.is_empty() {
            service["environment"] = Value::Object(environment);
        }
        let user = container
            .pointer("/securityContext/runAsUser")
            .or(spec.pointer("/securityContext/runAsUser"));
        if let Some(user) = user.and_then(Value::as_u64) {
            service["user"] = format!("{user}:{user}").into();
        }
        if let Some(seconds) =
            spec["terminationGracePeriodSeconds"].as_u64().filter(|one| *one != 30)
        {
            service["stop_grace_period"] = format!("{seconds}s").into();
        }
        if let Some(memory) = container.pointer("/resources/limits/memory").and_then(Value::as_str)
        {
            let memory = memory.trim_end_matches('i').to_ascii_lowercase();
            service["mem_limit"] = memory.into();
        }
        let volumes = self.mounts(object, spec, container);
        if !volumes.is_empty() {
            service["volumes"] = volumes.into();
        }
        service
    }

    fn environment(&self, container: &Value) -> Map<String, Value> {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut all = Map::new();
        for one in container["env"].as_array().into_iter().flatten() {
            let name = text(one, "/name").to_owned();
            let value = if let Some(from) = one.pointer("/valueFrom/secretKeyRef") {
                self.value_of(text(from, "/name"), text(from, "/key"))
            } else if let Some(from) = one.pointer("/valueFrom/configMapKeyRef") {
                let wanted = text(from, "/name");
                let mut maps = objects_of(self.compiled).filter(|map| {
                    text(map, "/kind") == "ConfigMap" && text(map, "/metadata/name") == wanted
                });
                maps.next()
                    .and_then(|map| map["data"].get(text(from, "/key")))
                    .and_then(Value::as_str)
                    .map(dollars)
            } else {
                one["value"].as_str().map(|value| expanded(value, &known))
            };
            let Some(value) = value else { continue };
            known.insert(name.clone(), value.clone());
            all.insert(name, value.into());
        }
        all
    }

    /// A value of a Secret, with a variable of `.env` for what is made.
    fn value_of(&self, secret: &str, key: &str) -> Option<String> {
        let found = self.secret(secret)?;
        let made =
            |key: &str| format!("${{{}:?run ./values.sh first}}", script::variable(secret, key));
        script::filled(found, key, &dollars, &made)
    }

    fn mounts(&mut self, object: &Value, spec: &Value, container: &Value) -> Vec<Value> {
        let mut all = Vec::new();
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let (name, at) = (text(mount, "/name"), text(mount, "/mountPath"));
            let volumes = spec["volumes"].as_array();
            let volume = volumes.into_iter().flatten().find(|one| text(one, "/name") == name);
            let source = match volume {
                Some(one) if one.get("secret").is_some() => {
                    let secret = text(one, "/secret/secretName");
                    match mount["subPath"].as_str() {
                        Some(key) => format!("./bindings/{secret}/{key}:{at}:ro"),
                        None => format!("./bindings/{secret}:{at}:ro"),
                    }
                }
                Some(one) if one.get("configMap").is_some() => {
                    let map = text(one, "/configMap/name").to_owned();
                    self.config(&map);
                    match mount["subPath"].as_str() {
                        Some(key) => format!("./config/{map}/{key}:{at}:ro"),
                        None => format!("./config/{map}:{at}:ro"),
                    }
                }
                Some(one) => {
                    let claim = text(one, "/persistentVolumeClaim/claimName").to_owned();
                    self.volumes.insert(claim.clone(), json!({}));
                    format!("{claim}:{at}")
                }
                // A claim that the StatefulSet makes.
                None => {
                    let volume = format!("{}-{name}", text(object, "/metadata/name"));
                    self.volumes.insert(volume.clone(), json!({}));
                    format!("{volume}:{at}")
                }
            };
            all.push(source.into());
        }
        all
    }

    /// The files of a ConfigMap, beside the compose file.
    fn config(&mut self, name: &str) {
        let mut maps = objects_of(self.compiled)
            .filter(|map| text(map, "/kind") == "ConfigMap" && text(map, "/metadata/name") == name);
        let Some(data) = maps.next().and_then(|map| map["data"].as_object()) else { return };
        for (key, value) in data {
            let path = format!("config/{name}/{key}");
            if !self.files.iter().any(|(other, _)| *other == path) {
                self.files.push((path, value.as_str().unwrap_or_default().to_owned()));
            }
        }
    }

    /// Publishes what the app's address leads to.
    fn publish(&mut self, port: u16, notes: &mut Vec<String>) {
        let mut leads: Vec<(String, String, u64)> = Vec::new();
        for object in objects_of(self.compiled).filter(|one| text(one, "/kind") == "Ingress") {
            for path in object
                .pointer("/spec/rules/0/http/paths")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let service = text(path, "/backend/service/name").to_owned();
                let target = path.pointer("/backend/service/port/number").and_then(Value::as_u64);
                let target = target.or_else(|| self.port_of(&service)).unwrap_or(80);
                leads.push((text(path, "/path").to_owned(), service, target));
            }
        }
        let services: BTreeSet<&String> = leads.iter().map(|(_, service, _)| service).collect();
        if let (1, Some((_, service, target))) = (services.len(), leads.first())
            && let Some(front) = self.services.get_mut(service)
            && front.get("deploy").is_none()
        {
            front["ports"] = json!([format!("{port}:{target}")]);
            return;
        }
        if leads.is_empty() {
            return;
        }
        // Several processes behind one address: a small front door leads by the longest path.
        leads.sort_by_key(|(path, _, _)| std::cmp::Reverse(path.len()));
        let mut lines = String::from(
            "server {\n  listen 80;\n  client_max_body_size 0;\n  resolver 127.0.0.11 valid=5s;\n",
        );
        for (path, service, target) in &leads {
            let _ = writeln!(
                lines,
                "  location {path} {{\n    set $to http://{service}:{target};\n    proxy_pass $to;\n    proxy_set_header Host $http_host;\n    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    proxy_set_header X-Forwarded-Proto $scheme;\n  }}"
            );
        }
        lines.push_str("}\n");
        self.files.push(("config/front-door/default.conf".to_owned(), lines));
        self.services.insert(
            "front-door".to_owned(),
            json!({
                "image": "nginx:1.28-alpine",
                "ports": [format!("{port}:80")],
                "volumes": ["./config/front-door:/etc/nginx/conf.d:ro"],
                "restart": "unless-stopped",
            }),
        );
        notes.push(
            "several processes answer at one address: a front door (nginx) stands before them"
                .to_owned(),
        );
    }

    fn port_of(&self, service: &str) -> Option<u64> {
        let mut all = objects_of(self.compiled).filter(|one| {
            text(one, "/kind") == "Service" && text(one, "/metadata/name") == service
        });
        all.next()?.pointer("/spec/ports/0/port")?.as_u64()
    }
}

/// The name of a Job without the hash it ends in, which is of no use here.
fn job_name(object: &Value) -> String {
    let name = text(object, "/metadata/name");
    name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned()
}

fn job_kind(object: &Value) -> String {
    let own = text(object, "/spec/template/metadata/labels/shelf.dev~1job");
    let kind = if own.is_empty() { text(object, "/metadata/labels/shelf.dev~1job") } else { own };
    kind.to_owned()
}

fn dollars(text: &str) -> String {
    text.replace('$', "$$")
}

/// `$(NAME)` of Kubernetes as the value itself; what is left of dollars is doubled.
fn expanded(value: &str, known: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match inside.and_then(|(name, after)| Some((known.get(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                rest = rest.strip_prefix('$').unwrap_or(rest);
                out.push_str("$$");
            }
        }
    }
    out.push_str(rest);
    out
}

/// How an image is built; the values of `ARG` are texts, in which Compose looks for `$`.
fn build(folder: &Folder) -> Value {
    let how = &folder.build;
    let mut build = json!({ "context": folder.path });
    for (key, value) in [("dockerfile", &how.path), ("target", &how.target)] {
        if let Some(value) = value {
            build[key] = dollars(value).into();
        }
    }
    if !how.args.is_empty() {
        let args = how.args.iter().map(|(name, value)| (name.clone(), dollars(value).into()));
        build["args"] = Value::Object(args.collect());
    }
    build
}

/// The readiness probe as a health check.
fn check(container: &Value) -> Option<Value> {
    let probe = container.get("readinessProbe")?;
    let test = match (probe.get("exec"), probe.get("httpGet")) {
        (Some(exec), _) => {
            let mut words = vec![Value::from("CMD")];
            words.extend(
                exec["command"]
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|word| dollars(word).into()),
            );
            Value::Array(words)
        }
        // An image need not have a program that asks; the front asks anyway.
        _ => return None,
    };
    Some(json!({ "test": test, "interval": "2s", "timeout": "5s", "retries": 60 }))
}

/// Writes a value that is not there yet. Both a shell and Compose read what is in single quotes as
/// it is; a value that has one, or several lines, has no form that both read.
const KEEP: &str = r#"keep() {
  grep -q "^$1=" .env && return
  case "$2" in *"'"*|*"
"*) echo "$1: .env cannot hold a quote or a second line" >&2; exit 1;; esac
  printf "%s='%s'\\n" "$1" "$2" >> .env
}
"#;

/// The program that makes values, and keeps those that are there.
fn values(compiled: &Compiled) -> String {
    let mut out = format!(
        "#!/bin/sh\n# Makes the passwords of {} that are not there yet.\n{}cd \"$(dirname \"$0\")\"\numask 077\ntouch .env\n. ./.env\n{KEEP}",
        compiled.app,
        script::HEAD
    );
    // Not every Compose knows a name inside its file.
    let _ = writeln!(out, "keep COMPOSE_PROJECT_NAME {}", compiled.app);
    for secret in &compiled.secrets {
        let name = &secret.name;
        for key in &secret.keys {
            if let Some(made) = script::made(secret, &key.name, &key.value) {
                let variable = script::variable(name, &key.name);
                let _ = writeln!(out, "[ -n \"${{{variable}:-}}\" ] || {variable}={made}");
                let _ = writeln!(out, "keep {variable} \"${variable}\"");
            }
        }
        // Processes of any user read them; the folder above keeps other people out.
        let _ = writeln!(out, "mkdir -p bindings/{name}\nchmod 755 bindings/{name}");
        for key in &secret.keys {
            let made = |key: &str| format!("${{{}}}", script::variable(name, key));
            let Some(text) = script::filled(secret, &key.name, &script::literal, &made) else {
                continue;
            };
            let file = format!("bindings/{name}/{}", key.name);
            let _ = writeln!(
                out,
                "printf %s \"$(cat <<EOF\n{text}\nEOF\n)\" > {file}\nchmod 644 {file}"
            );
        }
    }
    out
}
