//! A compose file that people have already comes alive as an app, and an app leaves as files that
//! the tools of other worlds take.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::page::request_to;
use crate::server::{Server, eventually};

/// The shop as its owner ran it before: a database, a broker, and one image three times.
const COMPOSE: &str = r#"
name: desk
x-code: &code
  build: ./web
  environment: &env
    DB_URL: postgresql://desk:${DB_PASSWORD:-desk}@db:5432/desk
    JOBS_URL: amqp://guest:guest@jobs:5672/
    STRIPE_KEY: sk_test_4711
    TITLE: "The {desk}"
services:
  web:
    <<: *code
    ports: ["8080:8080"]
    healthcheck: {test: curl -f http://localhost:8080/healthz}
    depends_on:
      db: {condition: service_healthy}
      jobs: {condition: service_started}
      migrate: {condition: service_completed_successfully}
  worker:
    <<: *code
    command: bin/worker
    restart: always
  migrate:
    <<: *code
    command: bin/migrate
  db:
    image: postgres:15
    environment: {POSTGRES_USER: desk, POSTGRES_PASSWORD: "${DB_PASSWORD:-desk}", POSTGRES_DB: desk}
    volumes: ["data:/var/lib/postgresql/data"]
  jobs:
    image: rabbitmq:3
    privileged: true
volumes: {data: }
"#;

/// `shelf import compose` and `shelf go`: the page answers, an order goes through database and
/// broker, the key is where the program looks for it and in no file.
pub(crate) fn compose(server: &mut Server) -> Result<()> {
    let folder = server.scratch("desk");
    let web = folder.join("web");
    if !web.is_dir() {
        let from = server.example("shop")?.join("web");
        fs::create_dir_all(&folder)?;
        let copied = Command::new("cp").arg("-r").arg(from).arg(&web).status()?;
        ensure!(copied.success(), "copying the shop's code");
    }
    fs::write(folder.join("compose.yaml"), COMPOSE)?;

    let trial = server
        .shelf_in("desk", &["--json", "import", "compose", "compose.yaml", "--dry-run"])
        .good()?;
    let report: Value = serde_json::from_str(&trial)?;
    ensure!(!folder.join("app.toml").exists(), "a trial wrote the file");
    ensure!(!trial.contains("sk_test_4711"), "the report has the key");
    let rows = report["result"]["rows"].as_array().context("rows")?;
    let of =
        |path: &str| rows.iter().find(|row| row["path"] == path).map(|row| row["state"].clone());
    ensure!(of("services.jobs.privileged") == Some("not-mapped".into()), "{rows:?}");
    ensure!(of("services.web.ports.0") == Some("mapped".into()), "{rows:?}");

    let said = server.shelf_in("desk", &["import", "compose", "compose.yaml"]).good()?;
    ensure!(said.contains("web.STRIPE_KEY is kept by the server"), "{said}");
    let text = fs::read_to_string(folder.join("app.toml"))?;
    for line in [
        "DB_URL   = \"{db.url}\"",
        "before = { migrate",
        "use = \"rabbitmq@3\"",
        "worker = { run = \"bin/worker\" }",
    ] {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(
            flat(&text).contains(&flat(line).replace("before = {", "")),
            "no {line} in\n{text}"
        );
    }
    ensure!(!text.contains("sk_test"), "{text}");
    let again = server.shelf_in("desk", &["import", "compose", "compose.yaml"]);
    ensure!(again.code == 4 && again.err.contains("--force"), "{again:?}");

    server.shelf_in("desk", &["go"]).good()?;
    let page = request_to("desk", server.http_port, "GET", "/", None)?;
    ensure!(page.status == 200 && page.body.contains("Reading lamp"), "{page:?}");
    let order = json!({"product": "lamp", "quantity": 1, "key": "imported"});
    let placed = request_to("desk", server.http_port, "POST", "/orders", Some(&order))?;
    ensure!(placed.status == 201, "{placed:?}");
    eventually(20, || {
        let answer = request_to("desk", server.http_port, "GET", "/orders.json", None)?;
        let orders: Value = serde_json::from_str(&answer.body)?;
        ensure!(orders["orders"][0]["state"] == "done", "{orders}");
        Ok(())
    })?;
    let inside = server
        .shelf_in("desk", &["exec", "-T", "web", "--", "printenv", "STRIPE_KEY", "TITLE"])
        .good()?;
    ensure!(inside.trim() == "sk_test_4711\nThe {desk}", "{inside}");
    Ok(())
}

/// The app as plain objects, applied by kubectl under another name; as a compose file that Docker
/// Compose takes.
pub(crate) fn export(server: &mut Server) -> Result<()> {
    let out = server.scratch("exported");
    let path = |name: &str| out.join(name).display().to_string();
    server.shelf_in("desk", &["export", "yaml", "-o", &path("yaml")]).good()?;
    let kubeconfig = server.run_dir().join("kubeconfig");
    let mut names = fs::read_dir(out.join("yaml"))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
        .collect::<Vec<_>>();
    names.sort();
    for name in names {
        let tried = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f"])
            .arg(out.join("yaml").join(&name))
            .output()?;
        ensure!(tried.status.success(), "{name}: {}", String::from_utf8_lossy(&tried.stderr));
    }
    // As another target has it, which nobody asks.
    let copies = |name: &str| -> Result<usize> {
        let folder = fs::read_dir(out.join(name))?;
        let texts = folder.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        Ok(texts.map(|text| text.matches("replicas: 3").count()).sum())
    };
    fs::write(
        server.scratch("desk").join("app.prod.toml"),
        "web = { run = { web = { copies = 3 } } }\n",
    )?;
    server.shelf_in("desk", &["--on", "prod", "export", "yaml", "-o", &path("prod")]).good()?;
    ensure!((copies("yaml")?, copies("prod")?) == (0, 1), "prod has the copies of here");

    // Secrets that are there are left as they are.
    let password = |server: &Server| -> Result<Value> {
        let out = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(server.run_dir().join("kubeconfig"))
            .args(["-n", "desk", "get", "secret", "web-db", "-o", "json"])
            .output()?;
        Ok(serde_json::from_slice::<Value>(&out.stdout)?["data"]["password"].clone())
    };
    let before = password(server)?;
    let ran = Command::new("sh")
        .arg("secrets.sh")
        .current_dir(out.join("yaml"))
        .env("KUBECONFIG", &kubeconfig)
        .output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ensure!(before.is_string() && password(server)? == before, "a password was made anew");

    server.shelf_in("desk", &["export", "compose", "-o", &path("compose")]).good()?;
    fs::create_dir_all(out.join("compose/given"))?;
    fs::write(out.join("compose/given/web-secrets.STRIPE_KEY"), "sk_test_1")?;
    let values = Command::new("sh").arg("values.sh").current_dir(out.join("compose")).output()?;
    ensure!(values.status.success(), "{}", String::from_utf8_lossy(&values.stderr));
    let config = Command::new("docker-compose")
        .args(["config", "--quiet"])
        .current_dir(out.join("compose"))
        .output()?;
    ensure!(config.status.success(), "{}", String::from_utf8_lossy(&config.stderr));
    server.shelf_in("desk", &["destroy", "--yes", "--delete-data", "desk"]).good()?;
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}
