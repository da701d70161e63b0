//! Pulp, in the 36 lines of its design: one image, three processes, two steps, a database, a cache
//! and a folder that all of them share.

use composer::{Catalogue, Compiled, Facts};
use serde_json::{Value, json};

use crate::compile::{find, objects};
use crate::shelf::{facts, graph, images, stock};

/// The stock shelf, with a stand-in for the cache that stays as it is.
pub(crate) fn shelf() -> Catalogue {
    let mut catalogue = stock();
    catalogue.add_module("modules/redis", REDIS).map_err(|e| composer::render(&e)).unwrap();
    catalogue
}

fn compiled(text: &str, facts: &Facts) -> Compiled {
    let graph = graph(text, &shelf()).unwrap_or_else(|errors| panic!("{errors}"));
    composer::compile(&graph, &images(&graph), facts)
}

fn pods(compiled: &Compiled) -> Vec<&Value> {
    objects(compiled)
        .filter(|object| object["metadata"]["labels"]["app.kubernetes.io/component"] == "pulp")
        .map(|object| &object["spec"]["template"])
        .filter(|template| template["metadata"]["labels"]["shelf.dev/job"] != "grant")
        .filter(|template| template.is_object())
        .collect()
}

#[test]
fn pulp_as_objects() {
    insta::assert_json_snapshot!(compiled(PULP, &facts()));
}

#[test]
fn the_folder_is_mounted_in_every_process_and_step() {
    let compiled = compiled(PULP, &facts());
    let claim = find(&compiled, "PersistentVolumeClaim", "files-folder");
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "20Gi");
    let pods = pods(&compiled);
    assert_eq!(pods.len(), 5, "three processes and two steps");
    for pod in pods {
        let spec = &pod["spec"];
        let volumes = spec["volumes"].as_array().unwrap();
        assert!(volumes.contains(&json!({
            "name": "disk-files", "persistentVolumeClaim": { "claimName": "files-folder" },
        })));
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        assert!(mounts.contains(&json!({ "name": "disk-files", "mountPath": "/var/lib/pulp" })));
        assert_eq!(spec["securityContext"]["fsGroup"], 700);
        assert_eq!(spec["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
        assert!(spec["affinity"].is_null());
    }
}

#[test]
fn without_shared_storage_all_users_stay_on_one_node() {
    let facts = Facts { shared_storage: false, ..facts() };
    let compiled = compiled(PULP, &facts);
    let claim = find(&compiled, "PersistentVolumeClaim", "files-folder");
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    for pod in pods(&compiled) {
        assert_eq!(pod["metadata"]["labels"]["shelf.dev/disk-files-folder"], "used");
        let terms = &pod["spec"]["affinity"]["podAffinity"];
        let term = &terms["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
        let label = &term["labelSelector"]["matchLabels"]["shelf.dev/disk-files-folder"];
        assert_eq!(label, "used");
    }
    assert_eq!(find(&compiled, "Deployment", "pulp-api")["spec"]["strategy"]["type"], "Recreate");
}

#[test]
fn a_folder_is_neither_built_nor_run() {
    let graph = graph(PULP, &shelf()).unwrap();
    let builds: Vec<String> = graph.builds().into_iter().map(|build| build.block).collect();
    assert_eq!(builds, ["db", "cache", "pulp"]);
    assert!(graph.block("files").unwrap().processes.is_empty());
}

#[test]
fn the_cache_may_be_left_out() {
    let (before, rest) = PULP.split_once("[cache]").unwrap();
    let (_, after) = rest.split_once("[files]").unwrap();
    let graph = graph(&format!("{before}[files]{after}"), &shelf()).unwrap();
    let env = &graph.block("pulp").unwrap().env;
    let enabled = env.iter().find(|(name, _)| name == "PULP_CACHE_ENABLED").unwrap();
    assert_eq!(serde_json::to_value(&enabled.1).unwrap(), json!([{ "text": "false" }]));
    assert!(!env.iter().any(|(name, _)| name == "PULP_REDIS_URL"));
}

const REDIS: &str = r#"
module  = "redis"
version = "7.2.0"
build   = "."
user    = 999

[provides.store]
type    = "redis/1"
port    = 6379
version = "7.2"
grant   = "grant.sh"
probe   = "probe.sh"

[secrets]
ADMIN_PASSWORD = { generate = "random:32" }

[assumes]
cache = { says = "What it holds may be lost.", if-not = "use postgres" }
"#;

/// The file of the design.
pub(crate) const PULP: &str = r#"app = "pulp"

[db]
use = "postgres@15"

[cache]
use = "redis@7"

[files]
use = "shared-files@1"
set = { size = "20Gi" }

[pulp]
source = "./pulp"                         # Debian + pulpcore and plugins from PyPI
user   = 700

[pulp.needs]
db    = { type = "postgres/1", version = ">=14" }
cache = "redis/1?"
files = { type = "files/1", access = "shared", at = "/var/lib/pulp" }

[pulp.secrets]
admin = { generate = "random:24", show = "after-go" }
key   = { generate = "random:50" }
field = { generate = "base64url:32", at = "/etc/pulp/certs/database_fields.symmetric.key", keep-with = "db" }

[pulp.env]
PULP_SECRET_KEY                   = "{secrets.key}"
PULP_DATABASES__default__HOST     = "{db.host}"
PULP_DATABASES__default__NAME     = "{db.database}"
PULP_DATABASES__default__USER     = "{db.username}"
PULP_DATABASES__default__PASSWORD = "{db.password}"
PULP_CACHE_ENABLED                = "{cache.present}"
PULP_REDIS_URL                    = "{cache.url}"
PULP_CONTENT_ORIGIN               = "{url}"
PULP_TOKEN_SERVER                 = "{url}/token/"

[pulp.before]
migrate  = "pulpcore-manager migrate --noinput"
password = { run = "set-admin-password", env = { PULP_DEFAULT_ADMIN_PASSWORD = "{secrets.admin}" } }

[pulp.run]
api     = { run = "pulp-api",     port = 24817, copies = 2, path = "/",                                    ready = "/pulp/api/v3/status/" }
content = { run = "pulp-content", port = 24816, copies = 2, path = ["/pulp/content/", "/pulp/container/"], ready = "/pulp/content/" }
worker  = { run = "pulp-worker",  copies = 2 }
"#;
