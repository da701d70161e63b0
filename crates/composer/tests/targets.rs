//! What differs between targets: a file laid over the app, addresses, copies by load.

use composer::{App, Compiled, Facts};
use serde_json::{Value, json};

use crate::compile::{find, objects};
use crate::shelf::{facts, images, small};

const APP: &str = "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[other]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n[web.run]\nweb = { port = 80, path = \"/\", copies = 2 }\nworker = { run = \"work\" }\n";

fn compiled(app: &App, facts: &Facts) -> Compiled {
    let graph = composer::check(app, &small()).map_err(|e| composer::render(&e)).unwrap();
    composer::compile(&graph, &images(&graph), facts)
}

fn app(text: &str) -> App {
    App::parse("app.toml", text).map_err(|errors| composer::render(&errors)).unwrap()
}

fn over(text: &str) -> Result<App, String> {
    app(APP).lay_over("app.prod.toml", text).map_err(|errors| composer::render(&errors))
}

#[test]
fn a_targets_file_changes_pins_settings_copies_wires_and_addresses() {
    let text = "url = \"https://shop.example.org\"\n[db]\nuse = \"postgres@15.1\"\nset = { size = \"50Gi\" }\n[web]\nwire = { db = \"other\" }\n[web.run]\nworker = { copies = 4 }\n";
    let compiled = compiled(&over(text).unwrap(), &facts());
    assert_eq!(compiled.url.as_deref(), Some("https://shop.example.org"));
    let claim = &find(&compiled, "StatefulSet", "db")["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "50Gi");
    assert_eq!(find(&compiled, "Deployment", "web-worker")["spec"]["replicas"], 4);
    assert_eq!(find(&compiled, "Deployment", "web")["spec"]["replicas"], 2);
    let secret = compiled.secrets.iter().find(|one| one.name == "web-db").unwrap();
    let host = secret.keys.iter().find(|key| key.name == "host").unwrap();
    assert_eq!(serde_json::to_value(&host.value).unwrap(), json!({ "plain": "other" }));
}

#[test]
fn a_targets_file_never_changes_structure() {
    let texts = [
        "[dbs]\nset = { size = \"1Gi\" }\n",
        "[db]\nuse = \"rabbitmq@3\"\n",
        "[web]\nuse = \"postgres\"\nenv = { A = \"b\" }\n",
        "[web.run]\nweb = { port = 90 }\n",
        "app = \"other\"\nurl = \"shop.example.org/path\"\n",
    ];
    let all: Vec<String> = texts.iter().map(|text| over(text).unwrap_err()).collect();
    insta::assert_snapshot!(all.join("\n"));
    let wrong = over("[web.run]\nwokrer = { copies = 2 }\n").unwrap();
    let wrong = composer::check(&wrong, &small()).unwrap_err();
    insta::assert_snapshot!("a_process_that_is_not_there", composer::render(&wrong));
}

#[test]
fn several_addresses_lead_to_the_app_and_the_first_is_its_own() {
    let text = APP.replace(
        "app = \"shop\"\n",
        "app = \"shop\"\nurl = [\"https://shop.example.org\", \"http://old.example.org\"]\n",
    );
    let compiled = compiled(&app(&text), &facts());
    let ingress = find(&compiled, "Ingress", "shop");
    let hosts: Vec<&Value> =
        ingress["spec"]["rules"].as_array().unwrap().iter().map(|rule| &rule["host"]).collect();
    assert_eq!(hosts, ["shop.example.org", "old.example.org", "shop.localhost"]);
    assert_eq!(ingress["spec"]["tls"], json!([{ "hosts": ["shop.example.org"] }]));
    assert!(compiled.assumptions.iter().any(|line| line.starts_with("tls:")));
}

#[test]
fn copies_by_load_become_an_autoscaler() {
    let text = APP.replace("copies = 2", "copies = \"2..8\"");
    let plain = compiled(&app(&text), &facts());
    let scaler = find(&plain, "HorizontalPodAutoscaler", "web");
    assert_eq!(scaler["spec"]["minReplicas"], 2);
    assert_eq!(scaler["spec"]["maxReplicas"], 8);
    let requests = |compiled: &Compiled| {
        let pod = &find(compiled, "Deployment", "web")["spec"]["template"]["spec"];
        pod["containers"][0]["resources"]["requests"].clone()
    };
    assert_eq!(requests(&plain), json!({ "cpu": "250m" }));
    assert_eq!(find(&plain, "PodDisruptionBudget", "web")["spec"]["maxUnavailable"], 1);
    // Where nobody measures load, the least number runs, and the plan says so.
    assert_eq!(find(&plain, "Deployment", "web")["spec"]["replicas"], 2);
    assert!(plain.assumptions.iter().any(|line| line.starts_with("load:")));
    let scaled = compiled(&app(&text), &Facts { scales_by_load: true, ..facts() });
    assert!(find(&scaled, "Deployment", "web")["spec"].get("replicas").is_none());
    assert!(!scaled.assumptions.iter().any(|line| line.starts_with("load:")));
    for object in objects(&scaled).filter(|one| one["kind"] == "HorizontalPodAutoscaler") {
        let known = kinds::find_kind("autoscaling", "v2", "HorizontalPodAutoscaler").unwrap();
        assert_eq!(known.unknown_fields(object), Vec::<String>::new());
        let mut whole = object.clone();
        known.default(&mut whole);
        assert!(known.validate(&whole, None).is_empty());
    }
}

#[test]
fn an_app_says_which_process_of_a_module_is_public() {
    let mut catalogue = small();
    let module = "module = \"static\"\nversion = \"1.0.0\"\nbuild = \".\"\n[provides.web]\ntype = \"http/1\"\nport = 8080\n[assumes]\none = { says = \"One.\", if-not = \"two\" }\n";
    catalogue.add_module("modules/static", module).unwrap();
    let text =
        "app = \"shop\"\n[site]\nuse = \"static\"\nrun = { site = { path = \"/\", copies = 3 } }\n";
    let graph = crate::shelf::graph(text, &catalogue).unwrap();
    let compiled = composer::compile(&graph, &images(&graph), &facts());
    let path = &find(&compiled, "Ingress", "shop")["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"]["service"], json!({ "name": "site", "port": { "number": 8080 } }));
    assert_eq!(find(&compiled, "Deployment", "site")["spec"]["replicas"], 3);
}

#[test]
fn the_newest_version_that_fits_is_used() {
    let mut catalogue = small();
    let newer = include_str!("../../../modules/postgres/module.toml")
        .replace("15.1.0", "17.2.0")
        .replace("version = \"15\"", "version = \"17\"");
    catalogue.add_module("modules/postgres-17", &newer).unwrap();
    let version = |pin: &str| {
        let text = format!("app = \"shop\"\n[db]\nuse = \"postgres{pin}\"\n");
        crate::shelf::graph(&text, &catalogue).map(|graph| graph.blocks[0].from.to_string())
    };
    assert_eq!(version("").unwrap(), "postgres 17.2.0");
    assert_eq!(version("@15").unwrap(), "postgres 15.1.0");
    assert_eq!(version("@17").unwrap(), "postgres 17.2.0");
    insta::assert_snapshot!(version("@16").unwrap_err());
}
