//! The real kubectl over TLS, through everything that needs no controllers.

use crate::harness::settings;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct Cluster {
    directory: tempfile::TempDir,
    address: std::net::SocketAddr,
    pki: api::pki::Pki,
}

impl Cluster {
    async fn start() -> Self {
        Self::with_kubelet(axum::Router::new()).await
    }

    async fn with_kubelet(kubelet: axum::Router) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&directory.path().join("store")).unwrap();
        let api = api::Api::new(store, kubelet, settings()).await.unwrap();
        let pki = api::pki::Pki::open(&directory.path().join("pki"), &[], &[]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kubeconfig = pki.kubeconfig(&format!("https://{address}"));
        std::fs::write(directory.path().join("config"), kubeconfig).unwrap();
        tokio::spawn(api::tls::serve(listener, api, pki.clone(), std::future::pending()));
        Self { directory, address, pki }
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(args.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("KUBECONFIG", self.directory.path().join("config"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs kubectl; only success without a word on stderr will do.
    async fn run(&self, args: &str) -> String {
        let output = self.output(args).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let quiet = stderr.is_empty() || stderr.starts_with("No resources found");
        assert!(output.status.success() && quiet, "kubectl {args}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs kubectl; only failure will do. Answers with stderr.
    async fn fail(&self, args: &str) -> String {
        let output = self.output(args).await;
        assert!(!output.status.success(), "kubectl {args} should fail");
        String::from_utf8(output.stderr).unwrap()
    }

    async fn output(&self, args: &str) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().expect("kubectl is installed"))
            .await
            .unwrap()
    }

    /// Asks for a path with no credential at all; the whole answer as text.
    async fn anonymous(&self, path: &str) -> String {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pki.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider().into();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let name = self.address.ip().into();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: shelf\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        // The server closes without a TLS goodbye at times: what came before counts.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: debian:12
        ports:
        - containerPort: 80
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  color: blue
";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_its_way() {
    let cluster = Cluster::start().await;
    let text = cluster.run("version").await;
    assert!(text.contains("Server Version: v1."), "{text}");
    let text = cluster.run("api-resources").await;
    for line in ["deployments", "deploy", "pods", "configmaps", "persistentvolumeclaims"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    cluster.run("api-versions").await;
    cluster.run("cluster-info").await;
    assert_eq!(cluster.run("auth can-i create pods").await.trim(), "yes");
    assert!(cluster.run("auth whoami").await.contains("system:admin"));
    assert!(cluster.run("get namespaces").await.contains("kube-system"));
    assert!(cluster.run("explain deployment.spec.replicas").await.contains("replicas"));
    assert!(cluster.run("explain pod.spec.containers").await.contains("image"));
    assert!(cluster.run("get --raw /readyz").await.contains("ok"));
    let text = cluster.run("get all").await;
    assert!(text.is_empty() || text.contains("kubernetes"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_changes_and_deletes() {
    let cluster = Cluster::start().await;
    cluster.file("web.yaml", WEB);
    let text = cluster.run("apply -f web.yaml").await;
    assert!(text.contains("deployment.apps/web created"), "{text}");
    let text = cluster.run("apply -f web.yaml").await;
    assert_eq!(text.matches("unchanged").count(), 3, "{text}");
    assert_eq!(cluster.run("diff -f web.yaml").await, "");
    cluster.file("web.yaml", &WEB.replace("replicas: 1", "replicas: 2").replace("blue", "red"));
    let changes = cluster.output("diff -f web.yaml").await;
    let changes = String::from_utf8_lossy(&changes.stdout).into_owned();
    assert!(changes.contains("+  replicas: 2") && changes.contains("+  color: red"), "{changes}");
    let text = cluster.run("apply -f web.yaml").await;
    assert_eq!(text.matches("configured").count(), 2, "{text}");
    assert_eq!(cluster.run("get deploy web -o jsonpath={.spec.replicas}").await, "2");

    let text = cluster.run("get deploy,svc,cm -o wide").await;
    assert!(text.contains("debian:12") && text.contains("10.96.0."), "{text}");
    assert!(cluster.run("get cm settings -o yaml").await.contains("color: red"));
    assert!(cluster.run("get pods -A").await.is_empty());
    cluster.run("label cm settings a=b").await;
    cluster.run("annotate cm settings note=it").await;
    assert!(cluster.run("get cm -l a=b -o name").await.contains("configmap/settings"));
    cluster.run("scale deploy web --replicas=5").await;
    cluster.run("patch deploy web -p {\"spec\":{\"paused\":true}}").await;
    cluster.run("patch deploy web --type=merge -p {\"spec\":{\"paused\":null}}").await;
    let operations = "[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":6}]";
    cluster.run(&format!("patch deploy web --type=json -p {operations}")).await;
    assert_eq!(cluster.run("get deploy web -o jsonpath={.spec.replicas}").await, "6");
    cluster.run("rollout restart deploy/web").await;
    cluster.run("set image deploy/web web=debian:13").await;
    cluster.run("set env deploy/web A=1").await;
    for what in ["deploy/web", "svc/web", "cm/settings", "ns/default"] {
        assert!(cluster.run(&format!("describe {what}")).await.contains("Name:"), "{what}");
    }
    cluster.run("delete -f web.yaml").await;
    assert!(cluster.fail("get cm settings").await.contains("NotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_on_the_server() {
    let cluster = Cluster::start().await;
    cluster.file("web.yaml", WEB);
    let text = cluster.run("apply --server-side -f web.yaml").await;
    assert_eq!(text.matches("serverside-applied").count(), 3, "{text}");
    cluster.run("apply --server-side -f web.yaml").await;
    cluster.file("other.yaml", &WEB.replace("replicas: 1", "replicas: 3"));
    let text = cluster.fail("apply --server-side --field-manager=other -f other.yaml").await;
    assert!(
        text.contains("conflict with \"kubectl\"") && text.contains(".spec.replicas"),
        "{text}"
    );
    cluster.run("apply --server-side --field-manager=other --force-conflicts -f other.yaml").await;
    assert_eq!(cluster.run("get deploy web -o jsonpath={.spec.replicas}").await, "3");
    cluster.run("delete -f web.yaml").await;
    // What was applied by the client before is taken over by the server.
    cluster.run("apply -f web.yaml").await;
    cluster.run("apply --server-side -f web.yaml").await;
    cluster.run("diff --server-side -f web.yaml").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_what_is_wrong() {
    let cluster = Cluster::start().await;
    cluster.file("bad.yaml", &WEB.replace("replicas: 1", "replicsa: 1"));
    let text = cluster.fail("apply -f bad.yaml").await;
    assert!(text.contains("strict decoding error: unknown field \"spec.replicsa\""), "{text}");
    cluster.file("bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}\n");
    let text = cluster.fail("create -f bad.yaml").await;
    assert!(text.contains("The ConfigMap \"A_B\" is invalid: metadata.name"), "{text}");
    cluster.run("create cm one").await;
    assert!(cluster.fail("create cm one").await.contains("configmaps \"one\" already exists"));
    assert!(cluster.fail("get nothings").await.contains("doesn't have a resource type"));
    let text = cluster.fail("-n nowhere create cm one").await;
    assert!(text.contains("namespaces \"nowhere\" not found"), "{text}");
}

/// Typed commands send protobuf.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_creates_by_command() {
    let cluster = Cluster::start().await;
    cluster.run("create ns shop").await;
    cluster.run("-n shop create cm settings --from-literal=color=blue").await;
    let text = cluster.run("-n shop get cm settings -o jsonpath={.data.color}").await;
    assert_eq!(text, "blue");
    cluster.run("-n shop create secret generic key --from-literal=word=secret").await;
    let text = cluster.run("-n shop get secret key -o jsonpath={.data.word}").await;
    assert_eq!(text, "c2VjcmV0");
    cluster.run("-n shop create sa robot").await;
    cluster.run("-n shop create deployment web --image=debian:12 --replicas=0 --port=80").await;
    let path =
        "-o jsonpath={.spec.replicas}/{.spec.template.spec.containers[0].ports[0].containerPort}";
    assert_eq!(cluster.run(&format!("-n shop get deploy web {path}")).await, "0/80");
    cluster.run("-n shop create job once --image=debian:12 -- true").await;
    cluster.run("-n shop expose deployment web --port=80").await;
    cluster.run("-n shop run one --image=debian:12").await;
    let text = cluster.run("-n shop get all,cm,secrets,sa").await;
    for name in ["pod/one", "service/web", "deployment.apps/web", "job.batch/once"] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    cluster.run("-n shop delete pod one --wait=false").await;
    cluster.run("delete ns shop --wait=false").await;
    assert!(cluster.run("get ns shop").await.contains("Terminating"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_watches() {
    let cluster = Cluster::start().await;
    cluster.run("create cm one").await;
    let output = cluster.directory.path().join("seen");
    let mut watch = cluster
        .command("get cm -w --output-watch-events")
        .stdout(std::fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let seen = |expected: &'static str| {
        let output = output.clone();
        async move {
            for _ in 0..200 {
                if std::fs::read_to_string(&output).unwrap().contains(expected) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        }
    };
    assert!(seen("ADDED").await);
    cluster.run("label cm one a=b").await;
    let modified = seen("MODIFIED").await;
    cluster.run("delete cm one").await;
    let deleted = seen("DELETED").await;
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(modified && deleted, "{}", std::fs::read_to_string(&output).unwrap());
    cluster.run("create ns away").await;
    cluster.run("wait --for=jsonpath={.status.phase}=Active ns/away").await;
}

/// A node that runs nothing: exec says hello, echoes one message, and ends well.
async fn hello(upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["v5.channel.k8s.io"]).on_upgrade(|mut socket| async move {
        // Channel 1 is stdout, 3 the outcome.
        let hello = Message::Binary([b"\x01hello ".as_slice()].concat().into());
        socket.send(hello).await.unwrap();
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Binary(bytes) = message
                && bytes.first() == Some(&0)
                && bytes.len() > 1
            {
                let echo = [b"\x01", &bytes[1..]].concat();
                socket.send(Message::Binary(echo.into())).await.unwrap();
                break;
            }
        }
        let outcome = b"\x03{\"metadata\":{},\"status\":\"Success\"}";
        socket.send(Message::Binary(outcome.as_slice().into())).await.unwrap();
        // The client may be gone already: it has the outcome.
        let normal = CloseFrame { code: 1000, reason: "".into() };
        let _ = socket.send(Message::Close(Some(normal))).await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_execs_and_reads_logs_through_the_api() {
    let log = "/containerLogs/default/one/one";
    let kubelet = axum::Router::new()
        .route("/exec/default/one/one", any(hello))
        .route(log, any(|| async { "a line\n" }));
    let cluster = Cluster::with_kubelet(kubelet).await;
    let overrides = "{\"spec\":{\"nodeName\":\"here\"}}";
    cluster.run(&format!("run one --image=debian:12 --overrides={overrides}")).await;
    assert_eq!(cluster.run("logs one").await, "a line\n");
    assert_eq!(cluster.run("logs -f --tail=3 one -c one").await, "a line\n");
    let mut command = cluster.command("exec -i one -- cat");
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"world\n").unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello world\n", "{stderr}");
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_we_know_get_in() {
    let cluster = Cluster::start().await;
    let url = format!("--server=https://{}", cluster.address);
    let config = cluster.file("empty", "apiVersion: v1\nkind: Config\n");
    cluster.file("ca.crt", cluster.pki.ca_pem());
    let (certificate, key) = cluster.pki.admin();
    cluster.file("admin.crt", certificate);
    cluster.file("admin.key", key);
    let base = format!("--kubeconfig={} {url} --certificate-authority=ca.crt", config.display());
    let text = cluster.fail(&format!("{base} --token=wrong get ns")).await;
    assert!(text.contains("must be logged in") || text.contains("Unauthorized"), "{text}");
    cluster.run(&format!("{base} --token={} get ns", cluster.pki.token())).await;
    let text = cluster
        .run(&format!("{base} --client-certificate=admin.crt --client-key=admin.key auth whoami"))
        .await;
    assert!(text.contains("system:masters"), "{text}");
    cluster.fail(&format!("{base} --token=wrong get --raw /healthz")).await;
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert!(cluster.anonymous(path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    for path in ["/", "/api", "/apis", "/api/v1/namespaces", "/openapi/v3", "/healthz/../api", "/x"]
    {
        assert!(cluster.anonymous(path).await.starts_with("HTTP/1.1 401"), "{path}");
    }
    let other = api::pki::Pki::open(&cluster.directory.path().join("other"), &[], &[]).unwrap();
    let (certificate, key) = other.admin();
    cluster.file("other.crt", certificate);
    cluster.file("other.key", key);
    cluster
        .fail(&format!("{base} --client-certificate=other.crt --client-key=other.key get ns"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_top_shows_what_pods_and_nodes_use() {
    let stats = |cpu: u64| {
        serde_json::json!({
            "name": "main", "cpu": {"time": "2026-01-02T03:04:05Z", "usageNanoCores": cpu},
            "memory": {"workingSetBytes": 64 << 20},
        })
    };
    let mut node = stats(1_500_000_000);
    node["nodeName"] = "box".into();
    let pod = |name: &str, containers: serde_json::Value| serde_json::json!({"podRef": {"name": name, "namespace": "default"}, "containers": containers});
    let summary = serde_json::json!({"node": node, "pods": [
        pod("measured", serde_json::json!([stats(250_000_000)])),
        pod("other", serde_json::json!([stats(1_000_000)])),
        pod("gone", serde_json::json!([stats(1)])),
    ]});
    let told = move || async move { axum::Json(summary) };
    let kubelet = axum::Router::new().route("/stats/summary", axum::routing::get(told));
    let cluster = Cluster::with_kubelet(kubelet).await;
    for name in ["measured", "other"] {
        cluster.run(&format!("run {name} --image=debian:12 --labels=app={name}")).await;
    }
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: box}\n";
    let node = cluster.file("node.yaml", node).display().to_string();
    cluster.run(&format!("apply -f {node}")).await;
    let capacity = r#"{"status":{"allocatable":{"cpu":"2","memory":"1Gi"}}}"#;
    cluster.run(&format!("patch node box --subresource=status --type=merge -p {capacity}")).await;
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(Into::into).collect()).collect()
    };
    let all = lines(&cluster.run("top pods --no-headers").await);
    assert_eq!(all, [["measured", "250m", "64Mi"], ["other", "1m", "64Mi"]]);
    let one = lines(&cluster.run("top pods -l app=other -A --no-headers").await);
    assert_eq!(one, [["default", "other", "1m", "64Mi"]]);
    let named = lines(&cluster.run("top pod measured --containers --no-headers").await);
    assert_eq!(named, [["measured", "main", "250m", "64Mi"]]);
    let nodes = lines(&cluster.run("top nodes --no-headers").await);
    assert_eq!(nodes, [["box", "1500m", "75%", "64Mi", "6%"]]);
    assert!(cluster.fail("top pod absent").await.contains("podmetrics.metrics.k8s.io"));
}
