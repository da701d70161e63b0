//! The rungs of changing a module: set, extend, patch, and a copy of your own; and what each one
//! refuses.

use composer::{App, Catalogue, Compiled, Graph};
use serde_json::{Value, json};

use crate::compile::{find, objects};
use crate::shelf::{facts, images, small};

const MODULE: &str = r#"
module  = "store"
version = "1.2.0"
build   = "."
aliases = ["keep"]
group   = "Databases"

[provides.web]
type = "http/1"
port = 8080

[settings]
memory = { default = "64Mi", help = "What it may use." }

[secrets]
ADMIN = { generate = "random:32" }

[extend]
init   = { kind = "files:*.sql", at = "/docker-entrypoint-initdb.d", help = "Once, on an empty disk." }
config = { kind = "keys", at = "/etc/store/extra.conf", deny = ["data_directory"], line = "{key} = '{value}'", help = "More settings." }
env    = { kind = "env", deny = ["HOME"], help = "Environment." }
motd   = { kind = "text", at = "/etc/store/motd", help = "A greeting." }

[assumes]
single = { says = "One server.", if-not = "use postgres", when = "copies>1" }
fits   = { says = "The data fits in memory.", if-not = "set memory" }
inside = { says = "Only wired blocks reach it.", if-not = "patch it", when = "no-network-policy" }
"#;

fn shelf() -> Catalogue {
    let mut catalogue = small();
    catalogue.add_module("modules/store", MODULE).map_err(|e| composer::render(&e)).unwrap();
    catalogue
}

fn checked(lines: &str) -> Result<Graph, String> {
    let text = format!("app = \"shop\"\n[store]\nuse = \"store@1\"\n{lines}");
    let mut app = App::parse("app.toml", &text).map_err(|e| composer::render(&e))?;
    let named: Vec<String> = app.named_files().into_iter().map(str::to_owned).collect();
    for file in named.iter().filter(|file| !file.contains("missing")) {
        app.give_file(file, "create table a ();\n");
    }
    composer::check(&app, &shelf()).map_err(|e| composer::render(&e))
}

fn compiled(lines: &str) -> Compiled {
    let graph = checked(lines).unwrap_or_else(|wrong| panic!("{wrong}"));
    composer::compile(&graph, &images(&graph), &facts())
}

const EXTENDED: &str = "[store.extend]\ninit = [\"./sql/one.sql\", \"./two.sql\"]\nconfig = { work_mem = \"64MB\", fsync = true }\nenv = { TZ = \"UTC\" }\nmotd = \"Hello {world}\\n\"\n";

#[test]
fn what_is_added_is_mounted_where_the_module_says() {
    let compiled = compiled(EXTENDED);
    let map = find(&compiled, "ConfigMap", "store-extend");
    assert_eq!(
        map["data"],
        json!({
            "init.one.sql": "create table a ();\n",
            "init.two.sql": "create table a ();\n",
            "config.extra.conf": "work_mem = '64MB'\nfsync = 'true'\n",
            "motd.motd": "Hello {world}\n",
        })
    );
    let pod = &find(&compiled, "Deployment", "store")["spec"]["template"];
    insta::assert_json_snapshot!(pod);
    for object in objects(&compiled) {
        let version = object["apiVersion"].as_str().unwrap();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let known = kinds::find_kind(group, version, object["kind"].as_str().unwrap()).unwrap();
        assert_eq!(known.unknown_fields(object), Vec::<String>::new());
    }
}

#[test]
fn a_change_of_what_is_added_rolls_the_copies() {
    let hash = |lines: &str| {
        let compiled = compiled(lines);
        let pod = &find(&compiled, "Deployment", "store")["spec"]["template"];
        pod["metadata"]["annotations"]["shelf.dev/config-hash"].clone()
    };
    assert_ne!(hash(EXTENDED), hash(&EXTENDED.replace("64MB", "65MB")));
    assert_ne!(hash(EXTENDED), hash(""));
}

#[test]
fn additions_outside_of_what_a_module_takes_are_refused() {
    let wrong = "[store.extend]\ninti = []\ninit = [\"./a.txt\", \"./missing.sql\", \"./x/b.sql\", \"./y/b.sql\"]\nconfig = { data_directory = \"/x\", a = \"it's\", b = \"two\\nlines\" }\nenv = { HOME = \"/\", ADMIN = \"me\", SETTING_memory = \"1\" }\nmotd = { a = \"b\" }\n";
    insta::assert_snapshot!(checked(wrong).unwrap_err());
}

#[test]
fn a_patch_is_merged_and_says_why_on_the_object() {
    let lines = "[store.patch.\"Deployment/store\"]\nwhy = \"slow disks\"\nspec.template.spec.containers = [{ name = \"store\", readinessProbe = { periodSeconds = 20 } }]\n";
    let graph = checked(lines).unwrap();
    let patch = &graph.block("store").unwrap().patches[0];
    assert!(!patch.idle && patch.lower.is_none());
    let compiled = compiled(lines);
    let object = find(&compiled, "Deployment", "store");
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["periodSeconds"], 20);
    assert_eq!(container["readinessProbe"]["timeoutSeconds"], 5, "the rest stays");
    assert_eq!(object["metadata"]["annotations"]["shelf.dev/patched"], "slow disks");
}

#[test]
fn a_patch_knows_when_it_does_nothing_and_when_a_lower_rung_does_it() {
    let lines =
        "[store.patch.\"Deployment/store\"]\nwhy = \"habit\"\nspec.revisionHistoryLimit = 3\n";
    assert!(checked(lines).unwrap().block("store").unwrap().patches[0].idle);
    let lines = "[store.patch.\"Deployment/store\"]\nwhy = \"load\"\nspec.replicas = 3\n";
    let graph = checked(lines).unwrap();
    let lower = graph.block("store").unwrap().patches[0].lower.clone();
    assert_eq!(lower.as_deref(), Some("run = { store = { copies = … } }"));
}

#[test]
fn a_patch_outside_of_the_published_subset_is_refused_with_the_field() {
    let patches = [
        "[store.patch.\"Deployment/store\"]\nwhy = \"x\"\nspec.template.spec.frobnicate = true\n",
        "[store.patch.\"Deployment/store\"]\nwhy = \"x\"\nspec.replicas = \"many\"\n",
        "[store.patch.\"Deployment/store\"]\nwhy = \"x\"\nkind = \"DaemonSet\"\n",
        "[store.patch.\"Deployment/stor\"]\nwhy = \"x\"\nspec.replicas = 2\n",
        "[store.patch.\"Deployment/store\"]\nspec.replicas = 2\n",
        "[store.patch.\"Deployment/store\"]\nwhy = \"x\"\n",
    ];
    let all: Vec<String> = patches.iter().map(|lines| checked(lines).unwrap_err()).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn each_block_knows_its_rung_and_its_price() {
    let rung = |lines: &str| checked(lines).unwrap().block("store").unwrap().rung;
    assert_eq!(rung("").number(), 0);
    assert_eq!(rung("set = { memory = \"1Gi\" }\n").number(), 1);
    assert_eq!(rung(EXTENDED).number(), 2);
    let patch = "[store.patch.\"Deployment/store\"]\nwhy = \"x\"\nspec.minReadySeconds = 1\n";
    assert_eq!(rung(patch).number(), 3);
    assert!(rung(patch).price().contains("majors ask first"));
}

#[test]
fn a_module_in_the_apps_folder_is_yours() {
    let text = "app = \"shop\"\n[db]\nmodule = \"./db\"\nset = { memory = \"1Gi\" }\n";
    let app = App::parse("app.toml", text).unwrap();
    assert_eq!(app.local_modules(), ["./db"]);
    let refused = composer::check(&app, &small()).unwrap_err();
    assert_eq!(refused[0].code, "module/unknown");
    let mut catalogue = small();
    catalogue.add_local("./db", MODULE).unwrap();
    let graph = composer::check(&app, &catalogue).map_err(|e| composer::render(&e)).unwrap();
    let part = graph.block("db").unwrap();
    assert_eq!((part.rung.number(), part.from.to_string()), (4, "./db (yours)".to_owned()));
    assert_eq!(graph.builds().len(), 1);
}

#[test]
fn assumptions_turn_when_a_fact_contradicts_them() {
    let states = |lines: &str, enforced: Option<bool>| -> Vec<Value> {
        let lines = format!("{lines}[web]\nsource = \"./web\"\nneeds = {{ store = \"http/1\" }}\n");
        let mut graph = checked(&lines).unwrap();
        if let Some(enforced) = enforced {
            graph.judge(&composer::Facts { enforces_network_policy: enforced, ..facts() });
        }
        let assumes = &graph.block("store").unwrap().assumes;
        assumes.iter().map(|one| json!([one.state, one.because.is_some()])).collect()
    };
    let holds = json!(["holds", false]);
    let unknown = json!(["unknown", false]);
    let broken = json!(["broken", true]);
    assert_eq!(states("", None), [holds.clone(), unknown.clone(), unknown.clone()]);
    let many = "run = { store = { copies = 2 } }\n";
    assert_eq!(states(many, Some(true)), [broken.clone(), unknown.clone(), holds.clone()]);
    assert_eq!(states("", Some(false)), [holds, unknown, broken]);
}

#[test]
fn a_way_out_must_exist() {
    let lint = |text: &str| {
        let module = composer::Module::parse("modules/store", text).unwrap();
        composer::render(&composer::module::lint(&module, &shelf()))
    };
    // All else that the linter asks for.
    let whole = MODULE.replacen("version", "summary = \"A store.\"\nversion", 1)
        + "\n[check]\nready = \"/module/ready.sh\"\n";
    assert_eq!(lint(&whole), "");
    let wrong =
        whole.replace("set memory", "buy a larger machine").replace("use postgres", "use store");
    insta::assert_snapshot!(lint(&wrong));
}

#[test]
fn the_ways_out_of_the_stock_modules_exist() {
    let stock = crate::shelf::stock();
    for module in stock.modules() {
        let wrong = composer::module::lint(module, &stock);
        assert!(wrong.is_empty(), "{}", composer::render(&wrong));
    }
}

#[test]
fn a_card_shows_what_a_shelf_needs() {
    let module = composer::Module::parse("modules/store", MODULE).unwrap();
    insta::assert_json_snapshot!(module.card());
}
