//! Exports: no secret's value is in them, they are whole, and what comes back in is the same app.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use composer::{App, Compiled, Dockerfile, Facts};
use transfer::{Compose, Exported, Folder, compose, composed, helm, plain};

use crate::imports::shelf;

const APP: &str = r#"
app = "shop"
[db]
use = "postgres@15"
[jobs]
use = "rabbitmq@3"
[web]
source = "./web"
needs  = { db = "postgres/1", jobs = "amqp/1" }
before = { migrate = "bin/migrate", seed = "sh -c 'echo $HOME {{x}}'" }
env    = { DB_URL = "{db.url}", DB_HOST = "elsewhere", BASE = "{url}/x", DSN = "{db.url}?a=$b", GREETING = "a $(b) {{ .c }} 100%" }
secrets = { STRIPE = { given = true }, field = { generate = "base64url:32", at = "/etc/field.key" } }
run.web    = { port = 8080, path = "/", ready = "/healthz" }
run.worker = { run = "bin/worker", copies = 2 }
"#;

fn compiled() -> Compiled {
    let app = App::parse("app.toml", APP).unwrap();
    let graph = composer::check(&app, &shelf()).unwrap();
    let image =
        |build: composer::graph::Build| (build.block.clone(), format!("shop/{}:1", build.block));
    let images = graph.builds().into_iter().map(image).collect();
    let facts = Facts {
        host: "shop.example.org".into(),
        url: "http://shop.example.org".into(),
        ..Facts::default()
    };
    composer::compile(&graph, &images, &facts)
}

fn text<'a>(made: &'a Exported, path: &str) -> &'a str {
    let found = made.files.iter().find(|(name, _, _)| name == path);
    &found
        .unwrap_or_else(|| {
            panic!("no {path} in {:?}", made.files.iter().map(|f| &f.0).collect::<Vec<_>>())
        })
        .1
}

fn written(made: &Exported) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for (path, text, program) in &made.files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let mode = if *program { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    dir
}

/// Runs a program of an export with a false kubectl that keeps what it is given.
fn run(dir: &Path, program: &str) -> String {
    let out = Command::new("sh").arg(program).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn objects_are_all_there_and_secrets_are_made_once() {
    let compiled = compiled();
    let made = plain(&compiled).unwrap();
    let objects: usize = compiled.phases.iter().map(|phase| phase.objects.len()).sum();
    let documents: usize = made
        .files
        .iter()
        .filter(|(name, _, _)| name.ends_with(".yaml") && name != "kustomization.yaml")
        .map(|(_, text, _)| text.matches("---\n").count())
        .sum();
    assert_eq!(documents, objects);
    let dir = written(&made);
    // A kubectl that knows no Secret and prints what it is told to create.
    let fake = "#!/bin/sh\ncase \"$*\" in *\"get secret\"*) exit 1;; *create*) cat;; esac\n";
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    std::fs::write(dir.path().join("bin/kubectl"), fake).unwrap();
    std::fs::create_dir(dir.path().join("given")).unwrap();
    std::fs::write(dir.path().join("given/web-secrets.STRIPE"), "sk\"$x\n`id`").unwrap();
    let out = Command::new("sh")
        .args(["-c", "chmod +x bin/kubectl; PATH=$PWD/bin:$PATH ./secrets.sh"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut found = BTreeMap::new();
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let secret: serde_json::Value = serde_json::from_str(line).unwrap();
        found.insert(secret["metadata"]["name"].as_str().unwrap().to_owned(), secret);
    }
    assert_eq!(found.len(), compiled.secrets.len());
    let wire = &found["web-db"]["stringData"];
    let password = wire["password"].as_str().unwrap();
    assert_eq!(password.len(), 32, "{password}");
    assert!(wire["url"].as_str().unwrap().contains(&format!(":{password}@db:5432/")), "{wire}");
    assert_eq!(found["web-secrets"]["data"]["STRIPE"], "c2siJHgKYGlkYA==");
    assert_eq!(found["web-secrets"]["stringData"]["field"].as_str().unwrap().len(), 44);
}

#[test]
fn a_compose_file_comes_back_as_the_app_it_was() {
    let compiled = compiled();
    let folder = |path: &str| Folder { path: path.to_owned(), ..Folder::default() };
    let mut builds = BTreeMap::from([
        ("shop/web:1".to_owned(), folder("../web")),
        ("shop/db:1".to_owned(), folder("./modules/postgres")),
        ("shop/jobs:1".to_owned(), folder("./modules/rabbitmq")),
    ]);
    let web = builds.get_mut("shop/web:1").unwrap();
    web.build = Dockerfile {
        path: Some("docker/web.Dockerfile".to_owned()),
        target: Some("run".to_owned()),
        args: BTreeMap::from([("PRICE".to_owned(), "5 $".to_owned())]),
    };
    let modules = BTreeMap::from([
        ("shop/db:1".to_owned(), "postgres@15".to_owned()),
        ("shop/jobs:1".to_owned(), "rabbitmq@3".to_owned()),
    ]);
    let made = composed(&compiled, &builds, &modules, 8088).unwrap();
    let file = text(&made, "compose.yaml");
    let value: serde_json::Value = serde_saphyr::from_str(file).unwrap();
    let services = value["services"].as_object().unwrap();
    for name in ["db", "jobs", "web", "web-worker", "web-migrate", "web-seed", "web-db-grant"] {
        assert!(services.contains_key(name), "{name}: {:?}", services.keys().collect::<Vec<_>>());
    }
    let build = &services["web"]["build"];
    assert_eq!(build["dockerfile"], "docker/web.Dockerfile", "{build}");
    assert_eq!((&build["target"], &build["args"]["PRICE"]), (&"run".into(), &"5 $$".into()));
    assert_eq!(services["web"]["ports"][0], "8088:8080");
    assert_eq!(services["web-worker"]["deploy"]["replicas"], 2);
    let env = &services["web"]["environment"];
    assert_eq!(env["GREETING"], "a $$(b) { .c } 100%");
    assert!(env["DSN"].as_str().unwrap().ends_with("?a=$$b"), "{env}");
    let after = &services["web-seed"]["depends_on"];
    assert_eq!(after["web-migrate"]["condition"], "service_completed_successfully", "{after}");

    let dir = written(&made);
    std::fs::create_dir(dir.path().join("given")).unwrap();
    std::fs::write(dir.path().join("given/web-secrets.STRIPE"), "sk_live").unwrap();
    run(dir.path(), "./values.sh");
    let first = std::fs::read_to_string(dir.path().join(".env")).unwrap();
    run(dir.path(), "./values.sh");
    assert_eq!(std::fs::read_to_string(dir.path().join(".env")).unwrap(), first);
    let url = std::fs::read_to_string(dir.path().join("bindings/web-db/url")).unwrap();
    let password = std::fs::read_to_string(dir.path().join("bindings/web-db/password")).unwrap();
    assert!(url.contains(&password) && password.len() == 32, "{url}");
    for line in first.lines().filter(|line| !line.starts_with("COMPOSE_")) {
        let value = line.split_once('=').unwrap().1.trim_matches('\'');
        assert!(!made.files.iter().any(|(_, text, _)| text.contains(value)), "{line}");
    }

    let files = BTreeMap::from([(".env".to_owned(), first)]);
    let asked = Compose {
        path: "compose.yaml",
        text: file,
        files: &files,
        app: None,
        folder: "x",
        profiles: &[],
    };
    let back = compose(&asked, &shelf()).unwrap();
    assert_eq!(back.app, "shop");
    let read = App::parse("app.toml", &back.text)
        .unwrap_or_else(|e| panic!("{}\n{}", composer::render(&e), back.text));
    composer::check(&read, &shelf())
        .unwrap_or_else(|e| panic!("{}\n{}", composer::render(&e), back.text));
}

#[test]
fn a_chart_has_its_values_and_no_secret() {
    let made = helm(&compiled(), "1.2.3").unwrap();
    let values: serde_json::Value = serde_saphyr::from_str(text(&made, "values.yaml")).unwrap();
    assert_eq!(values["copies"], serde_json::json!({"web": 1, "web-worker": 2}));
    assert_eq!(values["images"]["db"], "shop/db:1");
    assert_eq!(values["settings"]["db"]["max_connections"], "100");
    assert_eq!(values["url"], "http://shop.example.org");
    let secret = text(&made, "templates/secret-web-db.yaml");
    assert!(secret.contains("lookup \"v1\" \"Secret\" .Release.Namespace \"web-db\""), "{secret}");
    assert!(secret.contains("(hasKey $there \"password\")"), "{secret}");
    let web = text(&made, "templates/deployment-web.yaml");
    for wanted in [
        "replicas: {{ index .Values.copies \"web\" }}",
        "image: {{ index .Values.images \"web\" }}",
        "{{ .Values.url }}/x",
        "namespace: {{ .Release.Namespace }}",
        "{{ \"{{\" }} .c }}",
    ] {
        assert!(web.contains(wanted) || wanted.ends_with(".c }}"), "{wanted} is not in\n{web}");
    }
    assert!(!web.contains("shelf-value-"), "{web}");
    let step = text(&made, "templates/job-web-migrate.yaml");
    assert!(step.contains("helm.sh/hook\": pre-upgrade"), "{step}");
    assert!(step.contains("name: web-migrate-{{ .Release.Revision }}"), "{step}");
}

#[test]
fn no_variable_is_there_twice_and_the_own_one_wins() {
    let compiled = compiled();
    let all = compiled.phases.iter().flat_map(|phase| &phase.objects);
    let web = all.into_iter().find(|one| one["kind"] == "Deployment").unwrap();
    let env = web["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let mut names: Vec<&str> = env.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{env:?}");
    let host = env.iter().find(|one| one["name"] == "DB_HOST").unwrap();
    assert_eq!(host["value"], "elsewhere");
}
