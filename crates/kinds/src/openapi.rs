//! OpenAPI v3 documents, generated from the schemas.
//!
//! Clients read them for strategic merge keys (`kubectl apply`), for help (`kubectl explain`), and
//! to learn that PATCH understands `fieldValidation`, `dryRun` and `fieldManager`. One document per
//! group-version, as `GET /openapi/v3` lists them.

use crate::schema::{Field, ListKind, REGISTRY, Schema, Shape, Struct};
use crate::{Kind, Subresource, all};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const REF: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const PATCH_TYPES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Documents by path below `/openapi/v3/`, e.g. `apis/apps/v1`.
static DOCUMENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let versions: BTreeSet<(&str, &str)> = all().iter().map(|k| (k.group, k.version)).collect();
    versions
        .into_iter()
        .map(|(group, version)| (path(group, version), document(group, version)))
        .collect()
});

fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The document of one group-version; `None` if no kind is in it.
pub fn v3(group: &str, version: &str) -> Option<Value> {
    DOCUMENTS.get(&path(group, version)).cloned()
}

/// The body of `GET /openapi/v3`: where each document is, with a hash by which clients cache it.
pub fn index() -> Value {
    let mut paths = Map::new();
    for (path, document) in DOCUMENTS.iter() {
        let hash = fnv1a(document.to_string().as_bytes());
        let url = format!("/openapi/v3/{path}?hash={hash:016X}");
        paths.insert(path.clone(), json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// FNV-1a: enough to tell two versions of a document apart.
fn fnv1a(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}

fn document(group: &str, version: &str) -> Value {
    let mut components = Components { schemas: BTreeMap::new() };
    let mut paths = Map::new();
    for kind in all().iter().filter(|k| k.group == group && k.version == version) {
        components.add_kind(kind);
        add_paths(kind, &mut paths);
    }
    for name in ["DeleteOptions", "Status"] {
        if let Some(id) = REGISTRY.component(&format!("{META}.{name}")) {
            components.add(id.get());
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": format!("v{}", env!("CARGO_PKG_VERSION"))},
        "paths": paths,
        "components": {"schemas": components.schemas},
    })
}

fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.group, "kind": kind.kind, "version": kind.version})
}

struct Components {
    schemas: BTreeMap<String, Value>,
}

impl Components {
    fn add_kind(&mut self, kind: &Kind) {
        let Some(named) = kind.schema.as_struct() else { return };
        self.add(named);
        if let Some(Value::Object(root)) = self.schemas.get_mut(&named.component) {
            root.insert("x-kubernetes-group-version-kind".to_owned(), json!([gvk(kind)]));
        }
        if let Some(id) = REGISTRY.component(&format!("{META}.ListMeta")) {
            self.add(id.get());
        }
        let list_kind = json!({"group": kind.group, "kind": format!("{}List", kind.kind),
            "version": kind.version});
        let list = json!({
            "type": "object",
            "description": format!("several objects of kind {}", kind.kind),
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"allOf": [{"$ref": format!("{REF}{META}.ListMeta")}], "default": {}},
                "items": {"type": "array", "items": {"allOf": [reference(&named.component)], "default": {}}},
            },
            "x-kubernetes-group-version-kind": [list_kind],
        });
        self.schemas.insert(format!("{}List", named.component), list);
    }

    fn add(&mut self, named: &'static Struct) {
        if self.schemas.contains_key(&named.component) {
            return;
        }
        // Claimed before the fields are walked, so that a type that holds itself would end.
        self.schemas.insert(named.component.clone(), Value::Null);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &named.fields {
            properties.insert(field.name.to_owned(), self.property(field));
            if field.required {
                required.push(json!(field.name));
            }
        }
        let mut out = Map::new();
        out.insert("type".to_owned(), json!("object"));
        if !named.description.is_empty() {
            out.insert("description".to_owned(), json!(named.description));
        }
        out.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            out.insert("required".to_owned(), Value::Array(required));
        }
        if named.atomic {
            out.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        self.schemas.insert(named.component.clone(), Value::Object(out));
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut out = match self.type_of(&field.schema) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        if !field.description.is_empty() {
            out.insert("description".to_owned(), json!(field.description));
        }
        if let Some(default) = &field.default {
            out.insert("default".to_owned(), default.clone());
        }
        let allowed: Vec<&str> = field.allowed.iter().copied().filter(|a| !a.is_empty()).collect();
        if !allowed.is_empty() {
            out.insert("enum".to_owned(), json!(allowed));
        }
        match &field.schema.shape {
            Shape::List(_, kind) => {
                let (word, keys) = match kind {
                    ListKind::Atomic => ("atomic", None),
                    ListKind::Set => ("set", None),
                    ListKind::Map(keys) => ("map", Some(keys)),
                };
                out.insert("x-kubernetes-list-type".to_owned(), json!(word));
                if let Some(keys) = keys {
                    out.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
                }
            }
            Shape::Map(_) if field.schema.atomic => {
                out.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
            }
            _ => {}
        }
        let strategy = match (field.patch.retain_keys, field.patch.merge) {
            _ if field.patch.replace => Some("replace"),
            (true, true) => Some("merge,retainKeys"),
            (true, false) => Some("retainKeys"),
            (false, true) => Some("merge"),
            (false, false) => None,
        };
        if let Some(strategy) = strategy {
            out.insert("x-kubernetes-patch-strategy".to_owned(), json!(strategy));
        }
        if let Some(key) = field.patch.key {
            out.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
        }
        Value::Object(out)
    }

    fn type_of(&mut self, schema: &Schema) -> Value {
        match &schema.shape {
            Shape::String => json!({"type": "string"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Number => json!({"type": "number", "format": "double"}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Bytes => json!({"type": "string", "format": "byte"}),
            Shape::Quantity => self.well_known(
                QUANTITY,
                json!({"description": "an amount such as 500m or 1Gi",
                    "oneOf": [{"type": "string"}, {"type": "number"}]}),
            ),
            Shape::IntOrString => self.well_known(
                INT_OR_STRING,
                json!({"description": "a number, or a text such as a name or percentage",
                    "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            Shape::Time => self.well_known(
                &format!("{META}.Time"),
                json!({"description": "RFC 3339, to the second", "type": "string", "format": "date-time"}),
            ),
            Shape::MicroTime => self.well_known(
                &format!("{META}.MicroTime"),
                json!({"description": "RFC 3339, to the microsecond", "type": "string", "format": "date-time"}),
            ),
            Shape::Any => {
                self.well_known(RAW, json!({"description": "any JSON", "type": "object"}))
            }
            Shape::Struct(id) => {
                self.add(id.get());
                json!({"allOf": [reference(&id.get().component)], "default": {}})
            }
            Shape::List(item, _) => json!({"type": "array", "items": self.type_of(item)}),
            Shape::Map(value) => {
                json!({"type": "object", "additionalProperties": self.type_of(value)})
            }
        }
    }

    fn well_known(&mut self, component: &str, schema: Value) -> Value {
        self.schemas.insert(component.to_owned(), schema);
        json!({"allOf": [reference(component)]})
    }
}

fn reference(component: &str) -> Value {
    json!({"$ref": format!("{REF}{component}")})
}

fn add_paths(kind: &Kind, paths: &mut Map<String, Value>) {
    let base = format!("/{}", path(kind.group, kind.version));
    let plural = kind.plural;
    let (collection, scope) = if kind.namespaced {
        (format!("{base}/namespaces/{{namespace}}/{plural}"), vec![path_parameter("namespace")])
    } else {
        (format!("{base}/{plural}"), Vec::new())
    };
    if kind.namespaced {
        let list = operation(kind, "list", "get", &LIST_PARAMETERS, true);
        paths.insert(format!("{base}/{plural}"), json!({"get": list}));
    }
    paths.insert(
        collection.clone(),
        json!({
            "get": operation(kind, "list", "get", &LIST_PARAMETERS, true),
            "post": operation(kind, "post", "post", &WRITE_PARAMETERS, false),
            "delete": operation(kind, "deletecollection", "delete", &DELETE_PARAMETERS, false),
            "parameters": scope,
        }),
    );
    let mut named_scope = vec![path_parameter("name")];
    named_scope.extend(scope);
    let item = |verbs_delete: bool| {
        let mut out = Map::new();
        out.insert("get".to_owned(), operation(kind, "get", "get", &[], false));
        out.insert("put".to_owned(), operation(kind, "put", "put", &WRITE_PARAMETERS, false));
        out.insert("patch".to_owned(), operation(kind, "patch", "patch", &PATCH_PARAMETERS, false));
        if verbs_delete {
            out.insert(
                "delete".to_owned(),
                operation(kind, "delete", "delete", &DELETE_PARAMETERS, false),
            );
        }
        out.insert("parameters".to_owned(), json!(named_scope));
        Value::Object(out)
    };
    paths.insert(format!("{collection}/{{name}}"), item(true));
    if kind.has(Subresource::Status) {
        paths.insert(format!("{collection}/{{name}}/status"), item(false));
    }
}

const LIST_PARAMETERS: [&str; 9] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "watch",
];
const WRITE_PARAMETERS: [&str; 4] = ["dryRun", "fieldManager", "fieldValidation", "pretty"];
const PATCH_PARAMETERS: [&str; 5] =
    ["dryRun", "fieldManager", "fieldValidation", "force", "pretty"];
const DELETE_PARAMETERS: [&str; 4] =
    ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

fn operation(kind: &Kind, action: &str, method: &str, parameters: &[&str], is_list: bool) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| {
            let type_ = match *name {
                "limit" | "gracePeriodSeconds" => "integer",
                "allowWatchBookmarks"
                | "force"
                | "orphanDependents"
                | "sendInitialEvents"
                | "watch" => "boolean",
                _ => "string",
            };
            json!({"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": true}})
        })
        .collect();
    let component = kind.schema.as_struct().map_or("", |named| named.component.as_str());
    let body = if is_list { format!("{component}List") } else { component.to_owned() };
    let schema = json!({"schema": reference(&body)});
    let mut out = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": schema}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
    });
    let content = match method {
        "post" | "put" => json!({"*/*": {"schema": reference(component)}}),
        "patch" => {
            let patch = json!({"schema": {"type": "object"}});
            Value::Object(PATCH_TYPES.iter().map(|t| ((*t).to_owned(), patch.clone())).collect())
        }
        "delete" => json!({"*/*": {"schema": reference(&format!("{META}.DeleteOptions"))}}),
        _ => return out,
    };
    out["requestBody"] = json!({"required": method != "delete", "content": content});
    out
}
