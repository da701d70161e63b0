//! What is not in the app: services from outside, and blocks of other apps.

use std::collections::BTreeMap;

use composer::{Catalogue, Compiled, SecretValue};
use serde_json::json;

use crate::compile::{find, objects};
use crate::shelf::{facts, graph, images, small};

const OUTSIDE: &str = r#"
app = "shop"

[db]
use   = "external:postgres/1"
from  = "secret:prod-db"
facts = { version = "15" }

[media]
use  = "external:files/1"
from = "claim:media"

[web]
source = "./web"
user   = 700

[web.needs]
db    = { type = "postgres/1", version = ">=14" }
media = { type = "files/1", access = "shared", at = "/media" }

[worker]
source = "./worker"
needs  = { db = "postgres/1" }
"#;

fn compiled(text: &str, catalogue: &Catalogue) -> Compiled {
    let graph = graph(text, catalogue).unwrap_or_else(|errors| panic!("{errors}"));
    let mut images = images(&graph);
    images.insert("billing/db".into(), format!("shelf.local/billing/db@sha256:{}", "1".repeat(64)));
    composer::compile(&graph, &images, &facts())
}

/// A shelf on whose target an app `billing` with a database runs.
fn beside_billing() -> Catalogue {
    let mut catalogue = small();
    let billing = "app = \"billing\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nrun = { web = { port = 80, path = \"/\" }, api = { run = \"api\", port = 81 } }\n";
    catalogue.add_app(graph(billing, &catalogue).unwrap());
    catalogue
}

#[test]
fn a_service_from_outside_as_objects() {
    insta::assert_json_snapshot!(compiled(OUTSIDE, &small()));
}

#[test]
fn a_login_from_outside_is_shared_and_says_so() {
    let compiled = compiled(OUTSIDE, &small());
    assert!(objects(&compiled).all(|object| object["kind"] != "Job"));
    assert!(compiled.assumptions.iter().any(|line| line.starts_with("db.login:")));
    for name in ["web-db", "worker-db"] {
        let secret = compiled.secrets.iter().find(|one| one.name == name).unwrap();
        let taken = |text: &str| BTreeMap::from([(text.to_owned(), "x".to_owned())]);
        let there = ["host", "port", "database", "username", "password"];
        let there: BTreeMap<String, String> = there.iter().flat_map(|key| taken(key)).collect();
        let values =
            secret.fill_from(&BTreeMap::new(), &|one| there.get(&one.key).cloned(), &mut |_| {
                panic!("asked for randomness")
            });
        assert_eq!(values["url"], "postgresql://x:x@x:x/x");
        assert!(!values.contains_key("ca"));
        let needed: Vec<&str> =
            secret.takes().filter(|one| one.required).map(|one| one.key.as_str()).collect();
        assert_eq!(needed, there_keys());
    }
}

fn there_keys() -> [&'static str; 5] {
    ["host", "port", "database", "username", "password"]
}

#[test]
fn a_url_from_outside_wins_over_a_derived_one() {
    let compiled = compiled(OUTSIDE, &small());
    let secret = compiled.secrets.iter().find(|one| one.name == "web-db").unwrap();
    let values =
        secret.fill_from(&BTreeMap::new(), &|one| Some(format!("my-{}", one.key)), &mut |_| {
            panic!("asked for randomness")
        });
    assert_eq!(values["url"], "my-url");
}

const BESIDE: &str = "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\", pay = \"http/1\" }\nwire = { db = \"billing/db\", pay = \"billing/web.api\" }\n";

#[test]
fn a_wire_to_another_app_as_objects() {
    insta::assert_json_snapshot!(compiled(BESIDE, &beside_billing()));
}

#[test]
fn the_login_is_made_where_the_provider_is() {
    let compiled = compiled(BESIDE, &beside_billing());
    let job = objects(&compiled).find(|object| object["kind"] == "Job").unwrap();
    assert_eq!(job["metadata"]["namespace"], "billing");
    assert_eq!(job["metadata"]["labels"]["app.kubernetes.io/part-of"], "shop");
    let admin = json!({ "name": "POSTGRES_PASSWORD", "valueFrom": { "secretKeyRef": {
        "name": "db-secrets", "key": "POSTGRES_PASSWORD",
    } } });
    assert!(
        job["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .contains(&admin)
    );
    // Nothing of the provider's own reaches the consumer's namespace.
    for object in objects(&compiled).filter(|one| one["metadata"]["namespace"] != "billing") {
        assert!(!object.to_string().contains("db-secrets"), "{object}");
    }
    let own = compiled.secrets.iter().find(|one| one.name == "web-db").unwrap();
    assert_eq!(own.namespace, None);
    let host = own.keys.iter().find(|key| key.name == "host").unwrap();
    assert_eq!(host.value, SecretValue::Plain("db.billing.svc".into()));
    let copy = compiled.secrets.iter().find(|one| one.name == "shop-web-db").unwrap();
    assert_eq!(copy.namespace.as_deref(), Some("billing"));
    assert!(copy.takes().all(|one| one.secret == "web-db" && one.app.as_deref() == Some("shop")));
    let policy = find(&compiled, "NetworkPolicy", "shop-web-db");
    assert_eq!(policy["metadata"]["namespace"], "billing");
}

#[test]
fn a_provider_here_is_not_taken_for_one_of_its_name_elsewhere() {
    let text = BESIDE.replace("[web]", "[db]\nuse = \"postgres@15\"\n[web]");
    let compiled = compiled(&text, &beside_billing());
    let own = compiled.secrets.iter().find(|one| one.name == "web-db").unwrap();
    let provider = own.keys.iter().find(|key| key.name == "provider").unwrap();
    assert_eq!(provider.value, SecretValue::Plain("billing/db".into()));
    let job = objects(&compiled).find(|object| object["kind"] == "Job").unwrap();
    assert!(job.to_string().contains("shelf.local/billing/db@sha256:1"));
}

/// What is wrong with an app beside `billing`.
fn refusal(text: &str) -> String {
    graph(text, &beside_billing()).unwrap_err()
}

#[test]
fn refusals() {
    let web = "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n";
    let texts = [
        format!("{web}wire = {{ db = \"biling/db\" }}\n"),
        format!("{web}wire = {{ db = \"billing/bd\" }}\n"),
        format!("{web}wire = {{ db = \"billing/web\" }}\n"),
        "app = \"shop\"\n[db]\nuse = \"external:postgres/1\"\n".to_owned(),
        "app = \"shop\"\n[db]\nuse = \"external:postgres\"\nfrom = \"secret:x\"\n".to_owned(),
        "app = \"shop\"\n[db]\nuse = \"external:postgres/1\"\nfrom = \"prod-db\"\n".to_owned(),
        "app = \"shop\"\n[db]\nuse = \"external:postgres/1\"\nfrom = \"secret:x\"\nset = { a = 1 }\n"
            .to_owned(),
        "app = \"shop\"\n[db]\nuse = \"external:postgres/1\"\nfrom = \"secret:x\"\nfacts = { verison = \"15\" }\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", version = \">=14\" } }\n"
            .to_owned(),
    ];
    let all: Vec<String> = texts.iter().map(|text| refusal(text)).collect();
    insta::assert_snapshot!(all.join("\n"));
}
