//! Manifests take the same way as compose files: one app, every line told, no secret written.

use transfer::{Manifests, State, manifests};

use crate::imports::{shelf, sound};

const BLOG: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: creds}
data: {password: Z2VoZWltZXMtd29ydA==, mail: bWFpbC1rZXktMDgxNQ==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {TITLE: "Blog", app.ini: "x = 1\n"}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  serviceName: pg
  selector: {matchLabels: {app: pg}}
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers:
        - name: postgres
          image: docker.io/library/postgres:15
          env:
            - {name: POSTGRES_USER, value: blog}
            - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: creds, key: password}}}
          volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]
  volumeClaimTemplates:
    - metadata: {name: data}
---
apiVersion: v1
kind: Service
metadata: {name: pg}
spec: {selector: {app: pg}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: blog}
spec:
  replicas: 3
  selector: {matchLabels: {app: blog}}
  template:
    metadata: {labels: {app: blog}}
    spec:
      serviceAccountName: blog
      containers:
        - name: blog
          image: registry.example.org/blog:2
          args: ["serve", "--fast"]
          ports: [{containerPort: 3000, name: web}]
          env:
            - {name: DB_HOST, value: pg.default.svc.cluster.local}
            - {name: DB_USER, value: blog}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: creds, key: password}}}
            - {name: MAILER, valueFrom: {secretKeyRef: {name: creds, key: mail}}}
            - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          envFrom: [{configMapRef: {name: settings}}]
          readinessProbe: {httpGet: {path: /up, port: web}, periodSeconds: 3}
          resources: {limits: {memory: 256Mi, cpu: 250m}}
          volumeMounts: [{name: conf, mountPath: /etc/blog, readOnly: true}, {name: tmp, mountPath: /tmp}]
      volumes: [{name: conf, configMap: {name: settings}}, {name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: blog}
spec: {selector: {app: blog}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: blog}
spec:
  rules:
    - host: blog.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: blog, port: {number: 80}}}}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: digest}
spec:
  schedule: "0 6 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: digest, image: "registry.example.org/blog:2", args: [digest]}]
---
apiVersion: example.org/v1
kind: Sparkle
metadata: {name: x}
spec: {a: 1}
"#;

#[test]
fn a_namespace_of_manifests_is_an_app() {
    let files = [("blog.yaml".to_owned(), BLOG.to_owned())];
    let asked = Manifests { files: &files, app: None, folder: "my blog" };
    let imported = manifests(&asked, &shelf()).unwrap();
    sound(&imported);
    let text: String = imported.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "app = \"my-blog\"",
        "url = \"https://blog.example.org\"",
        "[pg] use = \"postgres@15\"",
        "image = \"registry.example.org/blog:2\"",
        "DB_HOST = \"{pg.host}\"",
        "DB_USER = \"{pg.username}\"",
        "DB_PASSWORD = \"{pg.password}\"",
        "MAILER = { given = true }",
        "port = 3000, path = \"/\", ready = \"/up\", copies = 3",
        "every = \"0 6 * * *\"",
        "at = \"/etc/blog/app.ini\"",
        "memory = { default = \"256Mi\"",
        "cpu = { default = \"250m\"",
        "TITLE = \"Blog\"",
    ] {
        assert!(text.contains(wanted), "{wanted}\nis not in\n{}", imported.text);
    }
    for secret in ["geheimes-wort", "mail-key-0815"] {
        assert!(
            !imported.text.contains(secret) && !format!("{:?}", imported.rows).contains(secret)
        );
    }
    let mail = imported.given.iter().find(|one| one.name == "MAILER").unwrap();
    assert_eq!(mail.value.as_deref(), Some("mail-key-0815"));
    let row = |line: usize| imported.rows.iter().filter(move |row| row.line == line);
    let sparkle = BLOG.lines().position(|line| line.contains("{a: 1}")).unwrap() + 1;
    assert!(row(sparkle).all(|row| row.state == State::NotMapped));
    let node = BLOG.lines().position(|line| line.contains("spec.nodeName")).unwrap() + 1;
    assert!(row(node).any(|row| row.state == State::NotMapped));
    // What the app file has is told as such, on its own line.
    for wanted in ["replicas: 3", "image: registry.example.org/blog:2", "containerPort: 3000"] {
        let at = BLOG.lines().position(|line| line.contains(wanted)).unwrap() + 1;
        let told: Vec<_> = row(at).collect();
        assert!(
            told.iter().all(|row| row.state != State::NotMapped) && !told.is_empty(),
            "{told:?}"
        );
    }
    let documents: usize =
        transfer::yaml::read("x", BLOG).unwrap().iter().map(|one| one.leaves().len()).sum();
    assert_eq!(imported.rows.len(), documents);
}

#[test]
fn what_runs_nothing_is_refused() {
    let files = [("x.yaml".to_owned(), "kind: ConfigMap\ndata: {a: b}\n".to_owned())];
    let asked = Manifests { files: &files, app: None, folder: "x" };
    assert!(manifests(&asked, &shelf()).unwrap_err().to_string().contains("x.yaml"));
}
