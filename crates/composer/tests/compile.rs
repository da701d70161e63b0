//! From a checked app to objects: what they are, that they are the same every time, that they hold
//! no secret, and that the embedded control plane knows every field.

use serde_json::Value;

use crate::shelf::{compiled, facts, graph, images, shop, stock};

pub(crate) fn objects(compiled: &composer::Compiled) -> impl Iterator<Item = &Value> {
    compiled.phases.iter().flat_map(|phase| &phase.objects)
}

pub(crate) fn find<'a>(compiled: &'a composer::Compiled, kind: &str, name: &str) -> &'a Value {
    objects(compiled)
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind}/{name}"))
}

#[test]
fn the_shop_as_a_graph() {
    insta::assert_json_snapshot!(graph(&shop(), &stock()).unwrap());
}

#[test]
fn the_shop_as_objects() {
    insta::assert_json_snapshot!(compiled(&shop(), &stock()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let text = |text: &str| serde_json::to_string(&compiled(text, &stock())).unwrap();
    assert_eq!(text(&shop()), text(&shop()));
}

#[test]
fn phases_come_in_the_order_of_need() {
    let compiled = compiled(&shop(), &stock());
    let kinds: Vec<String> = compiled
        .phases
        .iter()
        .map(|phase| serde_json::to_value(phase.kind).unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["base", "workloads", "grants", "before", "workloads", "front"]);
    let names = |index: usize| -> Vec<String> {
        let phase = &compiled.phases[index];
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        phase.objects.iter().map(name).collect()
    };
    assert_eq!(names(1), ["db", "jobs"]);
    assert_eq!(names(4), ["web", "web-worker"]);
}

#[test]
fn every_field_is_known_and_valid_on_the_embedded_control_plane() {
    let everything = [shop(), EVERYTHING.to_owned(), crate::pulp::PULP.to_owned()];
    for text in everything {
        for object in objects(&compiled(&text, &crate::pulp::shelf())) {
            let version = object["apiVersion"].as_str().unwrap();
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let kind = object["kind"].as_str().unwrap();
            let known = kinds::find_kind(group, version, kind)
                .unwrap_or_else(|| panic!("{kind} is not in the table of kinds"));
            let name = &object["metadata"]["name"];
            assert_eq!(known.unknown_fields(object), Vec::<String>::new(), "{kind}/{name}");
            let mut whole = object.clone();
            known.default(&mut whole);
            let errors = known.validate(&whole, None);
            assert!(errors.is_empty(), "{kind}/{name}: {errors:?}");
        }
    }
}

#[test]
fn no_object_holds_a_generated_value() {
    let compiled = compiled(EVERYTHING, &stock());
    let mut counter = 0u8;
    let mut random = |bytes: &mut [u8]| {
        for byte in bytes {
            counter = counter.wrapping_add(11);
            *byte = counter;
        }
    };
    let text = serde_json::to_string(&compiled.phases).unwrap();
    let mut generated = 0;
    for secret in &compiled.secrets {
        let values = secret.fill(&Default::default(), &mut random);
        for key in &secret.keys {
            if matches!(key.value, composer::SecretValue::Generated(_)) {
                assert!(!text.contains(&values[&key.name]), "{}.{}", secret.name, key.name);
                generated += 1;
            }
        }
    }
    assert!(generated >= 5, "only {generated} values were looked for");
}

#[test]
fn a_setting_rolls_its_block_and_no_other() {
    let before = compiled(&shop(), &stock());
    let changed = shop()
        .replace("use = \"postgres@15\"", "use = \"postgres@15\"\nset = { max_connections = 50 }");
    let after = compiled(&changed, &stock());
    let template = |compiled: &composer::Compiled, kind, name| {
        find(compiled, kind, name)["spec"]["template"].clone()
    };
    let same = |kind, name| template(&before, kind, name) == template(&after, kind, name);
    assert!(!same("StatefulSet", "db"));
    assert!(same("StatefulSet", "jobs") && same("Deployment", "web"));
    assert_ne!(before.release, after.release);
}

#[test]
fn a_release_label_does_not_change_what_runs() {
    let compiled = compiled(&shop(), &stock());
    for object in objects(&compiled) {
        assert_eq!(object["metadata"]["labels"]["shelf.dev/release"], compiled.release.as_str());
        let template = serde_json::to_string(&object["spec"]["template"]).unwrap();
        assert!(!template.contains(&compiled.release), "{object}");
    }
}

#[test]
fn a_step_is_a_new_job_only_when_what_it_runs_changes() {
    let graph = graph(&shop(), &stock()).unwrap();
    let job = |images: &composer::Images| -> String {
        let compiled = composer::compile(&graph, images, &facts());
        let mut jobs = objects(&compiled)
            .filter(|object| object["metadata"]["annotations"]["shelf.dev/step"] == "migrate");
        jobs.next().unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
    };
    let mut images = images(&graph);
    let first = job(&images);
    assert_eq!(first, job(&images));
    images.insert("web".into(), format!("shelf.local/shop/web@sha256:{}", "1".repeat(64)));
    assert_ne!(first, job(&images));
}

#[test]
fn no_service_selects_a_step_or_a_login() {
    let compiled = compiled(&shop(), &stock());
    let selectors: Vec<&Value> = objects(&compiled)
        .filter(|object| object["kind"] == "Service")
        .map(|object| &object["spec"]["selector"])
        .collect();
    assert_eq!(selectors.len(), 3);
    for job in objects(&compiled).filter(|object| object["kind"] == "Job") {
        let labels = &job["spec"]["template"]["metadata"]["labels"];
        for selector in &selectors {
            let selector = selector.as_object().unwrap();
            assert!(selector.iter().any(|(key, value)| labels[key] != *value), "{job}");
        }
    }
}

#[test]
fn everything_the_language_has() {
    insta::assert_json_snapshot!(compiled(EVERYTHING, &stock()));
}

/// An app that uses every form of the language once.
pub(crate) const EVERYTHING: &str = r#"
app = "shop"

[db]
use = "postgres@15"
set = { size = "20Gi", memory = "1Gi" }

[jobs]
use = "rabbitmq@3"

[api]
source = "./api"
user   = 700

[api.needs]
db    = { type = "postgres/1", version = ">=14, <16" }
queue = "amqp/1?"
backs = "http/1*"

[api.wire]
queue = "jobs.amqp"
backs = ["mail", "search"]

[api.secrets]
admin = { generate = "random:24", show = "after-go" }
key   = { generate = "base64url:32", at = "/etc/api/key", keep-with = "db" }

[api.env]
ADDRESS   = "{url}/api"
DATABASE  = "{db.url}"
DSN       = "host={db.host} password={db.password}"
HAS_QUEUE = "{queue.present}"
ADMIN     = "admin:{secrets.admin}"
PEERS     = "{backs.url, ...}"
PRICE     = "5$"
BRACES    = "{{}}"

[api.before]
migrate  = "bin/migrate --url {url}"
password = { run = "bin/password", env = { NEW = "{secrets.admin}" } }

[api.run]
api     = { run = "bin/api", port = 9000, path = ["/api/", "/admin"], copies = 2, ready = "/ok" }
web     = { run = "bin/web", port = 9001, path = "/" }
cleanup = { run = "sh -c 'rm -rf /tmp/* && echo \"$HOME\"'", every = "0 3 * * *" }

[mail]
source = "./mail"
run    = { mail = { port = 8025 } }

[search]
source = "./search"
run    = { search = { port = 7700, env = { LIMIT = 5 } } }

[search.disk.index]
at   = "/var/lib/search"
size = "1Gi"
"#;
