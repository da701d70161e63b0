//! What others run already becomes an app: a namespace made with kubectl, and a compose file whose
//! services are images.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::borrowed::{Registry, make, says};
use crate::server::Server;
use crate::targets::admin;

/// What somebody applied once: a web server with its settings, its key, its disk and a schedule.
const OBJECTS: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: legacy}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: legacy}
data: {WHO: map}
---
apiVersion: v1
kind: Secret
metadata: {name: creds, namespace: legacy}
stringData: {API_KEY: key-of-old-0815}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, namespace: legacy}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: legacy, labels: {tier: front}}
spec:
  replicas: 1
  selector: {matchLabels: {tier: front}}
  template:
    metadata: {labels: {tier: front}}
    spec:
      nodeSelector: {disk: none-has-this}
      containers:
        - name: web
          image: IMAGE
          ports: [{containerPort: 8000, name: http}]
          envFrom: [{configMapRef: {name: settings}}]
          env:
            - {name: API_KEY, valueFrom: {secretKeyRef: {name: creds, key: API_KEY}}}
          readinessProbe: {httpGet: {path: /, port: http}}
          volumeMounts: [{name: kept, mountPath: /kept}]
      volumes: [{name: kept, persistentVolumeClaim: {claimName: kept}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: legacy}
spec:
  type: NodePort
  selector: {tier: front}
  ports: [{port: 80, targetPort: 8000}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy, namespace: legacy}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: tidy, image: IMAGE, command: [perl, -e, "print 7"]}]
"#;

/// A registry with one image under two tags.
fn lends(server: &Server) -> Result<(Registry, String)> {
    let registry = Registry::start(&server.scratch("lends"))?;
    let name = format!("127.0.0.1:{}/team/word", registry.port);
    for (tag, word) in [("1", "one"), ("2", "two")] {
        let name = format!("{name}:{tag}");
        make(server, &name, word)?;
        server.shelf_in("published", &["image", "push", &name]).good()?;
        server.shelf_in("published", &["image", "rm", &name]).good()?;
    }
    Ok((registry, name))
}

/// `shelf import namespace`: every value of every object is told, the app is right, and it answers
/// as the old one did; the old one stays as it is.
pub(crate) fn namespace(server: &mut Server) -> Result<()> {
    let (registry, name) = lends(server)?;
    let objects = OBJECTS.replace("IMAGE", &format!("{name}:1"));
    admin(server, &["apply", "-f", "-"], &objects)?;
    let done = from_namespace(server);
    let gone = server.shelf_in("moved", &["destroy", "--yes", "--delete-data", "moved"]);
    admin(server, &["delete", "namespace", "legacy"], "")?;
    drop(registry);
    done?;
    gone.good().map(drop)
}

fn from_namespace(server: &Server) -> Result<()> {
    let folder = server.scratch("moved");
    fs::create_dir_all(&folder)?;
    let import = ["import", "namespace", "legacy", "--name", "moved"];
    let told = server.shelf_in("moved", &[&["--json"], &import[..], &["--dry-run"]].concat());
    let told = told.good()?;
    ensure!(!folder.join("app.toml").exists(), "a trial wrote the file");
    ensure!(!told.contains("key-of-old-0815"), "the report has the key");
    let report: Value = serde_json::from_str(&told)?;
    let rows = report["result"]["rows"].as_array().context("rows")?;
    for object in
        ["configmap/settings", "secret/creds", "pvc/kept", "deploy/web", "svc/web", "cj/tidy"]
    {
        let text = admin(server, &["-n", "legacy", "get", object, "-o", "json"], "")?;
        let object: Value = serde_json::from_str(&text)?;
        is_told(&object, rows)?;
    }
    let state = |file: &str, path: &str| -> Result<Value> {
        let row = rows.iter().find(|row| row["file"] == file && row["path"] == path);
        Ok(row.with_context(|| format!("no {path} of {file}"))?["state"].clone())
    };
    let pod = "spec.template.spec";
    ensure!(state("Deployment/web", &format!("{pod}.containers.0.image"))? == "mapped");
    ensure!(state("Deployment/web", &format!("{pod}.nodeSelector.disk"))? == "not-mapped");
    // What comes with another object is named, too.
    ensure!(told.contains("come with Deployment/web"), "{}", report["result"]["notes"]);

    let said = server.shelf_in("moved", &import).good()?;
    ensure!(said.contains("web.API_KEY is kept by the server"), "{said}");
    let text = fs::read_to_string(folder.join("app.toml"))?;
    ensure!(!text.contains("key-of-old-0815") && text.contains("image"), "{text}");
    server.shelf_in("moved", &["check"]).good()?;
    let went = server.shelf_in("moved", &["go"]);
    ensure!(went.code == 0, "{went:?}\n{text}");
    says(server, "moved", "/", "one map")?;
    let key =
        server.shelf_in("moved", &["exec", "-T", "web", "--", "printenv", "API_KEY"]).good()?;
    ensure!(key.trim() == "key-of-old-0815", "{key}");
    let cron = admin(server, &["-n", "moved", "get", "cronjobs", "-o", "json"], "")?;
    ensure!(cron.contains("\"schedule\": \"0 3 * * *\""), "{cron}");
    admin(server, &["-n", "legacy", "get", "deploy/web", "pvc/kept"], "").map(drop)
}

/// Every value that somebody, or the cluster, said of an object has a row with a verdict.
fn is_told(object: &Value, rows: &[Value]) -> Result<()> {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let file = format!("{}/{}", text("/kind"), text("/metadata/name"));
    let mut leaves = Vec::new();
    for part in ["spec", "data", "type"] {
        if let Some(value) = object.get(part) {
            walk(value, part.to_owned(), &mut leaves);
        }
    }
    ensure!(!leaves.is_empty(), "nothing in {object}");
    for leaf in leaves {
        let row =
            rows.iter().find(|row| row["file"] == file.as_str() && row["path"] == leaf.as_str());
        let row = row.with_context(|| format!("{leaf} of {file} is dropped in silence"))?;
        let why = row["why"].as_str().unwrap_or_default();
        ensure!(row["state"] == "mapped" || !why.is_empty(), "{row}");
    }
    Ok(())
}

fn walk(value: &Value, path: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| walk(value, format!("{path}.{key}"), leaves));
        }
        Value::Array(items) => {
            let each = items.iter().enumerate();
            each.for_each(|(index, value)| walk(value, format!("{path}.{index}"), leaves));
        }
        _ => leaves.push(path),
    }
}

/// `shelf import compose` of services that are images of a registry, and `shelf go`.
pub(crate) fn images(server: &mut Server) -> Result<()> {
    let (registry, name) = lends(server)?;
    let done = from_compose(server, &name);
    let gone = server.shelf_in("lent", &["destroy", "--yes", "--delete-data", "lent"]);
    drop(registry);
    done?;
    gone.good().map(drop)
}

fn from_compose(server: &Server, image: &str) -> Result<()> {
    let folder = server.scratch("lent");
    fs::create_dir_all(&folder)?;
    let compose = format!(
        "name: lent\nservices:\n  web:\n    image: {image}:1\n    ports: [\"8080:8000\"]\n    \
         environment: {{WHO: compose, API: \"http://api:8000/v1\"}}\n    volumes: [\"kept:/kept\"]\n  \
         api:\n    image: {image}:2\n    expose: [8000]\n    environment: {{WHO: inside}}\n\
         volumes: {{kept: }}\n"
    );
    fs::write(folder.join("compose.yaml"), compose)?;
    server.shelf_in("lent", &["import", "compose", "compose.yaml"]).good()?;
    let text = fs::read_to_string(folder.join("app.toml"))?;
    for wanted in [format!("\"{image}:1\""), format!("\"{image}:2\""), "{api.url}/v1".to_owned()] {
        ensure!(text.contains(&wanted), "no {wanted} in\n{text}");
    }
    server.shelf_in("lent", &["check"]).good()?;
    let went = server.shelf_in("lent", &["go"]);
    ensure!(went.code == 0, "{went:?}\n{text}");
    says(server, "lent", "/", "one compose")?;
    let ask = "use IO::Socket::INET; my ($h) = $ENV{API} =~ m{//([^/]+)/v1$}; \
        my $s = IO::Socket::INET->new($h) or die \"$h: $!\"; \
        print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; local $/; print <$s>";
    let inside = server.shelf_in("lent", &["exec", "-T", "web", "--", "perl", "-e", ask]).good()?;
    ensure!(inside.ends_with("two inside"), "{inside}");
    Ok(())
}
