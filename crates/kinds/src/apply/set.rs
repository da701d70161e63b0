//! A set of field paths, and its form on the wire: `FieldsV1`.
//!
//! `{"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}}}}`: `f:` a field,
//! `k:` a list item by its keys, `v:` an item of a set, `.` the node itself. A node without
//! children is a member itself.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One step of a path. Keys and values are canonical JSON text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Field(String),
    Key(String),
    Value(String),
    Index(String),
}

/// Paths as a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// The path to here is in the set.
    pub(super) member: bool,
    pub(super) children: BTreeMap<Element, Set>,
}

/// Sets nested deeper than this are cut: no object of ours comes near.
const DEPTH_MAX: usize = 128;

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    pub(super) fn insert(&mut self, path: &[Element]) {
        match path.split_first() {
            None => self.member = true,
            Some((first, rest)) => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.add(other);
        out
    }

    fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().add(child);
        }
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut out = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (element, child) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                let both = child.intersection(theirs);
                if !both.is_empty() {
                    out.children.insert(element.clone(), both);
                }
            }
        }
        out
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut out = Self { member: self.member && !other.member, children: BTreeMap::new() };
        for (element, child) in &self.children {
            let left = match other.children.get(element) {
                Some(theirs) => child.difference(theirs),
                None => child.clone(),
            };
            if !left.is_empty() {
                out.children.insert(element.clone(), left);
            }
        }
        out
    }

    /// Keeps the children of which `keep` says so.
    pub(super) fn retain(&mut self, keep: impl Fn(&Element) -> bool) {
        self.children.retain(|element, _| keep(element));
    }

    /// Changes one child, and drops it if nothing is left.
    pub(super) fn edit(&mut self, element: &Element, change: impl FnOnce(&mut Self)) {
        if let Some(child) = self.children.get_mut(element) {
            change(child);
            if child.is_empty() {
                self.children.remove(element);
            }
        }
    }

    /// Every member as text: `.spec.containers[name="a"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect("", &mut out);
        out
    }

    fn collect(&self, prefix: &str, out: &mut Vec<String>) {
        if self.member {
            out.push(prefix.to_owned());
        }
        for (element, child) in &self.children {
            child.collect(&format!("{prefix}{element}"), out);
        }
    }

    pub(super) fn to_fields_v1(&self) -> Value {
        let mut map = Map::new();
        let children: Vec<_> =
            self.children.iter().filter(|(_, child)| !child.is_empty()).collect();
        if self.member && !children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, child) in children {
            map.insert(element.to_key(), child.to_fields_v1());
        }
        Value::Object(map)
    }

    /// Unknown keys are skipped: the set is advice, not data.
    pub(super) fn from_fields_v1(value: &Value) -> Self {
        let mut out = Self::decode(value, 0);
        // At the root an empty object is an empty set.
        if out.children.is_empty() {
            out.member = false;
        }
        out
    }

    fn decode(value: &Value, depth: usize) -> Self {
        let mut out = Self::default();
        let Some(map) = value.as_object().filter(|_| depth < DEPTH_MAX) else { return out };
        for (key, child) in map {
            if key == "." {
                out.member = true;
            } else if let Some(element) = Element::from_key(key) {
                out.children.insert(element, Self::decode(child, depth + 1));
            }
        }
        out.member |= map.is_empty();
        out
    }
}

impl Element {
    fn to_key(&self) -> String {
        match self {
            Self::Field(text) => format!("f:{text}"),
            Self::Key(text) => format!("k:{text}"),
            Self::Value(text) => format!("v:{text}"),
            Self::Index(text) => format!("i:{text}"),
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        let (tag, text) = key.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(text.to_owned())),
            "k" => Some(Self::keys(serde_json::from_str::<Map<String, Value>>(text).ok()?)),
            "v" => Some(Self::Value(serde_json::from_str::<Value>(text).ok()?.to_string())),
            "i" => Some(Self::Index(text.to_owned())),
            _ => None,
        }
    }

    /// A list item by its keys, in the order of their names.
    pub(super) fn keys(keys: Map<String, Value>) -> Self {
        let sorted: BTreeMap<String, Value> = keys.into_iter().collect();
        Self::Key(serde_json::to_string(&sorted).unwrap_or_default())
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(text) => write!(f, "[={text}]"),
            Self::Index(text) => write!(f, "[{text}]"),
            Self::Key(text) => {
                let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
                let parts: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}
