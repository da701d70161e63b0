//! Reads the type texts. The notation is described at the head of `types/meta.txt`.

use super::{Field, ListKind, Patch, Registry, Schema, Shape, Struct, StructId};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const CORE: &str = "io.k8s.api.core.v1";

struct Names {
    by_component: HashMap<String, StructId>,
    atomic: HashSet<String>,
}

/// All types of the texts, with references between them resolved.
///
/// # Panics
/// On a fault in the texts, which are part of this crate.
pub(super) fn registry(texts: &[&'static str]) -> Registry {
    let mut names = Names { by_component: HashMap::new(), atomic: HashSet::new() };
    for (section, line) in texts.iter().flat_map(|text| lines(text)) {
        if let Some(head) = line.strip_prefix("type ") {
            let (head, _) = split_phrase(head);
            let mut words = head.split_whitespace();
            let component = format!("{section}.{}", words.next().expect("a type has a name"));
            if words.any(|word| word == "atomic") {
                names.atomic.insert(component.clone());
            }
            let id = StructId(names.by_component.len());
            assert!(
                names.by_component.insert(component.clone(), id).is_none(),
                "{component} twice"
            );
        }
    }
    let mut structs: Vec<Struct> = Vec::with_capacity(names.by_component.len());
    for (section, line) in texts.iter().flat_map(|text| lines(text)) {
        if let Some(head) = line.strip_prefix("type ") {
            let (head, description) = split_phrase(head);
            let name = head.split_whitespace().next().expect("a type has a name");
            let component = format!("{section}.{name}");
            structs.push(Struct {
                name,
                atomic: names.atomic.contains(&component),
                component,
                description,
                fields: Vec::new(),
                by_name: HashMap::new(),
            });
        } else {
            let field = field(&names, section, line);
            let current = structs.last_mut().expect("a field follows a type");
            current.by_name.insert(field.name, current.fields.len());
            current.fields.push(field);
        }
    }
    Registry { structs, by_component: names.by_component }
}

/// Lines that say something, each with the section it stands in.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        if line.trim().is_empty() || line.starts_with('#') {
            return None;
        }
        if let Some(name) = line.strip_prefix("section ") {
            section = name.trim();
            return None;
        }
        Some((section, line))
    })
}

fn split_phrase(line: &'static str) -> (&'static str, &'static str) {
    line.split_once(" -- ").unwrap_or((line, ""))
}

fn field(names: &Names, section: &str, line: &'static str) -> Field {
    let (line, description) = split_phrase(line);
    let (name, rest) = line.trim().split_once(": ").expect("a field is `name: type`");
    let mut words = rest.split_whitespace();
    let type_word = words.next().expect("a field has a type");
    let (type_word, required) = match type_word.strip_suffix('!') {
        Some(word) => (word, true),
        None => (type_word, false),
    };
    let mut field = Field {
        name,
        schema: schema(names, section, type_word),
        required,
        immutable: false,
        default: None,
        allowed: Vec::new(),
        patch: Patch::default(),
        description,
    };
    for word in words {
        attribute(&mut field, word);
    }
    field
}

fn attribute(field: &mut Field, word: &'static str) {
    match word.split_once('=') {
        None => match word {
            "atomic" => field.schema.atomic = true,
            "granular" => field.schema.atomic = false,
            "immutable" => field.immutable = true,
            "replace" => field.patch.replace = true,
            "retainKeys" => field.patch.retain_keys = true,
            "patch" => field.patch.merge = true,
            "set" => set_list_kind(field, ListKind::Set),
            other => panic!("unknown attribute {other} of {}", field.name),
        },
        Some(("map", keys)) => set_list_kind(field, ListKind::Map(keys.split(',').collect())),
        Some(("patch", key)) => {
            field.patch.merge = true;
            field.patch.key = Some(key);
        }
        Some(("enum", values)) => field.allowed = values.split('|').collect(),
        Some(("default", json)) => {
            let value: Value = serde_json::from_str(json).expect("a default is JSON");
            field.default = Some(value);
        }
        Some((other, _)) => panic!("unknown attribute {other} of {}", field.name),
    }
}

fn set_list_kind(field: &mut Field, kind: ListKind) {
    match &mut field.schema.shape {
        Shape::List(_, slot) => *slot = kind,
        other => panic!("{} is no list but {other:?}", field.name),
    }
}

fn schema(names: &Names, section: &str, word: &str) -> Schema {
    if let Some(item) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
        let item = Box::new(schema(names, section, item));
        return Schema { shape: Shape::List(item, ListKind::Atomic), atomic: false };
    }
    if let Some(item) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
        let item = Box::new(schema(names, section, item));
        return Schema { shape: Shape::Map(item), atomic: false };
    }
    let shape = match word {
        "string" => Shape::String,
        "int32" => Shape::Int32,
        "int64" => Shape::Int64,
        "number" => Shape::Number,
        "bool" => Shape::Boolean,
        "quantity" => Shape::Quantity,
        "intOrString" => Shape::IntOrString,
        "time" => Shape::Time,
        "microTime" => Shape::MicroTime,
        "bytes" => Shape::Bytes,
        "any" => Shape::Any,
        name => return reference(names, section, name),
    };
    Schema { shape, atomic: false }
}

/// A name means the type of its own section, else of meta/v1, else of core/v1.
fn reference(names: &Names, section: &str, name: &str) -> Schema {
    for prefix in [section, META, CORE] {
        let component = format!("{prefix}.{name}");
        if let Some(id) = names.by_component.get(&component) {
            return Schema { shape: Shape::Struct(*id), atomic: names.atomic.contains(&component) };
        }
    }
    panic!("type {name} of {section} is nowhere");
}
