//! What is kept from one go to the next: pins in `app.lock`, and logins that are rotated.

use std::collections::BTreeMap;

use composer::graph::Slot;
use composer::lock::Lock;
use composer::{Compiled, Facts, PhaseKind, SecretValue, Turn};
use serde_json::Value;

use crate::compile::find;
use crate::shelf::{facts, graph, images, small};

const APP: &str = "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[files]\nuse = \"shared-files\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n[web.run]\nweb = { port = 80 }\n";

fn folders() -> BTreeMap<String, String> {
    let hash = |name: &str, digit: &str| (name.to_owned(), format!("sha256:{}", digit.repeat(64)));
    BTreeMap::from([hash("db", "1"), hash("files", "2"), hash("web", "3")])
}

#[test]
fn a_lock_is_read_as_it_was_written() {
    let graph = graph(APP, &small()).unwrap();
    let lock = Lock::of(&graph, &folders(), &images(&graph));
    insta::assert_snapshot!(lock.to_text());
    assert_eq!(Lock::parse("app.lock", &lock.to_text()).unwrap(), lock);
    assert!(lock.stale(&lock).is_empty());
}

#[test]
fn a_lock_says_what_is_stale() {
    let graph = graph(APP, &small()).unwrap();
    let lock = Lock::of(&graph, &folders(), &images(&graph));
    let mut now = lock.clone();
    now.blocks.get_mut("db").unwrap().module = Some("postgres@15.2.0".into());
    now.blocks.get_mut("web").unwrap().image = None;
    now.blocks.remove("files");
    now.blocks.insert("more".into(), Default::default());
    let stale: Vec<String> = lock
        .stale(&now)
        .into_iter()
        .map(|one| format!("{} {}: {} -> {}", one.block, one.what, one.locked, one.now))
        .collect();
    assert_eq!(
        stale,
        [
            "db module: postgres@15.1.0 -> postgres@15.2.0",
            "files block: files -> ",
            "more block:  -> more",
        ]
    );
}

#[test]
fn a_lock_pins_images_by_digest_only() {
    let wrong = Lock::parse("app.lock", "[web]\nimage = \"web:latest\"\nimag = \"x\"\n");
    insta::assert_snapshot!(composer::render(&wrong.unwrap_err()));
}

fn turned(turn: Option<Turn>) -> Compiled {
    let graph = graph(APP, &small()).unwrap();
    let turns = turn.map(|turn| ("web-db".to_owned(), turn)).into_iter().collect();
    composer::compile(&graph, &images(&graph), &Facts { turns, ..facts() })
}

/// What the compiled app does with logins, in order.
fn programs(compiled: &Compiled) -> Vec<String> {
    let mut all = Vec::new();
    for phase in &compiled.phases {
        if phase.kind == PhaseKind::Workloads {
            all.push("workloads".to_owned());
        }
        for job in phase.objects.iter().filter(|object| object["kind"] == "Job") {
            let container = &job["spec"]["template"]["spec"]["containers"][0];
            let secret = container["env"][0]["valueFrom"]["secretKeyRef"]["name"].as_str();
            let verb = container["command"][1].as_str().unwrap();
            all.push(format!("{verb} with {}", secret.unwrap()));
        }
    }
    all
}

fn used(compiled: &Compiled) -> Value {
    let pod = &find(compiled, "Deployment", "web")["spec"]["template"]["spec"];
    pod["volumes"][0]["secret"]["secretName"].clone()
}

fn login(compiled: &Compiled, secret: &str) -> SecretValue {
    let secret = compiled.secrets.iter().find(|one| one.name == secret).unwrap();
    secret.keys.iter().find(|key| key.name == "username").unwrap().value.clone()
}

#[test]
fn a_rotation_makes_the_second_login_moves_the_consumers_and_takes_the_first_away() {
    let first = turned(None);
    assert_eq!(programs(&first), ["workloads", "grant with web-db", "workloads"]);
    assert_eq!(used(&first), "web-db");

    let moving = turned(Some(Turn::To(Slot::B)));
    let done = ["workloads", "rotate with web-db", "workloads", "revoke with web-db"];
    assert_eq!(programs(&moving), done);
    assert_eq!(used(&moving), "web-db.b");
    assert_eq!(login(&moving, "web-db"), SecretValue::Plain("web_db".into()));
    assert_eq!(login(&moving, "web-db.b"), SecretValue::Plain("web_db_b".into()));
    let secret = moving.secrets.iter().find(|one| one.name == "web-db.b").unwrap();
    let database = secret.keys.iter().find(|key| key.name == "database").unwrap();
    assert_eq!(database.value, SecretValue::Plain("web_db".into()), "the data stays");

    let settled = turned(Some(Turn::In(Slot::B)));
    assert_eq!(programs(&settled), ["workloads", "grant with web-db.b", "workloads"]);
    assert_eq!(used(&settled), "web-db.b");
    assert!(settled.secrets.iter().all(|one| one.name != "web-db"));

    let back = turned(Some(Turn::To(Slot::A)));
    let done = ["workloads", "rotate with web-db.b", "workloads", "revoke with web-db.b"];
    assert_eq!(programs(&back), done);
    assert_eq!(used(&back), "web-db");
}

#[test]
fn what_makes_the_second_login_gets_both() {
    let moving = turned(Some(Turn::To(Slot::B)));
    let jobs = moving.phases.iter().flat_map(|phase| &phase.objects);
    let rotate = jobs
        .into_iter()
        .find(|object| {
            object["spec"]["template"]["spec"]["containers"][0]["command"][1] == "rotate"
        })
        .unwrap();
    let env = rotate["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let of = |name: &str| {
        let found = env.iter().find(|one| one["name"] == name).unwrap();
        found["valueFrom"]["secretKeyRef"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (of("WIRE_USERNAME"), of("WIRE_NEXT_USERNAME")),
        ("web-db".into(), "web-db.b".into())
    );
    assert_eq!(of("WIRE_NEXT_PASSWORD"), "web-db.b");
    assert!(!env.iter().any(|one| one["name"] == "WIRE_NEXT_DATABASE"));
    assert!(rotate["metadata"]["name"].as_str().unwrap().starts_with("web-db-rotate-"));
}
