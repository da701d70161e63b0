//! A corpus of compose files as people write them: the app that comes out is right, and every line
//! that went in is accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use composer::Catalogue;
use proptest::prelude::*;
use transfer::{Compose, Imported, Row, State, compose, compose_files, yaml};

/// The shelf as it is in the repository.
pub(crate) fn shelf() -> Catalogue {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut catalogue = Catalogue::default();
    for entry in std::fs::read_dir(root.join("interfaces")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        catalogue.add_interface(&entry.path().to_string_lossy(), &text).unwrap();
    }
    for entry in std::fs::read_dir(root.join("modules")).unwrap().flatten() {
        let path = entry.path().join("module.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        catalogue.add_module(&path.to_string_lossy(), &text).unwrap();
    }
    catalogue
}

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn import(text: &str, files: &[(&str, &str)]) -> Imported {
    let files: BTreeMap<String, String> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let asked = Compose {
        path: "compose.yaml",
        text,
        files: &files,
        app: None,
        folder: "My Folder",
        profiles: &[],
    };
    let imported = compose(&asked, &shelf()).unwrap();
    sound(&imported);
    imported
}

/// What holds for every import: the app file reads, and what is said to be in it is.
pub(crate) fn sound(imported: &Imported) {
    let document: toml_edit::DocumentMut = imported.text.parse().unwrap();
    for row in &imported.rows {
        let told = row.state == State::Mapped || !row.why.is_empty();
        assert!(told, "nothing is said of {row:?}");
        assert!(row.becomes.is_some() || !row.why.is_empty(), "{row:?}");
        let Some(becomes) = &row.becomes else { continue };
        let mut at = document.as_item();
        for key in becomes.split('.') {
            at = at.get(key).unwrap_or_else(|| panic!("no {becomes} in\n{}", imported.text));
        }
    }
    for given in &imported.given {
        if let Some(value) = given.value.as_ref().filter(|value| value.len() > 6) {
            assert!(!imported.text.contains(value.as_str()), "{given:?} is in the file");
            let told = format!("{:?}", imported.rows);
            assert!(!told.contains(value.as_str()), "{given:?} is in the report");
        }
    }
}

fn row<'a>(imported: &'a Imported, path: &str) -> &'a Row {
    let found = imported.rows.iter().find(|row| row.path == path);
    found.unwrap_or_else(|| panic!("no row {path} in {:#?}", imported.rows))
}

#[test]
fn how_a_folder_is_built_is_taken_over() {
    let text = r#"
services:
  web:
    image: team/web
    build:
      context: .
      dockerfile: ./docker/web.Dockerfile
      target: run
      args: {VERSION: "1.2", NPM_TOKEN: npm_12345678, FROM_SHELL: }
      network: host
    ports: ["80:8000"]
  jobs:
    image: team/web
    command: bin/jobs
  other:
    build: {context: ., dockerfile: ../other.Dockerfile, args: [MODE=fast, SHELL_ONLY]}
    ports: ["81:8001"]
"#;
    let docker = [("./docker/web.Dockerfile", "FROM x\nEXPOSE 8000\n")];
    let imported = import(text, &docker);
    let lines = "[web]\nsource     = \".\"\ndockerfile = \"docker/web.Dockerfile\"\n\
        target     = \"run\"\nargs       = { VERSION = \"1.2\" }\n";
    assert!(imported.text.contains(lines), "{}", imported.text);
    assert!(imported.text.contains("jobs") && !imported.text.contains("npm_"), "{}", imported.text);
    let state = |path: &str| row(&imported, &format!("services.{path}")).state;
    assert_eq!(state("web.build.args.VERSION"), State::Mapped);
    assert_eq!(state("web.build.args.NPM_TOKEN"), State::NotMapped);
    assert_eq!(state("web.build.args.FROM_SHELL"), State::NotMapped);
    assert_eq!(state("web.build.network"), State::NotMapped);
    assert_eq!(state("other.build.dockerfile"), State::NotMapped);
    assert_eq!(state("other.build.args.0"), State::Mapped);
    assert_eq!(state("other.build.args.1"), State::NotMapped);
}

#[test]
fn a_page_and_its_database_are_an_app_that_can_go() {
    let imported = import(&corpus("notes.yaml"), &[]);
    assert_eq!(
        imported.text,
        r#"app = "my-folder"

[web]
source = "./web"
needs  = { db = "postgres/1" }
wire   = { db = "db" }

[web.env]
DATABASE_URL = "{db.url}"
TITLE        = "Notes {{of mine}}"

[web.run]
web = { port = 8000, path = "/" }

[db]
use = "postgres@15"
"#
    );
    assert!(imported.diagnostics.is_empty(), "{:?}", imported.diagnostics);
    assert!(imported.given.is_empty(), "{:?}", imported.given);
    assert!(imported.rows.iter().all(|row| row.state == State::Mapped), "{:#?}", imported.rows);
    let port = row(&imported, "services.web.ports.0");
    assert_eq!((port.line, port.becomes.as_deref()), (5, Some("web.run.web.port")));
}

#[test]
fn services_of_one_image_are_processes_and_steps_of_one_block() {
    let env = "POSTGRES_USER=desk\nPOSTGRES_PASSWORD=geheim\nPOSTGRES_DB=desk\nPOSTGRES_HOST=postgres\nREDIS_URL=redis://redis:6379/0\nSECRET_KEY=real-value-0815\n";
    let files = [
        (".env.web", env),
        (".env", "WORKERS=5\nUNUSED=1\nREDIS_PASSWORD=x\n"),
        ("./nginx.conf", "server {}"),
        ("./Dockerfile", "FROM x\nEXPOSE 8000\n"),
    ];
    let imported = import(&corpus("ticket-desk.yml"), &files);
    let text: String = imported.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "[app-server]",
        "source = \".\"",
        "celery = { run = \"celery -A desk worker -l info\" }",
        "--workers 5\", port = 8000, ready = \"/healthz\", copies = 2",
        "migrate = \"sh -c 'python manage.py migrate && python manage.py check'\"",
        "media = { at = \"/srv/media\", size = \"10Gi\", access = \"shared\" }",
        "POSTGRES_HOST = \"{postgres.host}\"",
        "POSTGRES_PASSWORD = \"{postgres.password}\"",
        "REDIS_URL = \"{redis.url}\"",
        "DESK = \"{app-server.url}/api?x={{y}}\"",
        "use = \"postgres@17\"",
        "set = { max_connections = 200 }",
        "set = { keep = \"everysec\" }",
        "JWT_SECRET = { generate = \"random:50\" }",
        "image = \"nginx:1.25\"",
        "nginx-conf = { given = true, at = \"/etc/nginx/conf.d/default.conf\" }",
        "memory = { default = \"512Mi\"",
        "stop-within = 90",
    ] {
        assert!(text.contains(wanted), "{wanted}\nis not in\n{}", imported.text);
    }
    assert!(!text.contains("[celery]") && !text.contains("[migrate]") && !text.contains("flower"));
    let state = |path: &str| row(&imported, path).state;
    assert_eq!(state("services.flower.profiles.0"), State::NotMapped);
    assert_eq!(state("services.postgres.image"), State::Guessed);
    assert_eq!(state("services.postgres.ports.0"), State::NotMapped);
    assert_eq!(state("UNUSED"), State::NotMapped);
    assert_eq!(state("WORKERS"), State::Mapped);
    let given: Vec<(&str, &str, Option<&str>)> = imported
        .given
        .iter()
        .map(|one| (one.block.as_str(), one.name.as_str(), one.value.as_deref()))
        .collect();
    assert!(given.contains(&("waiter", "STRIPE_KEY", Some("sk_live_123"))), "{given:?}");
    assert!(given.contains(&("app-server", "SECRET_KEY", Some("real-value-0815"))), "{given:?}");
    assert!(given.contains(&("nginx", "nginx-conf", Some("server {}"))), "{given:?}");
}

#[test]
fn every_kind_of_connection_becomes_a_wire() {
    let imported = import(&corpus("workshop.yaml"), &[("./signing.pem", "pem-pem-pem")]);
    let text: String = imported.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "app = \"workshop\"",
        "SPRING_DATASOURCE_URL = \"jdbc:mysql://{mysql.host}:{mysql.port}/{mysql.database}?useSSL=false\"",
        "SPRING_DATASOURCE_USERNAME = \"{mysql.username}\"",
        "SPRING_DATASOURCE_PASSWORD = \"{mysql.password}\"",
        "SPRING_RABBITMQ_HOST = \"{rabbit.host}\"",
        "SPRING_RABBITMQ_PORT = \"{rabbit.port}\"",
        "SPRING_RABBITMQ_PASSWORD = \"{rabbit.password}\"",
        "MONGO_URL = \"mongodb://root:{secrets.MONGO_URL_PASSWORD}@{mongo.host}:{mongo.port}/files?authSource=admin\"",
        "S3_ENDPOINT = \"{minio.endpoint}\"",
        "AWS_ACCESS_KEY_ID = \"{minio.access-key}\"",
        "AWS_SECRET_ACCESS_KEY = \"{minio.secret-key}\"",
        "S3_BUCKET = \"{minio.bucket}\"",
        "SMTP_HOST = \"{mail.host}\"",
        "SMTP_PORT = \"{mail.port}\"",
        "MEMCACHED = \"{memcached.host}:{memcached.port}\"",
        "NATS_URL = \"{nats.url}\"",
        "MQTT_BROKER = \"{mqtt.url}\"",
        "PUBLIC_URL = \"{url}\"",
        "KAFKA_BROKERS = \"{kafka.host}:{kafka.port}\"",
        "kafka = { type = \"tcp/1\", port = 9092 }",
        "use = \"shared-files@1\"",
        "uploads = { type = \"files/1\", access = \"shared\", at = \"/in\" }",
        "signing = { given = true, at = \"/run/secrets/signing\" }",
        "rules = { given = true, at = \"/etc/rules.json\" }",
        "use = \"mariadb@10\"",
        "API = \"{api.url}\"",
    ] {
        assert!(text.contains(wanted), "{wanted}\nis not in\n{}", imported.text);
    }
    for (path, state) in [
        ("services.thumbs.unheard_of.a.1", State::NotMapped),
        ("services.thumbs.unheard_of.b", State::NotMapped),
        ("services.thumbs.privileged", State::NotMapped),
        ("services.api.build.target", State::Mapped),
        ("services.api.cap_add.0", State::NotMapped),
        ("services.api.tmpfs", State::Mapped),
        ("services.prometheus.volumes.0", State::NotMapped),
        ("services.ui.volumes.0", State::NotMapped),
        ("services.ui.volumes.2", State::Guessed),
    ] {
        assert_eq!(row(&imported, path).state, state, "{:?}", row(&imported, path));
    }
}

#[test]
fn labels_of_a_front_door_give_address_and_paths() {
    let imported = import(&corpus("traefik.yml"), &[]);
    let text: String = imported.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "url = \"https://blog.example.org\"",
        "blog = { port = 2368, path = \"/\", env = { CACHE = ",
        "api = { port = 9000, path = \"/api\" }",
        "redis://{cache.username}:{cache.password}@{cache.host}:{cache.port}/2\"",
        "NODE_ENV = \"production\"",
        "image = \"ghost:5\"",
    ] {
        assert!(text.contains(wanted), "{wanted}\nis not in\n{}", imported.text);
    }
    assert!(!imported.text.contains("traefik"));
    assert_eq!(row(&imported, "services.traefik.ports.0").state, State::NotMapped);
}

#[test]
fn files_that_a_compose_file_names_are_asked_for() {
    let names = compose_files("x", &corpus("ticket-desk.yml"));
    for wanted in [".env", ".env.web", "./Dockerfile", "./nginx.conf"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
    }
}

#[test]
fn what_is_no_compose_file_is_refused_with_its_line() {
    let files = BTreeMap::new();
    let of = |text: &str| {
        let asked =
            Compose { path: "c.yaml", text, files: &files, app: None, folder: "f", profiles: &[] };
        compose(&asked, &shelf()).unwrap_err().to_string()
    };
    assert!(of("services:\n  web:\n  - [\n").starts_with("c.yaml:"));
    assert!(of("").contains("empty"));
    assert!(of("kind: Pod\n").contains("no services"));
}

/// Paths of all leaves, found by another reader than the room's own.
fn leaves(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        serde_json::Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &below(&index.to_string()), found);
            }
        }
        serde_json::Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &below(key), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_leaf_of_the_corpus_has_its_row() {
    for name in ["notes.yaml", "workshop.yaml", "traefik.yml"] {
        let text = corpus(name);
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let mut wanted = BTreeSet::new();
        leaves(&value, "", &mut wanted);
        let imported = import(&text, &[]);
        let told: BTreeSet<String> = imported.rows.iter().map(|row| row.path.clone()).collect();
        let missing: Vec<_> = wanted.difference(&told).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

/// Words that a compose file may have anywhere, and some that it may not.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        Just("postgres:15"),
        Just("web"),
        Just("db"),
        Just("80:80"),
        Just("./x:/y"),
        Just("a=b"),
        Just("${A:-b}"),
        Just("http://db:5432/{x}"),
        Just("service_healthy"),
        Just("1m"),
        Just(""),
        Just("{"),
        Just("no"),
        Just("db:80"),
    ];
    let leaf = prop_oneof![
        word.prop_map(serde_json::Value::from),
        any::<i16>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        "[ -~]{0,12}".prop_map(serde_json::Value::from),
    ];
    let key = prop_oneof![
        "[a-z_]{1,8}",
        prop::sample::select(vec![
            "image",
            "build",
            "ports",
            "environment",
            "depends_on",
            "volumes",
            "command",
            "context",
            "condition",
            "healthcheck",
            "test",
            "deploy",
            "replicas",
            "extends",
            "service",
            "labels",
            "secrets",
            "configs",
            "env_file",
            "user",
            "networks",
            "aliases",
            "web",
            "db",
            "target",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever stands in the services: nothing panics, and every leaf has exactly one row.
    #[test]
    fn nothing_is_dropped_in_silence(
        web in prop::collection::btree_map("[a-z_]{1,10}", any_value(), 0..4),
        more in any_value(),
        known in any_value(),
        key in prop::sample::select(vec![
            "ports", "environment", "depends_on", "volumes", "command", "healthcheck", "deploy",
            "extends", "labels", "secrets", "configs", "env_file", "user", "networks", "build",
            "profiles", "expose", "tmpfs", "image", "entrypoint", "scale",
        ]),
    ) {
        let mut service = serde_json::Map::from_iter(web);
        service.insert("image".into(), "example.org/web".into());
        service.insert(key.to_owned(), known);
        let file = serde_json::json!({
            "services": {"web": service, "db": {"image": "postgres:15", "x": more}},
        });
        let text = serde_json::to_string_pretty(&file).unwrap();
        let mut wanted = BTreeSet::new();
        leaves(&file, "", &mut wanted);
        let imported = import(&text, &[]);
        let mut told: Vec<String> = imported.rows.iter().map(|row| row.path.clone()).collect();
        told.sort();
        prop_assert_eq!(told, wanted.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_text_is_a_panic(text in "[ -~\n]{0,200}") {
        let files = BTreeMap::new();
        let text = format!("services:\n  web:\n    {text}");
        let asked = Compose { path: "c", text: &text, files: &files, app: None, folder: "f", profiles: &[] };
        let _either = compose(&asked, &Catalogue::default());
        let _also = yaml::read("c", &text);
    }
}
